"""The panel of what is shown: layout, signal, reduction."""

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import QComboBox, QGridLayout, QLabel
from superqt import QSearchableComboBox

from ...base import LayoutError, TomoError
from ...comparison import Comparison
from ...volume.choice import Choice, layouts_of, roles_of
from ...volume.reading.signal import resolve_reduction
from ...volume.volume import LAYOUTS
from ..link import ScanLink
from ..switch import switch
from ..work import show
from .fields import WordList
from .panel import Panel

__all__ = ["SourcePanel"]

LAYOUT_TITLES: Mapping[str, tuple[str, str]] = {
    "body": ("Body", "One section per matrix; a row is one residual channel in all of them"),
    "cube": ("Cube", "Every parameter along one Hilbert curve through a cube"),
    "tensor": ("Tensor", "One stored tensor in its own shape"),
    "heads": ("Heads", "All heads of one role: layer, head, dimension, channel"),
    "experts": ("Experts", "The experts of a layer side by side, each with its router beside it"),
    "circuits": ("Circuits", "What each head computes between two channels"),
}
"""Title and tooltip by layout."""

SIGNAL_TITLES: Mapping[str, tuple[str, str]] = {
    "magnitude": ("Magnitude  |w|", "How strong a weight is"),
    "signed": ("Signed  w", "The weight itself"),
    "sigma": ("Deviation in its part  σ", "Standard deviations from the mean of its matrix"),
    "sigma_global": ("Deviation over all  σ", "Standard deviations from the mean of all weights"),
    "rank": ("Rank", "Share of all weights that are smaller"),
}
"""Title and tooltip by signal."""

REDUCTION_TITLES: Mapping[str, tuple[str, str]] = {
    "rms": ("Root mean square", "A coarse voxel is the root mean square of its weights"),
    "extreme": ("Extreme", "A coarse voxel is the weight of largest magnitude in it"),
    "mean": ("Mean", "A coarse voxel is the mean of its weights"),
}
"""Title and tooltip by reduction."""

ROLE_TITLES: Mapping[str, str] = {
    "q": "Queries",
    "k": "Keys",
    "v": "Values",
    "o": "Outputs",
    "qk": "Query–key",
    "ov": "Output–value",
    "all": "All matrices",
    "gate": "Gate",
    "up": "Up",
    "down": "Down",
}
"""Title by role; others go by their name."""


class SourcePanel(Panel):
    """Shows and sets what of the checkpoint the volume is made of."""

    title = "Source"

    def __init__(self, viewer: Any, parent: Any = None) -> None:
        super().__init__(viewer, parent)
        self._link: ScanLink | None = None
        self.layout_ = WordList("Layout")
        self.role = WordList("Role")
        self.tensor = QSearchableComboBox()
        self.tensor.setAccessibleName("Tensor")
        self.tensor.setToolTip("Type to search")
        self.tensor.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.signal = WordList("Signal")
        self.reduction = WordList("Reduction of coarse levels")
        self._arrange()
        self.layout_.activated.connect(lambda: self._switch(layout=self.layout_.word))
        self.role.activated.connect(lambda: self._switch(role=self.role.word))
        self.tensor.activated.connect(lambda: self._switch(tensor=self.tensor.currentText()))
        self.signal.activated.connect(lambda: self._switch(signal=self.signal.word))
        self.reduction.activated.connect(lambda: self._switch(reduction=self.reduction.word))

    def set_link(self, link: ScanLink | None) -> None:
        """Show what a scan shows."""
        self.let_go()
        self._link = link
        if link is None:
            return
        self.listen(link.switched, self._show)
        scan = link.scan
        known = scan.layouts if isinstance(scan, Comparison) else layouts_of(scan.anatomy)
        self.layout_.fill((name, *LAYOUT_TITLES[name]) for name in LAYOUTS)
        self.layout_.allow(known, "This scan does not have what the layout needs")
        self.signal.fill((name, *title) for name, title in SIGNAL_TITLES.items())
        self.reduction.fill((name, *title) for name, title in REDUCTION_TITLES.items())
        with QSignalBlocker(self.tensor):
            self.tensor.clear()
            self.tensor.addItems(list(link.scan.anatomy.positions))
        self._show()

    def _show(self, *_: Any) -> None:
        if self._link is None:
            return
        shown = Choice.of(self._link.volume)
        roles = roles_of(shown.layout, self._link.scan.anatomy)
        self.role.fill((name, ROLE_TITLES.get(name, name), "") for name in roles)
        for widget, label, visible in (
            (self.role, self._labels["role"], bool(roles)),
            (self.tensor, self._labels["tensor"], shown.layout == "tensor"),
        ):
            widget.setVisible(visible)
            label.setVisible(visible)
        signals = [name for name in SIGNAL_TITLES if _shows(shown.layout, name)]
        self.signal.allow(signals, "Circuits are products of weights: they have a size and a sign")
        fitting = [name for name in REDUCTION_TITLES if _fits(shown.signal, name)]
        self.reduction.allow(fitting, "It would lose the sign")
        for box, word in (
            (self.layout_, shown.layout),
            (self.role, shown.role),
            (self.signal, shown.signal),
            (self.reduction, shown.reduction),
        ):
            box.choose(word)
        if shown.tensor is not None:
            self.tensor.setCurrentIndex(self.tensor.findText(shown.tensor))

    def _switch(self, **wanted: str) -> None:
        if self._link is None:
            return
        present = Choice.of(self._link.volume)
        if wanted.get("layout") == "circuits" and not _shows("circuits", present.signal):
            wanted["signal"] = "magnitude"
        try:
            job = switch(self.viewer, self._link, wait=False, **wanted)
        except TomoError as error:
            show(error)
            self._show()
            return
        # If it fails or is stopped, what is shown is as it was.
        job.on_end = self._show

    def _arrange(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(4, 0, 4, 4)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(5)
        grid.setColumnStretch(1, 1)
        self._labels: dict[str, QLabel] = {}
        for row, (name, text, widget) in enumerate(
            (
                ("layout", "Layout", self.layout_),
                ("role", "Role", self.role),
                ("tensor", "Tensor", self.tensor),
                ("signal", "Signal", self.signal),
                ("reduction", "Reduction", self.reduction),
            )
        ):
            label = QLabel(text)
            label.setBuddy(widget)
            self._labels[name] = label
            grid.addWidget(label, row, 0)
            grid.addWidget(widget, row, 1)


def _shows(layout: str, signal: str) -> bool:
    return layout != "circuits" or signal in ("signed", "magnitude")


def _fits(signal: str, reduction: str) -> bool:
    try:
        resolve_reduction(signal, reduction)
    except LayoutError:
        return False
    return True
