"""The line in which a person types where to go."""

import contextlib
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QStringListModel, Qt
from qtpy.QtWidgets import QCompleter, QLabel, QLineEdit, QVBoxLayout, QWidget

from ...base import DisplayError, Progress, TomoError
from ...display.queries import EXAMPLES
from ..work import Job
from .guide import finder, is_loaded, load_vocabulary

if TYPE_CHECKING:
    from ..link import ScanLink

__all__ = ["GoLine"]

PLACEHOLDER = 'Go to: L3.q, L5.H1, L3.N2, tensor[138, 2], 105 412 265, "Paris"'

ERROR = "color: #ff8a80;"
"""Style of what was wrong: a light red that reads on dark and grey."""

NOTE = "color: #9fb3c8;"
"""Style of a remark."""

QUOTES = ('"', "'", "“")


class GoLine(QWidget):  # type: ignore[misc]
    """A line with completion, and below it what was wrong or which of several was taken.

    Parameters
    ----------
    fly
        Called with what was typed; raises `TomoError` and gives a remark.
    """

    def __init__(self, fly: Callable[[str], str], parent: Any = None) -> None:
        super().__init__(parent)
        self._fly = fly
        self._link: ScanLink | None = None
        self._job: Job | None = None
        self._waiting: list[Callable[[], None]] = []
        self.line = QLineEdit()
        self.line.setPlaceholderText(PLACEHOLDER)
        self.line.setClearButtonEnabled(True)
        self.line.setToolTip(
            "<table>"
            + "".join(
                f"<tr><td><b>{q}</b>&nbsp;&nbsp;</td><td>{what}</td></tr>" for q, what in EXAMPLES
            )
            + "</table>"
        )
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.hide()
        self._words = QStringListModel(self)
        completer = QCompleter(self._words, self)
        completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        completer.setMaxVisibleItems(12)
        completer.activated.connect(self._chosen)
        self.line.setCompleter(completer)
        self.line.textEdited.connect(self._edited)
        self.line.returnPressed.connect(self.go)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.line)
        layout.addWidget(self.message)

    def set_link(self, link: "ScanLink | None") -> None:
        """Look for places in a scan, or in none."""
        self.cancel()
        self._link = link
        self.line.setEnabled(link is not None)
        self.say("")

    def cancel(self) -> None:
        """Wait for nothing any more."""
        self._waiting.clear()
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def go(self) -> None:
        """Go to what was typed, or say why not."""
        text = self.line.text()
        self.line.completer().popup().hide()
        if self._needs_words(text):
            self._load(self.go)
            return
        try:
            self.say(self._fly(text))
        except TomoError as error:
            self.say(str(error), wrong=True)

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Show a remark or an error below the line; nothing hides it."""
        self.message.setText(text)
        self.message.setStyleSheet(ERROR if wrong else NOTE)
        self.message.setVisible(bool(text))

    def load_words(self, then: Callable[[], None]) -> None:
        """Load the vocabulary in the background, once, and call `then`."""
        if self._link is not None and not is_loaded(self._link.scan):
            self._load(then)

    def _chosen(self, text: str) -> None:
        # Qt puts the text into the line after this.
        self.line.setText(text)
        self.go()

    def _edited(self, text: str) -> None:
        self.say("")
        if self._needs_words(text):
            self._load(self._complete)
        else:
            self._complete()

    def _complete(self) -> None:
        if self._link is None:
            return
        text = self.line.text()
        try:
            found = finder(self._link).complete(text)
        except DisplayError:
            found = []  # An unreadable tokenizer is told when somebody wants to go.
        self._words.setStringList([] if found == [text] else found)
        if found and self.line.hasFocus():
            self.line.completer().complete()

    def _needs_words(self, text: str) -> bool:
        asks = text.lstrip().startswith(QUOTES)
        return asks and self._link is not None and not is_loaded(self._link.scan)

    def _load(self, then: Callable[[], None]) -> None:
        if self._link is None:
            return
        if then not in self._waiting:
            self._waiting.append(then)
        if self._job is not None and self._job.running:
            return
        scan = self._link.scan

        def work(report: Progress) -> Generator[object, None, None]:
            # What cannot be read is told when somebody asks for a token.
            with contextlib.suppress(DisplayError):
                load_vocabulary(scan)
            yield True

        def loaded(done: Any) -> None:
            waiting, self._waiting = self._waiting, []
            for callback in waiting:
                callback()

        self._job = Job(work, loaded)
