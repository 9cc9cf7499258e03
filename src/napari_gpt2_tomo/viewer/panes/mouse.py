"""What the mouse does in a pane, as callbacks for a viewer's lists of them."""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

__all__ = ["STILL", "ZOOM_STEP", "click", "drag_cursor", "scroll", "zoom_about"]

STILL = 3.0
"""Pixels that the mouse may move between press and release of a click."""

ZOOM_STEP = 1.1
"""Magnification of one notch of the wheel, as in napari."""

MAX_NOTCHES = 1.0
"""Notches that one event counts at most: some mice send many lines at once."""

LEFT = 1
"""Number of the left button in napari's events."""

Drag = Callable[[Any, Any], Generator[None, None, None]]


def click(clicked: Callable[[Any], None]) -> Drag:
    """A drag callback that calls `clicked` when the left button was pressed without moving."""

    def on_press(viewer: Any, event: Any) -> Generator[None, None, None]:
        if event.button != LEFT or len(event.modifiers) or not _free(viewer):
            return
        start = np.asarray(event.pos, float)
        yield
        while event.type == "mouse_move":
            if np.abs(np.asarray(event.pos, float) - start).max() > STILL:
                return
            yield
        clicked(event)

    return on_press


def drag_cursor(dragged: Callable[[Any], None]) -> Drag:
    """A drag callback that calls `dragged` all along while Shift and the left button are held."""

    def on_press(viewer: Any, event: Any) -> Generator[None, None, None]:
        if event.button != LEFT or "Shift" not in event.modifiers or not _free(viewer):
            return
        event.handled = True
        dragged(event)
        yield
        while event.type == "mouse_move":
            event.handled = True
            dragged(event)
            yield

    return on_press


def scroll(step: Callable[[int], None]) -> Callable[[Any, Any], None]:
    """A wheel callback: ±1 a notch without keys, ±10 with Shift, zoom about the mouse with Ctrl."""
    travelled = 0.0

    def on_wheel(viewer: Any, event: Any) -> None:
        nonlocal travelled
        event.handled = True
        # Shift turns the wheel of some systems sideways.
        delta = float(event.delta[1] or event.delta[0])
        delta = float(np.clip(delta, -MAX_NOTCHES, MAX_NOTCHES))
        if "Control" in event.modifiers:
            zoom_about(viewer, event.position, ZOOM_STEP**delta)
            return
        travelled -= delta
        notches = int(travelled)
        travelled -= notches
        if notches:
            step(notches * (10 if "Shift" in event.modifiers else 1))

    return on_wheel


def zoom_about(viewer: Any, position: Any, factor: float) -> None:
    """Magnify a 2-D view and keep a world position where it is on the canvas."""
    camera = viewer.scene.camera
    centre = np.asarray(camera.center, float)
    fixed = np.asarray(position, float)[list(viewer.dims.displayed)]
    centre[-2:] = fixed + (centre[-2:] - fixed) / factor
    camera.zoom *= factor
    camera.center = tuple(centre)


def _free(viewer: Any) -> bool:
    """Whether the mouse is not needed to draw or to move something."""
    active = viewer.layers.selection.active
    return active is None or str(active.mode) == "pan_zoom"
