"""The table of experts as Qt shows it."""

from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from ...volume.statistics.experts import ExpertTable
from .tables import SORT

__all__ = ["ExpertModel"]

RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
NONE = QModelIndex()


class ExpertModel(QAbstractTableModel):  # type: ignore[misc]
    """One expert a row."""

    def __init__(self, table: ExpertTable, parent: Any = None) -> None:
        super().__init__(parent)
        self.table = table
        norms = [f"‖{role}‖" for role in table.roles]
        self.columns = (
            "layer", "expert", "norm", "σ", *norms, "‖router‖", "nearest", "cosine"
        )  # fmt: skip

    def rowCount(self, parent: Any = NONE) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(self.table)

    def columnCount(self, parent: Any = NONE) -> int:
        """See Qt."""
        return len(self.columns)

    def headerData(
        self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """See Qt."""
        if orientation != Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        return self.columns[section]

    def data(self, index: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """See Qt."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return RIGHT
        if role not in (Qt.ItemDataRole.DisplayRole, SORT):
            return None
        row = self.table[index.row()]
        values = (
            row.layer, row.expert, row.norm, row.sigma, *row.norms, row.router_norm, row.nearest,
            row.cosine,
        )  # fmt: skip
        value = values[index.column()]
        if role == SORT:
            if index.column() == 0:
                return index.row()  # The order of the model.
            return float("-inf") if value is None else value
        if value is None:
            return ""
        return f"{value:.4g}" if isinstance(value, float) else str(value)
