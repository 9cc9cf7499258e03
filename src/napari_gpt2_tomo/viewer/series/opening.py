"""Opening series: from a drop, a script, a folder that is chosen, or scans that are open."""

import os
from typing import TYPE_CHECKING, Any
from weakref import ref

import napari

from ...base import LayoutError, TomoError
from ...series.find import Paths
from ...series.series import Series
from ..layers import ScanLayers, add_scan, layer_data
from ..link import ScanLink, link_of, links
from ..remembered import remember_scan
from ..session import sessions_of
from ..work import show
from .growing import go_to_step

if TYPE_CHECKING:
    from ...volume.volume import Volume
    from ..layers import LayerData

__all__ = [
    "WIDGET",
    "add_series",
    "as_series",
    "open_growth",
    "open_series_from",
    "read_series",
    "series_of",
]

WIDGET = "Growth"
"""Name of the dock in the manifest."""

TOO_FEW = (
    "Select the layers of two or more scans to make a series of them, or choose a folder that "
    "holds the checkpoints of a training run."
)


def series_of(link: ScanLink | None) -> Series | None:
    """The series that a link shows; None if it shows a single checkpoint."""
    return link.scan if link is not None and isinstance(link.scan, Series) else None


def add_series(
    viewer: Any,
    where: Paths | Series,
    layout: str = "auto",
    signal: str | None = None,
    *,
    owned: bool | None = None,
    name: str | None = None,
    **options: Any,
) -> ScanLayers:
    """Show a series in a viewer at its last step: the slider plays the steps.

    Parameters
    ----------
    viewer
        A napari viewer.
    where
        A folder, a pattern or a list of checkpoints, or a series.
    layout, signal, **options
        As `Scan.volume` takes them.
    owned
        Whether the series is closed when the last of its layers is removed; by default one that
        was opened here.
    name
        What it is called on screen; its own name by default.

    Raises
    ------
    TomoError
        There are no checkpoints, or they are not of one model.
    """
    given = isinstance(where, Series)
    series = where if isinstance(where, Series) else Series(where)
    owned = not given if owned is None else owned
    try:
        layers = add_scan(viewer, series, layout, signal, owned=owned, name=name, **options)
    except BaseException:
        if not given:
            series.close()
        raise
    link = link_of(layers.image)
    assert link is not None
    go_to_step(viewer, link, len(series.steps) - 1)
    _tell(link, series)
    return layers


def read_series(path: str) -> "list[LayerData]":
    """Layers of a folder's series for napari's reader; its dock opens once they are in a viewer.

    Raises
    ------
    TomoError
        The checkpoints are not of one model, or cannot be opened.
    """
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    from ..console.notice import expect

    series = Series(path)
    link = ScanLink(series, _volume(series), owned=True)
    layers = layer_data(link)
    expect()
    remember_scan(path)
    _tell(link, series)
    weak = ref(link)

    def inserted() -> None:
        found = weak()
        if found is None:
            return
        for session in sessions_of(found)[:1]:
            go_to_step(session.viewer, found, found.volume.shape[0] - 1)
            open_growth(session.viewer)

    if QApplication.instance() is not None:
        QTimer.singleShot(0, inserted)
    return layers


def open_growth(viewer: napari.Viewer) -> Any:
    """Open the dock that draws the growth of a series, or bring it to the front; None without a
    window.
    """
    from .. import compat
    from ..activity.run_dock import open_dock

    if compat.qt_viewer_of(compat.real_viewer(viewer)) is None:
        return None
    return open_dock(viewer, WIDGET)


def open_series_from(viewer: napari.Viewer) -> None:
    """Choose a folder with the checkpoints of a training run and show it as a series."""
    from qtpy.QtWidgets import QApplication, QFileDialog

    folder = QFileDialog.getExistingDirectory(
        QApplication.activeWindow(), "A folder with the checkpoints of a training run"
    )
    if folder:
        _show(viewer, folder)


def as_series(viewer: napari.Viewer) -> None:
    """Show the scans whose layers are selected, two or more, as the steps of one series; with
    fewer a folder is asked for.
    """
    chosen = list(
        dict.fromkeys(
            link for layer in viewer.layers.selection if (link := link_of(layer)) is not None
        )
    )
    single = [link for link in chosen if series_of(link) is None]
    if len(single) < 2:
        open_series_from(viewer)
        return
    # In the order of the layer list, from below: as they were opened.
    order = {link_of(layer): i for i, layer in reversed(list(enumerate(viewer.layers)))}
    single.sort(key=lambda link: order[link])
    _show(viewer, [str(link.scan.checkpoint.path) for link in single])


def links_of(series: Series) -> list[ScanLink]:
    """The links that show a series."""
    return [link for link in links() if link.scan is series]


def _show(viewer: Any, where: Paths) -> None:
    try:
        add_series(viewer, where)
    except TomoError as error:
        show(error)
        return
    if isinstance(where, str | os.PathLike):
        remember_scan(where)
    open_growth(viewer)


def _volume(series: Series) -> "Volume":
    from ..preferences import preferences

    wanted = preferences()
    try:
        return series.volume(wanted.layout, wanted.signal, exact=False)
    except LayoutError:
        # A preference for bodies is no reason to refuse files that are none.
        return series.volume("auto", wanted.signal, exact=False)


def _tell(link: ScanLink, series: Series) -> None:
    if series.notes:
        from napari.utils.notifications import show_info

        show_info(f"{link.name}: " + "\n".join(series.notes))
