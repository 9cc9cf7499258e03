"""Widgets as arrays."""

import numpy as np
from qtpy.QtGui import QImage


def grab(widget):
    """What a widget looks like, shape ``(rows, columns, 3)``."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    data = image.constBits().asstring(image.sizeInBytes())
    rows = np.frombuffer(data, np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()
