"""The patterns of all heads side by side."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import QPoint, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QWidget

from ....activity.attention.mosaic import Mosaic
from ..plot_view import theme_of
from .paint import image_of

__all__ = ["HeadGrid"]

F32 = NDArray[np.float32]

LEFT, TOP = 26, 18
"""Pixels for the numbers of the layers and of the heads."""

LETTERS = 10
"""Pixels of the letters of those numbers."""

LEAST = 10
"""Pixels of a thumbnail below which nothing is seen in it."""

ARROWS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}
"""Keys, and where they go: layers, heads."""


class HeadGrid(QWidget):  # type: ignore[misc]
    """Thumbnails of all heads: layers downwards, heads to the right. Arrow keys walk.

    Attributes
    ----------
    chosen
        Emitted with layer and head of a thumbnail that was clicked.
    hovered
        Emitted with (layer, head) under the mouse, or None.
    """

    chosen = Signal(int, int)
    hovered = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._pictures: F32 = np.zeros((0, 0, 1, 1), np.float32)
        self._selected = (0, 0)
        self._under: tuple[int, int] | None = None
        self._drawn: tuple[Any, Any] | None = None

    @property
    def mosaic(self) -> Mosaic:
        """Where the thumbnails lie, from the upper left corner of the first."""
        layers, heads = self._pictures.shape[:2]
        return Mosaic.fitting(
            layers, heads, self.width() - LEFT - 2, self.height() - TOP - 2, LEAST
        )

    def show_heads(self, pictures: F32) -> None:
        """Show thumbnails ``(layer, head, row, column)``, NaN transparent."""
        self._pictures, self._drawn = pictures, None
        layers, heads = pictures.shape[:2]
        width, height = Mosaic(layers, heads, LEAST).size
        self.setMinimumSize(QSize(width + LEFT + 2, height + TOP + 2))
        self.update()

    def clear(self) -> None:
        """Show nothing."""
        self.show_heads(np.zeros((0, 0, 1, 1), np.float32))

    def select(self, layer: int, head: int) -> None:
        """Mark a head."""
        if (layer, head) != self._selected:
            self._selected = (layer, head)
            self.update()

    def center(self, layer: int, head: int) -> QPoint:
        """Middle of a thumbnail, in pixels of the widget."""
        mosaic = self.mosaic
        x, y = mosaic.corner(layer, head)
        return QPoint(LEFT + x + mosaic.cell // 2, TOP + y + mosaic.cell // 2)

    def paintEvent(self, event: Any) -> None:
        """See Qt."""
        if not self._pictures.size:
            return
        theme, mosaic = theme_of(self), self.mosaic
        painter = QPainter(self)
        if self._drawn is None or self._drawn[0] != (mosaic, theme):
            most = float(np.nanmax(self._pictures)) if np.isfinite(self._pictures).any() else 1.0
            picture = image_of(mosaic.picture(self._pictures), most, theme)
            self._drawn = ((mosaic, theme), picture)
        step = mosaic.cell + mosaic.gap
        veil = QColor(theme.faint)
        veil.setAlphaF(0.18)
        for layer in range(mosaic.layers):
            for head in range(mosaic.heads):
                x, y = mosaic.corner(layer, head)
                painter.fillRect(LEFT + x, TOP + y, mosaic.cell, mosaic.cell, veil)
        painter.drawImage(LEFT, TOP, self._drawn[1])
        self._numbers(painter, mosaic, step)
        for where, colour, width in (
            (self._under, theme.text, 1.0),
            (self._selected, theme.accent, 2.0),
        ):
            if where is not None:
                x, y = mosaic.corner(*where)
                painter.setPen(QPen(QColor(colour), width))
                painter.drawRect(
                    QRectF(LEFT + x - 1, TOP + y - 1, mosaic.cell + 1, mosaic.cell + 1)
                )
        painter.end()

    def _numbers(self, painter: QPainter, mosaic: Mosaic, step: int) -> None:
        theme = theme_of(self)
        font = self.font()
        font.setPixelSize(LETTERS)
        painter.setFont(font)
        # Two digits and a letter need about twice the letters' size.
        every = max(1, int(np.ceil(2 * LETTERS / step)))
        middle = Qt.AlignmentFlag.AlignCenter
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for head in range(mosaic.heads):
            here = head == self._selected[1]
            if not head % every or here:
                painter.setPen(QColor(theme.accent if here else theme.text))
                box = QRectF(LEFT + head * step - step, 0, mosaic.cell + 2 * step, TOP - 3)
                painter.drawText(
                    box, middle, f"H{head}" if mosaic.cell > 2 * LETTERS else f"{head}"
                )
        for layer in range(mosaic.layers):
            here = layer == self._selected[0]
            if not layer % every or here:
                painter.setPen(QColor(theme.accent if here else theme.text))
                box = QRectF(0, TOP + layer * step, LEFT - 4, mosaic.cell)
                painter.drawText(box, right, f"L{layer}")

    def mouseMoveEvent(self, event: Any) -> None:
        """See Qt."""
        self._hover(self._at(event.position()))

    def leaveEvent(self, event: Any) -> None:
        """See Qt."""
        self._hover(None)

    def mousePressEvent(self, event: Any) -> None:
        """See Qt: a click chooses a head."""
        at = self._at(event.position())
        if at is not None and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(*at)

    def keyPressEvent(self, event: Any) -> None:
        """See Qt: arrows go from head to head."""
        step = ARROWS.get(event.key())
        if step is None:
            super().keyPressEvent(event)
            return
        layers, heads = self._pictures.shape[:2]
        layer, head = (a + b for a, b in zip(self._selected, step, strict=True))
        if 0 <= layer < layers and 0 <= head < heads:
            self.chosen.emit(layer, head)

    def _hover(self, under: tuple[int, int] | None) -> None:
        if under != self._under:
            self._under = under
            self.update()
            self.hovered.emit(under)

    def _at(self, place: QPointF) -> tuple[int, int] | None:
        if place.x() < LEFT or place.y() < TOP:
            return None
        return self.mosaic.at(place.x() - LEFT, place.y() - TOP)
