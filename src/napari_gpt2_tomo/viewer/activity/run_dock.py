"""The dock that runs a prompt through a model."""

from typing import Any

import napari
from qtpy.QtWidgets import QWidget

from .. import compat
from ..preferences import PLUGIN

__all__ = ["WIDGET", "RunDock", "open_run"]

WIDGET = "Functional scan"
"""Name of the dock in the manifest."""


def open_run(viewer: napari.Viewer) -> Any:
    """Open the dock that runs a prompt, or bring it to the front; returns its dock."""
    dock, _ = compat.real_viewer(viewer).window.add_plugin_dock_widget(PLUGIN, WIDGET)
    dock.show()
    dock.raise_()
    return dock


class RunDock(QWidget):  # type: ignore[misc]
    """Runs a prompt through a model and puts what was measured on the viewer's desk."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.viewer = viewer
