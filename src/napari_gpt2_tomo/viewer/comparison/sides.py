"""Choosing one of the two scans of a comparison."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psygnal import Signal
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QWidget

from ...checkpoint.address import address_of
from ...comparison import Comparison
from ...facade import Scan
from ..link import link_of
from ..remembered import recent_addresses, recent_scans

__all__ = ["Side", "SidePicker", "sides_of"]

DATA = Qt.ItemDataRole.UserRole

SHOWN = 8
"""Recent scans that are listed."""


@dataclass(frozen=True, slots=True)
class Side:
    """A model to compare: where it is, and what was said about it when it was opened."""

    title: str
    path: str
    family: str | None = None
    sizes: dict[str, int] = field(default_factory=dict, compare=False)

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> "Side":
        """A model at a path that nothing else is known of."""
        address = address_of(path)
        if address is not None:
            return cls(address.name, str(address))
        place = Path(path)
        generic = place.suffix and place.stem.startswith(("model", "adapter_model"))
        return cls(place.parent.name if generic else place.name, str(path))

    def open(self) -> Scan:
        """The scan, open on its own: layers of the same model may be removed meanwhile."""
        return Scan(self.path, self.family, **self.sizes)


def sides_of(viewer: Any) -> list[Side]:
    """The models that a viewer shows, topmost first, then those that were opened lately."""
    found: dict[str, Side] = {}
    for layer in reversed(viewer.layers):
        link = link_of(layer)
        if link is None or isinstance(link.scan, Comparison):
            continue
        scan = link.scan.still
        path = str(scan.checkpoint.path)
        name = link.name if scan is link.scan else scan.name
        found.setdefault(path, Side(name, path, scan.family, dict(scan.sizes)))
    lately = [str(place) for place in (*recent_scans()[:SHOWN], *recent_addresses()[:SHOWN])]
    for recent in lately:
        found.setdefault(recent, Side.at(recent))
    return list(found.values())


class SidePicker(QWidget):  # type: ignore[misc]
    """A list of models, and buttons for any other file or folder.

    Attributes
    ----------
    changed
        Emitted without arguments when another model is chosen.
    """

    changed = Signal()

    def __init__(self, viewer: Any, what: str) -> None:
        super().__init__()
        self._viewer = viewer
        self._others: list[Side] = []
        self.box = _Box(self.fill)
        self.box.setAccessibleName(what)
        self.box.setPlaceholderText("Choose a model…")
        self.box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.box.setMinimumContentsLength(12)
        self.box.currentIndexChanged.connect(self._chosen)
        self.file = QPushButton("File…")
        self.folder = QPushButton("Folder…")
        self.file.clicked.connect(self._ask_file)
        self.folder.clicked.connect(self._ask_folder)
        self.file.setToolTip("Any checkpoint")
        self.folder.setToolTip("Any model's folder, or that of a LoRA adapter")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.box, stretch=1)
        row.addWidget(self.file)
        row.addWidget(self.folder)
        self.fill()

    @property
    def side(self) -> Side | None:
        """The model that is chosen."""
        found = self.box.currentData(DATA)
        return found if isinstance(found, Side) else None

    def choose(self, side: Side | None) -> None:
        """Choose a model; one that is not listed is added."""
        if side is not None and all(one.path != side.path for one in self._listed()):
            self._others.insert(0, side)
        self.fill(side)
        self.changed.emit()

    def fill(self, wanted: Side | None = None) -> None:
        """List what there is now; the choice stays."""
        keep = wanted or self.side
        with QSignalBlocker(self.box):
            self.box.clear()
            for side in self._listed():
                self.box.addItem(side.title, side)
                self.box.setItemData(self.box.count() - 1, side.path, Qt.ItemDataRole.ToolTipRole)
            paths = [one.path for one in self._listed()]
            at = paths.index(keep.path) if keep is not None and keep.path in paths else -1
            self.box.setCurrentIndex(at)
        self._tell()

    def _listed(self) -> list[Side]:
        found = {side.path: side for side in (*self._others, *sides_of(self._viewer))}
        return list(found.values())

    def _chosen(self, index: int) -> None:
        self._tell()
        self.changed.emit()

    def _tell(self) -> None:
        side = self.side
        self.box.setToolTip("" if side is None else side.path)

    def _ask_file(self, checked: bool = False) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Choose a checkpoint")
        if path:
            self.choose(Side.at(path))

    def _ask_folder(self, checked: bool = False) -> None:
        path = QFileDialog.getExistingDirectory(self, "Choose a model's folder")
        if path:
            self.choose(Side.at(path))


class _Box(QComboBox):  # type: ignore[misc]
    """A list that is filled anew whenever it is opened."""

    def __init__(self, fill: Any) -> None:
        super().__init__()
        self._fill = fill

    def showPopup(self) -> None:
        """See Qt."""
        self._fill()
        super().showPopup()
