"""A strip of coloured steps at the foot of a canvas: a legend that can be clicked."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QPainter, QPolygonF
from qtpy.QtWidgets import QToolTip, QWidget

__all__ = ["StepStrip"]

WIDEST = 560
"""Pixels of the strip's width at most: on a wide canvas it stays a legend."""

HEIGHT = 52
BAR = 11
"""Pixels of height of the strip, and of its coloured bar."""

MARGIN = 12
"""Pixels between the strip and the edges of the canvas, and inside it."""

GROUND, INK, DIM = QColor(16, 18, 24, 215), QColor(242, 244, 248), QColor(170, 178, 192)
"""Dark on every theme: it stands on pictures, not on the window."""


class StepStrip(QWidget):  # type: ignore[misc]
    """The steps of paths in their colours, with the present one marked.

    Parameters
    ----------
    canvas
        The widget that it stands on.
    names, ticks
        Name of each step, and a short one.
    colours
        ``(step, 4)`` RGBA from 0 to 1.
    go
        Called with the step that is clicked.
    """

    def __init__(
        self,
        canvas: Any,
        names: Sequence[str],
        ticks: Sequence[str],
        colours: NDArray[np.float64],
        go: Callable[[int], None],
    ) -> None:
        super().__init__(canvas)
        self._names, self._ticks = tuple(names), tuple(ticks)
        self._colours = [QColor.fromRgbF(*(float(part) for part in one)) for one in colours]
        self._go = go
        self.step = len(self._names) - 1
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName("Steps of the paths")
        canvas.installEventFilter(self)
        self._place()
        self.show()

    def set_step(self, step: int) -> None:
        """Mark another step."""
        if step != self.step:
            self.step = step
            self.setAccessibleDescription(self._names[step])
            self.update()

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """See Qt: stay at the foot of the canvas."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False

    def mousePressEvent(self, event: Any) -> None:
        """See Qt: go to the step under the mouse."""
        self._go(self._step_at(event.position().x()))

    def mouseMoveEvent(self, event: Any) -> None:
        """See Qt: name the step under the mouse; drag through the steps."""
        step = self._step_at(event.position().x())
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._go(step)
        QToolTip.showText(event.globalPosition().toPoint(), self._names[step], self)

    def paintEvent(self, event: Any) -> None:
        """See Qt."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(GROUND)
        painter.drawRoundedRect(QRectF(self.rect()), 6, 6)
        left, wide = self._bar()
        top = 22.0
        for step, colour in enumerate(self._colours):
            painter.fillRect(QRectF(left + step * wide, top, wide + 0.5, BAR), colour)
        self._write_ends(painter, left, wide, top)
        here = QRectF(left + self.step * wide, top, wide, BAR)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(INK)
        painter.drawRect(here)
        painter.setBrush(INK)
        middle = here.center().x()
        painter.drawPolygon(_triangle(middle, top - 2))
        painter.end()

    def _write_ends(self, painter: QPainter, left: float, wide: float, top: float) -> None:
        font = QFont(self.font())
        font.setPixelSize(11)
        painter.setFont(font)
        metrics = painter.fontMetrics()
        painter.setPen(DIM)
        free = -1.0
        line = QRectF(0, top + BAR + 2, self.width(), 15)
        last = len(self._ticks) - 1
        end = left + (last + 0.5) * wide - metrics.horizontalAdvance(self._ticks[last]) / 2
        for step, tick in enumerate(self._ticks):
            width = metrics.horizontalAdvance(tick)
            x = left + (step + 0.5) * wide - width / 2
            if x < free or (step < last and x + width + 6 > end):
                continue
            painter.drawText(QRectF(x, line.top(), width + 2, line.height()), 0, tick)
            free = x + width + 6
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(INK)
        name = self._names[self.step]
        width = painter.fontMetrics().horizontalAdvance(name)
        x = min(
            max(left + (self.step + 0.5) * wide - width / 2, MARGIN), self.width() - MARGIN - width
        )
        painter.drawText(QRectF(x, 3, width + 2, 15), 0, name)

    def _bar(self) -> tuple[float, float]:
        """Where the bar begins, and how wide one step is."""
        return float(MARGIN), (self.width() - 2 * MARGIN) / max(len(self._names), 1)

    def _step_at(self, x: float) -> int:
        left, wide = self._bar()
        return int(np.clip((x - left) // wide, 0, len(self._names) - 1))

    def _place(self) -> None:
        canvas = self.parent()
        width = max(min(WIDEST, canvas.width() - 2 * MARGIN), 80)
        left = (canvas.width() - width) // 2
        self.setGeometry(left, max(canvas.height() - HEIGHT - MARGIN, 0), width, HEIGHT)
        self.raise_()


def _triangle(x: float, y: float) -> QPolygonF:
    from qtpy.QtCore import QPointF

    return QPolygonF([QPointF(x - 4, y - 4), QPointF(x + 4, y - 4), QPointF(x, y)])
