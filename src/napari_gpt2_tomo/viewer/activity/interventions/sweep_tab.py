"""Every head or position changed alone, as a heat map to click on."""

from typing import Any

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from ....activity.intervention.effect import Metric, Sweep
from ....activity.intervention.figures import sweep_plot
from ....activity.lens.words import token_of
from ....activity.record import Activity
from ....base import TomoError
from ..desk import Place
from ..later import STOPPED, Later
from ..plot_view import PlotView
from .choices import HOW, HOW_TIP, NO_MODEL, OtherPrompt, combo

__all__ = ["SweepTab"]

OVER = {
    "Every head": "heads",
    "Stream by token": "resid_pre",
    "Attention by token": "attention",
    "MLP by token": "mlp",
}
"""What is gone through."""

METRICS = {
    "Divergence": "kl",
    "Logit": "logit",
    "Difference": "difference",
    "Probability": "probability",
}
"""What is measured of the next token."""

METRIC_TIP = (
    "What is measured of the token that follows the one looked at. Divergence: of all "
    "probabilities (KL). Logit and probability: of one token. Difference: of two logits."
)

BEGIN = "Changes one thing after the other, runs the prompt each time and shows the effect."


class SweepTab(QWidget):  # type: ignore[misc]
    """Starts sweeps and shows their grid.

    Attributes
    ----------
    chosen
        Emitted with where to look: a dict of ``layer`` and ``head`` or ``token``.
    """

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._activity: Activity | None = None
        self._place = Place()
        self._sweep: Sweep | None = None
        self.over = combo(OVER, "What is changed, one after the other")
        self.how = combo(HOW, HOW_TIP)
        self.other = OtherPrompt()
        self.metric = combo(METRICS, METRIC_TIP)
        self.token, self.minus = QLineEdit(), QLineEdit()
        self.token.setPlaceholderText("token")
        self.minus.setPlaceholderText("minus token")
        self.start_button = QPushButton("Start")
        self.said = QLabel()
        # A token may look like markup.
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.said.setWordWrap(True)
        self.view = PlotView()
        top, middle = QHBoxLayout(), QHBoxLayout()
        top.addWidget(self.over, stretch=3)
        top.addWidget(self.how, stretch=2)
        for widget, stretch in ((self.metric, 0), (self.token, 1), (self.minus, 1)):
            middle.addWidget(widget, stretch=stretch)
        middle.addWidget(self.start_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(top)
        layout.addWidget(self.other)
        layout.addLayout(middle)
        layout.addWidget(self.said)
        layout.addWidget(self.view, stretch=1)
        self.later = Later(self._tell_of_work)
        self.how.currentIndexChanged.connect(self._offer)
        self.metric.currentIndexChanged.connect(self._offer)
        self.start_button.clicked.connect(self.start)
        self.view.clicked.connect(self._click)
        self._offer()
        self._say(BEGIN)

    @property
    def sweep(self) -> Sweep | None:
        """What is shown."""
        return self._sweep

    def show_activity(self, activity: Activity, place: Place) -> None:
        """Sweep over the model of an activity on its text."""
        before, self._activity, self._place = self._activity, activity, place
        self.other.show_activity(activity)
        self.start_button.setEnabled(activity.model is not None)
        same = before is not None and before.source.path == activity.source.path
        if before is not None and same and list(before.tokens.ids) == list(activity.tokens.ids):
            return
        self.later.cancel()
        self.start_button.setText("Start")
        self._sweep = None
        self.view.show_plot(None)
        self._say(BEGIN if activity.model is not None else NO_MODEL)

    def show_place(self, place: Place) -> None:
        """Mark the place that is looked at."""
        moved, self._place = place != self._place, place
        if moved:
            self._draw()

    def start(self, checked: bool = False) -> None:
        """Begin; stop what is under way."""
        if self.later.running:
            self.later.cancel()
            self._say(STOPPED)
            self.start_button.setText("Start")
            return
        activity, place = self._activity, self._place
        if activity is None or activity.model is None:
            return
        over, how = self.over.currentData(), self.how.currentData()
        try:
            metric = self._metric(activity)
            source = self.other.source if how == "patch" else None
        except TomoError as error:
            self._say(str(error))
            return
        model, tokens, texts = activity.model, activity.tokens, self.other.texts

        def work(report: Any) -> Sweep:
            from ....activity.running.sweeps import sweep

            return sweep(
                model, tokens, over, how, metric,
                source=source, texts=texts, position=place.token, progress=report,
            )  # fmt: skip

        self.later.start(work, self._show, "Running …")
        self.start_button.setText("Stop")

    def _metric(self, activity: Activity) -> Metric:
        kind = self.metric.currentData()
        if kind == "kl":
            return Metric()
        token = token_of(activity, self.token.text())
        other = token_of(activity, self.minus.text()) if kind == "difference" else None
        return Metric(kind, token, other)

    def _show(self, sweep: Sweep) -> None:
        self._sweep = sweep
        label = sweep.tokens.labels
        of_heads = sweep.over == "heads"
        best = [
            f"L{layer}{f'H{at}' if of_heads else f' {label[at]}[{at}]'} {effect:+.3g}"
            for layer, at, effect in sweep.strongest(3)
        ]
        self._say("Strongest: " + ",  ".join(best))
        self._draw()

    def _draw(self) -> None:
        if self._sweep is None:
            return
        at = self._place.head if self._sweep.over == "heads" else self._place.token
        self.view.show_plot(sweep_plot(self._sweep, (self._place.layer, at)))

    def _click(self, event: Any) -> None:
        sweep = self._sweep
        # Of the two axes of the figure the colour bar is the second.
        if sweep is None or event.inaxes is not self.view.figure.axes[0]:
            return
        layer, at = round(event.ydata), round(event.xdata)
        rows, columns = sweep.values.shape
        if 0 <= layer < rows and 0 <= at < columns:
            self.chosen.emit({"layer": layer, "head" if sweep.over == "heads" else "token": at})

    def _offer(self, index: int = 0) -> None:
        self.other.ask_for(self.how.currentData())
        kind = self.metric.currentData()
        self.token.setVisible(kind != "kl")
        self.minus.setVisible(kind == "difference")

    def _tell_of_work(self, text: str) -> None:
        self.start_button.setText("Start")
        self._say(text)

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))
