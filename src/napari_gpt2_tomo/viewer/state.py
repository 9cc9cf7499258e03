"""Scan sessions of a viewer: what it shows as data, and back."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ref

from ..base import CheckpointError, DisplayError, TomoError, save_text
from ..display.script import session_script
from ..display.state import (
    PinEntry,
    ScanState,
    SessionState,
    ViewState,
    read_state,
    write_state,
)
from ..volume.choice import Choice
from . import compat
from .activity.array_link import array_link_of
from .activity.overlay import overlay_of
from .commands import NO_SCAN
from .layers import is_image, layer_data
from .link import ScanLink, link_of
from .remembered import remember_scan
from .session import sessions_of, watch
from .sources import open_source, source_of

if TYPE_CHECKING:
    from .layers import LayerData

__all__ = [
    "capture",
    "left_out",
    "open_session",
    "read_session",
    "restore",
    "save_script",
    "save_session",
]

NO_ACTIVITY = "Activity is no part of a scan session: 'Save the activity…' writes it to a file."

Opened = tuple[ScanState, ScanLink]
"""A scan of a session, and what it became."""


def save_session(viewer: Any, path: str | os.PathLike[str]) -> Path:
    """Write what a viewer shows to a session's file; returns its path, which ends in
    ``.tomo.json``.

    Raises
    ------
    DisplayError
        The viewer shows no scan.
    TomoError
        The file cannot be written.
    """
    target = Path(path).expanduser().absolute()
    return write_state(capture(viewer, target.parent), target)


def save_script(viewer: Any, path: str | os.PathLike[str]) -> Path:
    """Write a Python script that opens what a viewer shows.

    Raises
    ------
    DisplayError
        The viewer shows no scan.
    TomoError
        The file cannot be written.
    """
    target = Path(path).expanduser().absolute()
    return save_text(target, session_script(capture(viewer, target.parent)), ".py")


def open_session(path: str | os.PathLike[str], viewer: Any = None) -> Any:
    """Open a session's file in a viewer, a new one by default; returns the viewer.

    A scan that is gone is left out, and what does not fit any more is said in a
    notification; the rest is opened.

    Raises
    ------
    DisplayError
        The file is no session.
    CheckpointError
        None of its scans can be opened.
    """
    import napari
    from napari.layers import Layer

    place = Path(path).expanduser().absolute()
    state = read_state(place)
    opened, notices = _open(state, place.parent)
    if viewer is None:
        viewer = napari.Viewer()
    watch(viewer)
    for _, link in opened:
        for data in layer_data(link):
            viewer.add_layer(Layer.create(*data))
    _tell([*notices, *restore(viewer, state, opened)])
    return viewer


def read_session(path: str) -> "list[LayerData]":
    """Layers of a session's file for napari's reader; the view follows once they are in a viewer.

    Raises
    ------
    TomoError
        As `open_session`.
    """
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    place = Path(path).expanduser().absolute()
    state = read_state(place)
    opened, notices = _open(state, place.parent)
    layers = [data for _, link in opened for data in layer_data(link)]
    weak = [(scan, ref(link)) for scan, link in opened]

    def inserted() -> None:
        kept = [(scan, link) for scan, found in weak if (link := found()) is not None]
        viewers = [session.viewer for _, link in kept for session in sessions_of(link)]
        if viewers:
            _tell([*notices, *restore(viewers[0], state, kept)])

    if QApplication.instance() is None:
        _tell(notices)
    else:
        QTimer.singleShot(0, inserted)
    return layers


def capture(viewer: Any, folder: Path | None = None) -> SessionState:
    """What a viewer shows, as data; activity is left out, see `left_out`.

    Parameters
    ----------
    viewer
        A napari viewer.
    folder
        Where the session is to be kept; paths from there are noted too.

    Raises
    ------
    DisplayError
        The viewer shows no scan.
    """
    from .panes.views import views_of

    viewer = compat.real_viewer(viewer)
    links = list(dict.fromkeys(link for layer in viewer.layers if (link := link_of(layer))))
    if not links:
        raise DisplayError(left_out(viewer) or NO_SCAN)
    dims, camera = viewer.dims, viewer.scene.camera
    # Pictures of activity have more axes than scans, which have the last ones.
    n_axes = max(layer.ndim for layer in viewer.layers if link_of(layer))
    skipped = int(dims.ndim) - n_axes
    view = ViewState(
        int(dims.ndisplay),
        tuple(int(axis) - skipped for axis in dims.order if axis >= skipped),
        tuple(float(at) for at in dims.point[skipped:]),
        tuple(float(at) for at in camera.center),
        float(camera.zoom),
        tuple(float(angle) for angle in camera.angles),
        float(camera.perspective),
        tuple(float(n) for n in viewer.canvas.size),
        views_of(viewer) is not None,
    )
    return SessionState(tuple(_scan_state(viewer, link, folder) for link in links), view)


def left_out(viewer: Any) -> str:
    """What a session does not keep of a viewer, in a sentence; empty if it keeps everything."""
    viewer = compat.real_viewer(viewer)
    shown = any(array_link_of(layer) is not None for layer in viewer.layers)
    return NO_ACTIVITY if shown or overlay_of(viewer) is not None else ""


def restore(viewer: Any, state: SessionState, opened: Sequence[Opened]) -> list[str]:
    """Show scans as a session has it, and look where it looked.

    Parameters
    ----------
    viewer
        Where the layers of the links are.
    state
        The session.
    opened
        The scans of it that could be opened.

    Returns
    -------
    notices
        A sentence for each thing that does not fit any more.
    """
    viewer = compat.real_viewer(viewer)
    notices: list[str] = []
    for scan, link in opened:
        notices += _dress(viewer, scan, link)
    notices += _look(viewer, state.view)
    for scan, link in opened:
        if len(scan.cursor) == len(link.cursor.shape):
            link.cursor.place(dict(enumerate(scan.cursor)))
    return notices


def _open(state: SessionState, folder: Path) -> tuple[list[Opened], list[str]]:
    """Open the scans of a session; says which cannot be, or are others by now."""
    opened: list[Opened] = []
    notices: list[str] = []
    for scan in state.scans:
        try:
            found = open_source(scan.source, folder)
        except TomoError as error:
            notices.append(f"{scan.name} is left out: {error}")
            continue
        try:
            wanted = scan.volume
            volume = found.volume(
                wanted.layout,
                wanted.signal,
                wanted.reduction,
                tensor=wanted.tensor,
                role=wanted.role or "q",
                exact=False,
            )
        except TomoError as error:
            found.close()
            notices.append(f"{scan.name} is left out: {error}")
            continue
        if found.fingerprint != scan.source.fingerprint:
            notices.append(
                f"{scan.name}: {scan.source.path} is not what it was when the session was "
                "saved (another size, time or content). It is shown as far as it fits."
            )
        remember_scan(scan.source.path if scan.source.steps else found.checkpoint.path)
        opened.append((scan, ScanLink(found, volume, owned=True, name=scan.name)))
    if state.scans and not opened:
        raise CheckpointError("\n".join(notices))
    return opened, notices


def _scan_state(viewer: Any, link: ScanLink, folder: Path | None) -> ScanState:
    layers = [layer for layer in viewer.layers if link_of(layer) is link]
    console = link.console.state()
    overlay = overlay_of(viewer)
    if overlay is not None and overlay.link is link:
        console["transfer"] = overlay.bare_transfer
    return ScanState(
        source_of(link.scan, folder),
        link.name,
        Choice.of(link.volume),
        console,
        tuple(link.cursor.position),
        link.margins,
        any(layer.visible for layer in layers if is_image(layer)),
        any(layer.visible for layer in layers if not is_image(layer)) and not link.console.tints,
        tuple(PinEntry(pin.tensor, pin.index, pin.note) for pin in link.pins),
    )


def _dress(viewer: Any, scan: ScanState, link: ScanLink) -> list[str]:
    """Give a link the looks and pins of a session."""
    notices = []
    link.margins = scan.margins
    parts = {part.name for part in link.volume.anatomy.parts}
    console = dict(scan.console)
    for name in ("hidden", "shown", "tints"):
        named: Any = console.get(name) or ()
        gone = sorted(set(named) - parts)
        if gone:
            notices.append(f"{scan.name} has no part {', '.join(gone)} any more ({name}).")
            kept = [part for part in named if part in parts]
            console[name] = {part: named[part] for part in kept} if name == "tints" else kept
    box = console.get("region")
    if box is not None and not _inside(box, link.volume.shape):
        notices.append(f"{scan.name}: the region {box} is not in the volume any more.")
        console["region"] = None
    link.console.update(console)
    for layer in viewer.layers:
        if link_of(layer) is link:
            layer.visible = scan.visible if is_image(layer) else scan.atlas
            link.masks.tint(layer)
            if is_image(layer):
                # The atlas was added last, but whoever opens a scan wants the picture's controls.
                viewer.layers.selection.active = layer
    entries = [(pin.tensor, pin.index, pin.note) for pin in scan.pins]
    return [*notices, *link.pins.restore(entries, link.volume)]


def _inside(box: Sequence[tuple[int, int]], shape: Sequence[int]) -> bool:
    return len(box) == len(shape) and all(b <= n for (_, b), n in zip(box, shape, strict=True))


def _look(viewer: Any, view: ViewState) -> list[str]:
    dims, camera = viewer.dims, viewer.scene.camera
    if view.four_views:
        from .panes.views import open_views

        try:
            open_views(viewer)
        except DisplayError as error:
            return [str(error)]
    if len(view.point) != dims.ndim:
        return [
            f"The session looked at {len(view.point)} axes, now there are {dims.ndim}: "
            "sliders and camera stay as they are."
        ]
    dims.order = view.order
    dims.ndisplay = view.ndisplay
    dims.set_point(range(dims.ndim), view.point)
    camera.center, camera.angles = view.center, view.angles
    camera.perspective = view.perspective
    sizes = zip(viewer.canvas.size, view.canvas, strict=False)
    # The same picture in a window of another size.
    ratio = min((now / then for now, then in sizes if then > 0), default=1.0)
    camera.zoom = view.zoom * ratio
    return []


def _tell(notices: Sequence[str]) -> None:
    if notices:
        from napari.utils.notifications import show_warning

        show_warning("\n".join(notices))
