"""How likely chosen tokens are from state to state."""

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from ....activity.lens import Chances, Trace, token_trace
from ....activity.lens.figures import trace_plot
from ....activity.lens.words import token_of
from ....activity.record import Activity
from ....base import TomoError
from ..desk import Place
from ..later import Later
from ..plot_view import PlotView

__all__ = ["TraceTab"]

FIRST = 4
"""Tokens that are followed as long as nobody chose one: the likeliest in the end."""

MOST = 8
"""Tokens that are followed at most: so many colours can be told apart."""


class TraceTab(QWidget):  # type: ignore[misc]
    """Probability and rank of chosen tokens across the states, at the position looked at.

    Attributes
    ----------
    layer_chosen
        Emitted with the block of a state that was clicked.
    """

    layer_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.chosen: list[int] = []
        self._activity: Activity | None = None
        self._trace: Trace | None = None
        self._place = Place()
        self._halves = True
        self.line = QLineEdit()
        self.line.setPlaceholderText("Follow a token: its text, or #42")
        self.line.setClearButtonEnabled(True)
        self.reset = QPushButton("Likeliest")
        self.reset.setToolTip("Follow the tokens that are likeliest in the end")
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.view = PlotView()
        top = QHBoxLayout()
        top.addWidget(self.line, stretch=1)
        top.addWidget(self.reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(top)
        layout.addWidget(self.said)
        layout.addWidget(self.view, stretch=1)
        self.later = Later(self._say)
        self.line.returnPressed.connect(self.follow)
        self.reset.clicked.connect(self.clear)
        self.view.clicked.connect(self._click)
        self._say("")

    def show_activity(self, activity: Activity, place: Place, halves: bool) -> None:
        """Show the tokens that are followed at a place of an activity."""
        if self._activity is None or activity.source != self._activity.source:
            self.chosen = []
        self._activity, self._place, self._halves = activity, place, halves
        self._start()

    def follow(self) -> None:
        """Follow the token in the line as well."""
        if self._activity is None:
            return
        try:
            token = token_of(self._activity, self.line.text())
        except TomoError as error:
            self._say(str(error))
            return
        if token not in self.chosen:
            self.chosen = [*self.chosen, token][-MOST:]
        self.line.clear()
        self._start()

    def clear(self, checked: bool = False) -> None:
        """Follow those that are likeliest in the end."""
        self.chosen = []
        self._start()

    def _start(self) -> None:
        activity, place, halves = self._activity, self._place, self._halves
        if activity is None:
            return
        tokens = list(self.chosen)
        if not tokens and "logits" in activity:
            tokens = Chances.of_logits(activity.read("logits", place.token)).top(FIRST).tolist()

        self.later.start(
            lambda report: token_trace(activity, tokens, place.token, halves),
            self._show,
            "Reading the states …",
        )

    def _show(self, trace: Trace) -> None:
        self._trace = trace
        self.view.show_plot(trace_plot(trace, self._place.layer))

    def _click(self, event: object) -> None:
        at = getattr(event, "xdata", None)
        if self._trace is None or at is None:
            return
        layers = self._trace.layers
        self.layer_chosen.emit(int(layers[max(0, min(len(layers) - 1, round(at)))]))

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))
