"""Metrics of heads as a table that Qt shows."""

from typing import Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt

from ....activity.attention.catalogue import METRICS
from ....activity.attention.metrics import HeadMetrics, head_name

__all__ = ["MetricsModel", "sortable"]

ROLES = Qt.ItemDataRole
SORT = ROLES.UserRole
"""Role under which a cell gives what it is sorted by."""

RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
NONE = QModelIndex()


class MetricsModel(QAbstractTableModel):  # type: ignore[misc]
    """The heads, one a row: name, then every metric that is defined for one of them."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.metrics = HeadMetrics({})
        self.names: tuple[str, ...] = ()

    def show_metrics(self, metrics: HeadMetrics) -> None:
        """Show these."""
        self.beginResetModel()
        self.metrics, self.names = metrics, metrics.defined
        self.endResetModel()

    def where(self, row: int) -> tuple[int, int]:
        """Layer and head of a row."""
        layer, head = divmod(row, self.metrics.shape[1])
        return layer, head

    def row(self, layer: int, head: int) -> int:
        """Row of a head."""
        return layer * self.metrics.shape[1] + head

    def rowCount(self, parent: Any = NONE) -> int:
        """See Qt."""
        layers, heads = self.metrics.shape
        return 0 if parent.isValid() else layers * heads

    def columnCount(self, parent: Any = NONE) -> int:
        """See Qt."""
        return 0 if parent.isValid() else 1 + len(self.names)

    def headerData(self, section: int, orientation: Any, role: int = ROLES.DisplayRole) -> Any:
        """See Qt."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == ROLES.DisplayRole:
            # On two lines a column is as narrow as its numbers.
            title = METRICS[self.names[section - 1]].title if section else "head"
            return title.replace(" ", "\n", 1)
        if role == ROLES.ToolTipRole and section:
            one = METRICS[self.names[section - 1]]
            return f"{one.meaning}\n{one.formula}\n{one.source}"
        return None

    def data(self, index: Any, role: int = ROLES.DisplayRole) -> Any:
        """See Qt."""
        where = self.where(index.row())
        if not index.column():
            if role == ROLES.DisplayRole:
                return head_name(*where)
            return index.row() if role == SORT else None
        value = float(self.metrics[self.names[index.column() - 1]][where])
        if role == ROLES.DisplayRole:
            return f"{value:.3f}" if np.isfinite(value) else "–"
        if role == SORT:
            # What is undefined comes last where the largest come first.
            return value if np.isfinite(value) else float("-inf")
        return RIGHT if role == ROLES.TextAlignmentRole else None


def sortable(model: QAbstractTableModel, parent: Any) -> Any:
    """A proxy by which the columns of a table can be sorted."""
    proxy = QSortFilterProxyModel(parent)
    proxy.setSourceModel(model)
    proxy.setSortRole(SORT)
    return proxy
