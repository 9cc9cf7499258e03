"""The numbers of a plot of growth as Qt shows them: a row for each line, a column for each step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QBrush, QColor

__all__ = ["ValuesModel"]

ROLES = Qt.ItemDataRole
RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
NONE = QModelIndex()

HERE = QColor(255, 183, 77, 60)
"""Behind the column of the present step: the plots' accent, thin enough for either ground."""


class ValuesModel(QAbstractTableModel):  # type: ignore[misc]
    """Values of lines at steps; the present step is marked."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._rows: tuple[str, ...] = ()
        self._columns: tuple[str, ...] = ()
        self._values: NDArray[np.float64] = np.zeros((0, 0))
        self._step = 0

    def show(
        self, rows: Sequence[str], columns: Sequence[str], values: NDArray[np.float64], step: int
    ) -> None:
        """Show other values, shape ``(rows, columns)``."""
        self.beginResetModel()
        self._rows, self._columns = tuple(rows), tuple(columns)
        self._values, self._step = values, step
        self.endResetModel()

    def move_to(self, step: int) -> None:
        """Mark another step."""
        if step == self._step:
            return
        columns, self._step = (self._step, step), step
        if self._rows:
            for column in columns:
                first, last = self.index(0, column), self.index(len(self._rows) - 1, column)
                self.dataChanged.emit(first, last, [ROLES.BackgroundRole])

    def rowCount(self, parent: Any = NONE) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Any = NONE) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Any, role: int = ROLES.DisplayRole) -> Any:
        """See Qt."""
        names = self._columns if orientation == Qt.Orientation.Horizontal else self._rows
        return names[section] if role == ROLES.DisplayRole else None

    def data(self, index: Any, role: int = ROLES.DisplayRole) -> Any:
        """See Qt."""
        if role == ROLES.TextAlignmentRole:
            return RIGHT
        if role == ROLES.BackgroundRole and index.column() == self._step:
            return QBrush(HERE)
        if role == ROLES.DisplayRole:
            value = float(self._values[index.row(), index.column()])
            return "–" if np.isnan(value) else f"{value:.5g}"
        return None
