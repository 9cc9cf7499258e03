"""A head's pattern as a matrix with the tokens on both sides."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QPainter, QPen
from qtpy.QtWidgets import QWidget

from ..plot_view import theme_of
from .paint import bar, elided, image_of, shade

__all__ = ["MatrixView"]

F32 = NDArray[np.float32]

LETTERS = (8, 12)
"""Pixels of the smallest and the largest letters."""

LONGEST = 84
"""Pixels that a token's name gets beside the matrix at most."""

SCALE = 34
"""Pixels below the matrix for the scale of its colours."""

CORNER = 40
"""Pixels of the corner's sides that the names of the axes need."""

FAINT = 0.3
"""Share of the ink of those names; its square root is what is drawn."""

BAR = 90
"""Pixels of the width of that scale."""

CLOSE = 0.9
"""Sizes of the letters from a name to the next at least; less is thinned out."""

PAD = 4
"""Pixels between a name and the matrix."""

SMALLEST = (240, 240)
"""Pixels of width and height that the matrix needs."""


class MatrixView(QWidget):  # type: ignore[misc]
    """A pattern ``(query, key)``, queries downwards, keys to the right.

    Attributes
    ----------
    hovered
        Emitted with (query, key) under the mouse, or None.
    chosen
        Emitted with the query of a row that was clicked.
    """

    hovered = Signal(object)
    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setMinimumSize(QSize(*SMALLEST))
        self._values: F32 = np.zeros((0, 0), np.float32)
        self._labels: tuple[str, ...] = ()
        self._query = 0
        self._unit = ""
        self._grey = False
        self._at: tuple[int, int] | None = None

    def show_pattern(
        self, values: F32, labels: tuple[str, ...], query: int, unit: str, grey: bool = False
    ) -> None:
        """Show a pattern.

        Parameters
        ----------
        values
            ``(query, key)``, NaN where there is nothing.
        labels
            Names of the tokens.
        query
            The row that is looked at.
        unit
            What the numbers are.
        grey
            Whether the first key is left out.
        """
        self._values, self._labels, self._query = values, labels, query
        self._unit, self._grey = unit, grey
        self._at = None
        self.update()

    def cell_center(self, query: int, key: int) -> QPointF:
        """Middle of a cell, in pixels of the widget."""
        left, top, cell, _ = self._geometry()
        return QPointF(left + (key + 0.5) * cell, top + (query + 0.5) * cell)

    def paintEvent(self, event: Any) -> None:
        """See Qt."""
        n = len(self._labels)
        if not n:
            return
        theme = theme_of(self)
        painter = QPainter(self)
        left, top, cell, upright = self._geometry()
        box = QRectF(left, top, n * cell, n * cell)
        most = float(np.nanmax(self._values)) if np.isfinite(self._values).any() else 0.0
        painter.drawImage(box, image_of(self._values, most, theme))
        painter.setPen(QPen(QColor(theme.faint), 1))
        painter.drawRect(box.adjusted(-0.5, -0.5, 0.5, 0.5))
        if self._grey:
            veil = QColor(theme.faint)
            veil.setAlphaF(0.35)
            painter.fillRect(QRectF(left, top, cell, n * cell), veil)
        self._names(painter, left, top, cell, upright)
        if upright and left > CORNER and top > CORNER:
            self._axes(painter, left, top)
        if self._at is not None:
            query, key = self._at
            painter.setPen(QPen(QColor(theme.accent), 1.5))
            painter.drawRect(QRectF(left + key * cell, top + query * cell, cell, cell))
        font = self.font()
        font.setPixelSize(LETTERS[1] - 1)
        painter.setFont(font)
        scale = QRectF(left, box.bottom() + 10, BAR, 8)
        bar(painter, scale, most, theme, self._unit, self.width() - left)
        painter.end()

    def _axes(self, painter: QPainter, left: float, top: float) -> None:
        """Say in the corner which side is which."""
        font = self.font()
        font.setPixelSize(LETTERS[1] - 2)
        painter.setFont(font)
        painter.setPen(shade(theme_of(self).text, FAINT))
        line = QFontMetricsF(font).height()
        ends = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for place, text in ((2, "key →"), (1, "query ↓")):
            painter.drawText(QRectF(0, top - PAD - place * line, left - PAD, line), ends, text)

    def _names(
        self, painter: QPainter, left: float, top: float, cell: float, upright: bool
    ) -> None:
        theme = theme_of(self)
        n = len(self._labels)
        font = self.font()
        font.setPixelSize(int(np.clip(cell, *LETTERS)))
        painter.setFont(font)
        metrics = QFontMetricsF(font)
        every = max(1, int(np.ceil(CLOSE * LETTERS[0] / cell)))
        room = left - 2 * PAD
        under, beside = self._at or (-1, -1)
        rows, columns = {under, self._query} - {-1}, {beside} - {-1}
        # What is looked at is written last, over its neighbours.
        for up, marked in ((False, rows), (True, columns)):
            plain = [i for i in range(0, n, every) if i not in marked]
            for i in (*plain, *sorted(marked)):
                middle = (i + 0.5) * cell
                end = QPointF(left + middle, top - PAD) if up else QPointF(left - PAD, top + middle)
                name = elided(self._labels[i], metrics, room)
                if up and not upright:
                    end.setX(end.x() + metrics.horizontalAdvance(name) / 2)
                    end.setY(end.y() - metrics.height() / 2)
                self._name(painter, name, end, up and upright, metrics, i in marked)
        if 0 <= self._query < n:
            painter.setPen(QPen(QColor(theme.accent), 2))
            y = top + self._query * cell
            painter.drawLine(QPointF(left - 2, y), QPointF(left - 2, y + cell))

    def _name(
        self,
        painter: QPainter,
        name: str,
        end: QPointF,
        up: bool,
        metrics: QFontMetricsF,
        marked: bool,
    ) -> None:
        """A name that ends at a point, or one that begins there and goes up."""
        painter.save()
        painter.translate(end)
        width = metrics.horizontalAdvance(name)
        if up:
            painter.rotate(-90)
        box = QRectF(0 if up else -width, -metrics.height() / 2, width + 1, metrics.height())
        theme = theme_of(self)
        if marked:
            painter.fillRect(box, QColor(theme.ground))
        painter.setPen(QColor(theme.accent if marked else theme.text))
        painter.drawText(QPointF(box.left(), metrics.capHeight() / 2), name)
        painter.restore()

    def _geometry(self) -> tuple[float, float, float, bool]:
        """Left and top of the matrix, the side of a cell, whether names above it stand upright."""
        n = max(len(self._labels), 1)
        font = self.font()
        # The letters are as large as the cells, which are as large as the names let them.
        font.setPixelSize(int(np.clip(0.8 * self.width() / n, *LETTERS)))
        metrics = QFontMetricsF(font)
        widest = max((metrics.horizontalAdvance(one) for one in self._labels), default=0.0)
        left = float(np.ceil(min(widest, LONGEST) + 2 * PAD))
        across = self.width() - left - 2
        upright = widest > across / n
        top = left if upright else float(np.ceil(metrics.height() + 2 * PAD))
        side = min(across, self.height() - top - SCALE)
        return left, top, max(side, n) / n, upright

    def mouseMoveEvent(self, event: Any) -> None:
        """See Qt."""
        self._hover(self._cell(event.position()))

    def leaveEvent(self, event: Any) -> None:
        """See Qt."""
        self._hover(None)

    def mousePressEvent(self, event: Any) -> None:
        """See Qt: a click looks at a query."""
        at = self._cell(event.position())
        if at is not None and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(at[0])

    def _cell(self, place: QPointF) -> tuple[int, int] | None:
        left, top, cell, _ = self._geometry()
        key, query = int((place.x() - left) // cell), int((place.y() - top) // cell)
        n = len(self._labels)
        return (query, key) if 0 <= query < n and 0 <= key < n else None

    def _hover(self, at: tuple[int, int] | None) -> None:
        if at != self._at:
            self._at = at
            self.update()
            self.hovered.emit(at)
