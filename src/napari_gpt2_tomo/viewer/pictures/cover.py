"""What lies over a canvas while a movie of it is made."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QLabel

__all__ = ["Cover", "image_of"]

INTERVAL = 0.1
"""Seconds at least between two frames that are shown: the work is the movie, not the show."""


class Cover:
    """Shows the frames of a movie where the canvas was, which is drawn for the movie alone.

    Parameters
    ----------
    canvas
        The widget that is covered. A hidden one gets no cover.
    """

    def __init__(self, canvas: Any) -> None:
        self._canvas = canvas
        self._label: QLabel | None = None
        self._shown = 0.0
        if not canvas.isVisible():
            return
        self._label = QLabel(canvas.parentWidget())
        self._label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._label.setStyleSheet("background: black; color: white;")
        self._label.setGeometry(canvas.geometry())
        self._label.setPixmap(canvas.grab())
        self._label.show()
        self._label.raise_()

    def show(self, frame: NDArray[np.uint8]) -> None:
        """Show a frame, shape ``(rows, columns, 3)``."""
        now = time.monotonic()
        if self._label is None or now - self._shown < INTERVAL:
            return
        self._shown = now
        self._label.setGeometry(self._canvas.geometry())
        picture = QPixmap.fromImage(image_of(frame))
        size = self._label.size() * self._label.devicePixelRatioF()
        if picture.width() > size.width() or picture.height() > size.height():
            picture = picture.scaled(
                size,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        picture.setDevicePixelRatio(self._label.devicePixelRatioF())
        self._label.setPixmap(picture)

    def close(self) -> None:
        """Uncover the canvas. Idempotent."""
        if self._label is not None:
            self._label.hide()
            self._label.deleteLater()
            self._label = None


def image_of(pixels: NDArray[np.uint8]) -> QImage:
    """An image of its own from ``(rows, columns, 3)`` pixels."""
    rows, columns = pixels.shape[:2]
    whole = np.ascontiguousarray(pixels)
    # A copy: the image would not keep the array alive.
    return QImage(whole.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888).copy()
