"""The right mouse button moves the window, as on a radiologist's screen."""

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary, ref

from ..display.console import Console
from ..display.window import Window
from . import compat
from .link import Link, shown_by
from .remembered import drags_window

__all__ = ["dragged", "gain", "install", "span"]

RIGHT = 2
"""Number of the right mouse button in napari's events."""

NARROW = 4.0
"""Widths of the present window that a drag across the canvas can move it at most.

A window a thousandth as wide as the data could not be moved by hand otherwise.
"""

ZOOM = 0.007
"""Share by which a pixel of Shift and the right button zooms: napari's own gain."""

_installed: WeakKeyDictionary[Any, Callable[[], None]] = WeakKeyDictionary()


def span(console: Console) -> float:
    """The width that the values have, but for one in a thousand on either side.

    The largest weights of a model are a hundred times larger than the others:
    a gain from the whole range would be of no use.
    """
    scale = console.scale()
    return scale.window(scale.quantile(0.001), scale.quantile(0.999)).width


def gain(console: Console, size: tuple[int, int]) -> float:
    """Units of the signal per pixel: (max − min) / min(canvas), as in 3D Slicer.

    `size` is that of the canvas in pixels; max − min is the `span`, at most
    `NARROW` times the window.
    """
    return min(span(console), NARROW * console.window.width) / max(min(size), 1)


def dragged(window: Window, x: float, y: float, gain: float) -> Window:
    """The window after a drag by pixels to the right (wider) and down (lower)."""
    finest = max(gain, 2.0**-20 * abs(window.centre))
    return Window(window.centre - gain * y, max(window.width + gain * x, finest))


def install(viewer: Any) -> Callable[[], None]:
    """Let the right button move the window in a viewer; idempotent.

    Parameters
    ----------
    viewer
        A viewer model, the main one or that of a pane. The scan is that of its
        active layer, else of its topmost.

    Returns
    -------
    uninstall
        Ends it.
    """
    viewer = compat.real_viewer(viewer)
    if viewer not in _installed:
        viewer.mouse_drag_callbacks.append(_drag)
        weak = ref(viewer)

        def uninstall() -> None:
            found = weak()
            if found is not None and _installed.pop(found, None) is not None:
                with suppress(ValueError):
                    # Somebody may have cleared the list.
                    found.mouse_drag_callbacks.remove(_drag)

        _installed[viewer] = uninstall
    return _installed[viewer]


def _drag(viewer: Any, event: Any) -> Generator[None, None, None]:
    """What napari runs for a press of a button, step by step for each move."""
    link = _link(viewer)
    if event.button != RIGHT or link is None or not drags_window():
        return
    if event.modifiers:
        if tuple(event.modifiers) == ("Shift",):
            yield from _zoom(viewer, event)
        return
    console, start = link.console, link.console.window
    x, y = event.pos
    step = gain(console, _size(viewer))
    readout = _Readout(viewer)
    readout.show(console)
    event.handled = True
    yield
    try:
        while event.type == "mouse_move":
            # Otherwise napari zooms.
            event.handled = True
            console.window = dragged(start, event.pos[0] - x, event.pos[1] - y, step)
            readout.show(console)
            yield
        event.handled = True
    finally:
        readout.close()


def _zoom(viewer: Any, event: Any) -> Generator[None, None, None]:
    camera = viewer.scene.camera
    start, y = camera.zoom, event.pos[1]
    event.handled = True
    yield
    while event.type == "mouse_move":
        event.handled = True
        camera.zoom = start * (1 + ZOOM) ** (y - event.pos[1])
        yield
    event.handled = True


def _link(viewer: Any) -> Link | None:
    from .commands import current_shown

    visible = [layer for layer in viewer.layers if layer.visible and shown_by(layer) is not None]
    return current_shown(viewer) if visible else None


def _size(viewer: Any) -> tuple[int, int]:
    height, width = viewer.canvas.size
    return int(height), int(width)


class _Readout:
    """Centre and width of the window, on the canvas while it is moved."""

    def __init__(self, viewer: Any) -> None:
        from .readout import Readout

        shown = compat.qt_viewer_of(viewer)
        self._label = None if shown is None else Readout(compat.canvas_of(shown))

    def show(self, console: Console) -> None:
        """Write the window's numbers."""
        if self._label is not None:
            self._label.write(console)

    def close(self) -> None:
        """Take the numbers away."""
        if self._label is not None:
            self._label.hide()
            self._label.deleteLater()
            self._label = None
