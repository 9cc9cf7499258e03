"""The navigator dock."""

from typing import Any
from weakref import ref

import napari
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QTabWidget, QVBoxLayout, QWidget

from ...base import TomoError
from ...volume.layouts.experts import expert_roles
from ..commands import NO_SCAN, current_link
from ..link import ScanLink
from ..work import show
from .experts_tab import ExpertsTab
from .fly import go_to, history_of, step
from .go_line import GoLine
from .model_tab import ModelTab
from .pinning import pin_cursor
from .pins_tab import PinsTab
from .statistics_tab import StatisticsTab

__all__ = ["Navigator"]


ARROW = 30
"""Pixels of the width of a button with an arrow."""


SIZE = (400, 640)
"""Pixels of width and height that the dock asks for: three columns of the tree fit."""


class Navigator(QWidget):  # type: ignore[misc]
    """Finds one's way in a model: go to a place, the model's tree, pins, statistics.

    Follows the scan of the active layer.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._link: ScanLink | None = None
        self._history = history_of(viewer)
        self.back = _arrow("←", "Back to where you were (Alt+Left)")
        self.forward = _arrow("→", "Forward again (Alt+Right)")
        self.back.setShortcut("Alt+Left")
        self.forward.setShortcut("Alt+Right")
        self.back.clicked.connect(self._go_back)
        self.forward.clicked.connect(self._go_forward)
        self.go_line = GoLine(self._go)
        self.model = ModelTab(self._fly, self._load_words)
        self.pins = PinsTab(self._fly, self.pin)
        self.statistics = StatisticsTab(self._fly_to_part)
        self.experts = ExpertsTab(self._fly_to_part)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.model, "Model")
        self.tabs.addTab(self.pins, "Pins")
        self.tabs.addTab(self.statistics, "Statistics")
        self.tabs.addTab(self.experts, "Experts")
        top = QHBoxLayout()
        top.setSpacing(4)
        for button in (self.back, self.forward):
            top.addWidget(button, alignment=Qt.AlignmentFlag.AlignTop)
        top.addWidget(self.go_line, stretch=1)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.tabs, stretch=1)
        self._events = (viewer.layers.selection.events, viewer.layers.events)
        for events in self._events:
            events.connect(self._follow)
        self._history.changed.connect(self._enable)
        # The viewer outlives its docks. A dock that Python frees is forgotten by itself;
        # one that Qt deletes while somebody keeps it must be told.
        weak = ref(self)
        self.destroyed.connect(lambda: _stop(weak()))
        self._follow()
        self._enable()

    def sizeHint(self) -> Any:
        """See Qt."""
        return QSize(*SIZE)

    @property
    def link(self) -> ScanLink | None:
        """The scan that is navigated."""
        return self._link

    def go(self, query: str) -> None:
        """Go to a place as if it was typed; what is wrong is said below the line."""
        self.go_line.line.setText(query)
        self.go_line.go()

    def pin(self) -> None:
        """Pin the parameter at the cursor that the views share."""
        if self._link is None:
            return
        try:
            pinned = pin_cursor(self._link)
        except TomoError as error:
            self.go_line.say(str(error), wrong=True)
            return
        self.pins.select(list(self._link.pins).index(pinned))

    def _go(self, text: str) -> str:
        if self._link is None:
            return NO_SCAN
        target = go_to(self._viewer, text, self._link)
        if target.part is not None:
            self.model.select(target.part)
            self.experts.select(target.part)
        return target.note

    def _fly(self, query: str) -> None:
        """Go to a row that was clicked; its own line says what was wrong."""
        if self._link is None:
            return
        try:
            self.go_line.say(go_to(self._viewer, query, self._link).note)
        except TomoError as error:
            self.go_line.say(str(error), wrong=True)

    def _fly_to_part(self, name: str) -> None:
        self._fly(name)
        self.model.select(name)

    def _go_back(self, checked: bool = False) -> None:
        self._step(back=True)

    def _go_forward(self, checked: bool = False) -> None:
        self._step(back=False)

    def _step(self, back: bool) -> None:
        try:
            place = step(self._viewer, back)
        except TomoError as error:
            show(error)
            return
        if place is not None:
            self.go_line.say(place.title)

    def _follow(self, event: Any = None) -> None:
        link = current_link(self._viewer)
        if link is self._link and event is not None:
            return
        self._set_link(link)

    def _set_link(self, link: ScanLink | None) -> None:
        self._release()
        self._link = link
        if link is not None:
            link.switched.connect(self._switched)
            link.console.refreshed.connect(self._refreshed)
        for part in (self.go_line, self.model, self.pins, self.statistics, self.experts):
            part.set_link(link)
        self.model.summary.setText(NO_SCAN if link is None else _summary(link))
        for tab in (1, 2):
            self.tabs.setTabVisible(tab, link is not None)
        self.tabs.setTabVisible(3, link is not None and bool(expert_roles(link.scan.anatomy)))

    def _switched(self) -> None:
        """The scan is shown in another layout or signal."""
        if self._link is not None:
            self._link.pins.relocate(self._link.volume)
            self._set_link(self._link)

    def _refreshed(self) -> None:
        self.statistics.refresh()
        self.experts.refresh()

    def _load_words(self) -> None:
        self.go_line.load_words(self.model.refresh)

    def _enable(self) -> None:
        self.back.setEnabled(self._history.can_back)
        self.forward.setEnabled(self._history.can_forward)

    def _let_go(self) -> None:
        """Hear nothing any more."""
        for events in self._events:
            events.disconnect(self._follow)
        self._history.changed.disconnect(self._enable)
        self._release()
        self.go_line.cancel()
        self.statistics.cancel()
        self.experts.cancel()
        self.model.let_go()
        self.pins.let_go()

    def _release(self) -> None:
        if self._link is not None:
            self._link.switched.disconnect(self._switched)
            self._link.console.refreshed.disconnect(self._refreshed)
            self._link = None


def _stop(dock: "Navigator | None") -> None:
    if dock is not None:
        dock._let_go()


def _arrow(sign: str, tip: str) -> Any:
    button = QPushButton(sign)
    button.setFixedWidth(ARROW)
    button.setToolTip(tip)
    return button


def _summary(link: ScanLink) -> str:
    """What the model is, in a few lines of rich text; names in a file are anybody's words."""
    from html import escape

    anatomy = link.scan.anatomy
    sizes = " · ".join(f"{key} {value:,}" for key, value in anatomy.hyper.known().items())
    lines = [
        f"<b>{escape(link.name)}</b> · {escape(anatomy.family or 'no known family')} · "
        f"{anatomy.n_parameters:,} parameters",
        escape(sizes),
        *(escape(note) for note in anatomy.notes),
    ]
    return "<br>".join(line for line in lines if line)
