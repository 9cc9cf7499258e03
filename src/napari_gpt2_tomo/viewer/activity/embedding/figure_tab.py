"""A tab with one of several figures."""

from collections.abc import Callable, Generator, Sequence
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from ....activity.embedding.space import EmbeddingSpace
from ....base import Progress, TomoError
from ....display.plots import Plot
from ...work import Job, show
from ..plot_view import PlotView
from .choices import Asked, Choice
from .search_line import ERROR

__all__ = ["FigureTab"]

WORKING = "Computing …"


class FigureTab(QWidget):  # type: ignore[misc]
    """Offers figures of an embedding space; a figure is made in the background when it is seen.

    Parameters
    ----------
    choices
        What is offered.
    asked
        Gives what the explorer is set to; the text is added to it.
    """

    def __init__(self, choices: Sequence[Choice], asked: Callable[[str], Asked]) -> None:
        super().__init__()
        self._choices, self._asked = tuple(choices), asked
        self._space: EmbeddingSpace | None = None
        self._job: Job | None = None
        self._stale = True
        self.figure = QComboBox()
        self.field = QLineEdit()
        self.field.setClearButtonEnabled(True)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.view = PlotView()
        self.caption = QLabel()
        self.caption.setWordWrap(True)
        self.caption.setTextFormat(Qt.TextFormat.PlainText)
        layout = QVBoxLayout(self)
        for widget in (self.figure, self.field, self.words):
            layout.addWidget(widget)
        layout.addWidget(self.view, stretch=1)
        layout.addWidget(self.caption)
        layout.addStretch(0)
        self.figure.activated.connect(self._chosen)
        self.field.returnPressed.connect(self.refresh)
        self.set_space(None)

    @property
    def offered(self) -> list[str]:
        """Titles of the figures that apply."""
        return [self.figure.itemText(i) for i in range(self.figure.count())]

    def set_space(self, space: EmbeddingSpace | None) -> None:
        """Draw another space, or none."""
        self._cancel()
        self._space = space
        with QSignalBlocker(self.figure):
            chosen = self.figure.currentText()
            self.figure.clear()
            for choice in self._choices:
                if space is not None and _applies(space, choice):
                    self.figure.addItem(choice.title, choice)
            self.figure.setCurrentIndex(max(self.figure.findText(chosen), 0))
        self._chosen()

    def choose(self, title: str) -> None:
        """Draw the figure of a title."""
        self.figure.setCurrentIndex(self.figure.findText(title))
        self._chosen()

    def outdated(self) -> None:
        """What the explorer is set to has changed: a figure that depends on it is made again."""
        choice = self.figure.currentData()
        if choice is not None and choice.follows:
            self._renew()

    def refresh(self) -> None:
        """Make the figure again."""
        self._cancel()
        self._stale = False
        space, choice = self._space, self.figure.currentData()
        absent = "" if space is None or choice is not None else "\n".join(space.notes)
        self._say(absent or ("" if choice is not None else "There is nothing to draw."))
        self.view.setVisible(choice is not None)
        if space is None or choice is None:
            self._show(None)
            return
        asked = self._asked(self.field.text() if choice.field else "")

        def work(report: Progress) -> Generator[object, None, None]:
            yield _Made(choice.make(space, asked))

        self._say(WORKING)
        self._job = Job(work, self._made, self._failed)

    def showEvent(self, event: Any) -> None:
        """See Qt: a figure is made when it is first seen."""
        super().showEvent(event)
        if self._stale:
            self.refresh()

    def let_go(self) -> None:
        """Wait for nothing any more."""
        self._cancel()

    def _chosen(self, index: int = 0) -> None:
        choice = self.figure.currentData()
        self.field.setVisible(choice is not None and bool(choice.field))
        self.field.setPlaceholderText("" if choice is None else choice.field)
        self.field.clear()
        self.figure.setVisible(self.figure.count() > 0)
        self._renew()

    def _renew(self) -> None:
        self._stale = True
        if self.isVisible():
            self.refresh()

    def _made(self, made: "_Made") -> None:
        notes = "" if self._space is None else self._space.scheme.words
        self._say("" if made.plot is not None else notes)
        self._show(made.plot)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, TomoError):
            self._say(str(error), wrong=True)
            self._show(None)
        else:
            self._say(f"This cannot be drawn: {error}", wrong=True)
            show(error)

    def _show(self, plot: Plot | None) -> None:
        self.view.setVisible(plot is not None)
        self.view.show_plot(plot)
        self.caption.setText("" if plot is None else plot.caption)

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self.words.setText(text)
        self.words.setStyleSheet(ERROR if wrong else "")
        self.words.setVisible(bool(text))

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None


class _Made:
    """A figure that was made, or that does not apply."""

    def __init__(self, plot: Plot | None) -> None:
        self.plot = plot


def _applies(space: EmbeddingSpace, choice: Choice) -> bool:
    if choice.title == "Rotary pairs":
        return space.scheme.kind == "rotary" and space.scheme.theta is not None
    if choice.title == "Plane of two dimensions":
        return space.has("tokens") or space.has("positions")
    return all(space.has(which) for which in choice.needs)
