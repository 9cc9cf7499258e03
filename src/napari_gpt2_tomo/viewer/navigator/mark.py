"""A frame around what was gone to, for a moment."""

import itertools
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import compat

__all__ = ["frame", "mark", "unmark"]

COLOUR = (0.25, 0.95, 1.0, 0.9)
"""A light cyan: neither the picture nor the crosshair has it."""

SECONDS = 2.5
"""As long as a glance takes to find it; then the picture is free again."""

ROOM = 3.0
"""Canvas pixels between the frame and what it marks, so that a single voxel is not hidden."""

ON_TOP = 10**6 + 1
"""Drawing order: above layers and crosshair."""

_marks: WeakKeyDictionary[Any, "_Mark"] = WeakKeyDictionary()


def mark(viewer: Any, low: ArrayLike, high: ArrayLike) -> None:
    """Frame a box on a viewer's canvas; without a canvas nothing happens.

    Parameters
    ----------
    low, high
        Corners in world coordinates, one number per axis of the viewer.
    """
    qt_viewer = compat.qt_viewer_of(compat.real_viewer(viewer))
    if qt_viewer is None:
        return
    held = _marks.get(qt_viewer)
    if held is None:
        held = _marks[qt_viewer] = _Mark(qt_viewer)
        # Turned or rolled, the picture has other axes than the frame.
        for events in (viewer.dims.events.ndisplay, viewer.dims.events.order):
            events.connect(held.hide)
    axes = list(viewer.dims.displayed)
    held.show(frame(np.asarray(low)[axes], np.asarray(high)[axes], ROOM / viewer.scene.camera.zoom))


def unmark(viewer: Any) -> None:
    """Take the frame off a viewer's canvas."""
    held = _marks.get(compat.qt_viewer_of(compat.real_viewer(viewer)))
    if held is not None:
        held.hide()


def frame(low: NDArray[np.float64], high: NDArray[np.float64], room: float) -> NDArray[np.float32]:
    """Ends of the edges of a box, two by two, shape ``(2 · edges, axes)``."""
    ends = np.stack([low - room, high + room])
    axes = range(len(low))
    corners = list(itertools.product((0, 1), repeat=len(low)))
    pairs = (
        (a, b)
        for a, b in itertools.combinations(corners, 2)
        if sum(x != y for x, y in zip(a, b, strict=True)) == 1
    )
    return np.array([[ends[c[i], i] for i in axes] for pair in pairs for c in pair], np.float32)


class _Mark:
    """The frame on one canvas, and the clock that takes it off."""

    def __init__(self, qt_viewer: Any) -> None:
        from qtpy.QtCore import QTimer
        from vispy.scene.visuals import Line

        self._line: Any = Line(connect="segments", method="gl", width=2)
        self._line.set_gl_state("translucent", depth_test=False)
        self._line.order = ON_TOP
        self._line.parent = compat.scene_of(qt_viewer)
        # A child of the widget: it ends with it.
        self._clock = QTimer(qt_viewer)
        self._clock.setSingleShot(True)
        self._clock.timeout.connect(self.hide)

    def show(self, ends: NDArray[np.float32]) -> None:
        # vispy counts axes from the last, and cannot go from points in 2-D to points in 3-D.
        vertices = np.zeros((len(ends), 3), np.float32)
        vertices[:, : ends.shape[1]] = ends[:, ::-1]
        self._line.set_data(vertices, COLOUR)
        self._line.visible = True
        self._clock.start(int(1000 * SECONDS))

    def hide(self, event: Any = None) -> None:
        self._clock.stop()
        self._line.visible = False
