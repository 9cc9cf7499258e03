"""Which heads read what earlier heads write, by their weights."""

from typing import Any

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSpinBox, QVBoxLayout, QWidget

from ....activity.intervention.composition import Composition, composition
from ....activity.intervention.composition_figures import graph_plot, layers_plot, overview_plot
from ....activity.intervention.weights import Weights
from ..later import Later
from ..plot_view import PlotView
from .choices import combo

__all__ = ["CompositionTab"]

KINDS = {"Q: what it looks for": "q", "K: where it finds it": "k", "V: what it moves on": "v"}

VIEWS = {"All heads": "all", "Two layers": "pair", "Strongest": "graph"}

ONE_LAYER = "A model with one layer has no heads that read what others write."


class CompositionTab(QWidget):  # type: ignore[misc]
    """Composition scores as heat maps and as a graph.

    Attributes
    ----------
    chosen
        Emitted with where to look: a dict of ``layer`` and ``head``, of the head that reads.
    """

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._weights: Weights | None = None
        self._found: dict[tuple[str, bool], Composition] = {}
        self.kind = combo(KINDS, "What of the later head reads what the earlier one writes")
        self.kind.setCurrentIndex(1)
        self.show_as = combo(VIEWS, "What is drawn")
        self.fold = QCheckBox("Fold norms")
        self.fold.setChecked(True)
        self.fold.setToolTip(
            "Put the gains of the norms into the weights, and take away what LayerNorm ignores"
        )
        self.earlier, self.later_box = QSpinBox(), QSpinBox()
        self.arrow = QLabel("→")
        self.said = QLabel()
        # A token may look like markup.
        self.said.setTextFormat(Qt.TextFormat.PlainText)
        self.said.setWordWrap(True)
        self.view = PlotView()
        top, low = QHBoxLayout(), QHBoxLayout()
        top.addWidget(self.kind, stretch=3)
        top.addWidget(self.show_as, stretch=2)
        low.addWidget(self.fold)
        low.addStretch(1)
        for widget in (self.earlier, self.arrow, self.later_box):
            low.addWidget(widget)
        for box, word in (
            (self.earlier, "Layer that writes"),
            (self.later_box, "Layer that reads"),
        ):
            box.setPrefix("L")
            box.setToolTip(word)
            box.valueChanged.connect(self._spun)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addLayout(top)
        layout.addLayout(low)
        layout.addWidget(self.said)
        layout.addWidget(self.view, stretch=1)
        self.later = Later(self._say)
        self.kind.currentIndexChanged.connect(self._start)
        self.fold.toggled.connect(self._start)
        self.show_as.currentIndexChanged.connect(self._draw)
        self.view.clicked.connect(self._click)
        self.view.hovered.connect(self._hover)

    @property
    def found(self) -> Composition | None:
        """The scores that are shown."""
        return self._found.get((self.kind.currentData(), self.fold.isChecked()))

    def show_weights(self, weights: Weights) -> None:
        """Compare the heads of another model; the same one is shown on."""
        same = self._weights is not None and self._weights.name == weights.name
        self._weights = weights
        if same and self._found:
            return
        self._found = {}
        n_layers = weights.sizes.n_layers or 1
        for box, low in ((self.earlier, 0), (self.later_box, 1)):
            box.blockSignals(True)
            box.setRange(low, max(low, n_layers - 2 + low))
            box.setValue(low)
            box.blockSignals(False)
        can_fold = weights.scheme != "post-norm"
        self.fold.blockSignals(True)
        self.fold.setChecked(can_fold)
        self.fold.blockSignals(False)
        self.fold.setEnabled(can_fold)
        self._start()

    def _start(self, index: Any = None) -> None:
        weights = self._weights
        if weights is None:
            return
        if (weights.sizes.n_layers or 0) < 2:
            self._say(ONE_LAYER)
            return
        if self.found is not None:
            self._draw()
            return
        kind, folded = self.kind.currentData(), self.fold.isChecked()

        def work(report: Any) -> Composition:
            return composition(weights, kind, folded=folded, progress=report)

        def done(found: Composition) -> None:
            self._found[kind, folded] = found
            self._draw()

        self.view.show_plot(None)
        self.later.start(work, done, "Comparing the heads …")

    def _draw(self, index: Any = None) -> None:
        found, view = self.found, self.show_as.currentData()
        for widget in (self.earlier, self.arrow, self.later_box):
            widget.setVisible(view == "pair")
        if found is None:
            return
        if view == "pair":
            self.view.show_plot(layers_plot(found, self.earlier.value(), self.later_box.value()))
        else:
            self.view.show_plot(overview_plot(found) if view == "all" else graph_plot(found))

    def _spun(self, value: int) -> None:
        """Keep the layer that writes before the one that reads."""
        if self.earlier.value() >= self.later_box.value():
            moved = self.sender()
            other = self.later_box if moved is self.earlier else self.earlier
            other.blockSignals(True)
            other.setValue(value + (1 if moved is self.earlier else -1))
            other.blockSignals(False)
        self._draw()

    def _at(self, event: Any) -> tuple[int, int, int, int] | None:
        """Layer and head that read, layer and head that write, under the mouse."""
        found, view = self.found, self.show_as.currentData()
        if found is None or view == "graph" or event.inaxes is not self.view.figure.axes[0]:
            return None
        n_layers, n_heads = found.values.shape[:2]
        row, column = round(event.ydata), round(event.xdata)
        if view == "all":
            (later, head), (earlier, source) = divmod(row, n_heads), divmod(column, n_heads)
        else:
            (later, head), (earlier, source) = (
                (self.later_box.value(), row),
                (self.earlier.value(), column),
            )
        inside = 0 <= earlier < later < n_layers and 0 <= head < n_heads and 0 <= source < n_heads
        return (later, head, earlier, source) if inside else None

    def _hover(self, event: Any) -> None:
        place = self._at(event)
        if place is not None and self.found is not None:
            later, head, earlier, source = place
            score, random = float(self.found.values[place]), self.found.baseline
            self._say(
                f"L{later}H{head} reads L{earlier}H{source}: {score:.3f}, "
                f"{score / random:.1f} × random"
            )

    def _click(self, event: Any) -> None:
        place = self._at(event)
        if place is None:
            return
        later, head, earlier, _ = place
        self.chosen.emit({"layer": later, "head": head})
        for box, value in ((self.earlier, earlier), (self.later_box, later)):
            box.blockSignals(True)
            box.setValue(value)
            box.blockSignals(False)

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))
