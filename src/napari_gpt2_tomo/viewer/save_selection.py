"""Saving a selection from napari: a dialog that asks what and how, then work in the background."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import napari
from qtpy.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
)

from ..base import Progress
from ..checkpoint.dtypes import STORED_TYPES
from ..export.selection import FORMATS, Selection, size_of, write_selection
from . import compat
from .commands import NO_SCAN, current_link
from .console.source_panel import SIGNAL_TITLES
from .console.volume_panel import memory
from .link import ScanLink
from .selections import Offer, offers
from .work import Job

__all__ = ["SelectionDialog", "save_selection_as"]

TITLE = "Save selection"

WIDTH = 440
"""Pixels: the longest title of a section fits."""

ENDINGS = {
    ".safetensors": "safetensors · weights bit for bit, addresses inside",
    ".npy": "NumPy · weights in their type, addresses in a JSON beside it",
    ".tif": "TIFF · float32, a page a section, addresses in a JSON beside it",
}
"""Formats that are offered."""


class SelectionDialog(QDialog):  # type: ignore[misc]
    """Asks what of a scan to save, and as what.

    Parameters
    ----------
    link
        The scan.
    offered
        What can be saved.
    """

    def __init__(self, link: ScanLink, offered: list[Offer], parent: Any = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"{TITLE} of {link.name}")
        self.setMinimumWidth(WIDTH)
        self._link, self._offered = link, offered
        self.what, self.values, self.ending = QComboBox(), QComboBox(), QComboBox()
        for offer in offered:
            self.what.addItem(offer.title)
        self.values.addItem("Weights as stored", None)
        signal = link.volume.signal
        if signal != "signed":
            self.values.addItem(f"As displayed: {SIGNAL_TITLES[signal][0]}", signal)
        for ending, words in ENDINGS.items():
            self.ending.addItem(words, ending)
        self.air = QCheckBox("NaN instead of 0 where no parameter is")
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow("What", self.what)
        form.addRow("Values", self.values)
        form.addRow("Format", self.ending)
        form.addRow("Air", self.air)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self.about)
        layout.addWidget(self.buttons)
        for box in (self.what, self.values, self.ending):
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            box.currentIndexChanged.connect(self._tell)
        self._tell()

    @property
    def selection(self) -> Selection:
        """What is to be saved."""
        offer: Offer = self._offered[self.what.currentIndex()]
        return offer.showing(self._link, self.values.currentData())

    @property
    def fill(self) -> float:
        """What stands where no parameter is."""
        return float("nan") if self.air.isEnabled() and self.air.isChecked() else 0.0

    def _tell(self, *_: Any) -> None:
        selection = self.selection
        ending = self.ending.currentData()
        kind = STORED_TYPES["F32" if ending == ".tif" else selection.element]
        shape = " × ".join(map(str, selection.shape))
        told = f"{shape} = {selection.size:,} values"
        if ending == ".tif" and selection.element not in ("F32", "F16", "BF16"):
            told += f", rounded from {selection.element}"
        self.air.setEnabled(kind.decoded.kind == "f")
        self.about.setText(f"{told} · {memory(size_of(selection, ending))} on disk")


def save_selection_as(viewer: napari.Viewer) -> None:
    """Ask what of the scan to save, how and where, and save it with the address of every value."""
    from napari.utils.notifications import show_info

    viewer = compat.real_viewer(viewer)
    link = current_link(viewer)
    if link is None:
        show_info(NO_SCAN)
        return
    offered = offers(viewer, link)
    if not offered:
        show_info("There is only air here: move the slider to a section that shows something.")
        return
    canvas = compat.qt_viewer_of(viewer)
    # The colours of a dialog are those of its window, which need not be the active one.
    window = QApplication.activeWindow() if canvas is None else canvas.window()
    dialog = SelectionDialog(link, offered, window)
    try:
        if dialog.exec() != QDialog.DialogCode.Accepted:
            return
        selection, air, ending = dialog.selection, dialog.fill, dialog.ending.currentData()
    finally:
        dialog.deleteLater()
    path = _ask_path(link, selection, ending)
    if path is None:
        return
    target = path

    def work(report: Progress) -> Generator[object, None, None]:
        yield write_selection(selection, target, air, report)

    Job(work, lambda written: show_info(f"Saved {selection.title} to {written}."))


def _ask_path(link: ScanLink, selection: Selection, ending: str) -> Path | None:
    words = "".join(c if c.isalnum() or c in ".-" else " " for c in selection.title)
    name = f"{link.name} {' '.join(words.split())}{ending}"
    path, _ = QFileDialog.getSaveFileName(
        QApplication.activeWindow(), TITLE, name, f"{ending[1:]} (*{ending})"
    )
    if not path:
        return None
    found = Path(path)
    return found if found.suffix.lower() in FORMATS else found.with_name(found.name + ending)
