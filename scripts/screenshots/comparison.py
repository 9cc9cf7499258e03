"""Pictures of two models: their difference, and both side by side."""

from typing import Any

from napari_gpt2_tomo.viewer.comparison.change_model import SHOWN
from napari_gpt2_tomo.viewer.comparison.dock import CompareDock, open_compare
from napari_gpt2_tomo.viewer.comparison.side_by_side import open_side_by_side
from napari_gpt2_tomo.viewer.comparison.sides import Side

from .picture import Pixels, settle, window
from .subject import Subject
from .weights import viewer_of

__all__ = ["difference", "side_by_side"]


def difference(subject: Subject) -> Pixels:
    """The difference of two models, and the parts by their change."""
    import napari

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    form: Any = open_compare(viewer).findChild(CompareDock)
    form.a.choose(Side.at(subject.model))
    form.b.choose(Side.at(subject.against or subject.model))
    form.compare()
    settle()
    form.measure_ranks()
    settle()
    rows = form.changes.table.model()
    matrix = next(i for i in range(rows.rowCount()) if rows.index(i, SHOWN.index("rank")).data())
    form.changes.table.selectRow(matrix)
    form.changes.table.scrollTo(rows.index(matrix, 0))
    form.changes.table.clicked.emit(rows.index(matrix, 0))
    pixels = window(viewer)
    viewer.close()
    return pixels


def side_by_side(subject: Subject) -> Pixels:
    """Two models beside each other in 3-D."""
    viewer = viewer_of(subject.scan)
    panes = open_side_by_side(viewer, subject.scan, subject.against or subject.model)
    settle()
    viewer.dims.ndisplay = 3
    settle()
    viewer.fit_to_view()
    pixels = window(viewer)
    panes.close()
    viewer.close()
    return pixels
