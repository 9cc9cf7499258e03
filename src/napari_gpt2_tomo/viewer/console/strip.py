"""A transfer function as a picture: its colours, and its opacity over them."""

from typing import Any

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize
from qtpy.QtGui import QColor, QIcon, QImage, QPainter, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from ...display.transfer import TransferFunction
from .ink import ink_of

__all__ = ["Strip", "icon_of"]

SQUARE = 5
"""Pixels a side of the squares that are seen where a colour is clear."""

SHADES = ((88, 88, 92), (62, 62, 66))
"""Greys of these squares."""

BAND = 14
"""Pixels of the band of plain colours at the bottom."""

ICON = QSize(54, 12)
"""Pixels of a function in a list."""


class Strip(QWidget):  # type: ignore[misc]
    """The colours with their opacity over a chequered ground, the opacity as a curve, and below
    the colours alone, as a slice shows them.
    """

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(66)
        self._function: TransferFunction | None = None
        self._invert = False
        self._gamma = 1.0

    def show_function(self, function: TransferFunction, invert: bool, gamma: float) -> None:
        """Show a transfer function as the window spreads it."""
        self._function, self._invert, self._gamma = function, invert, gamma
        self.setToolTip(
            f"{function.name}: above as a volume shows it, with opacity; below as a slice does"
        )
        self.update()

    def paintEvent(self, event: Any) -> None:
        """Draw."""
        if self._function is None:
            return
        width, height = max(self.width(), 2), max(self.height() - BAND - 3, 2)
        at = np.linspace(0, 1, width) ** self._gamma
        rows = self._function.at(at, invert=self._invert)
        painter = QPainter(self)
        painter.drawImage(0, 0, _over_squares(rows, height))
        painter.drawImage(0, height + 3, _plain(rows, BAND))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        y = height - 1.5 - rows[:, 3] * (height - 3)
        line = QPolygonF([QPointF(i + 0.5, float(v)) for i, v in enumerate(y)])
        # Dark beneath light: it is read on every colour.
        painter.setPen(QPen(QColor(0, 0, 0, 190), 3))
        painter.drawPolyline(line)
        painter.setPen(QPen(QColor(255, 255, 255), 1.4))
        painter.drawPolyline(line)
        painter.setPen(QPen(ink_of(self).faint, 1))
        painter.drawRect(QRectF(0.5, 0.5, width - 1, height - 1))
        painter.end()


def icon_of(function: TransferFunction) -> QIcon:
    """The colours of a function, for a list."""
    rows = function.lut(ICON.width())
    return QIcon(QPixmap.fromImage(_plain(rows, ICON.height())))


def _plain(rows: Any, height: int) -> QImage:
    line = np.clip(np.round(rows[:, :3] * 255), 0, 255).astype(np.uint8)
    return _image(np.repeat(line[None], height, axis=0))


def _over_squares(rows: Any, height: int) -> QImage:
    y, x = np.mgrid[:height, : len(rows)] // SQUARE
    ground = np.array(SHADES, float)[(x + y) % 2]
    colours, alpha = rows[None, :, :3] * 255, rows[None, :, 3:]
    return _image(np.round(colours * alpha + ground * (1 - alpha)).astype(np.uint8))


def _image(pixels: Any) -> QImage:
    pixels = np.ascontiguousarray(pixels)
    height, width, _ = pixels.shape
    # Qt keeps no copy of its own.
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
