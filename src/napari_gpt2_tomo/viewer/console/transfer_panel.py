"""The panel of the transfer function: colours, opacity, gamma."""

from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QStandardItem, QStandardItemModel
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
)
from superqt import QLabeledDoubleSlider

from ...base import TomoError
from ...display.transfer import TRANSFERS, transfer
from ..appearance import TRANSPARENT
from ..link import Link
from ..work import show
from .headings import heading
from .panel import Panel
from .strip import ICON, Strip, icon_of

__all__ = ["TransferPanel"]

NAME = Qt.ItemDataRole.UserRole

GAMMA = (0.2, 3.0)
"""What the slider of gamma reaches; napari's reaches from 0.2 to 2."""

FLAT = "{rendering} shows the colours alone; opacity acts in translucent and additive."


class TransferPanel(Panel):
    """Shows and sets colours, opacity and gamma."""

    title = "Transfer function"
    scans_only = False

    def __init__(self, viewer: Any, parent: Any = None) -> None:
        super().__init__(viewer, parent)
        self._link: Link | None = None
        self.list = QComboBox()
        self.list.setAccessibleName("Transfer function")
        self.list.setIconSize(ICON)
        self.list.setMaxVisibleItems(30)
        self.strip = Strip()
        self.gamma = _slider("Gamma", *GAMMA)
        self.opacity = _slider("Opacity of the layer", 0, 1)
        self.invert = QCheckBox("Invert")
        self.invert.setToolTip("Turn the colours round; what is clear stays clear")
        self.reset = QPushButton("Reset")
        self.reset.setToolTip("Window, colours, gamma and opacity as at first")
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.translucent = QPushButton("Translucent")
        self.translucent.setToolTip("Draw the volume translucent, so that the opacity acts")
        self._arrange()
        self._fill("")
        self.list.activated.connect(self._chosen)
        self.gamma.valueChanged.connect(lambda value: self._set("gamma", value))
        self.opacity.valueChanged.connect(lambda value: self._set("opacity", value))
        self.invert.toggled.connect(lambda on: self._set("invert", on))
        self.reset.clicked.connect(self._reset)
        self.translucent.clicked.connect(lambda: self._set("rendering", "translucent"))

    def set_link(self, link: Link | None) -> None:
        """Show the transfer function of a scan."""
        self.let_go()
        self._link = link
        if link is None:
            return
        events = link.console.events
        for name in ("transfer", "invert", "gamma", "opacity", "rendering"):
            self.listen(getattr(events, name), self._show)
        self._show()

    def _show(self, *_: Any) -> None:
        if self._link is None:
            return
        console = self._link.console
        if self.list.findData(console.transfer, NAME) < 0:
            self._fill(console.transfer)
        for widget, value in (
            (self.gamma, min(max(console.gamma, GAMMA[0]), GAMMA[1])),
            (self.opacity, console.opacity),
        ):
            with QSignalBlocker(widget):
                widget.setValue(value)
        with QSignalBlocker(self.invert):
            self.invert.setChecked(console.invert)
        self.list.setCurrentIndex(self.list.findData(console.transfer, NAME))
        self.strip.show_function(transfer(console.transfer), console.invert, console.gamma)
        clear = console.rendering in TRANSPARENT
        self.note.setVisible(not clear)
        self.translucent.setVisible(not clear)
        words = console.rendering.replace("_", " ").replace("mip", "MIP").replace("minMIP", "MinIP")
        self.note.setText(FLAT.format(rendering=words[:1].upper() + words[1:]))

    def _chosen(self, index: int) -> None:
        name = self.list.itemData(index, NAME)
        if name:
            self._set("transfer", name)

    def _set(self, name: str, value: Any) -> None:
        if self._link is None:
            return
        try:
            setattr(self._link.console, name, value)
        except TomoError as error:
            show(error)
            self._show()

    def _reset(self) -> None:
        if self._link is not None:
            self._link.console.reset()

    def _fill(self, other: str) -> None:
        """List the table, and one function that is not in it."""
        model = QStandardItemModel(self)
        group = ""
        names = [*TRANSFERS, *([other] if other else [])]
        for function in (transfer(name) for name in names):
            if function.group != group:
                group = function.group
                model.appendRow(heading(group))
            item = QStandardItem(icon_of(function), function.name)
            item.setData(function.name, NAME)
            model.appendRow(item)
        self.list.setModel(model)

    def _arrange(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.invert)
        buttons.addStretch(1)
        buttons.addWidget(self.reset)
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        for row, (text, slider) in enumerate((("Gamma", self.gamma), ("Opacity", self.opacity))):
            label = QLabel(text)
            label.setBuddy(slider)
            grid.addWidget(label, row, 0)
            grid.addWidget(slider, row, 1)
        hint = QHBoxLayout()
        hint.addWidget(self.note, stretch=1)
        hint.addWidget(self.translucent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 4)
        layout.setSpacing(5)
        layout.addWidget(self.list)
        layout.addWidget(self.strip)
        layout.addLayout(hint)
        layout.addLayout(grid)
        layout.addLayout(buttons)


def _slider(name: str, low: float, high: float) -> Any:
    slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(low, high)
    slider.setDecimals(2)
    slider.setSingleStep(0.01)
    slider.setAccessibleName(name)
    return slider
