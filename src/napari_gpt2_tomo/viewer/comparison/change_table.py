"""The table of changes in a dock: sorted, copied, exported, and a way to its parts."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication, QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from ...base import TomoError, save_text
from ...comparison import ChangeTable
from ..navigator.tables import sortable
from ..work import show
from .change_model import SHOWN, ChangeModel

__all__ = ["ChangeView"]

ROW = 24
"""Pixels of a row's height."""


class ChangeView(QWidget):  # type: ignore[misc]
    """Shows a table of changes.

    Parameters
    ----------
    go
        Called with the name of the part of a row that was clicked.
    measure
        Called when ranks are asked for.
    """

    def __init__(self, go: Callable[[str], None], measure: Callable[[], None]) -> None:
        super().__init__()
        self._go = go
        self._name = "comparison"
        self.model: ChangeModel | None = None
        self.table = QTableView()
        self.table.setSortingEnabled(True)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setWordWrap(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(ROW)
        self.table.clicked.connect(self._clicked)
        self.ranks = QPushButton("Measure ranks")
        self.ranks.setToolTip("Singular values of every changed matrix; takes a while")
        self._measure = measure
        self.ranks.clicked.connect(self._asked)
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the whole table for a spreadsheet (Ctrl+C)")
        self.copy_button.clicked.connect(self.copy)
        self.export = QPushButton("Export CSV…")
        self.export.clicked.connect(self._export)
        shortcut = QShortcut(QKeySequence(QKeySequence.StandardKey.Copy), self.table)
        shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
        shortcut.activated.connect(self.copy)
        row = QHBoxLayout()
        row.addWidget(self.ranks)
        row.addStretch(1)
        row.addWidget(self.copy_button)
        row.addWidget(self.export)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.table, stretch=1)
        layout.addLayout(row)
        self.show_table(None)

    def show_table(self, table: ChangeTable | None, name: str = "comparison") -> None:
        """Show a table, or none; the same parts keep their order and place."""
        self._name = name
        for widget in (self.copy_button, self.export, self.ranks):
            widget.setEnabled(table is not None)
        self.ranks.setVisible(table is None or table.spectra is None)
        if table is not None and self.model is not None:
            same = [row.part for row in table] == [row.part for row in self.model.table]
            if same:
                self.model.show_table(table)
                self._fit()
                return
        old, selection, before = self.table.model(), self.table.selectionModel(), self.model
        self.model = None if table is None else ChangeModel(table, self.table)
        if self.model is None:
            self.table.setModel(None)
        else:
            self.table.setModel(sortable(self.model, self.table))
            self.table.sortByColumn(SHOWN.index("relative"), Qt.SortOrder.DescendingOrder)
            self._fit()
        for gone in (selection, old, before):
            if gone is not None:
                gone.deleteLater()

    def copy(self, checked: bool = False) -> None:
        """Copy the table as a spreadsheet takes it."""
        if self.model is not None:
            QGuiApplication.clipboard().setText(self.model.table.csv("\t"))

    def _fit(self) -> None:
        """Columns as wide as what they hold; those that hold nothing are not shown."""
        model = self.model
        if model is None:
            return
        measured = model.table.spectra is not None
        broken = any(row.nonfinite for row in model.table)
        for name, shown in (("rank", measured), ("energy", measured), ("nonfinite", broken)):
            self.table.setColumnHidden(SHOWN.index(name), not shown)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.table.resizeColumnsToContents()

    def _clicked(self, index: Any) -> None:
        if self.model is not None:
            row = self.table.model().mapToSource(index).row()
            self._go(self.model.table[row].part)

    def _asked(self, checked: bool = False) -> None:
        self._measure()

    def _export(self, checked: bool = False) -> None:
        if self.model is None:
            return
        start = f"{self._name} changes.csv"
        path, _ = QFileDialog.getSaveFileName(self, "Export the changes", start, "CSV (*.csv)")
        if path:
            try:
                save_text(path, self.model.table.csv(), ".csv")
            except TomoError as error:
                show(error)
