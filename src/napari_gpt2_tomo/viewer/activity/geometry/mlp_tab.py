"""The tab about neurons: how they fire, and whether they write what they read."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ....activity.geometry.alignment import alignment
from ....activity.geometry.firing import Firing, histograms, sparsity, strongest_neurons
from ....activity.geometry.neuron_figures import (
    alignment_plot,
    firing_plot,
    histogram_plot,
    sparsity_plot,
)
from ....activity.record import Activity
from ....base import Progress
from ....display.plots import Plot
from ..desk import Desk, Place
from ..later import Later
from ..plot_view import PlotView
from .choices import choices, fill, said

__all__ = ["MlpTab"]

HISTOGRAMS = {
    "mlp_pre": "Histograms before the activation function",
    "mlp_linear": "Histograms of the linear side",
    "mlp_post": "Histograms of the neurons",
}
"""Plots of the values of a site, by its name."""

ROWS = 40
"""Rows of the table: the strongest neurons are wanted, not all."""

ABOUT_LAYER = "firing"
"""The plot that is about one layer."""

HEADINGS = ("Layer", "Neuron", "Token", "Value", "× rms")


class MlpTab(QWidget):  # type: ignore[misc]
    """Histograms, sparsity, the strongest neurons as a table, alignment of their directions."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._activity: Activity | None = None
        self._rows: tuple[Firing, ...] = ()
        self._later = Later(self._say, self._fail)
        self._strongest = Later(self._say, self._fail)
        self.plots = choices()
        self.plots.currentIndexChanged.connect(lambda: self._compute())
        self.status: QLabel = said()
        self.view = PlotView()
        self.this_layer = QCheckBox("Only this layer")
        self.this_token = QCheckBox("Only this token")
        for box in (self.this_layer, self.this_token):
            box.toggled.connect(lambda: self._compute_table())
        self.table = QTableWidget(0, len(HEADINGS))
        self.table.setHorizontalHeaderLabels(HEADINGS)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.table.setAccessibleName("Strongest neurons")
        self.table.cellClicked.connect(lambda row, column: self.pick(row))
        self.table.cellActivated.connect(lambda row, column: self.pick(row))
        below = QWidget()
        rows = QVBoxLayout(below)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(2)
        rows.addWidget(QLabel("Neurons that fire most strongly (click to go there)"))
        only = QHBoxLayout()
        only.addWidget(self.this_layer)
        only.addWidget(self.this_token)
        only.addStretch(1)
        rows.addLayout(only)
        rows.addWidget(self.table)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.addWidget(self.view)
        splitter.addWidget(below)
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        layout = QVBoxLayout(self)
        layout.addWidget(self.plots)
        layout.addWidget(self.status)
        layout.addWidget(splitter, stretch=1)
        self.view.clicked.connect(self._clicked)

    def show_activity(self, activity: Activity) -> None:
        """Show another activity."""
        self._activity = activity
        titles = {where: title for where, title in HISTOGRAMS.items() if where in activity}
        if "mlp_post" in activity:
            titles |= {"sparsity": "How few neurons fire", ABOUT_LAYER: "Strongest of this layer"}
        titles["alignment"] = "Do neurons write what they read?"
        fill(self.plots, titles)
        self._compute()
        self._compute_table()

    def show_place(self, place: Place) -> None:
        """Look at another layer or token."""
        if self.plots.currentData() == ABOUT_LAYER:
            self._compute()
        if self.this_layer.isChecked() or self.this_token.isChecked():
            self._compute_table()

    def pick(self, row: int) -> None:
        """Go to the neuron of a row of the table."""
        if 0 <= row < len(self._rows):
            one = self._rows[row]
            self._desk.move(layer=one.layer, neuron=one.neuron, token=one.token)

    def let_go(self) -> None:
        """End what is under way."""
        self._later.cancel()
        self._strongest.cancel()

    def _compute(self) -> None:
        activity, name = self._activity, self.plots.currentData()
        if activity is None or name is None:
            return
        layer = self._desk.place.layer
        makers: dict[str, Callable[[Progress], Plot | None]] = {
            "mlp_pre": lambda report: histogram_plot(histograms(activity, "mlp_pre")),
            "mlp_linear": lambda report: histogram_plot(histograms(activity, "mlp_linear")),
            "mlp_post": lambda report: histogram_plot(histograms(activity, "mlp_post")),
            "sparsity": lambda report: sparsity_plot(sparsity(activity)),
            ABOUT_LAYER: lambda report: firing_plot(activity, layer),
            "alignment": lambda report: alignment_plot(alignment(activity, report)),
        }
        self._later.start(makers[name], self._deliver)

    def _compute_table(self) -> None:
        activity, place = self._activity, self._desk.place
        if activity is None or "mlp_post" not in activity:
            self._fill_table(())
            return
        layer = place.layer if self.this_layer.isChecked() else None
        token = place.token if self.this_token.isChecked() else None
        self._strongest.start(
            lambda progress: strongest_neurons(activity, layer=layer, token=token, count=ROWS),
            self._fill_table,
        )

    def _fill_table(self, rows: tuple[Firing, ...]) -> None:
        self._rows = rows
        labels = () if self._activity is None else self._activity.tokens.labels
        self.table.setRowCount(len(rows))
        for at, one in enumerate(rows):
            neuron = str(one.neuron) if one.expert is None else f"E{one.expert} · {one.neuron}"
            texts = (
                f"L{one.layer}",
                neuron,
                f"{labels[one.token]}  ({one.token})",
                f"{one.value:.3g}",
                f"{one.share:.1f}",
            )
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                if column != 2:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                self.table.setItem(at, column, item)

    def _deliver(self, plot: Plot | None) -> None:
        self._say("" if plot is not None else "Each token has experts of its own here.")
        self.view.show_plot(plot)

    def _clicked(self, event: Any) -> None:
        """A click into the map of the strongest neurons goes to the neuron and the token."""
        plot = self.view.plot
        if plot is None or plot.name != "strongest-neurons" or event.inaxes is None:
            return
        neurons = list(dict.fromkeys(plot.table.columns["neuron"]))
        row, token = round(event.ydata), round(event.xdata)
        if 0 <= row < len(neurons):
            self._desk.move(neuron=int(neurons[row]), token=max(token, 0))

    def _fail(self, text: str) -> None:
        """Say why there is nothing to see."""
        self.view.show_plot(None)
        self._say(text)

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))
