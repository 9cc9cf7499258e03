"""The tab of a mixture: one expert after the other, and how the experts compare."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from ...base import Progress, TomoError, save_text
from ...checkpoint.address import Address
from ...display.expert_plots import expert_map, measures, router_map
from ...volume.layouts.experts import expert_roles
from ...volume.statistics.experts import ExpertTable
from ..activity.plot_view import PlotView
from ..work import Job, show
from .expert_model import ExpertModel
from .tables import sortable

if TYPE_CHECKING:
    from ..link import ScanLink

__all__ = ["ExpertsTab"]

ROUTER, TABLE = "router", "table"
"""What is shown apart from the maps of `measures`."""

TINT = (0.90, 0.62, 0.00)
"""Orange: the first colour that the tree offers."""

ROW = 24
"""Pixels of a row's height."""

ESTIMATED = "Norms are estimated from samples."

AT_ONCE = 2**26
"""Weights of a model that are all read without being asked for: a second's work."""


class ExpertsTab(QWidget):  # type: ignore[misc]
    """Steps through the experts of a model and shows how they compare.

    Parameters
    ----------
    fly
        Called with the name of the part to go to.
    """

    def __init__(self, fly: Callable[[str], None], parent: Any = None) -> None:
        super().__init__(parent)
        self._fly = fly
        self._link: ScanLink | None = None
        self._table: ExpertTable | None = None
        self._job: Job | None = None
        self.layer, self.role, self.look = QComboBox(), QComboBox(), QComboBox()
        self.layer.setToolTip("Layer")
        self.role.setToolTip("Which matrix of the expert")
        self.look.setToolTip("What is compared below")
        self.expert = QSpinBox()
        self.expert.setToolTip("Expert")
        self.expert.setWrapping(True)
        self.count = QLabel()
        self.back = _button("◂ Previous", "The expert before, in the same layer", self._back)
        self.forward = _button("Next ▸", "The next expert of the layer", self._forward)
        self.isolate = _button("Isolate", "Show only this expert, in this layer", self._isolate)
        self.tint = _button("Tint", "Colour this expert, or take its colour away", self._tint)
        self.everywhere = QCheckBox("Isolate and tint in all layers")
        self.everywhere.setToolTip("Mean the expert of this number in every layer")
        self.export = _button("Export CSV…", "Save the table of all experts", self._export)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.exact = _button("Measure exactly", "Reads every weight once", self._measure_exactly)
        self.exact.hide()
        self.plot = PlotView()
        self.plot.clicked.connect(self._clicked)
        self.table = QTableView()
        self.table.setSortingEnabled(True)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(ROW)
        self.table.doubleClicked.connect(self._row_chosen)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.plot)
        self._stack.addWidget(self.table)
        self._arrange()
        self.layer.activated.connect(self._go)
        self.role.activated.connect(self._go)
        self.expert.valueChanged.connect(self._go)
        self.look.activated.connect(self._show)

    def set_link(self, link: "ScanLink | None") -> None:
        """Show the experts of a scan, or nothing."""
        self.cancel()
        self._link, self._table = link, None
        self._set_table(None)
        self.plot.show_plot(None)
        self.look.clear()
        roles = () if link is None else expert_roles(link.scan.anatomy)
        parts = [] if link is None else [p for p in link.scan.anatomy.parts if p.role in roles]
        layers = sorted({p.layer for p in parts if p.expert is not None and p.layer is not None})
        count = max((p.expert for p in parts if p.expert is not None), default=0)
        with (
            QSignalBlocker(self.layer),
            QSignalBlocker(self.role),
            QSignalBlocker(self.expert),
        ):
            self.layer.clear()
            self.role.clear()
            for layer in layers:
                self.layer.addItem(f"L{layer}", layer)
            self.role.addItems(list(roles))
            self.expert.setRange(0, count)
            self.expert.setValue(0)
        self.count.setText(f"of {count + 1}")
        if self.isVisible():
            self._measure()

    def select(self, name: str) -> None:
        """Stand at the expert of a part, if it has one; goes nowhere."""
        part = None if self._link is None else self._link.scan.anatomy.by_name.get(name)
        if part is None or part.expert is None:
            return
        with (
            QSignalBlocker(self.layer),
            QSignalBlocker(self.role),
            QSignalBlocker(self.expert),
        ):
            self.layer.setCurrentIndex(self.layer.findData(part.layer))
            self.expert.setValue(part.expert)
            if (place := self.role.findText(part.role)) >= 0:
                self.role.setCurrentIndex(place)
        if self.look.currentData() == ROUTER:
            self._show()

    def refresh(self) -> None:
        """The statistics of the weights are better than before."""
        if self._table is not None and self._table.estimate and self._job is None:
            self._measure()

    def cancel(self) -> None:
        """Stop reading."""
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def showEvent(self, event: Any) -> None:
        """See Qt: routers are read when somebody looks."""
        super().showEvent(event)
        if self._table is None and self._job is None:
            self._measure()

    def _measure_exactly(self) -> None:
        self._measure(exact=True)

    def _measure(self, exact: bool = False) -> None:
        link = self._link
        if link is None or not self.layer.count():
            return
        self.cancel()
        scan = link.scan
        small = scan.anatomy.n_parameters <= AT_ONCE and not isinstance(
            scan.checkpoint.path, Address
        )

        def work(report: Progress) -> Generator[object, None, None]:
            yield scan.expert_table(exact=exact or small, progress=report)

        def arrived(table: Any) -> None:
            if self._link is link:
                self._arrived(table)

        self._job = job = Job(work, arrived)
        job.on_end = self._ended
        if self._table is None:
            self.status.setText("Reading the routers …")
            self.status.show()

    def _ended(self) -> None:
        # The end of a reading that was stopped is not that of the next one.
        if self._job is not None and not self._job.running:
            self._job = None

    def _arrived(self, table: ExpertTable) -> None:
        self._table = table
        wanted = self.look.currentData()
        self.look.clear()
        for name, words in measures(table).items():
            self.look.addItem(f"Map: {words}", name)
        if table.cosines:
            self.look.addItem("Router of this layer: cosines", ROUTER)
        self.look.addItem("Table", TABLE)
        self.look.setCurrentIndex(max(self.look.findData(wanted), 0))
        self.status.setText(ESTIMATED if table.estimate else "")
        self.status.setVisible(table.estimate)
        self.exact.setVisible(table.estimate)
        self._show()

    def _show(self, *_: Any) -> None:
        table, look = self._table, self.look.currentData()
        if table is None or look is None:
            return
        self._stack.setCurrentWidget(self.table if look == TABLE else self.plot)
        if look == TABLE:
            self._set_table(table)
        elif look == ROUTER:
            layer = self.layer.currentData()
            self.plot.show_plot(router_map(table, layer) if layer in table.cosines else None)
        else:
            self.plot.show_plot(expert_map(table, look))

    def _set_table(self, table: ExpertTable | None) -> None:
        old, selection = self.table.model(), self.table.selectionModel()
        if table is None:
            self.table.setModel(None)
        else:
            self.table.setModel(sortable(ExpertModel(table, self.table), self.table))
            self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
            self.table.resizeColumnsToContents()
        for gone in (selection, old):
            if gone is not None:
                gone.deleteLater()

    @property
    def part(self) -> str:
        """Name of the part that the fields name."""
        return f"L{self.layer.currentData()}.E{self.expert.value()}.{self.role.currentText()}"

    def _go(self, *_: Any) -> None:
        self._fly(self.part)
        if self.look.currentData() == ROUTER:
            self._show()

    def _back(self) -> None:
        self.expert.stepBy(-1)

    def _forward(self) -> None:
        self.expert.stepBy(1)

    def _names(self) -> set[str]:
        """Parts of the expert, biases included."""
        if self._link is None:
            return set()
        layer = None if self.everywhere.isChecked() else self.layer.currentData()
        return {
            part.name
            for part in self._link.scan.anatomy.parts
            if part.expert == self.expert.value() and layer in (None, part.layer)
        }

    def _isolate(self) -> None:
        names = self._names()
        if self._link is not None and names:
            console = self._link.console
            same = console.shown == frozenset(names)
            if not same:
                # Alone in another section it would not be seen at all.
                self._fly(self.part)
            console.hidden = console.hidden - names
            console.shown = None if same else frozenset(names)

    def _tint(self) -> None:
        names = self._names()
        if self._link is None or not names:
            return
        console = self._link.console
        tints = {name: tint for name, tint in console.tints.items() if name not in names}
        if names.isdisjoint(console.tints):
            tints |= dict.fromkeys(names, TINT)
        console.tints = tints

    def _clicked(self, event: Any) -> None:
        """A cell of a map: a layer and an expert, or two experts of one router."""
        table, look = self._table, self.look.currentData()
        if table is None or event.xdata is None or event.inaxes is not self.plot.figure.axes[0]:
            return
        row, expert = round(event.ydata), round(event.xdata)
        if look != ROUTER:
            if not 0 <= row < len(table.layers):
                return
            with QSignalBlocker(self.layer):
                self.layer.setCurrentIndex(self.layer.findData(table.layers[row]))
        with QSignalBlocker(self.expert):
            self.expert.setValue(min(max(expert, 0), self.expert.maximum()))
        self._go()

    def _row_chosen(self, index: Any) -> None:
        if self._table is not None:
            row = self._table[self.table.model().mapToSource(index).row()]
            self._fly(f"L{row.layer}.E{row.expert}.{self.role.currentText()}")

    def _export(self) -> None:
        if self._table is None or self._link is None:
            return
        start = f"{self._link.name} experts.csv"
        path, _ = QFileDialog.getSaveFileName(self, "Export the experts", start, "CSV (*.csv)")
        if path:
            try:
                save_text(path, self._table.csv(), ".csv")
            except TomoError as error:
                show(error)

    def _arrange(self) -> None:
        fields = QHBoxLayout()
        for widget, stretch in (
            (self.layer, 1),
            (QLabel("expert"), 0),
            (self.expert, 1),
            (self.count, 0),
            (self.role, 1),
        ):
            fields.addWidget(widget, stretch=stretch)
        buttons = QGridLayout()
        buttons.setSpacing(4)
        for column, button in enumerate((self.back, self.forward, self.isolate, self.tint)):
            buttons.addWidget(button, 0, column)
            buttons.setColumnStretch(column, 1)
        below = QHBoxLayout()
        below.addWidget(self.look, stretch=1)
        below.addWidget(self.export)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addLayout(fields)
        layout.addLayout(buttons)
        layout.addWidget(self.everywhere)
        layout.addLayout(below)
        told = QHBoxLayout()
        told.addWidget(self.status, stretch=1)
        told.addWidget(self.exact)
        layout.addLayout(told)
        layout.addWidget(self._stack, stretch=1)


def _button(text: str, tip: str, pressed: Callable[..., None]) -> Any:
    button = QPushButton(text)
    button.setToolTip(tip)
    # A bound method, not a function around it: Qt would keep the tab alive by that for ever.
    button.clicked.connect(pressed)
    return button
