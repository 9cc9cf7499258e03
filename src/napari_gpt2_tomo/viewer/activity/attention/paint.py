"""Drawing numbers with Qt: colours, pictures, letters that fit."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QFontMetricsF, QImage, QPainter

from ....display.plots import Theme

__all__ = ["bar", "elided", "image_of", "number", "shade", "shades"]

ROOT = 0.5
"""Colours go with the square root of a share: a tenth is seen beside a whole."""

TICKS = (0.0, 0.25, 1.0)
"""Shares of the largest value that are written along a scale."""

SMALL = 0.0005
"""Numbers below this are zero in three digits."""

TABLE = 256
"""Colours of a colormap."""


@lru_cache(maxsize=8)
def _table(name: str) -> NDArray[np.uint8]:
    import matplotlib as mpl

    colours: NDArray[np.uint8] = mpl.colormaps[name](np.arange(TABLE), bytes=True)
    return colours


def shades(theme: Theme) -> NDArray[np.uint8]:
    """RGBA ``(256, 4)`` from nothing, near the ground, to the largest value."""
    light = QColor(theme.ground).lightnessF() > 0.5
    return _table(f"{theme.sequential}_r" if light else theme.sequential)


def image_of(values: NDArray[np.float32], most: float, theme: Theme) -> QImage:
    """A picture of values from 0 to `most`, NaN transparent."""
    with np.errstate(invalid="ignore"):
        share = np.clip(values / most if most > 0 else values * 0, 0, 1) ** ROOT
    empty = np.isnan(share)
    colours = shades(theme)[(np.where(empty, 0, share) * (TABLE - 1)).round().astype(np.intp)]
    colours[empty] = 0
    rows, columns = values.shape
    pixels = np.ascontiguousarray(colours)
    picture = QImage(pixels.tobytes(), columns, rows, 4 * columns, QImage.Format.Format_RGBA8888)
    return picture.copy()


def shade(colour: str, share: float) -> QColor:
    """A colour as transparent as a share is small."""
    found = QColor(colour)
    found.setAlphaF(float(np.clip(share, 0, 1)) ** ROOT)
    return found


def elided(text: str, metrics: QFontMetricsF, width: float) -> str:
    """A text that is no wider than `width` pixels."""
    return str(metrics.elidedText(text, Qt.TextElideMode.ElideRight, width))


def number(value: float) -> str:
    """A number in few letters: ``.043``, ``1``, ``12.3``."""
    if np.isnan(value):
        return "–"
    if 0 < abs(value) < SMALL:
        return "~0"
    if abs(value) >= 1 - SMALL or value == 0:
        return f"{value:.3g}"
    return f"{value:.3f}".replace("0.", ".", 1).rstrip("0")


def bar(painter: QPainter, box: QRectF, most: float, theme: Theme, title: str, room: float) -> None:
    """A scale of the colours with numbers below, and a title on the right; `room` pixels wide."""
    values = np.linspace(0, 1, max(2, int(box.width())), dtype=np.float32)[None] ** (1 / ROOT)
    painter.drawImage(box, image_of(values, 1.0, theme))
    painter.setPen(QColor(theme.text))
    metrics = QFontMetricsF(painter.font())
    below = box.bottom() + metrics.ascent() + 1
    for tick in TICKS:
        text = number(tick * most)
        x = box.left() + box.width() * tick**ROOT - metrics.horizontalAdvance(text) / 2
        painter.drawText(int(max(box.left(), x)), int(below), text)
    if title:
        x = box.right() + 12
        painter.drawText(int(x), int(box.bottom()), elided(title, metrics, room - box.width() - 12))
