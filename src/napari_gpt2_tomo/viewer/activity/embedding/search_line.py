"""The line in which a token is looked for, or a sum of tokens."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QStringListModel, Qt, QTimer
from qtpy.QtWidgets import QCompleter, QLabel, QLineEdit, QVBoxLayout, QWidget

from ....activity.embedding.search import Match
from ....base import TomoError
from ....display.plots.cells import cut

__all__ = ["SearchLine"]

PLACEHOLDER = "Search a token: Paris, #42, or a sum: king - man + woman"

ERROR, NOTE = "color: #ff8a80;", "color: #9fb3c8;"
"""Styles of what was wrong, and of a remark: seen on dark and on grey."""

OFFERED = 40
"""Tokens that are offered while somebody types."""

LONGEST = 32
"""Characters of a token in the list."""


class SearchLine(QWidget):  # type: ignore[misc]
    """A line with completion by the tokens of a vocabulary, and below it what was found.

    Parameters
    ----------
    find
        Gives tokens for a text.
    label
        How a token is written.
    chosen
        Called with a token that was picked from the list.
    entered
        Called with the text that was entered; gives a remark, raises `TomoError`.
    """

    def __init__(
        self,
        find: Callable[[str, int], list[Match]],
        label: Callable[[int], str],
        chosen: Callable[[int], None],
        entered: Callable[[str], str],
    ) -> None:
        super().__init__()
        self._find, self._label, self._chosen, self._entered = find, label, chosen, entered
        self._offers: dict[str, int] = {}
        self.line = QLineEdit()
        self.line.setPlaceholderText(PLACEHOLDER)
        self.line.setClearButtonEnabled(True)
        self.line.setToolTip(
            "A token by its text: exactly this one first, then with and without a space before "
            "it, other letter case, tokens that begin so and that contain it. A · stands for a "
            "space. With + and - between words: the tokens nearest to the sum."
        )
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.hide()
        self._words = QStringListModel(self)
        # Qt puts the whole offer into the line after it tells that it was picked.
        self._taken = ""
        self._after = QTimer(self)
        self._after.setSingleShot(True)
        self._after.setInterval(0)
        self._after.timeout.connect(self._write)
        completer = QCompleter(self._words, self)
        completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        completer.setMaxVisibleItems(14)
        completer.activated.connect(self._picked)
        self.line.setCompleter(completer)
        self.line.textEdited.connect(self._edited)
        self.line.returnPressed.connect(self.go)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.line)
        layout.addWidget(self.message)

    @property
    def offers(self) -> list[str]:
        """What is offered for the text in the line, a line each."""
        return list(self._offers)

    def go(self) -> None:
        """Look for what is in the line; what is wrong is said below it."""
        text = self.line.text()
        self.line.completer().popup().hide()
        if text in self._offers:
            self._picked(text)
            return
        if not text:
            return
        try:
            self.say(self._entered(text))
        except TomoError as error:
            self.say(str(error), wrong=True)

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Show a remark or an error below the line; nothing hides it."""
        self.message.setText(text)
        self.message.setStyleSheet(ERROR if wrong else NOTE)
        self.message.setVisible(bool(text))

    def _edited(self, text: str) -> None:
        self.say("")
        found = self._find(text, OFFERED)
        self._offers = {
            f"{cut(self._label(match.id), LONGEST)}   #{match.id} · {match.how}": match.id
            for match in found
        }
        self._words.setStringList(list(self._offers))
        if found and self.line.hasFocus():
            self.line.completer().complete()

    def _picked(self, offer: Any) -> None:
        token = self._offers.get(str(offer))
        if token is not None:
            self._chosen(token)
            self.say("")
            self._taken = self._label(token)
            self._after.start()

    def _write(self) -> None:
        self.line.setText(self._taken)
