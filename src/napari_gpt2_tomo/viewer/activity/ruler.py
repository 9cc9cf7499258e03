"""Words beside a picture: the tokens of its rows and columns, on the canvas itself.

napari numbers axes and cannot name what lies on them. The labels are written by Qt, which knows
all scripts, into two pictures that lie over the canvas, beside the data where there is room and
at the edge of the canvas else, so that they can be read at any zoom and are on screenshots.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QGuiApplication, QImage, QPainter

from .. import compat
from .sites import Axis
from .ticks import Tick, ticks

__all__ = ["BESIDE", "Ruler"]

LETTERS = 12
"""Pixels of height of the letters."""

LINE = 15.0
"""Pixels that a label needs across its direction."""

LONGEST = 150.0
"""Pixels that a label may take; longer ones end in an ellipsis."""

GAP = 5.0
"""Pixels between a label and the picture."""

BESIDE = 2 * GAP
"""Pixels around the labels."""

ON_TOP = 10**6
"""Drawing order: above every layer."""

VEIL = 232
"""Opacity, 0 to 255, of the ground behind labels that lie on the picture."""


class Ruler:
    """The labels on the canvas of one viewer.

    Parameters
    ----------
    qt_viewer
        The widget whose canvas they are drawn on.
    """

    def __init__(self, qt_viewer: Any) -> None:
        self._qt_viewer = qt_viewer
        self._rows = _Strip(qt_viewer)
        self._columns = _Strip(qt_viewer)
        self._font = QFont(QGuiApplication.font())
        self._font.setPixelSize(LETTERS)
        self._metrics = QFontMetricsF(self._font)

    def margins(self, rows: Axis, columns: Axis, cell: float) -> tuple[float, float]:
        """Pixels that the labels of rows take at the left, and those of columns below, where
        a column is `cell` pixels wide.
        """
        across = self._width(rows.labels or (str(rows.size),)) + BESIDE
        if columns.labels is None or self._width(columns.labels) <= cell:
            return across, LINE + 2 * GAP + LINE
        return across, self._width(columns.labels) + BESIDE + LINE

    def place(
        self,
        rows: tuple[Axis, float, float],
        columns: tuple[Axis, float, float],
        size: tuple[float, float],
        chosen: int | None,
        ink: QColor,
        ground: QColor,
        accent: QColor,
    ) -> None:
        """Draw the labels.

        Parameters
        ----------
        rows, columns
            The axis, the pixel of the middle of its first, and pixels from one to the next.
        size
            Width and height of the canvas.
        chosen
            The row that is looked at, None for none.
        ink, ground, accent
            Of letters, behind them, and of the chosen row.
        """
        self._ink, self._ground, self._accent = ink, ground, accent
        (column, left, step) = columns
        begin, end = sorted((left - step / 2, left + step * (column.size - 0.5)))
        (row, top, stride) = rows
        upper, lower = sorted((top - stride / 2, top + stride * (row.size - 0.5)))
        if end < 0 or begin > size[0] or lower < 0 or upper > size[1]:
            self.hide()
            return
        edge = self._draw_columns(column, left, step, lower, size)
        self._draw_rows(row, top, stride, begin, (size[0], edge), chosen)

    def hide(self) -> None:
        """Draw no labels."""
        self._rows.hide()
        self._columns.hide()

    @property
    def visible(self) -> bool:
        """Whether there are labels."""
        return self._rows.visible

    def close(self) -> None:
        """Take the labels off the canvas."""
        self._rows.close()
        self._columns.close()

    def _width(self, texts: Sequence[str]) -> float:
        # Of many labels the longest by count is near enough, and measured at once.
        candidates = sorted(set(texts), key=len)[-32:]
        widest = max((self._metrics.horizontalAdvance(text) for text in candidates), default=0.0)
        return min(widest, LONGEST)

    def _draw_rows(
        self,
        axis: Axis,
        begin: float,
        step: float,
        left: float,
        size: tuple[float, float],
        chosen: int | None,
    ) -> None:
        shown = ticks(axis, begin, step, (0.0, size[1]), LINE)
        tall = max(abs(step), LINE)
        if chosen is not None and axis.labels is not None:
            at = begin + step * chosen
            shown = [tick for tick in shown if abs(tick.at - at) >= LINE]
            shown.append(Tick(chosen, at, axis.labels[chosen]))
        width = self._width([tick.text for tick in shown]) + BESIDE
        x = max(left - width, 0.0)
        over = x + width > left + 0.5
        canvas = _Sheet(width, size[1], self._ratio(), self._font)
        if over:
            canvas.fill(self._ground)
        for tick in shown:
            box = QRectF(GAP, tick.at - LINE / 2, width - 2 * GAP, LINE)
            here = tick.index == chosen and axis.labels is not None
            text = self._metrics.elidedText(tick.text, Qt.TextElideMode.ElideRight, LONGEST)
            canvas.painter.setPen(self._accent if here else self._ink)
            canvas.painter.drawText(box, RIGHT, text)
            if here:
                edge = QRectF(width - 2, tick.at - tall / 2, 2, tall)
                canvas.painter.fillRect(edge, self._accent)
        self._rows.show(canvas.done(), x, 0.0, self._ratio())

    def _draw_columns(
        self, axis: Axis, begin: float, step: float, lower: float, size: tuple[float, float]
    ) -> float:
        """Draw them; returns the pixel where they begin, above which rows are labelled."""
        texts = axis.labels or ()
        upright = bool(texts) and self._width(texts) > abs(step)
        shown = ticks(axis, begin, step, (0.0, size[0]), LINE)
        tall = (self._width([tick.text for tick in shown]) if upright else LINE) + BESIDE
        height = tall + LINE
        y = min(lower, size[1] - height)
        canvas = _Sheet(size[0], height, self._ratio(), self._font)
        if y < lower - 0.5:
            canvas.fill(self._ground)
        canvas.painter.setPen(self._ink)
        for tick in shown:
            text = self._metrics.elidedText(tick.text, Qt.TextElideMode.ElideRight, LONGEST)
            if upright:
                canvas.painter.save()
                canvas.painter.translate(QPointF(tick.at, GAP))
                canvas.painter.rotate(-90)
                box = QRectF(-tall + BESIDE, -LINE / 2, tall - BESIDE, LINE)
                canvas.painter.drawText(box, RIGHT, text)
                canvas.painter.restore()
            else:
                half = max(self._metrics.horizontalAdvance(text), 1.0)
                box = QRectF(tick.at - half, GAP, 2 * half, LINE)
                canvas.painter.drawText(box, CENTRE, text)
        middle = QColor(self._ink)
        middle.setAlphaF(0.65)
        canvas.painter.setPen(middle)
        first, last = sorted((begin - step / 2, begin + step * (axis.size - 0.5)))
        box = QRectF(max(first, 0.0), tall, min(last, size[0]) - max(first, 0.0), LINE)
        canvas.painter.drawText(box, CENTRE, f"{axis.name} →")
        self._columns.show(canvas.done(), 0.0, y, self._ratio())
        return y

    def _ratio(self) -> float:
        return float(compat.canvas_of(self._qt_viewer).devicePixelRatioF())


RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
CENTRE = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter)


class _Sheet:
    """A clear picture that Qt writes on."""

    def __init__(self, width: float, height: float, ratio: float, font: QFont) -> None:
        wide, high = (max(round(side * ratio), 1) for side in (width, height))
        self._image = QImage(wide, high, QImage.Format.Format_RGBA8888)
        self._image.setDevicePixelRatio(ratio)
        self._image.fill(Qt.GlobalColor.transparent)
        self.painter = QPainter(self._image)
        self.painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        self.painter.setFont(font)

    def fill(self, colour: QColor) -> None:
        """Put a ground behind what is written."""
        veil = QColor(colour)
        veil.setAlpha(VEIL)
        self.painter.fillRect(self.painter.viewport(), veil)

    def done(self) -> NDArray[np.uint8]:
        """What was written, ``(height, width, 4)``."""
        self.painter.end()
        image = self._image
        held: Any = image.constBits()
        if hasattr(held, "setsize"):
            # PyQt gives a pointer, PySide a view of the memory.
            held.setsize(image.sizeInBytes())
        flat = np.frombuffer(held, np.uint8).reshape(image.height(), image.bytesPerLine())
        return flat[:, : 4 * image.width()].reshape(image.height(), image.width(), 4).copy()


class _Strip:
    """A picture over a canvas, in its pixels."""

    def __init__(self, qt_viewer: Any) -> None:
        from vispy.scene.visuals import Image
        from vispy.visuals.transforms import STTransform

        self._image: Any = Image(np.zeros((1, 1, 4), np.uint8), interpolation="nearest")
        self._image.set_gl_state("translucent", depth_test=False)
        self._image.order = ON_TOP
        self._image.transform = STTransform()
        self._image.visible = False
        self._image.parent = compat.canvas_view_of(qt_viewer)

    @property
    def visible(self) -> bool:
        return bool(self._image.visible)

    def show(self, picture: NDArray[np.uint8], x: float, y: float, ratio: float) -> None:
        self._image.set_data(picture)
        self._image.transform.translate = (round(x), round(y))
        self._image.transform.scale = (1 / ratio, 1 / ratio)
        self._image.visible = True

    def hide(self) -> None:
        self._image.visible = False

    def close(self) -> None:
        self._image.parent = None
