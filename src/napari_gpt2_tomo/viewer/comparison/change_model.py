"""The table of changes as Qt shows it."""

import math
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from ...comparison.spectrum import LEADING
from ...comparison.table import COLUMNS, ChangeRow, ChangeTable
from ..navigator.tables import SORT

__all__ = ["SHOWN", "ChangeModel"]

ROLES = Qt.ItemDataRole
RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
NONE = QModelIndex()

SHOWN = (
    "part", "relative", "snr", "rmse", "largest", "cosine", "flips", "rank", "energy",
    "parameters", "shape", "nonfinite",
)  # fmt: skip
"""Columns on screen; files have all of `COLUMNS`."""

TITLES = {
    "relative": "‖Δ‖ / ‖w‖",
    "snr": "SNR, dB",
    "rmse": "RMSE",
    "largest": "max |Δ|",
    "flips": "sign flips",
    "energy": f"first {LEADING}",
    "nonfinite": "NaN, ∞",
}
"""Headings where they are not the column's own name."""

TEXTS = ("part", "shape")
"""Columns of words: they stand on the left."""


class ChangeModel(QAbstractTableModel):  # type: ignore[misc]
    """How much every part changed, one a row."""

    def __init__(self, table: ChangeTable, parent: Any = None) -> None:
        super().__init__(parent)
        self.table = table

    def show_table(self, table: ChangeTable) -> None:
        """Show the same parts with more numbers."""
        self.table = table
        last = self.index(len(table) - 1, len(SHOWN) - 1)
        self.dataChanged.emit(self.index(0, 0), last)

    def rowCount(self, parent: Any = NONE) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(self.table)

    def columnCount(self, parent: Any = NONE) -> int:
        """See Qt."""
        return len(SHOWN)

    def headerData(self, section: int, orientation: Any, role: int = ROLES.DisplayRole) -> Any:
        """See Qt."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        name = SHOWN[section]
        if role == ROLES.DisplayRole:
            return TITLES.get(name, name)
        return COLUMNS[name] if role == ROLES.ToolTipRole else None

    def data(self, index: Any, role: int = ROLES.DisplayRole) -> Any:
        """See Qt."""
        name = SHOWN[index.column()]
        row = self.table[index.row()]
        value = getattr(row, name)
        if role == ROLES.DisplayRole:
            return self._text(row, name, value)
        if role == SORT:
            # The order of the model where a text says nothing about it.
            if name == "part":
                return index.row()
            return row.parameters if name == "shape" else _key(value)
        if role == ROLES.TextAlignmentRole and name not in TEXTS:
            return RIGHT
        if role == ROLES.ToolTipRole:
            place = "" if row.place is None else f"\nlargest change at {list(row.place)}"
            return f"{row.part}: click to go there{place}\na: {row.tensor_a}\nb: {row.tensor_b}"
        return None

    def _text(self, row: ChangeRow, name: str, value: Any) -> str:
        if value is None:
            return ""
        if name == "rank" and self.table.spectra is not None:
            bounded = self.table.spectra[row.part].bounded
            return f"{value}" if bounded else f"≥ {value}"
        return FORMATS.get(name, str)(value)


def _key(value: Any) -> Any:
    return float("-inf") if value is None or value != value else value


def _number(pattern: str) -> Callable[[float], str]:
    def write(value: float) -> str:
        if math.isnan(value):
            return "–"
        if math.isinf(value):
            return "∞" if value > 0 else "−∞"
        return "0" if value == 0 else pattern.format(value).replace("-", "−")

    return write


FORMATS: dict[str, Callable[[Any], str]] = {
    "relative": _number("{:.4g}"),
    "snr": _number("{:.2f}"),
    "rmse": _number("{:.3g}"),
    "largest": _number("{:.3g}"),
    "cosine": _number("{:.6f}"),
    "flips": _number("{:.2%}"),
    "energy": _number("{:.1%}"),
    "parameters": "{:,}".format,
    "shape": lambda shape: " × ".join(map(str, shape)) or "scalar",
    "nonfinite": "{:,}".format,
}
"""How the numbers of the columns are written."""
