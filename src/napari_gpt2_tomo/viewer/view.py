"""Showing a scan from a script as drag and drop would."""

import os
from typing import TYPE_CHECKING, Any

from ..base import DisplayError

if TYPE_CHECKING:
    from ..facade import Scan
    from ..series import Paths
    from ..series.series import Series
    from .link import ScanLink

__all__ = ["link", "view", "view_until_closed"]


def view(
    scan: "Scan | Paths",
    viewer: Any = None,
    layout: str = "auto",
    signal: str | None = None,
    **options: Any,
) -> Any:
    """Show a scan in napari, live: probe, refinement, 3-D detail.

    Parameters
    ----------
    scan
        A scan or a series, which stays the caller's, or the path of a checkpoint, of a folder
        of a training run's checkpoints or a list of them, which is closed when its layers are
        removed.
    viewer
        Viewer to add to; a new one if None.
    layout, signal, **options
        As `Scan.volume` takes them.

    Returns
    -------
    napari.Viewer

    Raises
    ------
    TomoError
        The path is no checkpoint, or it has no such volume.
    """
    import napari

    from ..facade import Scan as Opened
    from ..series import is_series
    from ..series.series import Series
    from .layers import add_scan

    if isinstance(scan, Series):
        return _view_series(scan, viewer, layout, signal, **options)
    if not isinstance(scan, Opened) and (
        not isinstance(scan, str | os.PathLike) or is_series(scan)
    ):
        return _view_series(Series(scan), viewer, layout, signal, owned=True, **options)
    owned = not isinstance(scan, Opened)
    opened = Opened(scan) if not isinstance(scan, Opened) else scan
    try:
        if viewer is None:
            viewer = napari.Viewer()
        add_scan(viewer, opened, layout, signal, owned=owned, **options)
    except BaseException:
        if owned:
            opened.close()
        raise
    return viewer


def _view_series(
    series: "Series",
    viewer: Any,
    layout: str,
    signal: str | None,
    owned: bool = False,
    **options: Any,
) -> Any:
    import napari

    from .series.opening import add_series, open_growth

    try:
        shown = napari.Viewer() if viewer is None else viewer
        add_series(shown, series, layout, signal, owned=owned, **options)
    except BaseException:
        if owned:
            series.close()
        raise
    open_growth(shown)
    return shown


def link(viewer: Any) -> "ScanLink":
    """The scan that a viewer's active layer shows, else the topmost, with all that belongs to it.

    ``link.console`` is how it is shown, ``link.cursor`` the place that all views share,
    ``link.pins`` what is pinned, ``link.volume`` what is shown, ``link.scan`` the scan itself.

    Raises
    ------
    DisplayError
        The viewer shows no scan.
    """
    from .commands import NO_SCAN, current_link

    found = current_link(viewer)
    if found is None:
        raise DisplayError(NO_SCAN)
    return found


def view_until_closed(*scans: "Scan", **options: Any) -> None:
    """Show scans in a window of their own and return when the user has closed it.

    `options` are those of `view`.
    """
    import napari

    viewer = None
    for scan in scans:
        viewer = view(scan, viewer, **options)
    napari.run()
