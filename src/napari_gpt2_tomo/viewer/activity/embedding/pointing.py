"""The mouse over a cloud: what is under it, what is clicked."""

from collections.abc import Callable, Generator
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from .placing import nearest_to_ray

__all__ = ["Pointing"]

F32 = NDArray[np.float32]

REACH = 7.0
"""Canvas pixels from the cursor within which a point is under it."""

STILL = 3.0
"""Canvas pixels that a hand moves in a click."""


class Pointing:
    """Tells which point is hovered over, and which is clicked.

    Parameters
    ----------
    viewer
        The viewer model; not kept alive.
    points
        Gives ``(point, 3)`` world coordinates of what can be pointed at.
    hover, click
        Called with the index of a point, `hover` with None too, whenever it is another.
    """

    def __init__(
        self,
        viewer: Any,
        points: Callable[[], F32],
        hover: Callable[[int | None], None],
        click: Callable[[int], None],
    ) -> None:
        self._viewer = ref(viewer)
        self._points, self._hover, self._click = points, hover, click
        self._over: int | None = None
        viewer.mouse_move_callbacks.append(self._moved)
        viewer.mouse_drag_callbacks.append(self._pressed)

    def close(self) -> None:
        """Hear nothing more."""
        viewer = self._viewer()
        if viewer is None:
            return
        for callbacks, own in (
            (viewer.mouse_move_callbacks, self._moved),
            (viewer.mouse_drag_callbacks, self._pressed),
        ):
            if own in callbacks:
                callbacks.remove(own)

    def _under(self, viewer: Any, event: Any) -> int | None:
        direction = None if event.view_direction is None else event.view_direction[-3:]
        reach = REACH / max(float(viewer.scene.camera.zoom), 1e-9)
        return nearest_to_ray(self._points(), event.position[-3:], direction, reach)

    def _moved(self, viewer: Any, event: Any) -> None:
        found = self._under(viewer, event)
        if found != self._over:
            self._over = found
            self._hover(found)

    def _pressed(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        start = np.array(event.pos, float)
        yield
        while event.type == "mouse_move":
            if np.abs(np.array(event.pos) - start).max() > STILL:
                return  # The camera is turned.
            yield
        found = self._under(viewer, event)
        if found is not None:
            self._click(found)
