"""The anatomy of a scan as a table beside the picture."""

from collections.abc import Mapping
from typing import Any
from weakref import ref

import napari
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHeaderView, QLabel, QTreeWidget, QTreeWidgetItem, QVBoxLayout, QWidget

from ..anatomy import Anatomy, Part
from ..base import TomoError
from .commands import NO_SCAN, current_link, go_to
from .work import show

__all__ = ["AnatomyTable"]

COLUMNS = ("part", "shape", "parameters", "tensor")
ROLE = Qt.ItemDataRole.UserRole


class AnatomyTable(QWidget):  # type: ignore[misc]
    """What a checkpoint is made of; a double click goes to a part.

    Follows the active layer.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        self._link: Any = None
        self._head = QLabel()
        self._head.setWordWrap(True)
        self._tree = QTreeWidget()
        self._tree.setColumnCount(len(COLUMNS))
        self._tree.setHeaderLabels(COLUMNS)
        self._tree.setUniformRowHeights(True)
        self._tree.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self._tree.itemActivated.connect(self._go)
        layout = QVBoxLayout(self)
        layout.addWidget(self._head)
        layout.addWidget(self._tree)
        self._events = (viewer.layers.selection.events, viewer.layers.events)
        for events in self._events:
            events.connect(self._follow)
        # The viewer outlives its docks. A table that Python frees is forgotten by itself;
        # one that Qt deletes while somebody keeps it must be told.
        weak = ref(self)
        self.destroyed.connect(lambda: _stop(weak()))
        self._follow()

    def _follow(self, event: Any = None) -> None:
        link = current_link(self._viewer)
        if link is self._link and event is not None:
            return
        self._link = link
        self._tree.clear()
        if link is None:
            self._head.setText(NO_SCAN)
            return
        self._head.setText(_summary(link.name, link.volume.anatomy))
        self._fill(link.volume.anatomy)

    def _fill(self, anatomy: Anatomy) -> None:
        layers: dict[int, Any] = {}
        for part in anatomy.parts:
            if part.layer is None:
                self._tree.addTopLevelItem(_row(part))
                continue
            if part.layer not in layers:
                layers[part.layer] = QTreeWidgetItem([f"layer {part.layer}"])
                self._tree.addTopLevelItem(layers[part.layer])
            layers[part.layer].addChild(_row(part))

    def _go(self, item: Any, column: int) -> None:
        part = item.data(0, ROLE)
        if part is None or self._link is None:
            return
        try:
            go_to(self._viewer, self._link, part)
        except TomoError as error:
            show(error)


def _stop(table: "AnatomyTable | None") -> None:
    if table is not None:
        for events in table._events:
            events.disconnect(table._follow)


def _row(part: Part) -> Any:
    shape = " × ".join(map(str, part.shape))
    item = QTreeWidgetItem([part.name, shape, f"{part.size:,}", part.tensor])
    item.setTextAlignment(2, Qt.AlignmentFlag.AlignRight)
    item.setData(0, ROLE, part.name)
    return item


def _summary(name: str, anatomy: Anatomy) -> str:
    sizes: Mapping[str, int] = anatomy.hyper.known()
    words = [f"{key} {value:,}" for key, value in sizes.items()]
    lines = [
        f"<b>{name}</b>, {anatomy.family or 'no known family'}, "
        f"{anatomy.n_parameters:,} parameters",
        " · ".join(words),
        *anatomy.notes,
    ]
    return "<br>".join(line for line in lines if line)
