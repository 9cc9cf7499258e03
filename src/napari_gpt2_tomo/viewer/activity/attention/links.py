"""A head's pattern as lines between the text's tokens and themselves."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QPainter, QPen
from qtpy.QtWidgets import QWidget

from ..plot_view import theme_of
from .paint import elided, number, shade

__all__ = ["LinksView"]

F32 = NDArray[np.float32]

ROW = 18
"""Pixels from a token to the next."""

LETTERS = 12
"""Pixels of the letters."""

COLUMN = 0.34
"""Share of the width that each column of tokens takes."""

HEADING = 20
"""Pixels of the line that says which side looks at which."""

HEADING_INK = 0.36
"""Share of the ink of that line; its square root is what is drawn."""

NUMBER = 34
"""Pixels that the share of a key takes on the right."""

LEAST = 0.03
"""Share of the largest weight below which no line is drawn."""

MOST = 800
"""Lines drawn at most, the strongest ones: more are a grey area, and take time to draw."""


class LinksView(QWidget):  # type: ignore[misc]
    """Queries on the left, keys on the right, a line for every pair, as strong as its weight.

    The query under the mouse, else the one that is looked at, has its keys shaded and numbered.

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

    def show_pattern(self, values: F32, labels: tuple[str, ...], query: int) -> None:
        """Show a pattern ``(query, key)``, NaN where there is nothing."""
        self._values, self._labels, self._query = values, labels, query
        self._under = None
        self.setMinimumHeight(HEADING + ROW * len(labels) + 4)
        self.update()

    def sizeHint(self) -> QSize:
        """See Qt."""
        return QSize(300, self.minimumHeight())

    def row_center(self, query: int) -> QPointF:
        """Middle of a query's name, in pixels of the widget."""
        return QPointF(self.width() * COLUMN / 2, HEADING + (query + 0.5) * ROW)

    def paintEvent(self, event: Any) -> None:
        """See Qt."""
        n = len(self._labels)
        if not n:
            return
        theme = theme_of(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = self.font()
        font.setPixelSize(LETTERS)
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        left, right = self.width() * COLUMN, self.width() * (1 - COLUMN) - NUMBER
        query = self._query if self._under is None else self._under
        weights = np.nan_to_num(self._values)
        most = float(weights.max()) or 1.0
        self._lines(painter, weights / most, query, left, right)
        row = np.nan_to_num(self._values[query])
        peak = float(row.max()) or 1.0
        names = right + NUMBER + self.width() * COLUMN - right - 6
        ends = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        starts = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.setPen(shade(theme.text, HEADING_INK))
        painter.drawText(QRectF(0, 0, left - 6, HEADING), ends, "query")
        painter.drawText(QRectF(right + 6, 0, names, HEADING), starts, "key")
        for i, label in enumerate(self._labels):
            y = HEADING + i * ROW
            key = QRectF(right + 2, y + 1, self.width() - right - 4, ROW - 2)
            painter.fillRect(key, shade(theme.accent, 0.5 * row[i] / peak * (row[i] > 0)))
            chosen = i == query
            painter.setPen(QColor(theme.accent if chosen else theme.text))
            painter.drawText(QRectF(0, y, left - 6, ROW), ends, elided(label, metrics, left - 8))
            painter.setPen(QColor(theme.text))
            width = self.width() - right - NUMBER - 8
            painter.drawText(
                QRectF(right + 6, y, width, ROW), starts, elided(label, metrics, width)
            )
            if row[i] >= LEAST * peak:
                box = QRectF(self.width() - NUMBER - 4, y, NUMBER, ROW)
                painter.drawText(box, ends, number(float(row[i])))
        painter.end()

    def _lines(self, painter: QPainter, shares: F32, query: int, left: float, right: float) -> None:
        theme = theme_of(self)
        queries, keys = np.nonzero(shares >= LEAST)
        order = np.argsort(shares[queries, keys], kind="stable")[-MOST:]
        for i, j in zip(queries[order].tolist(), keys[order].tolist(), strict=True):
            if i != query:
                # All others stand back, the more the more there are.
                self._line(
                    painter, i, j, shade(theme.faint, 0.25 * float(shares[i, j])), left, right, 1
                )
        for j in np.nonzero(shares[query] >= LEAST)[0].tolist():
            share = float(shares[query, j])
            self._line(painter, query, j, shade(theme.accent, share), left, right, 1 + 2 * share)

    def _line(
        self,
        painter: QPainter,
        i: int,
        j: int,
        ink: QColor,
        left: float,
        right: float,
        width: float,
    ) -> None:
        painter.setPen(QPen(ink, width))
        begin, end = (HEADING + (k + 0.5) * ROW for k in (i, j))
        painter.drawLine(QPointF(left, begin), QPointF(right, end))

    def mouseMoveEvent(self, event: Any) -> None:
        """See Qt."""
        self._hover(self._row(event.position().y()))

    def leaveEvent(self, event: Any) -> None:
        """See Qt."""
        self._hover(None)

    def mousePressEvent(self, event: Any) -> None:
        """See Qt: a click looks at a query."""
        row = self._row(event.position().y())
        if row is not None and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(row)

    def _row(self, y: float) -> int | None:
        row = int((y - HEADING) // ROW)
        return row if 0 <= row < len(self._labels) else None

    def _hover(self, row: int | None) -> None:
        if row != self._under:
            self._under = row
            self.update()
            self.hovered.emit(row)
