"""What napari calls for a path: quick to say no, quick to open."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..anatomy.notes import USUAL
from ..base import CheckpointError, LayoutError, TomoError
from ..checkpoint import can_open, candidates
from ..checkpoint.address import address_of
from ..series import is_series

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..facade import Scan
    from ..volume.volume import Volume
    from .layers import LayerData

__all__ = ["get_reader", "layers_of", "open_layers", "preferred_volume"]

NOTHING: list[Any] = [(None,)]
"""What a reader returns when it read no layer; napari takes that without complaint."""

DROP_SECONDS = 2.0
"""Shards that are dropped together arrive one by one within this time."""

SESSION = ".tomo.json"
"""How the name of a scan session's file ends, see `display.state`."""

ARCHIVE, GROUP = ".npz", "zarr.json"
"""Endings of archives and the file in a folder that may hold an activity, see `activity.record`."""

_last: tuple[tuple[object, ...], str, float] = ((), "", 0.0)


def get_reader(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> "Callable[[Any], list[LayerData]] | None":
    """The function that reads a path, None if it is not for us; never raises.

    Looks at names, and at the header of what may be a stored activity. What is
    no checkpoint, session or activity is declined, so that other readers get it.
    """
    paths = _as_list(path)
    return read if paths and all(map(_is_ours, paths)) else None


def read(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> "list[LayerData]":
    """Layers of the checkpoints, series, scan sessions or activities at one or several paths.

    With a window, what cannot be opened is said in a notification and gives no
    layer; in a script it raises `TomoError`.
    """
    from . import compat
    from .session import watch_open_viewers

    watch_open_viewers()
    layers: list[LayerData] = []
    for place in _as_list(path):
        try:
            layers += _layers_at(place)
        except TomoError as error:
            if not compat.open_viewers():
                raise
            from .work import show

            show(error)
    return layers or NOTHING


def open_layers(path: str | os.PathLike[str], name: str | None = None) -> "list[LayerData]":
    """Layers of the checkpoint at a path, in the layout and signal that the user prefers.

    `name` is what it is called on screen, by default what the path suggests.

    Raises
    ------
    TomoError
        The path is no checkpoint that can be opened.
    """
    from ..facade import Scan

    return layers_of(Scan(path), name)


def _is_ours(path: str) -> bool:
    return _is_session(path) or can_open(path) or is_series(path) or _is_activity(path)


def _is_session(path: str) -> bool:
    return path.endswith(SESSION) and os.path.isfile(path)


def _is_activity(path: str) -> bool:
    try:
        if not (path.lower().endswith(ARCHIVE) or os.path.isfile(os.path.join(path, GROUP))):
            return False
    except ValueError:
        return False
    from ..activity.record import holds_activity

    return holds_activity(path)


def _layers_at(path: str) -> "list[LayerData]":
    if _is_session(path):
        from .state import read_session

        return read_session(path)
    if is_series(path):
        from .series.opening import read_series

        return read_series(path)
    if _is_activity(path):
        from .activity.files import read_activity

        return read_activity(path)
    return _open(path)


def _open(path: str) -> "list[LayerData]":
    from ..facade import Scan

    global _last
    address = address_of(path)
    if address is not None:
        from .remote.opening import open_remote

        remote, volume = open_remote(address)
        return layers_of(remote, volume=volume)
    try:
        scan = Scan(path)
    except CheckpointError as error:
        chosen = _ask(path, str(error))
        if chosen is None:
            raise
        scan = Scan(chosen)
    files, before, when = scan.checkpoint.files, *_last[1:]
    same = files == _last[0] and path != before and len(files) > 1
    if same and time.monotonic() - when < DROP_SECONDS:
        scan.close()
        return []
    _last = (files, path, time.monotonic())
    return layers_of(scan)


def layers_of(
    scan: "Scan", name: str | None = None, volume: "Volume | None" = None
) -> "list[LayerData]":
    """Layers of a scan that was opened for them, by default in the layout that is preferred."""
    from ..checkpoint.inventory import why_missing
    from .console.notice import expect
    from .layers import layer_data
    from .link import ScanLink
    from .remembered import remember_scan

    link = ScanLink(scan, volume or preferred_volume(scan), owned=True, name=name)
    layers = layer_data(link)
    expect()
    remember_scan(scan.checkpoint.path)
    notes = [*scan.checkpoint.notes, *(it for it in scan.anatomy.notes if it not in USUAL)]
    notes += why_missing(scan.checkpoint.missing)
    if notes:
        from napari.utils.notifications import show_info

        show_info(f"{link.name}: " + "\n".join(notes))
    return layers


def preferred_volume(scan: "Scan") -> "Volume":
    """The volume of a scan in the layout and signal that the user prefers."""
    from .preferences import preferences

    wanted = preferences()
    try:
        return scan.volume(wanted.layout, wanted.signal, exact=False)
    except LayoutError:
        # A preference for bodies is no reason to refuse a file that is none.
        return scan.volume("auto", wanted.signal, exact=False)


def _ask(path: str, why: str) -> Path | None:
    """Which of several checkpoints in a folder to open; None without a window or an answer."""
    from . import compat

    if not os.path.isdir(path) or not compat.open_viewers():
        return None
    found = candidates(path)
    if len(found) < 2:
        return None
    from qtpy.QtWidgets import QApplication, QInputDialog

    names = [place.name for place in found]
    name, chosen = QInputDialog.getItem(
        QApplication.activeWindow(), "Open a checkpoint", why, names, 0, False
    )
    return found[names.index(name)] if chosen else None


def _as_list(path: Any) -> list[str]:
    try:
        return [os.fspath(path)]
    except TypeError:
        pass
    try:
        return [os.fspath(place) for place in path]
    except TypeError:
        return []
