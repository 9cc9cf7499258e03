"""The tab with a head's circuits: why it looks where it does, and what comes of it."""

from collections.abc import Generator
from typing import Any
from weakref import WeakKeyDictionary

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from ....activity.attention.circuit_figures import circuit_plot, score_plot, written_plot
from ....activity.attention.circuits import Circuits
from ....activity.record import Activity
from ....base import Progress, TomoError
from ....display.plots import Plot
from ...work import Job, show
from ..desk import Place
from ..plot_view import PlotView

__all__ = ["CircuitTab", "circuits_of"]

KINDS = {
    "Why it looks there (q · k)": "score",
    "What it writes (OV)": "written",
    "OV between the text's tokens": "ov",
    "QK between the text's tokens": "qk",
}
"""Pictures, and what they are called."""

STRONGEST = -1
"""Stands for the key that the query looks at most."""

_circuits: "WeakKeyDictionary[Any, Circuits]" = WeakKeyDictionary()


def circuits_of(model: Any) -> Circuits:
    """The circuits of a model; their folded embeddings are kept as long as it is."""
    if model not in _circuits:
        _circuits[model] = Circuits(model)
    return _circuits[model]


class CircuitTab(QWidget):  # type: ignore[misc]
    """Pictures of one head, of one query and one key where they are about a pair."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._activity: Activity | None = None
        self._place = Place()
        self._job: Job | None = None
        self.kind, self.key = QComboBox(), QComboBox()
        for title, name in KINDS.items():
            self.kind.addItem(title, name)
        self.key.setToolTip("The token that the head takes something from")
        self.key_label = QLabel("from")
        for box in (self.kind, self.key):
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.plot = PlotView()
        row = QHBoxLayout()
        row.addWidget(self.kind, stretch=3)
        row.addWidget(self.key_label)
        row.addWidget(self.key, stretch=2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.note)
        layout.addWidget(self.plot, stretch=1)
        self.kind.currentIndexChanged.connect(self._draw)
        self.key.currentIndexChanged.connect(self._draw)

    def show_head(self, activity: Activity, place: Place) -> None:
        """Show a head; its query is the token that is looked at."""
        if activity is not self._activity or place.token != self._place.token:
            self._fill(activity, place.token)
        self._activity, self._place = activity, place
        self._draw()

    def cancel(self) -> None:
        """Stop what is computed."""
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _fill(self, activity: Activity, query: int) -> None:
        """List the keys that a query can see."""
        self.key.blockSignals(True)
        self.key.clear()
        self.key.addItem("strongest key", STRONGEST)
        for place, label in enumerate(activity.tokens.labels):
            self.key.addItem(f"{label} [{place}]", place)
        self.key.blockSignals(False)

    def _source(self, activity: Activity) -> int:
        chosen = self.key.currentData()
        if chosen is not None and chosen != STRONGEST:
            return int(chosen)
        place = self._place
        return int(activity.read("pattern", place.layer, place.head, place.token).argmax())

    def _draw(self, index: int = 0) -> None:
        self.cancel()
        activity, place, kind = self._activity, self._place, self.kind.currentData()
        if activity is None:
            return
        for widget in (self.key, self.key_label):
            widget.setVisible(kind == "written")
        if kind == "score":
            try:
                self._show(score_plot(activity, place.layer, place.head, place.token))
            except TomoError as error:
                self._say(str(error))
            return
        if activity.model is None:
            self._say("The circuits need the model: run it on this text.")
            return
        circuits, source = circuits_of(activity.model), self._source(activity)

        def work(report: Progress) -> Generator[object, None, None]:
            # The folded embeddings take seconds the first time.
            if kind == "written":
                where = (place.layer, place.head, place.token, source)
                yield written_plot(activity, circuits, *where)
            else:
                yield circuit_plot(activity, circuits, place.layer, place.head, kind)

        self._job = Job(work, self._show, self._failed)

    def _show(self, plot: Plot) -> None:
        self.note.hide()
        self.plot.setVisible(True)
        self.plot.show_plot(plot)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, TomoError):
            self._say(str(error))
        else:
            show(error)

    def _say(self, text: str) -> None:
        self.plot.hide()
        self.note.setText(text)
        self.note.show()
