"""The heat map of the logit lens, with the words of a cell below it."""

from typing import Any

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QLabel, QScrollBar, QToolTip, QVBoxLayout, QWidget

from ....activity.lens import NATS_PER_BIT, Lens
from ....activity.lens.figures import Colour, lens_plot
from ....display.plots.cells import percent
from ..plot_view import PlotView

__all__ = ["HeatTab", "state_of"]

COLUMN = (26, 46)
"""Least and most pixels of a position: three letters fit, or five."""

LETTER = 7.0
"""Pixels of a letter in a cell, with a share of the margins."""

NAMES = 110
"""Pixels that the names of the states take."""

TOOLTIP = 8
"""Tokens that are listed of a cell."""


class HeatTab(QWidget):  # type: ignore[misc]
    """States × positions; as many positions as can be read, with a bar to move along the text.

    Attributes
    ----------
    chosen
        Emitted with the state and the position of a cell that was clicked.
    """

    chosen = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self._lens: Lens | None = None
        self._colour: Colour = "probability"
        self._mark = (0, 0)
        self._column = COLUMN[1]
        self.view = PlotView()
        self.bar = QScrollBar(Qt.Orientation.Horizontal)
        self.bar.setToolTip("Move along the text")
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.view, stretch=1)
        layout.addWidget(self.bar)
        layout.addWidget(self.words)
        self.bar.valueChanged.connect(self._draw)
        self.view.clicked.connect(self._click)
        self.view.hovered.connect(self._hover)

    @property
    def shown(self) -> range:
        """The positions that are drawn."""
        count = 0 if self._lens is None else len(self._lens.activity.tokens)
        return range(self.bar.value(), min(count, self.bar.value() + self._room()))

    def show_lens(self, lens: Lens | None, colour: Colour, mark: tuple[int, int]) -> None:
        """Show a lens, with a frame around a state and a position."""
        if lens is not None and lens is not self._lens:
            lengths = [len(word) for word in lens.strings().ravel()]
            usual = LETTER * float(np.quantile(lengths, 0.8)) + 10
            self._column = int(np.clip(usual, *COLUMN))
        self._lens, self._colour, self._mark = lens, colour, mark
        self._fit()
        self._draw()

    def resizeEvent(self, event: Any) -> None:
        """See Qt: another width has room for another number of positions."""
        super().resizeEvent(event)
        before = self.shown
        self._fit()
        if self.shown != before:
            self._draw()

    def _room(self) -> int:
        width = int(self.view.canvas.width())
        return max(1, (width - NAMES) // self._column)

    def _fit(self) -> None:
        """Let the bar reach all positions, and bring the marked one into view."""
        if self._lens is None:
            return
        room, count = self._room(), len(self._lens.activity.tokens)
        first, place = self.bar.value(), self._mark[1]
        with QSignalBlocker(self.bar):
            self.bar.setRange(0, max(0, count - room))
            self.bar.setPageStep(room)
            if not first <= place < first + room:
                self.bar.setValue(place - room + 1 if place >= first + room else place)
        self.bar.setVisible(count > room)

    def _draw(self, value: int = 0) -> None:
        lens = self._lens
        if lens is None:
            self.view.show_plot(None)
            self.words.setText("")
            return
        shown = self.shown
        self.view.show_plot(lens_plot(lens, self._colour, shown.start, shown.stop, self._mark))
        self.words.setText(self._cell(*self._mark, ", "))

    def _cell(self, state: int, position: int, between: str) -> str:
        """What a state predicts after a position."""
        lens = self._lens
        if lens is None or not 0 <= state < len(lens.names):
            return ""
        words = lens.strings_of_top()[state, position][:TOOLTIP]
        chances = lens.probability[state, position]
        listed = between.join(
            f"{word} {percent(float(chance))}" for word, chance in zip(words, chances, strict=False)
        )
        last = lens.activity.tokens.labels[position]
        rank = int(lens.predicted_rank[state, position])
        bits = lens.entropy[state, position] / NATS_PER_BIT
        final = lens.strings()[-1, position]
        rest = f"entropy {bits:.2f} bits; in the end {final}, which has rank {rank:,} here"
        if "\n" in between:
            return between.join((f"{lens.names[state]}, token {position} {last}", listed, rest))
        return f"{lens.names[state]}, token {position} {last}: {listed}; {rest}"

    def _place(self, event: Any) -> tuple[int, int] | None:
        """State and position under the mouse."""
        if self._lens is None or not event.inaxes.images:
            return None
        rows, columns = len(self._lens.names), len(self.shown)
        if event.inaxes.images[0].get_array().shape[:2] != (rows, columns):
            return None
        state, place = round(event.ydata), round(event.xdata)
        if not (0 <= state < rows and 0 <= place < columns):
            return None
        return int(state), int(place) + self.shown.start

    def _click(self, event: Any) -> None:
        place = self._place(event)
        if place is not None:
            self.chosen.emit(*place)

    def _hover(self, event: Any) -> None:
        place = self._place(event)
        if place is None:
            QToolTip.hideText()
        else:
            from qtpy.QtGui import QCursor

            QToolTip.showText(QCursor.pos(), self._cell(*place, "\n"), self.view.canvas)


def state_of(lens: Lens, layer: int) -> int:
    """The last state that a block made."""
    made = np.flatnonzero(lens.layers == layer)
    return int(made[-1]) if len(made) else len(lens.names) - 1
