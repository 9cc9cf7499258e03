"""The console: a dock that follows the active scan and shows its panels."""

from typing import Any
from weakref import ref

import napari
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from ..commands import NO_SCAN, current_shown
from ..files import trouble
from ..link import Link, ScanLink
from .menu import ConsoleMenu
from .panel import Panel
from .panels import PANELS
from .section import Rule, Section
from .wheel import WheelGuard

__all__ = ["ScannerConsole"]

WIDTH = 330
"""Pixels that the panels need side by side with their labels."""


WATCH = 2000
"""Milliseconds between two looks at the files of the scan."""

WARNING = "background: #e3b617; color: #1e1e21; border-radius: 4px; padding: 6px; font-weight: 500;"
"""napari's own colour for warnings, with text that is read on it."""


class ScannerConsole(QWidget):  # type: ignore[misc]
    """Shows how the active scan is displayed, and lets it be changed.

    Attributes
    ----------
    panels
        The panels, from top to bottom.
    link
        The scan that is shown, None without one.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self.link: Link | None = None
        self._following = False
        self.setMinimumWidth(WIDTH)
        self.title = QLabel()
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.title.setStyleSheet("font-weight: 600; font-size: 13px;")
        self.about = QLabel()
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.warning = QLabel()
        self.warning.setTextFormat(Qt.TextFormat.PlainText)
        self.warning.setWordWrap(True)
        self.warning.setStyleSheet(WARNING)
        self.warning.hide()
        self.empty = QLabel(NO_SCAN)
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.panels: list[Panel] = [kind(viewer) for kind in PANELS]
        self.sections = [Section(panel.title, panel, folded=panel.folded) for panel in self.panels]
        self._rules = [Rule() if number else QWidget() for number in range(len(self.panels))]
        self.menu = ConsoleMenu(viewer, self._presets_changed)
        self._stack = QWidget()
        self._arrange()
        # Names and selection change many times while layers are added.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.follow)
        self._watch = QTimer(self)
        self._watch.setInterval(WATCH)
        self._watch.timeout.connect(self._look_at_files)
        # The viewer outlives its docks, which are told of their end in no other way.
        weak = ref(self)
        self.destroyed.connect(lambda: _stop(weak()))
        self._listen(True)
        self.follow()

    def follow(self) -> None:
        """Show the scan of the active layer, else the topmost one."""
        link = current_shown(self._viewer)
        if link is not self.link:
            self._let_go()
            self.link = link
            self._fill(link)
            if isinstance(link, ScanLink):
                link.switched.connect(self.follow)
        self._stack.setVisible(link is not None)
        self.empty.setVisible(link is None)
        self.title.setText("No scan" if link is None else link.name)
        self.about.setText("" if link is None else link.about)
        self.about.setVisible(link is not None)
        self._look_at_files()

    def section(self, title: str) -> Section:
        """The section of a panel by its title; KeyError if there is none."""
        return {panel.title: one for panel, one in zip(self.panels, self.sections, strict=True)}[
            title
        ]

    def showEvent(self, event: Any) -> None:
        """Follow the viewer again."""
        super().showEvent(event)
        self._listen(True)
        self._watch.start()
        self.follow()

    def hideEvent(self, event: Any) -> None:
        """A dock that is closed is only hidden: it lets go of the scan."""
        super().hideEvent(event)
        # Qt also hides what is only behind another tab or minimised, where it stays alive.
        self._listen(False)
        self._watch.stop()
        self._let_go()

    def _look_at_files(self) -> None:
        """Say so where the file of the scan was moved, deleted or changed."""
        words = trouble(self.link.scan) if isinstance(self.link, ScanLink) else ""
        if words != self.warning.text():
            self.warning.setText(words)
            self.warning.setVisible(bool(words))

    def _listen(self, begin: bool) -> None:
        if begin == self._following:
            return
        self._following = begin
        for events in (self._viewer.layers.selection.events, self._viewer.layers.events):
            (events.connect if begin else events.disconnect)(self._changed)

    def _changed(self, event: Any = None) -> None:
        self._soon.start()

    def _let_go(self) -> None:
        self._soon.stop()
        if isinstance(self.link, ScanLink):
            self.link.switched.disconnect(self.follow, missing_ok=True)
        self.link = None
        self._fill(None)

    def _presets_changed(self) -> None:
        self._fill(self.link)

    def _fill(self, link: Link | None) -> None:
        """Give every panel what it can show; the others are not seen."""
        for panel, section, rule in zip(self.panels, self.sections, self._rules, strict=True):
            fits = isinstance(link, ScanLink) or not panel.scans_only
            panel.set_link(link if fits else None)
            for widget in (section, rule):
                widget.setVisible(fits)

    def _arrange(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self.title)
        words.addWidget(self.about)
        head = QHBoxLayout()
        head.addLayout(words, stretch=1)
        head.addWidget(self.menu, alignment=Qt.AlignmentFlag.AlignTop)
        stack = QVBoxLayout(self._stack)
        stack.setContentsMargins(0, 0, 0, 0)
        stack.setSpacing(4)
        for rule, section in zip(self._rules, self.sections, strict=True):
            stack.addWidget(rule)
            stack.addWidget(section)
        stack.addStretch(1)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(8, 6, 8, 6)
        column.addLayout(head)
        column.addWidget(self.warning)
        column.addWidget(self.empty)
        column.addWidget(self._stack, stretch=1)
        column.addStretch(0)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        WheelGuard(inner)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)


def _stop(console: "ScannerConsole | None") -> None:
    if console is not None:
        console._listen(False)
