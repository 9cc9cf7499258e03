"""Pins and statistics as Qt shows them."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt

from ...display.pins import COLUMNS as PIN_COLUMNS
from ...display.pins import Pins
from ...volume.statistics.table import COLUMNS, PartRow, PartTable

__all__ = ["PinModel", "StatisticsModel", "sortable"]

ROLES = Qt.ItemDataRole
SORT = ROLES.UserRole
"""Role under which a table gives what it is sorted by."""

RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
NONE = QModelIndex()

PIN_TEXTS = frozenset({"tensor", "index", "part", "role", "voxel", "note"})
"""Columns of pins that are words or several numbers: they stand on the left."""

TITLES = {
    "sigma": "σ",
    "low": "min",
    "high": "max",
    "near": "near 0",
    "l2": "‖w‖₂",
    "l1": "‖w‖₁",
    "nonfinite": "NaN, ∞",
}
"""Headings of the statistics where they are not the column's own name."""


class PinModel(QAbstractTableModel):  # type: ignore[misc]
    """Pins, one a row; the notes can be written in place."""

    def __init__(self, pins: Pins, parent: Any = None) -> None:
        super().__init__(parent)
        self.pins = pins

    def refresh(self) -> None:
        """The pins are others than before."""
        self.beginResetModel()
        self.endResetModel()

    def rowCount(self, parent: Any = NONE) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(self.pins)

    def columnCount(self, parent: Any = NONE) -> int:
        """See Qt."""
        return len(PIN_COLUMNS)

    def headerData(self, section: int, orientation: Any, role: int = ROLES.DisplayRole) -> Any:
        """See Qt."""
        if role != ROLES.DisplayRole:
            return None
        return PIN_COLUMNS[section] if orientation == Qt.Orientation.Horizontal else section + 1

    def flags(self, index: Any) -> Any:
        """See Qt."""
        flags = super().flags(index)
        if PIN_COLUMNS[index.column()] == "note":
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def data(self, index: Any, role: int = ROLES.DisplayRole) -> Any:
        """See Qt."""
        name = PIN_COLUMNS[index.column()]
        pin = self.pins[index.row()]
        if role in (ROLES.DisplayRole, ROLES.EditRole):
            if name == "value" and isinstance(pin.value, float) and role == ROLES.DisplayRole:
                return f"{pin.value:.6g}"
            return pin.cells()[index.column()]
        if role == ROLES.TextAlignmentRole and name not in PIN_TEXTS:
            return RIGHT
        if role == ROLES.ToolTipRole:
            where = "double click to go there" if pin.voxel else "this layout does not show it"
            return f"{pin.query} = {pin.value!r}\n{where}"
        return None

    def setData(self, index: Any, value: Any, role: int = ROLES.EditRole) -> bool:
        """See Qt."""
        if role != ROLES.EditRole or PIN_COLUMNS[index.column()] != "note":
            return False
        if str(value) != self.pins[index.row()].note:
            self.pins.note(index.row(), str(value))
        return True


class StatisticsModel(QAbstractTableModel):  # type: ignore[misc]
    """Statistics of the parts, one a row."""

    def __init__(self, table: PartTable, parent: Any = None) -> None:
        super().__init__(parent)
        self.table = table
        self._columns = tuple(COLUMNS)

    def show_table(self, table: PartTable) -> None:
        """Show better statistics of the same parts, or those of others."""
        if [row.part for row in table] != [row.part for row in self.table]:
            self.beginResetModel()
            self.table = table
            self.endResetModel()
            return
        self.table = table
        last = self.index(len(table) - 1, len(self._columns) - 1)
        self.dataChanged.emit(self.index(0, 0), last)

    def rowCount(self, parent: Any = NONE) -> int:
        """See Qt."""
        return 0 if parent.isValid() else len(self.table)

    def columnCount(self, parent: Any = NONE) -> int:
        """See Qt."""
        return len(self._columns)

    def headerData(self, section: int, orientation: Any, role: int = ROLES.DisplayRole) -> Any:
        """See Qt."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        name = self._columns[section]
        if role == ROLES.DisplayRole:
            return TITLES.get(name, name)
        return COLUMNS[name] if role == ROLES.ToolTipRole else None

    def data(self, index: Any, role: int = ROLES.DisplayRole) -> Any:
        """See Qt."""
        name = self._columns[index.column()]
        row = self.table[index.row()]
        value = getattr(row, name)
        if role == ROLES.DisplayRole:
            return FORMATS.get(name, str)(value) if value is not None else ""
        if role == SORT:
            # The order of the model where a text says nothing about it.
            if name == "part":
                return index.row()
            return row.parameters if name == "shape" else _key(value)
        if role == ROLES.TextAlignmentRole and name not in ("part", "shape", "tensor", "stored"):
            return RIGHT
        return None

    def row(self, index: int) -> PartRow:
        """The statistics in a row."""
        return self.table[index]


def sortable(model: Any, parent: Any) -> Any:
    """A proxy by which the columns of a table can be sorted."""
    proxy = QSortFilterProxyModel(parent)
    proxy.setSourceModel(model)
    proxy.setSortRole(SORT)
    return proxy


def _key(value: Any) -> Any:
    return float("-inf") if value is None else value


def _share(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.2%}" if value >= 1e-4 else f"{value * 1e6:.3g} ppm"


FORMATS: dict[str, Callable[[Any], str]] = {
    "shape": lambda shape: " × ".join(map(str, shape)) or "scalar",
    "parameters": "{:,}".format,
    "mean": "{:.3g}".format,
    "sigma": "{:.3g}".format,
    "low": "{:.3g}".format,
    "high": "{:.3g}".format,
    "zeros": _share,
    "near": _share,
    "kurtosis": "{:.3g}".format,
    "l2": "{:.4g}".format,
    "l1": "{:.4g}".format,
    "nonfinite": "{:,}".format,
}
"""How the numbers of the columns are written."""
