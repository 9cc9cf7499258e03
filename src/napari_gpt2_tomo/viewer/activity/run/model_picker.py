"""Choosing the model that reads a prompt."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psygnal import Signal
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QWidget

from ....activity.catalogue import MODELS, cached_models, local_path
from ....checkpoint.address import Address, address_of
from ...console.headings import heading
from ...link import link_of
from ...remembered import recent_scans

__all__ = ["Entry", "ModelPicker", "entries"]

PLACE = Qt.ItemDataRole.UserRole
TITLE = "Choose a model…"

SHOWN = 8
"""Recent scans that are listed: the list is for many more things."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A model to choose.

    Attributes
    ----------
    group
        Heading that it stands under.
    title
        What a person reads.
    place
        Where it is: a folder, or the address of one that is downloaded before it runs; None
        for one that is only named.
    about
        More about it, or how to get it.
    """

    group: str
    title: str
    place: Path | Address | None
    about: str


def entries(viewer: Any) -> list[Entry]:
    """Every model that can be chosen, the nearest first; each place once."""
    found: list[Entry] = []
    links = dict.fromkeys(link for layer in viewer.layers if (link := link_of(layer)) is not None)
    for link in links:
        path = link.scan.checkpoint.path
        if not isinstance(path, Path):
            about = f"{path}: it is downloaded before it runs; what that costs is asked first."
            found.append(Entry("On a server", link.name, path, about))
            continue
        place = _folder(path)
        found.append(Entry("In this viewer", link.name, place, str(place)))
    for path in recent_scans()[:SHOWN]:
        place = _folder(path)
        if (place / "config.json").is_file():
            found.append(Entry("Recent scans", place.name, place, str(place)))
    for local in cached_models():
        about = f"{local.family} · {local.path}"
        found.append(Entry("In the Hugging Face cache", local.repository, local.path, about))
    once: dict[Path | Address | None, Entry] = {}
    for entry in found:
        once.setdefault(entry.place, entry)
    for known in MODELS:
        if local_path(known.name) is None:
            size = f"{known.parameters:,} million parameters"
            about = f"{size}. To get it: hf download {known.repository}"
            once[Path(known.repository)] = Entry("Not on this machine", known.name, None, about)
    return list(once.values())


class ModelPicker(QWidget):  # type: ignore[misc]
    """A list of models, and a button for any other folder.

    Attributes
    ----------
    changed
        Emitted without arguments when another model is chosen.
    """

    changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self._others: list[Entry] = []
        self.box = _Box(self.fill)
        self.box.setAccessibleName("Model that reads the prompt")
        self.box.setPlaceholderText(TITLE)
        self.box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.box.setMaxVisibleItems(30)
        self.folder = QPushButton("Folder…")
        self.folder.setToolTip("Any folder with the config, weights and tokenizer of a model")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.box, stretch=1)
        row.addWidget(self.folder)
        self.folder.clicked.connect(self._ask)
        self.box.currentIndexChanged.connect(self._tell)
        self.fill()
        self._choose_first()

    @property
    def place(self) -> Path | None:
        """Where the chosen model is on this machine; None while none is chosen."""
        found = self.box.currentData(PLACE)
        return None if found is None or address_of(found) is not None else Path(found)

    @property
    def address(self) -> Address | None:
        """Where the chosen model is on a server; None for one on this machine."""
        found = self.box.currentData(PLACE)
        return None if found is None else address_of(found)

    def choose(self, place: Path) -> None:
        """Choose a model by its folder, whether it is in the list or not."""
        place = _folder(place)
        if self._row(place) < 0:
            self._others.insert(0, Entry("Chosen", place.name, place, str(place)))
            self.fill()
        self.box.setCurrentIndex(self._row(place))

    def fill(self) -> None:
        """List what there is now; what is chosen stays chosen."""
        before = self.box.currentData(PLACE)
        model = QStandardItemModel(self)
        group = ""
        for entry in [*self._others, *entries(self._viewer)]:
            if entry.group != group:
                group = entry.group
                model.appendRow(heading(group))
            item = QStandardItem(entry.title)
            item.setToolTip(entry.about)
            if entry.place is None:
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            else:
                item.setData(str(entry.place), PLACE)
            model.appendRow(item)
        with QSignalBlocker(self.box):
            self.box.setModel(model)
            self.box.setCurrentIndex(-1 if before is None else self._row(before))
        self._tip()

    def follow(self) -> None:
        """The viewer's scans are others: choose one of them if nothing is chosen yet."""
        self.fill()
        if self.box.currentData(PLACE) is None:
            self._choose_first()

    def _choose_first(self) -> None:
        for row in range(self.box.count()):
            if self.box.itemData(row, PLACE) is not None:
                self.box.setCurrentIndex(row)
                return

    def _row(self, place: Path | str) -> int:
        return int(self.box.findData(str(place), PLACE))

    def _tell(self, index: int) -> None:
        self._tip()
        self.changed.emit()

    def _tip(self) -> None:
        tip = self.box.currentData(Qt.ItemDataRole.ToolTipRole)
        self.box.setToolTip(tip or "The model that reads the prompt")

    def _ask(self, checked: bool = False) -> None:
        found = QFileDialog.getExistingDirectory(self, "Folder of a model")
        if found:
            self.choose(Path(found))


class _Box(QComboBox):  # type: ignore[misc]
    """A list that is filled anew when it is opened."""

    def __init__(self, fill: Any) -> None:
        super().__init__()
        self._fill = fill

    def showPopup(self) -> None:
        """See Qt."""
        self._fill()
        super().showPopup()


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent
