"""Pinning what is looked at."""

from collections.abc import Sequence
from typing import Any

from ...base import DisplayError
from ...display.pins import Pin
from ...volume.address import Address
from ..commands import NO_SCAN, current_link
from ..link import ScanLink, link_of
from ..reading import Reading, read_2d
from ..session import session_of
from .guide import finder

__all__ = ["pin", "pin_cursor", "pin_here"]


def pin(viewer: Any, query: str, note: str = "", link: ScanLink | None = None) -> Pin:
    """Pin a parameter, or the one in the middle of a part, head or neuron.

    Parameters
    ----------
    viewer
        A viewer that shows a scan.
    query
        As `go_to` takes it.
    note
        What is written beside it.
    link
        Which of several scans; that of the active layer by default.

    Raises
    ------
    DisplayError
        There is no such place, or no parameter at it.
    """
    link = link or current_link(viewer)
    if link is None:
        raise DisplayError(NO_SCAN)
    return _pin_voxel(link, finder(link).find(query).voxel, note)


def pin_here(viewer: Any, note: str = "") -> Pin:
    """Pin the parameter under the mouse; where it points at none, that at the shared cursor.

    Raises
    ------
    DisplayError
        There is no parameter, or the viewer shows no scan.
    """
    reading = _under_mouse(viewer)
    if reading is not None and isinstance(reading.address, Address):
        return _add(reading.link, Pin.of(reading.address, reading.voxel, note))
    link = current_link(viewer)
    if link is None:
        raise DisplayError(NO_SCAN)
    return pin_cursor(link, note)


def pin_cursor(link: ScanLink, note: str = "") -> Pin:
    """Pin the parameter at the cursor that all views of a scan share.

    Raises
    ------
    DisplayError
        There is none at that voxel.
    """
    return _pin_voxel(link, link.cursor.position, note)


def _pin_voxel(link: ScanLink, voxel: Sequence[int], note: str) -> Pin:
    address = link.volume.address(voxel)
    if not isinstance(address, Address):
        what = "air" if address is None else "a circuit, no parameter of the file"
        raise DisplayError(f"Nothing to pin: at voxel {tuple(voxel)} is {what}.")
    return _add(link, Pin.of(address, voxel, note))


def _add(link: ScanLink, pin: Pin) -> Pin:
    return link.pins[link.pins.add(pin)]


def _under_mouse(viewer: Any) -> Reading | None:
    session = session_of(viewer)
    if session is not None and session.probe is not None:
        return session.probe.read()
    # A pane of the four views.
    for layer in reversed(viewer.layers):
        link = link_of(layer)
        if link is not None and layer.visible and viewer.dims.ndisplay == 2:
            return read_2d(layer, link, viewer.cursor.position)
    return None
