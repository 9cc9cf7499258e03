"""The tab with the pattern of one head."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QRadioButton,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from .links import LinksView
from .matrix import MatrixView
from .paint import number
from .text import TextView

__all__ = ["PatternTab"]

F32 = NDArray[np.float32]

VIEWS = {
    "Matrix": "Queries downwards, keys to the right",
    "Lines": "A line from each query to its keys",
    "Text": "The text, shaded with what a query looks at",
}
"""Ways to draw a pattern, and what they show."""

LEAST = 0.01
"""Share of the strongest key below which none is named."""

STRONGEST = 3
"""Keys that are named for a query."""


class PatternTab(QWidget):  # type: ignore[misc]
    """A head's pattern as a matrix, as lines between tokens and as shaded text.

    Attributes
    ----------
    chosen
        Emitted with a query that was clicked.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: F32 = np.zeros((0, 0), np.float32)
        self._labels: tuple[str, ...] = ()
        self._query = 0
        self.matrix, self.links, self.text = MatrixView(), LinksView(), TextView()
        self.views = QStackedWidget()
        for view in (self.matrix, _scrolled(self.links), _scrolled(self.text)):
            self.views.addWidget(view)
        self._buttons = QButtonGroup(self)
        row = QHBoxLayout()
        row.setSpacing(12)
        for place, (name, tip) in enumerate(VIEWS.items()):
            button = QRadioButton(name)
            button.setToolTip(tip)
            button.setChecked(place == 0)
            self._buttons.addButton(button, place)
            row.addWidget(button)
        row.addStretch(1)
        self._buttons.idToggled.connect(self._turn)
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.line.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.views, stretch=1)
        layout.addWidget(self.line)
        self.matrix.hovered.connect(self._pair)
        for view in (self.links, self.text):
            view.hovered.connect(self._row)
        for view in (self.matrix, self.links, self.text):
            view.chosen.connect(self.chosen)

    def sizeHint(self) -> QSize:
        """See Qt."""
        return QSize(400, 480)

    def choose(self, view: str) -> None:
        """Draw patterns in one of the ways in `VIEWS`."""
        self._buttons.button(list(VIEWS).index(view)).setChecked(True)

    def _turn(self, place: int, checked: bool) -> None:
        if checked:
            self.views.setCurrentIndex(place)

    def show_pattern(
        self, values: F32, labels: tuple[str, ...], query: int, unit: str, grey: bool
    ) -> None:
        """Show a pattern; see `MatrixView.show_pattern`."""
        self._values, self._labels, self._query = values, labels, query
        self.matrix.show_pattern(values, labels, query, unit, grey)
        self.links.show_pattern(values, labels, query)
        self.text.show_pattern(values, labels, query)
        # Two lines have room, so that nothing jumps; the letters are known once it is shown.
        self.line.setMinimumHeight(2 * self.line.fontMetrics().lineSpacing() + 2)
        self._row(None)

    def _pair(self, at: tuple[int, int] | None) -> None:
        """Say what is under the mouse."""
        if at is None:
            self._row(None)
            return
        query, key = at
        value = float(self._values[query, key])
        names = f"{self._named(query)} → {self._named(key)}"
        if np.isfinite(value):
            self.line.setText(f"{names}: {number(value)}")
        elif key > query:
            self.line.setText(f"{names}: not seen, it comes later")
        else:
            self.line.setText(f"{names}: left out")

    def _row(self, query: int | None) -> None:
        """Say what a query looks at."""
        query = self._query if query is None else query
        if not 0 <= query < len(self._labels):
            self.line.setText("")
            return
        row = np.nan_to_num(self._values[query])
        order = np.argsort(-row, kind="stable")[:STRONGEST]
        least = LEAST * float(row.max())
        keys = [f"{self._named(int(j))} {number(float(row[j]))}" for j in order if row[j] > least]
        self.line.setText(f"{self._named(query)} looks at " + (", ".join(keys) or "nothing"))

    def _named(self, token: int) -> str:
        return f"{self._labels[token]}[{token}]"


def _scrolled(view: QWidget) -> Any:
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(view)
    return area
