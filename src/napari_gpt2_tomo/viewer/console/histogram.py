"""The histogram of what is displayed, with the window on it to be dragged."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QFontMetrics, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from ...display.distribution import Distribution
from ...display.window import FROM_ZERO, Window
from .ink import Ink, ink_of
from .numbers import shown

__all__ = ["Histogram", "view_of"]

BAR = 2
"""Pixels that a bin is wide."""

GRIP = 6
"""Pixels on either side of an edge of the window where it can be taken."""

SIDE, TOP, STRIP, LABELS = 8, 18, 8, 16
"""Pixels around the plot: at its sides, above it, of the colour strip and of the labels below."""

ROOM = 1.6
"""Widths of the usual window that are seen at first."""

NARROW, AROUND = 0.02, 6.0
"""A window that is a smaller share of what is seen could not be taken: then this many of its
widths are seen on either side of it.
"""

ZOOM = 1.25
"""By how much a notch of the wheel changes what is seen."""

SHARES = frozenset({"rank", "attention"})
"""Signals that lie between 0 and 1."""

Grip = Literal["low", "high", "band", "outside"]


def view_of(distribution: Distribution, window: Window) -> tuple[float, float]:
    """The values that are worth seeing: the usual ones, and the window."""
    scale = distribution.scale()
    usual = scale.window(scale.quantile(0.001), scale.quantile(0.999))
    centre, half = usual.centre, ROOM / 2 * usual.width
    if scale.signal in FROM_ZERO:
        low, high = 0.0, ROOM * usual.limits[1]
    elif scale.signal in SHARES:
        low, high = 0.0, 1.0
    else:
        low, high = centre - half, centre + half
    first, last = window.limits
    if window.width < NARROW * (high - low):
        return first - AROUND * window.width, last + AROUND * window.width
    # A window far outside is shown at the edge of what is seen, not by what lies between.
    reach = ROOM * max(usual.width, window.width)
    return max(min(low, first), low - reach), min(max(high, last), high + reach)


class Histogram(QWidget):  # type: ignore[misc]
    """Counts on a logarithmic scale, the distribution function over them, and the window.

    The window is dragged by its edges or as a whole; a click outside centres it
    there; the arrow keys move and widen it. The wheel shows more or less of the
    values, a double click what is usual.

    Attributes
    ----------
    dragged
        Signal: the window that the user made.
    viewed
        Signal: the first and the last value that are seen.
    """

    dragged = Signal(object)
    viewed = Signal(float, float)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(150)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Histogram of the displayed values, with the window")
        self.view = (0.0, 1.0)
        self.distribution: Distribution | None = None
        self.window_: Window = Window(0.5, 1.0)
        self.colours: NDArray[np.float32] = np.zeros((2, 4), np.float32)
        self._bars: NDArray[np.float64] = np.zeros(0)
        self._made: tuple[Any, Any] = (None, None)
        self._grip: Grip | None = None
        self._start: tuple[float, Window] = (0.0, self.window_)
        self._mouse: float | None = None

    def show_distribution(self, distribution: Distribution) -> None:
        """Show other values; what is seen of them is what is usual."""
        self.distribution = distribution
        self._look(*view_of(distribution, self.window_))

    def update_distribution(self, distribution: Distribution) -> None:
        """Show the same values, better known."""
        self.distribution = distribution
        self.update()

    def show_window(self, window: Window) -> None:
        """Show where the window is."""
        if window == self.window_:
            return
        self.window_ = window
        low, high = self.view
        first, last = window.limits
        lost = first < low or last > high or window.width < NARROW * (high - low)
        if lost and self._grip is None and self.distribution is not None:
            self._look(*view_of(self.distribution, window))
        self.update()

    def show_colours(self, colours: NDArray[np.float32]) -> None:
        """Show the colours of the window, an array of shape ``(n, 4)`` from low to high."""
        self.colours = colours
        self.update()

    def x_of(self, value: float) -> float:
        """Where a value lies, in pixels."""
        low, high = self.view
        return SIDE + (value - low) / (high - low) * self._width()

    def value_at(self, x: float) -> float:
        """The value at a pixel."""
        low, high = self.view
        return low + (x - SIDE) / self._width() * (high - low)

    # What the mouse and the keys do.

    def mousePressEvent(self, event: Any) -> None:
        """Take the window, or what is taken of it."""
        if event.button() != Qt.MouseButton.LeftButton or self.distribution is None:
            return
        x = event.position().x()
        grip = self._grip_at(x)
        if grip == "outside":
            self._set(Window(self.value_at(x), self.window_.width))
            grip = "band"
        self._grip, self._start = grip, (self.value_at(x), self.window_)

    def mouseMoveEvent(self, event: Any) -> None:
        """Drag what is taken; else tell what is under the mouse."""
        x = event.position().x()
        self._mouse = x
        if self._grip is None:
            self.setCursor(_CURSORS[self._grip_at(x)])
            self.update()
            return
        first, window = self._start
        low, high = window.limits
        moved = self.value_at(x) - first
        least = (self.view[1] - self.view[0]) / self._width()
        if self._grip == "low":
            self._set(Window.of_limits(min(low + moved, high - least), high))
        elif self._grip == "high":
            self._set(Window.of_limits(low, max(high + moved, low + least)))
        else:
            self._set(Window(window.centre + moved, window.width))

    def mouseReleaseEvent(self, event: Any) -> None:
        """Let go."""
        self._grip = None

    def mouseDoubleClickEvent(self, event: Any) -> None:
        """See what is usual again."""
        if self.distribution is not None:
            self._look(*view_of(self.distribution, self.window_))

    def leaveEvent(self, event: Any) -> None:
        """Nothing is under the mouse."""
        self._mouse = None
        self.update()

    def wheelEvent(self, event: Any) -> None:
        """See more or less of the values, about the mouse."""
        factor = ZOOM ** (-event.angleDelta().y() / 120)
        fixed = self.value_at(event.position().x())
        low, high = (fixed + (edge - fixed) * factor for edge in self.view)
        if high - low > 1e-6 * max(abs(low), abs(high), 1e-20):
            self._look(low, high)
        event.accept()

    def keyPressEvent(self, event: Any) -> None:
        """Move and widen the window."""
        step = 0.02 * self.window_.width
        centre, width = _KEYS.get(event.key(), (0, 0))
        if self.distribution is None or (centre, width) == (0, 0):
            super().keyPressEvent(event)
            return
        self._set(self.window_.moved(centre * step, width * step))

    # Drawing.

    def paintEvent(self, event: Any) -> None:
        """Draw."""
        ink = ink_of(self)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        plot = self._plot()
        painter.fillRect(plot, ink.ground)
        if self.distribution is not None:
            painter.save()
            painter.setClipRect(plot.adjusted(0, 0, 0, 1))
            self._draw_band(painter, ink, plot)
            self._draw_bars(painter, ink, plot)
            self._draw_curve(painter, ink, plot)
            self._draw_edges(painter, ink, plot)
            painter.restore()
            self._draw_strip(painter, ink, plot)
            self._draw_labels(painter, ink, plot)
        painter.end()

    def _draw_band(self, painter: QPainter, ink: Ink, plot: QRectF) -> None:
        low, high = (self.x_of(edge) for edge in self.window_.limits)
        shade = QColor(ink.window)
        shade.setAlphaF(0.14)
        painter.fillRect(QRectF(low, plot.top(), high - low, plot.height()), shade)

    def _draw_bars(self, painter: QPainter, ink: Ink, plot: QRectF) -> None:
        counts = self._binned()
        heights = np.log10(1 + np.maximum(counts, 0))
        top = heights.max(initial=0.0)
        if not top:
            return
        step = self._width() / len(heights)
        x = np.repeat(SIDE + step * np.arange(len(heights) + 1), 2)[1:-1]
        y = np.repeat(plot.bottom() - heights / top * (plot.height() - 4), 2)
        corners = [QPointF(float(a), float(b)) for a, b in zip(x, y, strict=True)]
        shape = QPolygonF(
            [QPointF(SIDE, plot.bottom()), *corners, QPointF(float(x[-1]), plot.bottom())]
        )
        fill = QColor(ink.text)
        fill.setAlphaF(0.30)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawPolygon(shape)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _draw_curve(self, painter: QPainter, ink: Ink, plot: QRectF) -> None:
        assert self.distribution is not None
        x = np.linspace(0, self._width(), max(int(self._width()) // 2, 2))
        low, high = self.view
        shares = self.distribution.cdf(low + x / self._width() * (high - low))
        y = plot.bottom() - shares * (plot.height() - 4)
        painter.setPen(QPen(ink.curve, 1.5))
        painter.drawPolyline(
            QPolygonF([QPointF(SIDE + float(a), float(b)) for a, b in zip(x, y, strict=True)])
        )

    def _draw_edges(self, painter: QPainter, ink: Ink, plot: QRectF) -> None:
        painter.setPen(QPen(ink.window, 2))
        for edge in self.window_.limits:
            x = self.x_of(edge)
            painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))
        painter.setPen(QPen(ink.window, 1, Qt.PenStyle.DashLine))
        x = self.x_of(self.window_.centre)
        painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))

    def _draw_strip(self, painter: QPainter, ink: Ink, plot: QRectF) -> None:
        """The colour of each value."""
        n = max(int(self._width()), 2)
        low, high = self.window_.limits
        values = np.linspace(*self.view, n)
        at = np.clip((values - low) / (high - low), 0, 1) * (len(self.colours) - 1)
        rows = self.colours[at.astype(int)]
        for i, (r, g, b) in enumerate(np.clip(rows[:, :3] * 255, 0, 255).astype(int).tolist()):
            painter.fillRect(QRectF(SIDE + i, plot.bottom() + 3, 1.5, STRIP - 2), QColor(r, g, b))

    def _draw_labels(self, painter: QPainter, ink: Ink, plot: QRectF) -> None:
        assert self.distribution is not None
        font = painter.font()
        font.setPointSizeF(max(font.pointSizeF() * 0.86, 6))
        painter.setFont(font)
        painter.setPen(ink.text)
        below = QRectF(SIDE, plot.bottom() + STRIP + 2, plot.width(), LABELS)
        low, high = self.view
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        painter.drawText(below, left, shown(low))
        painter.drawText(below, right, shown(high))
        middle = Qt.AlignmentFlag.AlignHCenter
        painter.drawText(below, middle, shown((low + high) / 2))
        above = QRectF(SIDE, 0, plot.width(), TOP)
        value = self.value_at(self._mouse) if self._mouse is not None else None
        if value is not None and low <= value <= high:
            share = float(self.distribution.cdf(value))
            painter.drawText(above, right, f"{shown(value)}: {100 * share:.4g} % lie below")
            return
        painter.setPen(ink.faint if not self.isEnabled() else ink.text)
        painter.drawText(above, left, "counts (log)")
        painter.setPen(ink.curve)
        metrics = QFontMetrics(font)
        painter.drawText(
            above.adjusted(0, 0, -metrics.horizontalAdvance(" "), 0), right, "share below"
        )

    def _binned(self) -> NDArray[np.float64]:
        n = max(int(self._width()) // BAR, 2)
        wanted = (self.view, n)
        made_of, made = self._made
        if self.distribution is not None and (made_of is not self.distribution or made != wanted):
            self._bars = self.distribution.binned(*self.view, n)
            self._made = (self.distribution, wanted)
        return self._bars

    def _plot(self) -> QRectF:
        return QRectF(SIDE, TOP, self._width(), self.height() - TOP - STRIP - LABELS - 2)

    def _width(self) -> float:
        return float(max(self.width() - 2 * SIDE, 1))

    def _look(self, low: float, high: float) -> None:
        self.view = (low, high)
        self.update()
        self.viewed.emit(low, high)

    def _grip_at(self, x: float) -> Grip:
        low, high = (self.x_of(edge) for edge in self.window_.limits)
        near: list[tuple[float, Grip]] = [(abs(x - low), "low"), (abs(x - high), "high")]
        distance, edge = min(near)
        if distance <= GRIP:
            return edge
        return "band" if low < x < high else "outside"

    def _set(self, window: Window) -> None:
        self.window_ = window
        self.update()
        self.dragged.emit(window)


_CURSORS = {
    "low": Qt.CursorShape.SplitHCursor,
    "high": Qt.CursorShape.SplitHCursor,
    "band": Qt.CursorShape.OpenHandCursor,
    "outside": Qt.CursorShape.CrossCursor,
}

_KEYS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}
"""Keys that change the window: steps of its centre and of its width."""
