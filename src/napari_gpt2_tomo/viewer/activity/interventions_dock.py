"""The dock of interventions: change a component of the model, and see what it predicts then."""

from typing import Any

import napari
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QTabWidget

from ...activity.intervention.change import Change
from ...activity.intervention.weights import ScanWeights, Weights
from ...activity.record import Activity
from ..link import link_of
from .attention.weights import scan_of
from .desk import Place
from .follow import Following
from .interventions.change_tab import ChangeTab
from .interventions.composition_tab import CompositionTab
from .interventions.sweep_tab import SweepTab
from .later import Later

__all__ = ["InterventionsDock"]

SIZE = (420, 680)
"""Pixels of width and height that the dock asks for."""

CHANGES, SWEEP, COMPOSITION = range(3)
"""The tabs."""


class InterventionsDock(Following):
    """Ablation and patching, sweeps, and how heads read each other.

    Composition needs weights alone: it is shown of a scan too, before a prompt was run.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer)
        self.changes, self.sweep, self.composition = ChangeTab(), SweepTab(), CompositionTab()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.changes, "Changes")
        self.tabs.addTab(self.sweep, "One by one")
        self.tabs.addTab(self.composition, "Composition")
        self.content.addWidget(self.tabs, stretch=1)
        self.changes.wanted.connect(self._run)
        self.sweep.chosen.connect(self._move)
        self.composition.chosen.connect(self._move)
        self.tabs.currentChanged.connect(self._turned)
        self._unchanged: Activity | None = None
        self._later = Later(self.changes._say)
        self._layers = (viewer.layers.events.inserted, viewer.layers.events.removed)
        for event in self._layers:
            event.connect(self._scans_changed)

    def sizeHint(self) -> QSize:
        """See Qt."""
        return QSize(*SIZE)

    def refresh(self) -> None:
        """See `Following`; without an activity the composition of a scan is shown."""
        super().refresh()
        weights = None if self.activity is not None else self._weights()
        alone = weights is not None
        was_alone = not self.tabs.isTabEnabled(CHANGES)
        for tab in (CHANGES, SWEEP):
            self.tabs.setTabEnabled(tab, not alone)
        if weights is not None:
            self._pages.setCurrentIndex(1)
            self.tabs.setCurrentIndex(COMPOSITION)
            self.composition.show_weights(weights)
        elif was_alone:
            self.tabs.setCurrentIndex(CHANGES)

    def show_activity(self, activity: Activity) -> None:
        """See `Following`."""
        if not activity.source.changes:
            self._unchanged = activity
        self.changes.show_activity(activity, self.desk.place)
        self.sweep.show_activity(activity, self.desk.place)
        self._turned()

    def show_place(self, place: Place) -> None:
        """See `Following`."""
        self.changes.show_place(place)
        self.sweep.show_place(place)

    def let_go(self) -> None:
        """See `Following`."""
        later = (self.changes.later, self.sweep.later, self.composition.later, self._later)
        for one in later:
            one.cancel()
        for event in self._layers:
            event.disconnect(self._scans_changed)

    def _weights(self) -> Weights | None:
        """Weights of the model on the desk, or of a scan that the viewer shows."""
        activity = self.activity
        if activity is not None and activity.model is not None:
            return activity.model
        if activity is not None:
            link = scan_of(self.viewer, activity.source.path)
        else:
            found = (link_of(layer) for layer in self.viewer.layers)
            link = next((one for one in found if one is not None and one.scan.anatomy.heads), None)
        return None if link is None else ScanWeights(link.scan)

    def _turned(self, index: int = 0) -> None:
        """Compare heads when their tab is looked at, not before."""
        if self.tabs.currentIndex() != COMPOSITION:
            return
        weights = self._weights()
        if weights is None:
            self.composition.later.cancel()
            self.composition._say("Its weights are not here: open the model beside it.")
        else:
            self.composition.show_weights(weights)

    def _scans_changed(self, event: Any = None) -> None:
        if self.activity is not None:
            return
        if self.seen:
            self.refresh()
        else:
            self._stale = True

    def _move(self, where: dict[str, int]) -> None:
        self.desk.move(**where)

    def _run(self, changes: tuple[Change, ...]) -> None:
        """Put the prompt under changes on the desk, or without any."""
        before = self._unchanged
        if before is None or before.model is None:
            return
        if not changes:
            self._later.cancel()
            self._show(before, None)
            return
        model, tokens, what = before.model, before.tokens, tuple(before)

        def work(report: Any) -> Activity:
            from ...activity.running.changes import run_changed

            return run_changed(model, tokens, changes, what, report)

        self._later.start(work, lambda found: self._show(found, before), "")

    def _show(self, activity: Activity, other: Activity | None) -> None:
        """Put an activity on the desk; the same token is looked at."""
        token = self.desk.place.token
        self.desk.show(activity, other)
        self.desk.move(token=token)
