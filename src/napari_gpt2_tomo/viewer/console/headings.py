"""Headings between the entries of a list."""

from qtpy.QtCore import Qt
from qtpy.QtGui import QStandardItem

__all__ = ["heading"]


def heading(text: str) -> QStandardItem:
    """An entry that only tells what the next ones are."""
    item = QStandardItem(text)
    font = item.font()
    font.setBold(True)
    item.setFont(font)
    item.setFlags(Qt.ItemFlag.NoItemFlags)
    return item
