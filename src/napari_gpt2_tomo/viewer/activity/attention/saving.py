"""Saving a plot that is drawn otherwise on the screen."""

from collections.abc import Callable
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

from ....base import TomoError
from ....display.plots import Plot
from ...work import show
from ..plot_view import FILTERS, theme_of

__all__ = ["save_plot"]


def save_plot(parent: QWidget, make: Callable[[], Plot]) -> None:
    """Ask for a file and save a plot there as its ending says; what goes wrong is shown."""
    try:
        plot = make()
        name, _ = QFileDialog.getSaveFileName(
            parent, "Save this picture", f"{plot.name}.png", FILTERS
        )
        if name:
            plot.save(Path(name), theme_of(parent))
    except TomoError as error:
        show(error)
