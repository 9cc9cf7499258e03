"""The edges of what is drawn of a volume."""

import itertools
from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from .. import compat

__all__ = ["Edges", "corner_pairs"]

EDGE = (0.60, 0.68, 0.80, 0.75)
"""Colour of the lines: seen on black and on white, and duller than a bright voxel."""


ON_TOP = 10**5
"""Drawing order on a slice: above every layer, below the crosshair."""


def corner_pairs(low: Sequence[float], high: Sequence[float]) -> NDArray[np.float32]:
    """The ends of the edges of a box, shape ``(2 · edges, axes)``: 4 edges of a rectangle, 12 of
    a cuboid.
    """
    ends = []
    for axis in range(len(low)):
        others = [(low[i], high[i]) for i in range(len(low)) if i != axis]
        for corner in itertools.product(*others):
            ends += [[*corner[:axis], at, *corner[axis:]] for at in (low[axis], high[axis])]
    return np.array(ends, np.float32)


class Edges:
    """Lines along the edges of a box on the canvas of one viewer, in world coordinates.

    They are no layer, so that they neither stand in the list nor are saved. napari's own
    box around a layer would count the margins that the 3-D view hides.

    Parameters
    ----------
    qt_viewer
        The widget whose canvas they are drawn on, not kept alive; None where there is none.
    """

    def __init__(self, qt_viewer: Any) -> None:
        # A session keeps this for as long as its viewer lives, and the widget knows the viewer.
        self._qt_viewer = None if qt_viewer is None else ref(qt_viewer)
        self._line: Any = None

    @property
    def visible(self) -> bool:
        """Whether there are lines."""
        return self._line is not None and bool(self._line.visible)

    def show(self, low: Sequence[float], high: Sequence[float]) -> None:
        """Draw the edges of the box between two corners, axes as the viewer displays them."""
        qt_viewer = None if self._qt_viewer is None else self._qt_viewer()
        if qt_viewer is None:
            return
        if self._line is None:
            from vispy.scene.visuals import Line

            self._line = Line(connect="segments", method="gl", width=1, color=EDGE)
            self._line.parent = compat.scene_of(qt_viewer)
        # What lies behind a volume is hidden by it; a plane has no depth.
        deep = len(low) == 3
        self._line.set_gl_state("translucent", depth_test=deep)
        self._line.order = 0 if deep else ON_TOP
        ends = corner_pairs(low, high)
        # vispy counts axes from the last, and keeps the number that it was given first.
        vertices = np.zeros((len(ends), 3), np.float32)
        vertices[:, : ends.shape[1]] = ends[:, ::-1]
        self._line.set_data(vertices, color=EDGE)
        self._line.visible = True

    def hide(self) -> None:
        """Draw no lines."""
        if self.visible:
            self._line.visible = False

    def close(self) -> None:
        """Take the lines off the canvas."""
        if self._line is not None:
            self._line.parent = None
            self._line = None
