"""Several views on one picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QImage, QPainter

from .legend import GROUND, font, pixels_of

__all__ = ["COLUMNS", "GAP", "Mark", "Panel", "compose"]

COLUMNS = 2

GAP = 2
"""Pixels between two views."""

TEXT = 0.027
"""Height of a caption's letters as a share of its view's shorter side, within `TEXT_PIXELS`."""
TEXT_PIXELS = (11.0, 44.0)

PLATE = QColor(8, 9, 12, 190)
"""Behind a caption: legible on every picture, and the picture is seen through it."""

MARK = 0.55
"""Opacity of the lines, which must not hide what they cross."""

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across a whole view: where another view cuts it.

    Attributes
    ----------
    upright
        Whether it runs from top to bottom.
    at
        Its place in pixels, from the left or from the top.
    """

    upright: bool
    at: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class Panel:
    """One view.

    Attributes
    ----------
    caption
        Written in its upper left corner.
    pixels
        Shape ``(rows, columns, 3)``, the same for all views of a sheet.
    marks
        Lines over it.
    """

    caption: str
    pixels: NDArray[np.uint8]
    marks: tuple[Mark, ...] = ()


def compose(panels: Sequence[Panel]) -> NDArray[np.uint8]:
    """The views in rows of two, each with its caption."""
    rows, columns = panels[0].pixels.shape[:2]
    across = min(COLUMNS, len(panels))
    down = -(-len(panels) // across)
    image = QImage(
        across * columns + (across - 1) * GAP,
        down * rows + (down - 1) * GAP,
        QImage.Format.Format_RGB888,
    )
    image.fill(GROUND.lighter(180))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    try:
        for i, panel in enumerate(panels):
            left, top = i % across * (columns + GAP), i // across * (rows + GAP)
            _draw(painter, panel, QRectF(left, top, columns, rows))
    finally:
        painter.end()
    return pixels_of(image)


def _draw(painter: QPainter, panel: Panel, room: QRectF) -> None:
    pixels = np.ascontiguousarray(panel.pixels)
    rows, columns = pixels.shape[:2]
    picture = QImage(pixels.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888)
    painter.drawImage(room.topLeft(), picture)
    for mark in panel.marks:
        colour = QColor.fromRgbF(*mark.colour)
        colour.setAlphaF(MARK)
        painter.setPen(colour)
        if mark.upright:
            ends = QPointF(mark.at, 0), QPointF(mark.at, rows)
        else:
            ends = QPointF(0, mark.at), QPointF(columns, mark.at)
        painter.drawLine(room.topLeft() + ends[0], room.topLeft() + ends[1])
    if not panel.caption:
        return
    smallest, largest = TEXT_PIXELS
    face = font(min(max(TEXT * min(rows, columns), smallest), largest))
    metrics = QFontMetricsF(face)
    space = 0.6 * metrics.height()
    text = metrics.elidedText(panel.caption, Qt.TextElideMode.ElideMiddle, room.width() - 4 * space)
    plate = QRectF(0, 0, metrics.horizontalAdvance(text) + 2 * space, 1.5 * metrics.height())
    plate.moveTopLeft(room.topLeft() + QPointF(space, space))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(PLATE)
    painter.drawRoundedRect(plate, 4, 4)
    painter.setPen(QColor("white"))
    painter.setFont(face)
    painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)
