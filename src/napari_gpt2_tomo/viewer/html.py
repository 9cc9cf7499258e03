"""The HTML scanner from napari: in the menu, and where layers are saved."""

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import napari

from ..base import Progress, TomoError
from ..export.html import DEFAULT_VOXELS, Resolution, choose_resolution, resolutions, write_scanner
from ..export.html.resolution import MOST_VOXELS
from . import compat
from .commands import NO_SCAN, current_link
from .link import KEY, OWNER, ScanLink
from .work import Job, show, wait_for

__all__ = ["export_html_as", "write_html", "write_link"]

PAGES = "HTML pages (*.html)"


def export_html_as(viewer: napari.Viewer) -> None:
    """Ask how fine and where, and write the scan of a viewer as one HTML page."""
    from napari.utils.notifications import show_info

    link = current_link(viewer)
    if link is None:
        show_info(NO_SCAN)
        return
    try:
        resolution = _ask_resolution(link)
    except TomoError as error:
        show(error)
        return
    path = _ask_path(link) if resolution is not None else None
    if resolution is None or path is None:
        return
    target, wanted = path, resolution.voxels

    def work(report: Progress) -> Generator[object, None, None]:
        yield write_link(link, target, wanted, report)

    Job(work, lambda size: show_info(f"Saved {target}, {size / 1e6:.1f} MB."))


def write_html(path: str, data: Sequence[tuple[Any, dict[str, Any], str]]) -> list[str]:
    """Write the scan that layers show as an HTML page, for napari's *Save* menu.

    Parameters
    ----------
    path
        The file.
    data
        Data, attributes and type of each layer, bottom to top; the topmost scan counts.

    Returns
    -------
    paths
        The file, or nothing if no window could be written: the reason is then shown.

    Raises
    ------
    TomoError
        Without a window: no layer shows a scan, or the page cannot be written.
    """
    try:
        link = _link_of_data(data)
        wait_for(lambda report: write_link(link, Path(path), DEFAULT_VOXELS, report))
    except TomoError as error:
        if not compat.open_viewers():
            raise
        show(error)
        return []
    return [path]


def write_link(link: ScanLink, path: Path, max_voxels: int, progress: Progress) -> int:
    """Write the page of what a link shows, opening as its console and cursor are.

    May be called from any thread. Returns the bytes of the file.
    """
    # Of a series the page shows the step that is looked at.
    console, volume = link.console, link.volume.still
    lead = link.volume.lead
    core = volume.core or (slice(None),) * volume.ndim
    sides = (range(*piece.indices(n)) for piece, n in zip(core, volume.shape, strict=True))
    # Nobody moved it: the page knows a better place.
    place = link.cursor.position[lead:]
    untouched = place == tuple(len(side) // 2 for side in sides)
    return write_scanner(
        link.scan.still,
        volume,
        path,
        max_voxels=max_voxels,
        # A preset follows what the page shows, which are blocks and not single weights.
        window=console.preset or console.window,
        transfer=console.transfer,
        invert=console.invert,
        at=None if untouched else place,
        progress=progress,
    )


def _link_of_data(data: Sequence[tuple[Any, dict[str, Any], str]]) -> ScanLink:
    for _, attributes, _ in reversed(data):
        metadata = attributes.get("metadata", {})
        found = metadata.get(KEY) or metadata.get(OWNER)
        if isinstance(found, ScanLink):
            return found
    raise TomoError(
        "An HTML scanner shows a scanned model, and none of these layers does: select the layer "
        "of a scan, then save."
    )


def _ask_resolution(link: ScanLink) -> Resolution | None:
    """How fine the page is to be: its size is said beforehand; None if nobody wants one."""
    from qtpy.QtWidgets import QApplication, QInputDialog

    usual = choose_resolution(link.volume)
    offered = [one for one in resolutions(link.volume) if one.voxels <= MOST_VOXELS]
    if len(offered) < 2:
        return usual
    words = [one.words for one in offered]
    text, chosen = QInputDialog.getItem(
        QApplication.activeWindow(),
        "Export as HTML scanner",
        "Voxels that the page shows, and its size:",
        words,
        offered.index(usual),
        False,
    )
    return offered[words.index(text)] if chosen else None


def _ask_path(link: ScanLink) -> Path | None:
    from qtpy.QtWidgets import QApplication, QFileDialog

    window = QApplication.activeWindow()
    title = "Export as HTML scanner"
    path, _ = QFileDialog.getSaveFileName(window, title, f"{link.name}.html", PAGES)
    if not path:
        return None
    found = Path(path)
    return found if found.suffix else found.with_suffix(".html")
