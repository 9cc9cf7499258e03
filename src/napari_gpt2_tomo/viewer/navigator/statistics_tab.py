"""The tab with the statistics of every part."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication, QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from ...base import Progress, TomoError, save_text
from ...volume.statistics.details import Details, exact_details, stored_details
from ...volume.statistics.table import PartTable
from ..work import Job, show
from .tables import StatisticsModel, sortable

if TYPE_CHECKING:
    from ..link import ScanLink

__all__ = ["StatisticsTab"]

ROW = 24
"""Pixels of a row's height."""

ESTIMATED = "Estimated from samples; exact once every weight has been read."
PARTIAL = "Exact. Sparsity, kurtosis and norms need one more pass over the weights."
COMPLETE = "Exact, over every finite weight."
OTHER = "The statistics of circuits are not listed: they are products of parts."


class StatisticsTab(QWidget):  # type: ignore[misc]
    """A table that can be sorted by every column; a double click goes to a part.

    Parameters
    ----------
    fly
        Called with the name of a part.
    """

    def __init__(self, fly: Callable[[str], None], parent: Any = None) -> None:
        super().__init__(parent)
        self._fly = fly
        self._link: ScanLink | None = None
        self._details: Details | None = None
        self._job: Job | None = None
        self.model: StatisticsModel | None = None
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.table = QTableView()
        self.table.setSortingEnabled(True)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setWordWrap(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(ROW)
        self.table.doubleClicked.connect(self._go)
        self.measure = QPushButton("Measure sparsity, tails, norms")
        self.measure.setToolTip("Reads every weight once, in the background")
        self.measure.clicked.connect(self._measure)
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the whole table for a spreadsheet (Ctrl+C)")
        self.copy_button.clicked.connect(self.copy)
        self.export = QPushButton("Export CSV…")
        self.export.clicked.connect(self._export)
        shortcut = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self.table)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self.copy)
        row = QHBoxLayout()
        row.addWidget(self.measure, stretch=1)
        row.addWidget(self.copy_button)
        row.addWidget(self.export)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(self.status)
        layout.addWidget(self.table, stretch=1)
        layout.addLayout(row)

    def set_link(self, link: "ScanLink | None") -> None:
        """Show the statistics of a scan, or of none."""
        self.cancel()
        self._link = link
        self._details = None
        if link is not None and self._listed():
            self._details = stored_details(link.scan.checkpoint, link.scan.anatomy)
        self.refresh()

    def refresh(self) -> None:
        """The statistics are better than before, or those of another volume."""
        table = self._table()
        if table is None:
            self._set_model(None)
        elif self.model is None:
            self._set_model(StatisticsModel(table, self.table))
        else:
            self.model.show_table(table)
        self._tell(table)

    def cancel(self) -> None:
        """Stop measuring."""
        if self._job is not None:
            # Its end would write into labels that may be gone by then.
            self._job.on_end = _nothing
            self._job.cancel()
            self._job = None

    def copy(self, checked: bool = False) -> None:
        """Copy the table as a spreadsheet takes it."""
        if self.model is not None:
            QGuiApplication.clipboard().setText(self.model.table.csv("\t"))

    def _listed(self) -> bool:
        """Whether the volume shows the parts of the file itself."""
        link = self._link
        return link is not None and link.volume.anatomy is link.scan.anatomy

    def _table(self) -> PartTable | None:
        if self._link is None or not self._listed():
            return None
        scan, statistics = self._link.scan, self._link.volume.statistics
        return PartTable(scan.anatomy, statistics, self._details, scan.checkpoint)

    def _set_model(self, model: StatisticsModel | None) -> None:
        old, selection = self.table.model(), self.table.selectionModel()
        before, self.model = self.model, model
        if model is None:
            self.table.setModel(None)
        else:
            self.table.setModel(sortable(model, self.table))
            self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
            self._widths()
        for gone in (selection, old, before):
            if gone is not None:
                gone.deleteLater()

    def _widths(self) -> None:
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.table.resizeColumnsToContents()

    def _tell(self, table: PartTable | None) -> None:
        if table is None:
            self.status.setText(OTHER if self._link is not None else "")
        elif table.estimate:
            self.status.setText(ESTIMATED)
        else:
            self.status.setText(COMPLETE if table.complete else PARTIAL)
        running = self._job is not None and self._job.running
        self.measure.setVisible(table is not None and not table.complete)
        self.measure.setEnabled(not running)
        self.measure.setText("Measuring …" if running else "Measure sparsity, tails, norms")
        for widget in (self.table, self.copy_button, self.export):
            widget.setVisible(table is not None)

    def _measure(self, checked: bool = False) -> None:
        link = self._link
        if link is None or (self._job is not None and self._job.running):
            return
        scan = link.scan

        def work(report: Progress) -> Generator[object, None, None]:
            yield exact_details(scan.checkpoint, scan.anatomy, report)

        def arrived(details: Any) -> None:
            if self._link is link:
                self._details = details
                self.refresh()
                self._widths()

        self._job = job = Job(work, arrived)
        job.on_end = self._ended
        self.refresh()

    def _ended(self) -> None:
        self._job = None
        self.refresh()

    def _go(self, index: Any) -> None:
        if self.model is not None:
            row = self.table.model().mapToSource(index).row()
            self._fly(self.model.row(row).part)

    def _export(self, checked: bool = False) -> None:
        if self.model is None or self._link is None:
            return
        start = f"{self._link.name} statistics.csv"
        path, _ = QFileDialog.getSaveFileName(self, "Export the statistics", start, "CSV (*.csv)")
        if path:
            try:
                save_text(path, self.model.table.csv(), ".csv")
            except TomoError as error:
                show(error)


def _nothing() -> None:
    """Do nothing."""
