"""The tab with the metrics of all heads: a table, and two of them against each other."""

from typing import Any

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QTableView,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from ....activity.attention.catalogue import METRICS
from ....activity.attention.metrics import HeadMetrics, head_name
from ....activity.attention.scatter import scatter_plot
from ..plot_view import PlotView
from .metrics_table import MetricsModel, sortable
from .paint import number

__all__ = ["MetricsTab"]

ROW = 22
"""Pixels of a row's height."""

NEAR = 14.0
"""Pixels from the mouse within which a head is meant."""

NBSP = "\N{NO-BREAK SPACE}"

NBSP = "\N{NO-BREAK SPACE}"

AXES = ("first", "previous")
"""Metrics of the axes at first: nearly every model has heads of both kinds."""


class MetricsTab(QWidget):  # type: ignore[misc]
    """A table that can be sorted by every metric, and a scatter of any two.

    Attributes
    ----------
    chosen
        Emitted with layer and head of a row or a point that was clicked.
    entered
        Emitted with layer and head of a row that was clicked twice.
    measure_more
        Emitted when more metrics are asked for.
    """

    chosen = Signal(int, int)
    entered = Signal(int, int)
    measure_more = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = MetricsModel(self)
        self._selected = (0, 0)
        self._stale = False
        self.table = QTableView()
        self.table.setModel(sortable(self.model, self.table))
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setWordWrap(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(ROW)
        self.table.clicked.connect(self._clicked)
        self.table.doubleClicked.connect(self._entered)
        self.more = QPushButton("Measure induction and circuits")
        self.more.setToolTip(
            "Runs the model on random text that repeats itself, and reads its weights"
        )
        self.more.clicked.connect(lambda: self.measure_more.emit())
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.across, self.up = QComboBox(), QComboBox()
        row = QHBoxLayout()
        for text, box in (("→", self.across), ("↑", self.up)):
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.currentIndexChanged.connect(self._draw)
            row.addWidget(QLabel(text))
            row.addWidget(box, stretch=1)
        self.plot = PlotView()
        self.plot.clicked.connect(self._plot_clicked)
        self.plot.hovered.connect(self._plot_hovered)
        above, below = QWidget(), QWidget()
        for widget, parts in (
            (above, (self.table, self.more, self.note)),
            (below, (row, self.plot)),
        ):
            column = QVBoxLayout(widget)
            column.setContentsMargins(0, 0, 0, 0)
            for part in parts:
                if isinstance(part, QHBoxLayout):
                    column.addLayout(part)
                else:
                    column.addWidget(part, stretch=int(part in (self.table, self.plot)))
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(above)
        split.addWidget(below)
        split.setChildrenCollapsible(False)
        split.setSizes([1000, 1000])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(split)

    def show_metrics(self, metrics: HeadMetrics, note: str = "", more: bool = False) -> None:
        """Show metrics.

        Parameters
        ----------
        metrics
            Of all heads.
        note
            What a person should know.
        more
            Whether there are more that can be measured.
        """
        before = self.model.names
        self.model.show_metrics(metrics)
        self.note.setText(note)
        self.note.setVisible(bool(note))
        self.more.setVisible(more)
        if self.model.names != before:
            self._fill()
            self.table.resizeColumnsToContents()
        self.select(*self._selected)
        self._draw_soon()

    def select(self, layer: int, head: int) -> None:
        """Mark a head in the table and in the scatter."""
        moved = (layer, head) != self._selected
        self._selected = (layer, head)
        if layer < self.model.metrics.shape[0] and head < self.model.metrics.shape[1]:
            proxy = self.table.model()
            index = proxy.mapFromSource(self.model.index(self.model.row(layer, head), 0))
            flags = QItemSelectionModel.SelectionFlag
            self.table.selectionModel().select(index, flags.ClearAndSelect | flags.Rows)
            self.table.scrollTo(index)
        if moved:
            self._draw_soon()

    def describe(self, layer: int, head: int) -> str:
        """A head's name and its metrics."""
        metrics = self.model.metrics
        words = [
            # A number stays beside its name where the line breaks.
            f"{METRICS[name].title} {number(float(metrics[name][layer, head]))}".replace(" ", NBSP)
            for name in metrics.defined
        ]
        return f"{head_name(layer, head)}: {', '.join(words)}" if words else head_name(layer, head)

    def _fill(self) -> None:
        for place, (box, wanted) in enumerate(zip((self.across, self.up), AXES, strict=True)):
            kept = box.currentData() or wanted
            box.blockSignals(True)
            box.clear()
            for name in self.model.names:
                box.addItem(METRICS[name].title, name)
                box.setItemData(box.count() - 1, METRICS[name].formula, Qt.ItemDataRole.ToolTipRole)
            # Where the usual axes are undefined, the first two that are not.
            found = box.findData(kept)
            box.setCurrentIndex(min(place, box.count() - 1) if found < 0 else found)
            box.blockSignals(False)

    def showEvent(self, event: Any) -> None:
        """See Qt: draw what was not drawn while nobody saw it."""
        super().showEvent(event)
        if self._stale:
            self._draw()

    def _draw_soon(self) -> None:
        if self.isVisible():
            self._draw()
        else:
            self._stale = True

    def _draw(self, index: int = 0) -> None:
        self._stale = False
        x, y = self.across.currentData(), self.up.currentData()
        if x is None or y is None:
            self.plot.show_plot(None)
            return
        self.plot.show_plot(scatter_plot(self.model.metrics, x, y, self._selected))

    def _clicked(self, index: Any) -> None:
        self.chosen.emit(*self.model.where(self.table.model().mapToSource(index).row()))

    def _entered(self, index: Any) -> None:
        self.entered.emit(*self.model.where(self.table.model().mapToSource(index).row()))

    def _near(self, event: Any) -> tuple[int, int] | None:
        """The head at a point of the scatter."""
        x, y = self.across.currentData(), self.up.currentData()
        if x is None or y is None:
            return None
        metrics = self.model.metrics
        points = np.stack([metrics[x].ravel(), metrics[y].ravel()], axis=1)
        there = np.asarray(np.isfinite(points).all(axis=1))
        if not there.any():
            return None
        pixels = event.inaxes.transData.transform(np.where(there[:, None], points, 0))
        across, up = (pixels - (event.x, event.y)).T
        apart = np.where(there, np.hypot(across, up), np.inf)
        nearest = int(np.argmin(apart))
        return self.model.where(nearest) if apart[nearest] <= NEAR else None

    def _plot_clicked(self, event: Any) -> None:
        where = self._near(event)
        if where is not None:
            self.chosen.emit(*where)

    def _plot_hovered(self, event: Any) -> None:
        where = self._near(event)
        if where is None:
            QToolTip.hideText()
            return
        values = [
            f"{METRICS[name].title} {number(float(self.model.metrics[name][where]))}"
            for name in dict.fromkeys((self.across.currentData(), self.up.currentData()))
        ]
        QToolTip.showText(QCursor.pos(), "\n".join([head_name(*where), *values]), self.plot)
