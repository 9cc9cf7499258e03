"""Lines through a place, one along each axis that a canvas shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import compat

__all__ = ["AXIS_COLOURS", "Crosshair", "axis_colour"]

AXIS_COLOURS = ((0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0))
"""Red, green, blue of the last, second-last and third-last axis: those of napari's axes."""

ALPHA = 0.6
"""Opacity of the lines: they lie over the picture and must not hide it."""

ON_TOP = 10**6
"""Drawing order of the lines: above every layer."""


def axis_colour(axis: int, ndim: int) -> tuple[float, float, float]:
    """Colour of an axis of a volume, as napari draws its axes."""
    return AXIS_COLOURS[(ndim - 1 - axis) % len(AXIS_COLOURS)]


class Crosshair:
    """Lines on the canvas of one viewer, in world coordinates.

    They are no layer: they neither stand in the list nor are saved, and moving
    them slices nothing.

    Parameters
    ----------
    qt_viewer
        The widget whose canvas they are drawn on.
    """

    def __init__(self, qt_viewer: Any) -> None:
        from vispy.scene.visuals import Line

        self._line: Any = Line(connect="segments", method="gl", width=1)
        self._line.set_gl_state("translucent", depth_test=False)
        self._line.order = ON_TOP
        self._line.visible = False
        self._line.parent = compat.scene_of(qt_viewer)
        self._drawn: bytes = b""

    def place(
        self,
        point: ArrayLike,
        low: ArrayLike,
        high: ArrayLike,
        axes: Sequence[int],
        gap: ArrayLike = 0.0,
    ) -> None:
        """Draw the lines through a point.

        Parameters
        ----------
        point
            World coordinates, one per axis of the viewer.
        low, high
            Where the lines begin and end, world coordinates.
        axes
            The displayed axes, in the order of the viewer.
        gap
            World units around the point that stay free; for all axes of the viewer or for each.
        """
        whole = np.asarray(point, float)
        at = whole[list(axes)]
        free = np.broadcast_to(np.asarray(gap, float), whole.shape)[list(axes)]
        first, last = (np.asarray(ends, float)[list(axes)] for ends in (low, high))
        ends: list[NDArray[np.float64]] = []
        colours: list[tuple[float, float, float, float]] = []
        for place, axis in enumerate(axes):
            before, after = at[place] - free[place], at[place] + free[place]
            for a, b in ((first[place], before), (after, last[place])):
                if a < b:
                    for value in (a, b):
                        end = at.copy()
                        end[place] = value
                        ends.append(end)
                    colours += [(*axis_colour(axis, len(whole)), ALPHA)] * 2
        # vispy counts axes from the last, and keeps the number that it was given first.
        vertices = np.zeros((len(ends), 3), np.float32)
        vertices[:, : len(axes)] = np.array(ends)[:, ::-1]
        if vertices.tobytes() == self._drawn:
            return
        self._drawn = vertices.tobytes()
        self._line.set_data(vertices, np.array(colours, np.float32))
        self._line.visible = True

    def hide(self) -> None:
        """Draw no lines."""
        self._line.visible = False
        self._drawn = b""

    @property
    def visible(self) -> bool:
        """Whether there are lines."""
        return bool(self._line.visible)

    def close(self) -> None:
        """Take the lines off the canvas."""
        self._line.parent = None
