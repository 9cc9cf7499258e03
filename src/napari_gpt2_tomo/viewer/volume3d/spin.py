"""The volume turns by itself until somebody takes hold of it."""

import math
import time
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal
from qtpy.QtCore import QTimer

from .. import compat
from ..throttle import Throttle

__all__ = ["SPEED", "Spin", "spin_of", "start_spin", "stop_spin"]

SPEED = 24.0
"""Degrees per second: once round in a quarter of a minute."""

TICK = 30
"""Milliseconds between two turns where the machine can draw that fast."""

LONGEST = 0.25
"""Seconds that one turn makes up for at most: a pause of the machine is no leap."""

_spins: WeakKeyDictionary[Any, "Spin"] = WeakKeyDictionary()


def start_spin(viewer: Any, speed: float = SPEED) -> "Spin":
    """Let a viewer's volume turn about the axis that points up; goes to 3-D if need be.

    It stops when a mouse button is pressed on the canvas, when somebody else turns
    the camera, in 2-D, or by `stop_spin`.

    Parameters
    ----------
    viewer
        A napari viewer, or the proxy of one.
    speed
        Degrees per second; negative turns the other way.
    """
    viewer = compat.real_viewer(viewer)
    viewer.dims.ndisplay = 3
    spin = spin_of(viewer)
    spin.start(speed)
    return spin


def stop_spin(viewer: Any) -> None:
    """Stop a viewer's volume where it is."""
    spin = _spins.get(compat.real_viewer(viewer))
    if spin is not None:
        spin.stop()


def spin_of(viewer: Any) -> "Spin":
    """What turns a viewer's volume, whether it does so now or not."""
    viewer = compat.real_viewer(viewer)
    if viewer not in _spins:
        _spins[viewer] = Spin(viewer)
    return _spins[viewer]


class Spin:
    """Turns the camera of one viewer.

    Attributes
    ----------
    changed
        Signal, emitted with True when the turning begins and with False when it ends.
    """

    changed = Signal(bool)

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        home = compat.qt_viewer_of(viewer)
        self._timer = QTimer(home)
        self._timer.setInterval(TICK)
        # A slow machine draws each turn before it makes the next one.
        self._soon = Throttle(self._turn, home)
        self._timer.timeout.connect(self._soon.call)
        self._turning = False
        self._running = False
        self._then = 0.0
        self._speed = SPEED

    @property
    def running(self) -> bool:
        """Whether the volume turns."""
        return self._running

    def start(self, speed: float = SPEED) -> None:
        """Begin, or go on at another speed in degrees per second."""
        viewer = self._viewer()
        self._speed = speed
        if viewer is None or self._running:
            return
        camera = viewer.scene.camera
        up = np.asarray(camera.up_direction, float)
        axis = int(np.abs(up).argmax())
        self._pole = np.eye(3)[axis] * (-1 if up[axis] < 0 else 1)
        self._running = True
        self._then = time.perf_counter()
        viewer.mouse_drag_callbacks.append(self._pressed)
        camera.events.angles.connect(self._turned_by_somebody)
        viewer.dims.events.ndisplay.connect(self.stop)
        self._timer.start()
        self.changed.emit(True)

    def stop(self, *_: Any) -> None:
        """End where it is."""
        if not self._running:
            return
        self._running = False
        self._timer.stop()
        self._soon.stop()
        viewer = self._viewer()
        if viewer is not None:
            if self._pressed in viewer.mouse_drag_callbacks:
                viewer.mouse_drag_callbacks.remove(self._pressed)
            viewer.scene.camera.events.angles.disconnect(self._turned_by_somebody)
            viewer.dims.events.ndisplay.disconnect(self.stop)
        self.changed.emit(False)

    def _turn(self) -> None:
        viewer = self._viewer()
        if viewer is None or not self._running:
            return
        now = time.perf_counter()
        angle = math.radians(self._speed * min(now - self._then, LONGEST))
        self._then = now
        camera = viewer.scene.camera
        self._turning = True
        try:
            camera.set_view_direction(
                tuple(_turned(camera.view_direction, self._pole, angle)),
                tuple(_turned(camera.up_direction, self._pole, angle)),
            )
        finally:
            self._turning = False

    def _turned_by_somebody(self, event: Any = None) -> None:
        if not self._turning:
            self.stop()

    def _pressed(self, viewer: Any, event: Any) -> None:
        self.stop()


def _turned(vector: Any, pole: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """A vector turned about a unit vector (Rodrigues' formula)."""
    v = np.asarray(vector, float)
    turned: NDArray[np.float64] = (
        v * math.cos(angle)
        + np.cross(pole, v) * math.sin(angle)
        + pole * (pole @ v) * (1 - math.cos(angle))
    )
    return turned
