"""Choosing a preset, keeping one's own, and deleting it."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QInputDialog, QPushButton, QWidget

from ...base import DisplayError, TomoError
from ...display.presets import PRESETS, Preset
from ..remembered import add_preset, delete_preset, own_presets
from ..shortcuts import key_of
from ..work import show
from .headings import heading
from .numbers import shown

__all__ = ["PresetChooser"]

FREE = "Window moved by hand"
"""What is shown where the window is no preset's."""

KEY = Qt.ItemDataRole.UserRole


class PresetChooser(QWidget):  # type: ignore[misc]
    """A list of presets under headings, with buttons to keep the present window and to delete.

    Parameters
    ----------
    present
        Gives the kind and the numbers of the present window, for keeping it.

    Attributes
    ----------
    chosen
        Signal: the key of the preset that the user chose.
    """

    chosen = Signal(str)

    def __init__(self, present: Callable[[], tuple[Any, tuple[float, ...]]]) -> None:
        super().__init__()
        self._present = present
        self._wrong = ""
        self.list = QComboBox()
        self.list.setAccessibleName("Window preset")
        self.list.setMaxVisibleItems(30)
        self.list.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.list.activated.connect(self._activated)
        self.keep = QPushButton("Save…")
        self.keep.setToolTip("Keep the present window as a preset of your own")
        self.keep.clicked.connect(self.save)
        self.remove = QPushButton("Delete")
        self.remove.setToolTip("Delete this preset of yours")
        self.remove.clicked.connect(self.delete)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.list, stretch=1)
        row.addWidget(self.keep)
        row.addWidget(self.remove)
        self.fill()

    def fill(self) -> None:
        """Read the list anew."""
        own: tuple[Preset, ...] = ()
        try:
            own, self._wrong = own_presets(), ""
        except DisplayError as error:
            if str(error) != self._wrong:
                self._wrong = str(error)
                show(error)
        model = QStandardItemModel(self)
        model.appendRow(_line(FREE, ""))
        group = ""
        for row in (*PRESETS, *own):
            if row.group != group:
                group = row.group
                model.appendRow(heading(group))
            model.appendRow(_line(_text(row), row.key, row.about))
        before = self.current
        self.list.setModel(model)
        self.show_preset(before)

    @property
    def current(self) -> str:
        """Key of the preset that is shown, empty for a window moved by hand."""
        return str(self.list.currentData(KEY) or "")

    def show_preset(self, key: str) -> None:
        """Show which preset the window is that of."""
        index = max(self.list.findData(key, KEY), 0)
        self.list.setCurrentIndex(index)
        self.remove.setEnabled(key.startswith("my-") and index > 0)
        self.list.setToolTip(str(self.list.itemData(index, Qt.ItemDataRole.ToolTipRole) or ""))

    def save(self) -> None:
        """Ask for a title and keep the present window under it."""
        title, agreed = QInputDialog.getText(self, "Save a preset", "Title of the preset:")
        if agreed:
            self.save_as(title)

    def save_as(self, title: str) -> None:
        """Keep the present window under a title."""
        try:
            made = add_preset(title, *self._present())
        except TomoError as error:
            show(error)
            return
        self.fill()
        self.chosen.emit(made.key)

    def delete(self) -> None:
        """Delete the preset that is shown; the window stays."""
        try:
            delete_preset(self.current)
        except TomoError as error:
            show(error)
            return
        self.fill()
        self.show_preset("")

    def _activated(self, index: int) -> None:
        key = str(self.list.itemData(index, KEY) or "")
        if key:
            self.chosen.emit(key)


def _text(row: Preset) -> str:
    """Title, the numbers where two presets have one title, and the key."""
    numbers = "HU {} / {}".format(*map(shown, row.numbers)) if row.kind == "hu" else ""
    return "   ".join(word for word in (row.title, numbers, key_of(row.key)) if word)


def _line(text: str, key: str, about: str = "") -> QStandardItem:
    item = QStandardItem(text)
    item.setData(key, KEY)
    item.setToolTip(about)
    if not key:
        item.setFlags(Qt.ItemFlag.NoItemFlags)
    return item
