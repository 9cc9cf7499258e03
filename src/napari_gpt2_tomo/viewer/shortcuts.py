"""Keys of a viewer that shows scans: a table, and how it is bound."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from ..base import TomoError
from . import compat
from .link import Link, ScanLink, link_of

__all__ = ["MOUSE", "SHORTCUTS", "Shortcut", "install", "key_of", "of_key"]


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A key and what it does.

    Attributes
    ----------
    key
        In napari's words.
    does
        What it does, for a list.
    act
        Called with the viewer and the scan.
    preset
        Key of the preset that it sets, if it sets one.
    scans_only
        Whether it is about scans, and not about whatever has a window.
    """

    key: str
    does: str
    act: Callable[[Any, Any], None]
    preset: str = ""
    scans_only: bool = True


def _preset(key: str, name: str, title: str) -> Shortcut:
    def act(viewer: Any, link: Link) -> None:
        from .console.commands import apply_preset

        apply_preset(viewer, link, name)

    return Shortcut(key, title, act, name, scans_only=False)


def _step(key: str, count: int, does: str) -> Shortcut:
    return Shortcut(key, does, lambda viewer, link: step(viewer, link, count))


def _invert(viewer: Any, link: Link) -> None:
    link.console.invert = not link.console.invert


def _pin(viewer: Any, link: ScanLink) -> None:
    from napari.utils.notifications import show_info

    from .navigator.pinning import pin_here

    pinned = pin_here(viewer)
    show_info(f"Pinned {pinned.query} = {pinned.value:.6g}, see the navigator.")


def _four_views(viewer: Any, link: ScanLink) -> None:
    from .panes import toggle_views

    toggle_views(viewer)


def _reset(viewer: Any, link: Link) -> None:
    link.console.reset()


SHORTCUTS: tuple[Shortcut, ...] = (
    _preset("F2", "p0.1-99.9", "Window: percentiles 0.1–99.9"),
    _preset("F3", "p1-99", "Window: percentiles 1–99"),
    _preset("F4", "part", "Window: the part at the cursor"),
    _preset("F5", "full", "Window: full"),
    _preset("F6", "soft-tissue", "Window: soft tissue"),
    _preset("F7", "high-density", "Window: high density"),
    _preset("F8", "fine-structure", "Window: fine structure"),
    _preset("F9", "outliers", "Window: outliers beyond 6 σ"),
    _preset("F10", "zero", "Window: zero neighbourhood"),
    Shortcut("Shift-P", "Pin the parameter under the mouse", _pin),
    Shortcut("Shift-I", "Invert the colours", _invert, scans_only=False),
    Shortcut("Shift-W", "Window and colours as at first", _reset, scans_only=False),
    Shortcut("Control-4", "Four views on or off", _four_views),
    _step("PageUp", -1, "One section back"),
    _step("PageDown", 1, "One section on"),
    _step("Shift-PageUp", -10, "Ten sections back"),
    _step("Shift-PageDown", 10, "Ten sections on"),
)
"""F-keys set windows, as on a radiologist's workstation. napari uses none of these keys
for images and labels."""

MOUSE: tuple[tuple[str, str], ...] = (
    ("Right-drag ↔", "Width of the window"),
    ("Right-drag ↕", "Centre of the window"),
    ("Shift + right-drag", "Zoom"),
    ("Wheel", "Zoom; in the four views, one section"),
    ("Ctrl + wheel", "One section; in the four views, zoom"),
    ("Double click", "Zoom; in the four views, one of them or all"),
)
"""What the mouse does, for a list."""

_installed: WeakKeyDictionary[Any, Callable[[], None]] = WeakKeyDictionary()


def key_of(preset: str) -> str:
    """The key that sets a preset, empty if none does."""
    return next((one.key for one in SHORTCUTS if one.preset == preset), "")


def of_key(key: str) -> Shortcut | None:
    """What a key does that Qt names, e.g. ``"Shift+PgUp"``; None if nothing."""
    return next((one for one in SHORTCUTS if _in_qt(one.key) == key), None)


def step(viewer: Any, link: ScanLink, count: int) -> None:
    """Go some sections on: across the slice that is shown, in 3-D along the layout's first axis."""
    layer = next((one for one in viewer.layers if link_of(one) is link), None)
    if layer is None or viewer.dims.ndisplay != 2:
        link.cursor.step(link.volume.lead, count)
        return
    dims, shift = viewer.dims, viewer.dims.ndim - layer.ndim
    axis = dims.not_displayed[-1] if dims.not_displayed else -1
    if axis < shift:
        return
    voxel = np.rint(np.asarray(layer.world_to_data(dims.point[shift:]), float))
    last = link.volume.shape[axis - shift] - 1
    voxel[axis - shift] = min(max(voxel[axis - shift] + count, 0), last)
    link.cursor.place({axis - shift: int(voxel[axis - shift])})
    dims.set_point(axis, float(layer.data_to_world(voxel)[axis - shift]))


def install(viewer: Any, shortcuts: Sequence[Shortcut] = SHORTCUTS) -> Callable[[], None]:
    """Bind the keys in a viewer; idempotent.

    A key that somebody bound in this viewer before is left to them.

    Parameters
    ----------
    viewer
        A viewer model, the main one or that of a pane.

    Returns
    -------
    uninstall
        Unbinds those that were bound.
    """
    viewer = compat.real_viewer(viewer)
    if viewer in _installed:
        return _installed[viewer]
    taken = {str(key) for key in viewer.keymap}
    bound = []
    for one in shortcuts:
        key = _named(one.key)
        if str(key) not in taken:
            viewer.bind_key(key, _handler(one))
            bound.append(key)
    weak = ref(viewer)

    def uninstall() -> None:
        found = weak()
        if found is not None and _installed.pop(found, None) is not None:
            for key in bound:
                found.bind_key(key, None)

    _installed[viewer] = uninstall
    return uninstall


def _in_qt(key: str) -> str:
    """A key of the table in Qt's words."""
    return key.replace("-", "+").replace("Control", "Ctrl").replace("Page", "Pg")


def _named(key: str) -> Any:
    from napari.utils.key_bindings import coerce_keybinding

    return coerce_keybinding(key)


def _handler(one: Shortcut) -> Callable[[Any], None]:
    def press(viewer: Any) -> None:
        from .commands import current_link, current_shown
        from .work import show

        link = current_link(viewer) if one.scans_only else current_shown(viewer)
        if link is None:
            return
        try:
            one.act(viewer, link)
        except TomoError as error:
            show(error)

    press.__doc__ = one.does
    return press
