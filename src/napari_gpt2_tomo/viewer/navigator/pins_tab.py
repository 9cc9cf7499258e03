"""The tab with the pinned probes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication, QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from ...base import TomoError, save_text
from ...display.pins import COLUMNS, Pin
from ...display.pins import Pins as PinList
from ..work import show
from .tables import PinModel

if TYPE_CHECKING:
    from ..link import ScanLink

__all__ = ["PinsTab"]

ROW = 24
"""Pixels of a row's height."""

FIRST = ("part", "index", "value", "head", "neuron", "token", "note", "voxel", "tensor")
"""What a narrow table shows first; files keep the order of `pins.COLUMNS`."""

EMPTY = (
    "Nothing is pinned yet. Put the mouse on the picture and press Shift+P, or go to a "
    "parameter and press Pin."
)


class PinsTab(QWidget):  # type: ignore[misc]
    """The pins of a scan as a table; a double click goes to one.

    Parameters
    ----------
    fly
        Called with the query of a pin.
    pin
        Called to pin what is looked at.
    """

    def __init__(
        self, fly: Callable[[str], None], pin: Callable[[], None], parent: Any = None
    ) -> None:
        super().__init__(parent)
        self._fly = fly
        self._link: ScanLink | None = None
        self.table = QTableView()
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(
            QAbstractItemView.EditTrigger.EditKeyPressed
            | QAbstractItemView.EditTrigger.SelectedClicked
        )
        self.table.setWordWrap(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(ROW)
        self.table.doubleClicked.connect(self._go)
        self._hint = QLabel(EMPTY)
        self._hint.setWordWrap(True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._pin = pin
        buttons = {
            "Pin": (self._pin_it, "Pin the parameter at the cursor (Shift+P: under the mouse)"),
            "Remove": (self.remove, "Remove the selected pins (Delete)"),
            "Copy": (self.copy, "Copy the selected pins, or all, for a spreadsheet (Ctrl+C)"),
            "Export CSV…": (self._export, "Write all pins to a file"),
        }
        row = QHBoxLayout()
        self.widgets: dict[str, Any] = {}
        for title, (pressed, tip) in buttons.items():
            button = self.widgets[title] = QPushButton(title)
            button.setToolTip(tip)
            # Bound methods: Qt would keep the tab alive for ever by functions around them.
            button.clicked.connect(pressed)
            row.addWidget(button)
        for keys, pressed in (
            (QKeySequence.StandardKey.Copy, self.copy),
            (QKeySequence.StandardKey.Delete, self.remove),
        ):
            shortcut = QShortcut(QKeySequence(keys), self.table)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(pressed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(self._hint, stretch=1)
        layout.addWidget(self.table, stretch=1)
        layout.addLayout(row)
        self._enable()

    def set_link(self, link: "ScanLink | None") -> None:
        """Show the pins of a scan, or none."""
        self.let_go()
        self._link = link
        old, selection = self.table.model(), self.table.selectionModel()
        model = None if link is None else PinModel(link.pins, self.table)
        self.table.setModel(model)
        for place, name in enumerate(FIRST if model is not None else ()):
            header = self.table.horizontalHeader()
            header.moveSection(header.visualIndex(COLUMNS.index(name)), place)
        if model is not None and link is not None:
            link.pins.changed.connect(self._changed)
            self._widths()
        for gone in (selection, old):
            if gone is not None:
                gone.deleteLater()
        self._enable()

    def let_go(self) -> None:
        """Hear nothing of a scan any more."""
        if self._link is not None:
            self._link.pins.changed.disconnect(self._changed)
            self._link = None

    def select(self, row: int) -> None:
        """Select one pin and show it."""
        self.table.selectRow(row)

    def remove(self, checked: bool = False) -> None:
        """Remove the selected pins."""
        if self._link is not None and (rows := self._rows()):
            self._link.pins.remove(rows)

    def copy(self, checked: bool = False) -> None:
        """Copy the selected pins, or all of them, as a spreadsheet takes them."""
        pins = self._pins()
        if pins is not None:
            QGuiApplication.clipboard().setText(pins.tsv(self._rows() or None))

    def _pin_it(self, checked: bool = False) -> None:
        self._pin()

    def _export(self, checked: bool = False) -> None:
        pins = self._pins()
        if pins is None or self._link is None:
            return
        start = f"{self._link.name} pins.csv"
        path, _ = QFileDialog.getSaveFileName(self, "Export the pins", start, "CSV (*.csv)")
        if path:
            try:
                save_text(path, pins.csv(), ".csv")
            except TomoError as error:
                show(error)

    def _go(self, index: Any) -> None:
        pins = self._pins()
        if pins is not None:
            self._fly(pins[index.row()].query)

    def _pins(self) -> PinList | None:
        return None if self._link is None else self._link.pins

    def _rows(self) -> list[int]:
        selection = self.table.selectionModel()
        return sorted(i.row() for i in selection.selectedRows()) if selection else []

    def _changed(self) -> None:
        model = self.table.model()
        if model is not None:
            model.refresh()
            self._widths()
        self._enable()

    def _widths(self) -> None:
        self.table.resizeColumnsToContents()
        pins: list[Pin] = list(self._pins() or ())
        for column, name in enumerate(COLUMNS):
            # An expert or a token that no pin has would only take room.
            empty = name not in ("note", "tensor") and all(
                getattr(pin, name) in (None, "") for pin in pins
            )
            self.table.setColumnHidden(column, bool(pins) and empty)

    def _enable(self) -> None:
        some = bool(self._pins())
        self.table.setVisible(some)
        self._hint.setVisible(not some)
        for title, button in self.widgets.items():
            button.setEnabled(self._link is not None if title == "Pin" else some)
