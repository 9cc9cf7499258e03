"""The text that a model reads, and the tokens that it falls into, while it is typed."""

from collections.abc import Generator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from psygnal import Signal
from qtpy.compat import isalive
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ....activity.examples import PROMPTS
from ....activity.preview import Piece, pieces
from ....activity.record.tokens import visible
from ....base import Progress, TomoError
from ...work import Job

__all__ = ["PromptBox", "chips"]

SOON = 250
"""Milliseconds without a key after which the tokens are counted."""

LINES = 4
"""Lines of text that are seen at once."""

CHIPS = 62
"""Pixels of height of the tokens below it: three lines."""

MOST = 250
"""Tokens that are shown one by one; the others are counted."""

EDGE = "#prompt { border: 1px solid #7d8590; border-radius: 3px; }"
"""Seen on a dark and on a light ground."""

TAB = 4
"""Spaces that a tab is wide."""

JOINT = "\N{ZERO WIDTH SPACE}"
"""Between two tokens, where a line may break."""


class PromptBox(QWidget):  # type: ignore[misc]
    """A text to type, examples to begin with, and its tokens below.

    Attributes
    ----------
    submitted
        Emitted without arguments when the user wants it read: Ctrl + Return.
    """

    submitted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._folder: Path | None = None
        self._job: Job | None = None
        self._pieces: Sequence[Piece] = ()
        self.text = _Text(self.submitted.emit)
        self.text.setPlainText(PROMPTS[0].text)
        self.examples = QPushButton("Examples")
        self.examples.setToolTip("Prompts to begin with, and what each of them shows")
        self.examples.setMenu(self._menu())
        self.count = QLabel()
        self.tokens = QLabel()
        self.tokens.setWordWrap(True)
        self.tokens.setTextFormat(Qt.TextFormat.RichText)
        self.tokens.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.tokens.setAccessibleName("Tokens of the prompt")
        area = QScrollArea()
        area.setWidget(self.tokens)
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFixedHeight(CHIPS)
        head = QHBoxLayout()
        head.addWidget(self.count, stretch=1)
        head.addWidget(self.examples)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.text)
        column.addLayout(head)
        column.addWidget(area)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(SOON)
        self._soon.timeout.connect(self._count)
        self.text.textChanged.connect(self._soon.start)

    @property
    def prompt(self) -> str:
        """The text."""
        return str(self.text.toPlainText())

    def show_model(self, folder: Path | None) -> None:
        """Count the tokens of another model."""
        self._folder = folder
        self._soon.start()

    def let_go(self) -> None:
        """Count no more."""
        self._soon.stop()
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for example in PROMPTS:
            action = menu.addAction(example.title)
            action.setToolTip(f"{example.text}\n\n{example.shows}")
            action.triggered.connect(lambda _=False, text=example.text: self._take(text))
        return menu

    def _take(self, text: str) -> None:
        self.text.setPlainText(text)
        self.text.setFocus()

    def _count(self) -> None:
        """Ask for the tokens in a thread: the first of a tokenizer takes a second."""
        if self._job is not None:
            self._job.cancel()
        folder, text = self._folder, self.prompt
        if folder is None:
            self._say("")
            return

        def work(report: Progress) -> Generator[object, None, None]:
            yield (pieces(folder, text),)

        self._job = Job(work, self._counted, self._failed)

    def _counted(self, found: tuple[Sequence[Piece] | None]) -> None:
        (shown,) = found
        if shown is None:
            self._say("Tokens are told after a run.")
            return
        n_tokens = sum(piece.n_tokens for piece in shown)
        self._say(f"<b>{n_tokens:,}</b> token{'' if n_tokens == 1 else 's'}", shown)

    def _failed(self, error: Exception) -> None:
        self._say(escape(str(error)) if isinstance(error, TomoError) else "")

    def _say(self, count: str, shown: Sequence[Piece] = ()) -> None:
        # Qt may have deleted this while the tokens were counted.
        if not isalive(self.count):
            return
        self.count.setText(count)
        self._pieces = shown
        self._colour()

    def _colour(self) -> None:
        dark = self.palette().window().color().lightnessF() < 0.5
        self.tokens.setText(chips(self._pieces, dark))

    def changeEvent(self, event: Any) -> None:
        """See Qt: another theme needs other grounds."""
        super().changeEvent(event)
        if event.type() == event.Type.PaletteChange and hasattr(self, "_soon"):
            self._colour()


def chips(shown: Sequence[Piece], dark: bool) -> str:
    """Tokens side by side as rich text, in turns on two grounds; white space is visible."""
    grounds = ("#45558a", "#24473a") if dark else ("#bfd3fa", "#dff5e8")
    faint = "#c9d0dc" if dark else "#4b5563"
    words = []
    for number, piece in enumerate(shown[:MOST]):
        text = escape(visible(piece.text))
        if piece.n_tokens > 1:
            text += f"<sup> {piece.n_tokens}</sup>"
        ink = f" color: {faint};" if piece.added else ""
        words.append(f'<span style="background: {grounds[number % 2]};{ink}">{text}</span>')
    if len(shown) > MOST:
        words.append(f'<span style="color: {faint}"> and {len(shown) - MOST:,} more</span>')
    return JOINT.join(words)


class _Text(QPlainTextEdit):  # type: ignore[misc]
    """A field of a few lines that tells when Ctrl + Return is pressed."""

    def __init__(self, submit: Any) -> None:
        super().__init__()
        self._submit = submit
        self.setAccessibleName("Prompt")
        self.setPlaceholderText("A text for the model to read")
        self.setToolTip("Ctrl + Return runs it")
        self.setTabChangesFocus(True)
        # napari draws no edge around a field of several lines.
        self.setObjectName("prompt")
        self.setStyleSheet(EDGE)
        self.setTabStopDistance(TAB * self.fontMetrics().horizontalAdvance(" "))
        self.setSizePolicy(self.sizePolicy().Policy.Expanding, self.sizePolicy().Policy.Fixed)

    def sizeHint(self) -> Any:
        """See Qt."""
        room = 2 * (self.frameWidth() + self.document().documentMargin())
        height = int(LINES * self.fontMetrics().lineSpacing() + room) + 4
        return QSize(240, height)

    def keyPressEvent(self, event: Any) -> None:
        """See Qt."""
        returns = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event.key() in returns and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._submit()
            return
        super().keyPressEvent(event)
