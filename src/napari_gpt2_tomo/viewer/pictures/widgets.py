"""Small widgets and words of the dock for pictures and movies."""

import re
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QGroupBox, QHBoxLayout, QWidget

from ...base import TomoError
from .stage import SIZES, checked_size

__all__ = [
    "AS_CANVAS",
    "duration",
    "form_in",
    "megabytes",
    "number_box",
    "row_of",
    "size_box",
    "size_of",
    "size_on_disk",
]

AS_CANVAS = "As the canvas"
"""The choice of no size of its own."""


def form_in(group: QGroupBox) -> QFormLayout:
    """A form that uses the width of its group."""
    form = QFormLayout(group)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
    return form


def row_of(*widgets: QWidget) -> QWidget:
    """Widgets side by side; the first takes the room."""
    row = QWidget()
    line = QHBoxLayout(row)
    line.setContentsMargins(0, 0, 0, 0)
    for i, widget in enumerate(widgets):
        line.addWidget(widget, stretch=0 if i else 1)
    return row


def number_box(low: float, high: float, value: float, decimals: int, unit: str) -> QDoubleSpinBox:
    """A number to type or to step."""
    box = QDoubleSpinBox()
    box.setDecimals(decimals)
    box.setRange(low, high)
    box.setValue(value)
    box.setSuffix(unit)
    return box


def size_box() -> QComboBox:
    """Sizes to choose from; another one may be typed."""
    box = QComboBox()
    box.setEditable(True)
    box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    box.addItems([AS_CANVAS, *(f"{width} × {height}" for width, height in SIZES)])
    box.lineEdit().setToolTip("Width × height in pixels")
    return box


def size_of(box: QComboBox) -> tuple[int, int] | None:
    """What is chosen or typed; None for the canvas's.

    Raises
    ------
    TomoError
        It is no size.
    """
    text = box.currentText()
    if text == AS_CANVAS:
        return None
    try:
        sides = [int(side) for side in re.split(r"\s*[x×,]\s*", text.strip())]
    except ValueError:
        raise TomoError(f"A size is width × height, e.g. 1280 × 720, not {text!r}.") from None
    return checked_size(sides)


def duration(seconds: float) -> str:
    """Seconds or minutes, as one would say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"


def megabytes(size: float) -> str:
    """A number of bytes."""
    return f"{size / 1e6:.1f} MB" if size < 1e7 else f"{size / 1e6:,.0f} MB"


def size_on_disk(path: Path) -> str:
    """What a file or the files of a folder take."""
    files = path.iterdir() if path.is_dir() else (path,)
    return megabytes(sum(file.stat().st_size for file in files))
