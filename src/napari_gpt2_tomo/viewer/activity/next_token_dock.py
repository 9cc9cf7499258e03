"""What a model predicts next, how well it foresaw the prompt, and how the text goes on."""

from typing import Any

import napari
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QLabel, QTabWidget, QToolTip, QVBoxLayout, QWidget

from ...activity.lens import NATS_PER_BIT, Reading, reading
from ...activity.lens.figures import continuation_plot, surprisal_plot, text_plot, token_at
from ...activity.record import Activity, Tokens
from ...base import TomoError
from ...display.plots.cells import percent
from .desk import Place
from .follow import Following
from .later import Later
from .lens.compare_tab import CompareTab
from .lens.next_tab import NextTab
from .plot_view import PlotView

__all__ = ["NextTokenDock"]

SIZE = (420, 700)
"""Pixels of width and height that the dock asks for."""

NEXT, TEXT, STEPS, PAIR = range(4)
"""Places of the tabs."""

AT_ONCE = 4_000_000
"""Logits that are summed within some dozen milliseconds; more are summed beside the window."""


class NextTokenDock(Following):
    """Next token, surprisal of the text, continuation step by step, comparison."""

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__(viewer)
        self._seen: Activity | None = None
        self._reading: Reading | None = None
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setToolTip("The end of the text, with what was appended")
        self.next = NextTab()
        self.strip, self.bars = PlotView(), PlotView()
        self.numbers = QLabel()
        self.numbers.setWordWrap(True)
        self.numbers.setTextFormat(Qt.TextFormat.PlainText)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 4, 0, 0)
        column.addWidget(self.strip, stretch=2)
        column.addWidget(self.numbers)
        column.addWidget(self.bars, stretch=3)
        self.steps = PlotView()
        self.compare = CompareTab(viewer)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.next, "Next")
        self.tabs.addTab(page, "Text")
        self.tabs.addTab(self.steps, "Continuation")
        self.tabs.addTab(self.compare, "Compare")
        self.content.addWidget(self.text)
        self.content.addWidget(self.tabs, stretch=1)
        self.later = Later(self.numbers.setText)
        self.running = Later(self.next.said.setText)
        self.next.grown.connect(self._grown)
        self.next.wanted.connect(self._run)
        self.tabs.currentChanged.connect(self._turned)
        self.strip.clicked.connect(self._click)
        self.strip.hovered.connect(self._hover)
        self.bars.clicked.connect(self._click_bar)

    def sizeHint(self) -> QSize:
        """See Qt."""
        return QSize(*SIZE)

    def show_activity(self, activity: Activity) -> None:
        """See `Following`."""
        if activity.model is not None and not activity.model.causal:
            raise TomoError(
                f"{activity.source.name} is an encoder: it reads a text as a whole and does not "
                "predict next tokens."
            )
        self.next.show_activity(activity, self.desk.place)
        if activity is not self._seen:
            self._seen = activity
            self._reading = None
            self._read(activity)
        self._grown()
        self._turned()

    def show_place(self, place: Place) -> None:
        """See `Following`."""
        self.next.show_place(place)
        if self.tabs.currentIndex() == TEXT:
            self._turned()

    def let_go(self) -> None:
        """See `Following`."""
        for later in (self.later, self.running, self.next.later, self.compare.later):
            later.cancel()

    def _read(self, activity: Activity) -> None:
        if activity["logits"].size <= AT_ONCE:
            self._measured(reading(activity))
        else:
            self.later.start(lambda report: reading(activity), self._measured, "Reading …")

    def _measured(self, read: Reading) -> None:
        self._reading = read
        if self.tabs.currentIndex() == TEXT:
            self._turned()

    def _grown(self) -> None:
        """Show the end of the text as it stands."""
        growing, activity = self.next.continuing, self.activity
        if activity is None:
            return
        tokens: Tokens = activity.tokens if growing is None else growing.tokens
        begin, added = (
            tokens.strings[: len(activity.tokens)],
            tokens.strings[len(activity.tokens) :],
        )
        self.text.setText(_ending("".join(begin), "".join(added)))
        has_steps = growing is not None and bool(growing.taken)
        self.tabs.setTabVisible(STEPS, has_steps)
        if self.tabs.currentIndex() == STEPS:
            self._turned()

    def _turned(self, index: int = 0) -> None:
        """Show what the tab that is seen is about."""
        activity, place, read = self.activity, self.desk.place, self._reading
        growing = self.next.continuing
        if activity is None:
            return
        if self.tabs.currentIndex() == TEXT and read is not None:
            self.strip.show_plot(text_plot(read, place.token))
            self.bars.show_plot(surprisal_plot(read, place.token))
            self.numbers.setText(self._about(place.token))
        elif self.tabs.currentIndex() == STEPS and growing is not None and growing.taken:
            self.steps.show_plot(continuation_plot(growing.taken))
        elif self.tabs.currentIndex() == PAIR:
            self.compare.show_pair(activity, self.desk.other)

    def _about(self, position: int) -> str:
        """How well a token was foreseen."""
        read = self._reading
        if read is None:
            return ""
        label = read.tokens.labels[position]
        if not read.rank[position]:
            return f"Token {position} {label}: nothing stands before it, so nothing foresaw it."
        nats = float(read.surprisal[position])
        return (
            f"Token {position} {label}: {percent(float(pow(2.718281828459045, -nats)))}, rank "
            f"{int(read.rank[position]):,}, surprisal {nats / NATS_PER_BIT:.2f} bits "
            f"({nats:.2f} nats); before it the entropy was "
            f"{read.entropy[position] / NATS_PER_BIT:.2f} bits."
        )

    def _click(self, event: Any) -> None:
        if self._reading is not None and (place := token_at(self._reading, event)) is not None:
            self.desk.move(token=place)

    def _click_bar(self, event: Any) -> None:
        if self._reading is not None:
            self.desk.move(token=max(0, round(event.xdata)))

    def _hover(self, event: Any) -> None:
        place = None if self._reading is None else token_at(self._reading, event)
        if place is None:
            QToolTip.hideText()
        else:
            QToolTip.showText(QCursor.pos(), self._about(place), self.strip.canvas)

    def _run(self, tokens: Tokens) -> None:
        """Run the longer text, and put it on the desk."""
        activity = self.activity
        if activity is None or activity.model is None:
            return
        model = activity.model
        self.next.said.show()
        self.running.start(
            lambda report: model.run(tokens, progress=report), self.desk.show, "Running …"
        )


LETTERS = 240
"""Letters of the text that are shown above the tabs."""


def _ending(text: str, added: str) -> str:
    """The end of a text as rich text, what was appended in bold; the words are anybody's."""
    from html import escape

    whole = len(text) + len(added)
    if whole > LETTERS:
        text = f"…{text[whole - LETTERS :]}" if whole - LETTERS < len(text) else "…"
    return f"{escape(text)}<b>{escape(added)}</b>"
