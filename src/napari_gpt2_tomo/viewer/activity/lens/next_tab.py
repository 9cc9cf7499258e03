"""What comes next: bars, how it is drawn, and steps that append it."""

from typing import Any

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ....activity.lens import NATS_PER_BIT, Continuing, NextToken, next_token, sampling
from ....activity.lens.figures import next_plot
from ....activity.record import Activity, Tokens
from ....base import TomoError
from ..desk import Place
from ..later import Later
from ..plot_view import PlotView
from .drawing_form import DrawingForm

__all__ = ["NextTab"]

SHOWN = 12
"""Bars that are drawn."""

CHANGED = (
    "This was recorded under changes of the model, without which it would go on. Run the text "
    "without them to continue it."
)


class NextTab(QWidget):  # type: ignore[misc]
    """The likeliest next tokens, after a token of the text or at the end of its continuation.

    Attributes
    ----------
    grown
        Emitted without arguments when the continuation is another.
    wanted
        Emitted with the tokens of the longer text that is to be run.
    """

    grown = Signal()
    wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._activity: Activity | None = None
        self._position = -1
        self.continuing: Continuing | None = None
        self.shown: NextToken | None = None
        self.form = DrawingForm()
        self.view = PlotView()
        self.numbers = QLabel()
        self.numbers.setWordWrap(True)
        self.numbers.setTextFormat(Qt.TextFormat.PlainText)
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.step_button = QPushButton("Step")
        self.step_button.setToolTip("Append the next token; a click on a bar appends that one")
        self.back_button = QPushButton("Back")
        self.back_button.setToolTip("Take the last token back")
        self.run_button = QPushButton("Run this text")
        self.run_button.setToolTip("Record what happens inside for the text with what was appended")
        buttons = QHBoxLayout()
        for button in (self.step_button, self.back_button, self.run_button):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self.view, stretch=1)
        layout.addWidget(self.numbers)
        layout.addWidget(self.said)
        layout.addWidget(self.form)
        layout.addLayout(buttons)
        self.later = Later(self._say)
        self.form.changed.connect(self._set)
        self.step_button.clicked.connect(lambda: self.step())
        self.back_button.clicked.connect(lambda: self.back())
        self.run_button.clicked.connect(self._want)
        self.view.clicked.connect(self._click)
        self._say("")

    def show_activity(self, activity: Activity, place: Place) -> None:
        """Show what comes after a place of an activity."""
        if activity is not self._activity:
            self.later.cancel()
            self.continuing = None
            self._say(CHANGED if activity.source.changes else "")
            if activity.model is not None and not activity.source.changes:
                self.continuing = Continuing(
                    activity.model, activity.tokens, self.form.value, SHOWN
                )
        self._activity = activity
        self.show_place(place)

    def show_place(self, place: Place) -> None:
        """Show what comes after another token."""
        if self._activity is None:
            return
        self._position = place.token
        self._draw()

    @property
    def at_end(self) -> bool:
        """Whether the end of the text is looked at, from where it is continued."""
        return self._activity is not None and self._position >= len(self._activity.tokens) - 1

    def step(self, token: int | None = None) -> None:
        """Append the next token, or another one in its place."""
        growing = self.continuing
        if growing is None or self._activity is None or self.later.running:
            return
        self._position = len(self._activity.tokens) - 1

        def work(report: object) -> bool:
            there = growing.take(token) is not None
            growing.pending()
            return there

        self.later.start(work, self._grown, "Reading …")

    def back(self) -> None:
        """Take the last appended token back."""
        growing = self.continuing
        if growing is not None and not self.later.running:
            growing.back()
            self.later.start(lambda report: growing.pending() is not None, self._grown, "Reading …")

    def _grown(self, could: bool) -> None:
        if self.continuing is not None:
            # It may have been set otherwise meanwhile.
            self.continuing.drawing = self.form.value
        self.grown.emit()
        self._draw()

    def _set(self) -> None:
        """Draw the next token in another way."""
        if self.continuing is not None and not self.later.running:
            self.continuing.drawing = self.form.value
        self._draw()

    def _draw(self) -> None:
        activity, growing = self._activity, self.continuing
        self._enable()
        if activity is None:
            return
        if self.at_end and growing is not None and growing.taken:
            if growing.ended:
                self._say("The text ends here: the context is full, or the model ended it.")
                return
            pending = growing.known
            if pending is None:
                self.later.start(
                    lambda report: growing.pending() is not None, self._grown, "Reading …"
                )
                return
            found = NextToken(
                growing.tokens,
                pending.chances,
                pending.alternatives,
                pending.strings,
                None,
                activity.source.name,
            )
        else:
            found = next_token(activity, self._position, SHOWN)
        self.shown = found
        how = self.form.value
        drawn = None
        if how.temperature > 0:
            try:
                drawn = sampling(found.chances.logits, how.temperature, how.top_k, how.top_p)
            except TomoError as error:
                self._say(str(error))
        self.view.show_plot(next_plot(found, drawn))
        bits = found.chances.entropy / NATS_PER_BIT
        words = [f"Entropy {bits:.2f} bits ({found.chances.entropy:.2f} nats)"]
        if found.true is not None:
            label = Tokens.of_ids([0], [activity.tokens.strings[self._position + 1]]).labels[0]
            words.append(f"{label} comes, rank {found.chances.rank(found.true):,}")
        elif drawn is not None and drawn.rules:
            words.append(f"drawn from {int(drawn.kept.sum()):,} tokens with {drawn.mass:.1%}")
        else:
            words.append(f"all others {found.rest:.1%}")
        self.numbers.setText("; ".join(words))

    def _enable(self) -> None:
        growing = self.continuing
        self.step_button.setEnabled(growing is not None)
        for button in (self.back_button, self.run_button):
            button.setEnabled(growing is not None and bool(growing.taken))

    def _want(self, checked: bool = False) -> None:
        if self.continuing is not None:
            self.wanted.emit(self.continuing.tokens)

    def _click(self, event: Any) -> None:
        row = round(event.ydata)
        if self.shown is not None and self.at_end and 0 <= row < len(self.shown.ids):
            self.step(int(self.shown.ids[row]))

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))
