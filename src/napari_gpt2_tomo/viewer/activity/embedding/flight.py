"""A camera that flies to a place: as many pictures as the machine can draw, for a fixed time."""

import time
from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

import numpy as np
from qtpy.QtCore import QObject, QTimer

__all__ = ["Flight"]

SECONDS = 0.45
"""Of a flight: long enough to see where it goes, short enough not to wait for."""

INTERVAL = 16
"""Milliseconds between two pictures on a machine that can draw so many."""


class Flight(QObject):  # type: ignore[misc]
    """Moves the camera of one viewer; a new flight replaces the one under way.

    Parameters
    ----------
    viewer
        The viewer model; not kept alive.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = ref(viewer)
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self._step)
        self._began = 0.0
        self._way: Callable[[float], None] = _nowhere

    @property
    def flying(self) -> bool:
        """Whether a flight is under way."""
        return bool(self._timer.isActive())

    def fly(self, center: Sequence[float], zoom: float, *, at_once: bool = False) -> None:
        """Go to a centre (world, three axes) and a zoom (canvas pixels a world unit)."""
        viewer = self._viewer()
        if viewer is None:
            return
        camera = viewer.scene.camera
        start, end = np.array(camera.center, float), np.array(center, float)
        if viewer.dims.ndisplay == 2:
            end[0] = start[0]
        first = float(camera.zoom)

        def way(share: float) -> None:
            ease = share * share * (3 - 2 * share)
            camera.center = tuple((start + (end - start) * ease).tolist())
            # Zoom is a ratio: equal factors in equal times.
            camera.zoom = first * (zoom / first) ** ease

        self.stop()
        self._way = way
        if at_once:
            way(1.0)
            return
        self._began = time.monotonic()
        self._timer.start()

    def finish(self) -> None:
        """Be there now."""
        if self.flying:
            self.stop()
            self._way(1.0)

    def stop(self) -> None:
        """Stay where the camera is."""
        self._timer.stop()

    def _step(self) -> None:
        share = min((time.monotonic() - self._began) / SECONDS, 1.0)
        if self._viewer() is None or share >= 1:
            self.stop()
        if self._viewer() is not None:
            self._way(share)


def _nowhere(share: float) -> None:
    """Go nowhere."""
