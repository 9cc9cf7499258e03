"""The geometry dock: norms, neurons and feature directions."""

from typing import Any

import napari
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QTabWidget

from ...activity.record import Activity
from .desk import Place
from .follow import Following
from .geometry.angles_tab import AnglesTab
from .geometry.mlp_tab import MlpTab
from .geometry.norm_tab import NormTab

__all__ = ["GeometryDock"]

SIZE = (420, 680)
"""Pixels of width and height that the dock asks for."""


class GeometryDock(Following):
    """What norms do to the tokens, how neurons fire, and how feature directions lie."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer)
        self.norm = NormTab(viewer, self.desk)
        self.mlp = MlpTab(self.desk)
        self.angles = AnglesTab()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        for tab, title in (
            (self.norm, "LayerNorm"),
            (self.mlp, "MLP"),
            (self.angles, "Superposition"),
        ):
            self.tabs.addTab(tab, title)
        self.content.addWidget(self.tabs, stretch=1)
        self._shown: dict[Any, Activity] = {}
        self.tabs.currentChanged.connect(lambda index: self._catch_up())
        # A norm in the viewer must not outlive its activity, even while the dock is hidden.
        self.desk.changed.connect(self.norm.close_scene)

    def sizeHint(self) -> Any:
        """See Qt."""
        return QSize(*SIZE)

    def show_activity(self, activity: Activity) -> None:
        """See `Following`."""
        self._shown.clear()
        kind = activity.model.norm_kind if activity.model is not None else "layer"
        self.tabs.setTabText(0, "RMSNorm" if kind == "rms" else "LayerNorm")
        self._catch_up()

    def show_place(self, place: Place) -> None:
        """See `Following`."""
        for tab in self._shown:
            tab.show_place(place)

    def let_go(self) -> None:
        """See `Following`."""
        self.desk.changed.disconnect(self.norm.close_scene, missing_ok=True)
        for tab in (self.norm, self.mlp, self.angles):
            tab.let_go()

    def _catch_up(self) -> None:
        """Show the activity in the tab that is seen; the others wait until they are."""
        activity, tab = self.activity, self.tabs.currentWidget()
        if activity is not None and self._shown.get(tab) is not activity:
            self._shown[tab] = activity
            tab.show_activity(activity)
