"""Small widgets that the tabs share."""

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QLabel, QSizePolicy

__all__ = ["choices", "fill", "said"]


def choices(titles: Mapping[Any, str] | None = None) -> QComboBox:
    """A box to choose from; long titles do not decide how wide a dock is."""
    box = QComboBox()
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    box.setMinimumContentsLength(8)
    fill(box, titles or {})
    return box


def fill(box: QComboBox, titles: Mapping[Any, str]) -> None:
    """Offer other choices, by value; the present one stays if it is among them. Emits nothing."""
    values = list(titles)
    kept = box.currentData()
    blocked = box.blockSignals(True)
    box.clear()
    for value, title in titles.items():
        box.addItem(title[:1].upper() + title[1:], value)
    box.setCurrentIndex(values.index(kept) if kept in values else 0 if values else -1)
    box.blockSignals(blocked)


def said() -> QLabel:
    """A line or two of plain text."""
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
