"""Which parts of the model wrote a logit."""

from collections.abc import Callable, Mapping
from typing import Any

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ....activity.lens import Attribution, logit_attribution, source_attribution
from ....activity.lens.chances import F64
from ....activity.lens.drawing.attribution_plots import STRONGEST
from ....activity.lens.figures import heads_plot, sources_plot, steps_plot, strongest_plot
from ....activity.lens.words import labels_of
from ....activity.record import Activity
from ....display.plots import Plot
from ..desk import Place
from ..later import Later
from ..plot_view import PlotView

__all__ = ["AttributionTab"]

VIEWS: Mapping[str, Callable[[Attribution, F64 | None], Plot | None]] = {
    "Strongest parts": lambda found, sources: strongest_plot(found),
    "Heads and MLPs": lambda found, sources: heads_plot(found),
    "Through the layers": lambda found, sources: steps_plot(found),
    "From which tokens": lambda found, sources: (
        None if sources is None else sources_plot(found, sources)
    ),
}
"""Ways to look at an attribution, by name."""


class AttributionTab(QWidget):  # type: ignore[misc]
    """Shares of heads, MLPs, embeddings and biases in a logit, or in a difference of two.

    Attributes
    ----------
    chosen
        Emitted with the layer and the head of a part that was clicked; the head is −1 for an MLP.
    """

    chosen = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self._activity: Activity | None = None
        self._place = Place()
        self._found: Attribution | None = None
        self._sources: F64 | None = None
        self.token, self.against = QLineEdit(), QLineEdit()
        self.token.setPlaceholderText("what the model predicts")
        self.token.setToolTip("The token whose logit is explained: its text, or #42")
        self.against.setPlaceholderText("the mean of all tokens")
        self.against.setToolTip(
            "A second token: the difference of the two logits is explained. A logit alone says "
            "little, for adding the same to all of them changes no probability."
        )
        self.choice = QComboBox()
        self.choice.addItems(list(VIEWS))
        self.choice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.view = PlotView()
        form = QFormLayout()
        form.addRow("Logit of", self.token)
        form.addRow("less", self.against)
        form.addRow("Show", self.choice)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self.said)
        layout.addWidget(self.view, stretch=1)
        self.later = Later(self._say)
        for line in (self.token, self.against):
            line.setClearButtonEnabled(True)
            line.editingFinished.connect(self._edited)
        self.choice.currentIndexChanged.connect(self._draw)
        self.view.clicked.connect(self._click)
        self._asked: tuple[Any, ...] = ()
        self._say("")

    def show_activity(self, activity: Activity, place: Place) -> None:
        """Explain the logit in the lines at a position of an activity."""
        self._activity, self._place = activity, place
        self._edited()

    def forget(self) -> None:
        """Ask anew, even for the same logit."""
        self._asked = ()

    def _edited(self) -> None:
        activity = self._activity
        if activity is None:
            return
        token, against = self.token.text() or None, self.against.text() or "mean"
        asked = (id(activity), token, against, self._place.token)
        if asked == self._asked:
            return
        self._asked = asked
        place = self._place.token

        def work(report: object) -> tuple[Attribution, F64 | None]:
            found = logit_attribution(activity, token, against, place)
            if "v" not in activity or "pattern" not in activity:
                return found, None
            return found, source_attribution(activity, found.token, against, place)

        self.later.start(work, self._show, "Attributing …")

    def _show(self, found: tuple[Attribution, F64 | None]) -> None:
        self._found, self._sources = found
        label = labels_of(self._found.activity, [self._found.token])[0]
        self.token.setPlaceholderText(f"what the model predicts: {label}")
        self._draw()

    def _draw(self, index: int = 0) -> None:
        if self._found is None:
            self.view.show_plot(None)
            return
        plot = VIEWS[self.choice.currentText()](self._found, self._sources)
        self._say("" if plot else "For this, values and patterns must be recorded.")
        self.view.show_plot(plot)

    def _click(self, event: Any) -> None:
        found, view = self._found, self.choice.currentText()
        if found is None:
            return
        x, y = round(event.xdata), round(event.ydata)
        if view == "Strongest parts":
            order = found.strongest(len(found.values))
            if 0 <= y < min(len(order), STRONGEST):
                part = int(order[y])
                self._choose(int(found.layers[part]), int(found.heads[part]))
        elif view == "Heads and MLPs":
            self._choose(y, x if event.inaxes.images else -1)
        elif view == "From which tokens" and event.inaxes.images:
            self._choose(y, -1)

    def _choose(self, layer: int, head: int) -> None:
        if layer >= 0:
            self.chosen.emit(layer, head)

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))
