"""The widgets that panels are made of."""

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QCheckBox, QComboBox, QPushButton
from superqt import QLabeledDoubleSlider

__all__ = ["WordList", "number_slider", "tick_box", "toggle"]

WORD = Qt.ItemDataRole.UserRole


class WordList(QComboBox):  # type: ignore[misc]
    """A list of titles that each stand for a word of a script, or for None.

    Parameters
    ----------
    name
        What a screen reader calls it.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    @property
    def word(self) -> Any:
        """The word that is chosen."""
        return self.currentData(WORD)

    def choose(self, word: Any) -> None:
        """Show a word; the first one if the list has it not."""
        self.setCurrentIndex(max(self.findData(word, WORD) if word is not None else 0, 0))

    def fill(self, rows: Iterable[tuple[Any, str, str]]) -> None:
        """List words, their titles and what is told about them."""
        with QSignalBlocker(self):
            self.clear()
            for row, (word, title, about) in enumerate(rows):
                self.addItem(title)
                self.setItemData(row, word, WORD)
                self.setItemData(row, about, Qt.ItemDataRole.ToolTipRole)

    def allow(self, words: Iterable[Any], why_not: str) -> None:
        """Let only these words be chosen; the others tell why they cannot."""
        possible = set(words)
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        for row in range(self.count()):
            item = model.item(row)
            item.setEnabled(self.itemData(row, WORD) in possible)
            if not item.isEnabled():
                item.setToolTip(why_not)


def toggle(text: str, about: str) -> Any:
    """A button that stays down."""
    button = QPushButton(text)
    button.setCheckable(True)
    button.setToolTip(about)
    return button


def tick_box(text: str, about: str) -> Any:
    """A check box."""
    box = QCheckBox(text)
    box.setToolTip(about)
    return box


def number_slider(name: str, low: float, high: float, decimals: int) -> Any:
    """A slider for a number, with a field to type it."""
    made = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    made.setRange(low, high)
    made.setDecimals(decimals)
    made.setSingleStep(10.0**-decimals)
    made.setAccessibleName(name)
    return made
