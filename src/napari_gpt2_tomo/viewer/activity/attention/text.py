"""The text itself, shaded with what a query looks at."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QPainter, QPen
from qtpy.QtWidgets import QWidget

from ..plot_view import theme_of
from .paint import elided, number, shade

__all__ = ["TextView"]

F32 = NDArray[np.float32]

LETTERS = 14
"""Pixels of the letters."""

SMALL = 9
"""Pixels of the numbers below the tokens."""

LINE = 36
"""Pixels from a line to the next: a token and its number."""

BOX = 22
"""Pixels of the height of a token."""

PAD = 4
"""Pixels on both sides of a token."""

GAP = 2
"""Pixels between two tokens."""

LEAST = 0.02
"""Share of the largest weight below which no number is written."""

NARROWEST = 22
"""Pixels that a token is wide at least: its number has room below it."""


class TextView(QWidget):  # type: ignore[misc]
    """The tokens in lines; those that the query looks at are shaded, with their weight below.

    The query is the token under the mouse, else the one that is looked at.

    Attributes
    ----------
    hovered
        Emitted with the query under the mouse, or None.
    chosen
        Emitted with a query that was clicked.
    """

    hovered = Signal(object)
    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self._values: F32 = np.zeros((0, 0), np.float32)
        self._labels: tuple[str, ...] = ()
        self._query = 0
        self._under: int | None = None
        self._boxes: list[QRectF] = []

    def show_pattern(self, values: F32, labels: tuple[str, ...], query: int) -> None:
        """Show a pattern ``(query, key)``, NaN where there is nothing."""
        self._values, self._labels, self._query = values, labels, query
        self._under = None
        self._arrange()
        self.update()

    def sizeHint(self) -> QSize:
        """See Qt."""
        return QSize(300, self.minimumHeight())

    def token_center(self, token: int) -> QPointF:
        """Middle of a token, in pixels of the widget."""
        return self._boxes[token].center()

    def paintEvent(self, event: Any) -> None:
        """See Qt."""
        if not self._labels:
            return
        theme = theme_of(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        letters, small = self.font(), self.font()
        letters.setPixelSize(LETTERS)
        small.setPixelSize(SMALL)
        metrics = QFontMetricsF(letters)
        query = self._query if self._under is None else self._under
        row = np.nan_to_num(self._values[query])
        peak = float(row.max()) or 1.0
        middle = Qt.AlignmentFlag.AlignCenter
        for i, (label, box) in enumerate(zip(self._labels, self._boxes, strict=True)):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(shade(theme.accent, 0.5 * row[i] / peak * (row[i] > 0)))
            painter.drawRoundedRect(box, 3, 3)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            if i == query:
                painter.setPen(QPen(QColor(theme.accent), 1.5))
                painter.drawRoundedRect(box, 3, 3)
            painter.setFont(letters)
            painter.setPen(QColor(theme.text))
            painter.drawText(box, middle, elided(label, metrics, box.width() - PAD))
            if row[i] >= LEAST * peak:
                painter.setFont(small)
                below = QRectF(box.left() - PAD, box.bottom(), box.width() + 2 * PAD, LINE - BOX)
                painter.drawText(below, middle, number(float(row[i])))
        painter.end()

    def resizeEvent(self, event: Any) -> None:
        """See Qt: the lines break elsewhere."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        font = self.font()
        font.setPixelSize(LETTERS)
        metrics = QFontMetricsF(font)
        x, y, room = 0.0, 0.0, max(float(self.width()), 60.0)
        self._boxes = []
        for label in self._labels:
            width = min(max(metrics.horizontalAdvance(label) + 2 * PAD, NARROWEST), room)
            if x and x + width > room:
                x, y = 0.0, y + LINE
            self._boxes.append(QRectF(x + 1, y + 2, width - 2, BOX))
            x += width + GAP
            if "⏎" in label:
                x, y = 0.0, y + LINE
        self.setMinimumHeight(int(y + LINE + 4))

    def mouseMoveEvent(self, event: Any) -> None:
        """See Qt."""
        self._hover(self._token(event.position()))

    def leaveEvent(self, event: Any) -> None:
        """See Qt."""
        self._hover(None)

    def mousePressEvent(self, event: Any) -> None:
        """See Qt: a click looks at a query."""
        token = self._token(event.position())
        if token is not None and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(token)

    def _token(self, place: QPointF) -> int | None:
        return next((i for i, box in enumerate(self._boxes) if box.contains(place)), None)

    def _hover(self, token: int | None) -> None:
        if token != self._under:
            self._under = token
            self.update()
            self.hovered.emit(token)
