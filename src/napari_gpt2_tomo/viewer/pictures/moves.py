"""How camera and sliders move through a movie."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ...display.planes import crossing, plane_caption, position_caption
from ...volume.layouts.body import BodyLayout
from ..commands import NO_SCAN, current_link
from ..link import ScanLink, link_of
from .stage import Stage

__all__ = ["Flight", "Move", "Sections", "Turntable", "axis_of"]

FIELD = 50.0
"""Degrees that the eye of a flight sees from top to bottom: a wide lens, so that one feels
the depth."""

LAST = 0.92
"""Share of the depth at which a flight ends: then the last sections fill the picture."""

APPROACH = 0.25
"""Share of a flight before the front; it slows down to the speed inside."""

Vector = NDArray[np.float64]


class Move(Protocol):
    """A movement, from its first to its last frame."""

    def begin(self, stage: Stage) -> None:
        """Bring the viewer where the movement starts; `TomoError` if it cannot be made there."""

    def pose(self, index: int, count: int) -> str:
        """Bring the viewer where frame `index` of `count` is taken; returns its caption."""


class Turntable:
    """The volume turns once about itself, seen from where the camera is; the end meets the start.

    Parameters
    ----------
    axis
        Name or number of the axis that it turns about; by default the one that
        points up most.
    fit
        Whether the volume is centred and zoomed so that it never leaves the picture.
    """

    def __init__(self, axis: str | int | None = None, *, fit: bool = True) -> None:
        self._wanted = axis
        self._fit = fit

    def begin(self, stage: Stage) -> None:
        """See `Move`."""
        viewer = stage.viewer
        came = _to_3d(viewer, "A turntable")
        if self._fit or came:
            stage.fit()
        self._camera = camera = viewer.scene.camera
        self._view = np.asarray(camera.view_direction, float)
        self._up = np.asarray(camera.up_direction, float)
        if self._wanted is None:
            at = int(np.abs(self._up).argmax())
        else:
            at = _displayed_axis(viewer, self._wanted)
        # The left side comes to the front, as on the turntables of shop windows.
        self._pole = np.eye(3)[at] * (-1 if self._up[at] < 0 else 1)

    def pose(self, index: int, count: int) -> str:
        """See `Move`."""
        angle = 2 * math.pi * index / count
        view, up = (_turned(vector, self._pole, angle) for vector in (self._view, self._up))
        self._camera.set_view_direction(tuple(view), tuple(up))
        return f"3-D · turned by {math.degrees(angle):.0f}°"


class Sections:
    """The sections across an axis one after the other, from the first to the last.

    Parameters
    ----------
    axis
        Name or number of the axis that is gone along.
    fit
        Whether the sections are centred and zoomed so that all of them is seen.
    """

    def __init__(self, axis: str | int = 0, *, fit: bool = True) -> None:
        self._wanted = axis
        self._fit = fit

    def begin(self, stage: Stage) -> None:
        """See `Move`."""
        viewer = self._viewer = stage.viewer
        self._link, self._layer = _scan(viewer)
        self._axis = axis_of(self._link, self._wanted)
        dims = viewer.dims
        if dims.ndim - self._layer.ndim:
            raise TomoError(
                f"{self._link.name} shares its sliders with a layer of more axes: hide or "
                "remove that layer first."
            )
        came = dims.ndisplay != 2 or self._axis in dims.displayed
        if came:
            dims.ndisplay = 2
            dims.order = (self._axis, *(axis for axis in dims.order if axis != self._axis))
        if self._fit or came:
            stage.fit()

    @staticmethod
    def length(link: ScanLink, axis: int) -> int:
        """Sections across an axis that show something: without margins and padding."""
        volume = link.volume
        layout = volume.still.layout
        if isinstance(layout, BodyLayout) and axis == volume.lead:
            return len(layout.sections)
        core = volume.core
        return (core[axis].stop if core is not None else None) or volume.shape[axis]

    def pose(self, index: int, count: int) -> str:
        """See `Move`."""
        last = self.length(self._link, self._axis) - 1
        at = round(index * last / max(count - 1, 1))
        scale, shift = self._layer.scale[self._axis], self._layer.translate[self._axis]
        self._viewer.dims.set_point(self._axis, at * scale + shift)
        return _plane(self._link, self._axis, at)


class Flight:
    """The eye flies through the volume along an axis, from before its front to its end.

    Parameters
    ----------
    axis
        Name or number of the axis that is flown along.
    """

    def __init__(self, axis: str | int = 0) -> None:
        self._wanted = axis

    def begin(self, stage: Stage) -> None:
        """See `Move`."""
        viewer = stage.viewer
        _to_3d(viewer, "A flight")
        self._link, self._layer = _scan(viewer)
        self._axis = axis_of(self._link, self._wanted)
        at = _displayed_axis(viewer, self._wanted)
        low, high = (corner[-3:] for corner in self._box(viewer))
        self._camera = camera = viewer.scene.camera
        ahead = np.eye(3)[at]
        # Down on the screen is the first of the other two axes, as in the slices across.
        camera.set_view_direction(tuple(ahead), tuple(-np.eye(3)[1 if at == 0 else 0]))
        camera.perspective = FIELD
        slope = 2 * math.tan(math.radians(FIELD / 2))
        across = [side for i, side in enumerate(high - low) if i != at]
        need = max(across[0] / stage.rows, across[1] / stage.columns) * stage.rows
        # Zoom fixes how far the eye is from the point that it turns about.
        camera.zoom = stage.zoom_for(min(stage.rows, stage.columns) / need)
        self._lead = need / slope
        self._ahead = ahead
        self._middle = (low + high) / 2
        self._depth = (float(low[at]), float(high[at]))
        self._start = self._depth[0] - need / slope * 1.15
        self._at = at

    def pose(self, index: int, count: int) -> str:
        """See `Move`."""
        front, back = self._depth
        end = front + LAST * (back - front)
        eye = _eye(index / max(count - 1, 1), self._start, front, end)
        center = self._middle.copy()
        center[self._at] = eye + self._lead
        self._camera.center = tuple(center)
        if eye < front:
            return "3-D · before the front"
        world = list(self._layer.extent.world[0])
        world[self._axis] = eye
        section = round(float(self._layer.world_to_data(world)[self._axis]))
        last = Sections.length(self._link, self._axis) - 1
        position = [n // 2 for n in self._link.volume.shape]
        position[self._axis] = section = min(max(section, 0), last)
        words = [
            "3-D",
            position_caption(self._link.volume, self._axis, section),
            crossing(self._link.volume, self._axis, position, None),
        ]
        return " · ".join(word for word in words if word)

    def _box(self, viewer: Any) -> tuple[Vector, Vector]:
        """Corners of the volume without its margins, in the world, displayed axes last."""
        core = self._link.volume.core
        low, high = (np.array(corner) for corner in self._layer.extent.world)
        if core is not None and not self._link.margins:
            stops = [c.stop or n for c, n in zip(core, self._link.volume.shape, strict=True)]
            high = np.asarray(self._layer.data_to_world([n - 1 for n in stops]))
        order = [axis for axis in viewer.dims.order if axis < len(low)]
        return low[order], high[order]


def axis_of(link: ScanLink, axis: str | int) -> int:
    """The number of an axis by its name or number.

    Raises
    ------
    TomoError
        The volume has no such axis.
    """
    axes = link.volume.axes
    if axis in axes:
        return axes.index(str(axis))
    number = int(axis) if str(axis).isdecimal() else -1
    if not 0 <= number < len(axes):
        raise TomoError(
            f"{link.name} has no axis {axis!r} as {link.volume.layout.name}, only "
            f"{', '.join(axes)}."
        )
    return number


def _scan(viewer: Any) -> tuple[ScanLink, Any]:
    link = current_link(viewer)
    if link is None:
        raise TomoError(NO_SCAN)
    return link, next(layer for layer in viewer.layers if link_of(layer) is link)


def _to_3d(viewer: Any, what: str) -> bool:
    """Show the volume in 3-D; returns whether it was not."""
    if viewer.dims.ndim < 3 or not len(viewer.layers):
        raise TomoError(f"{what} needs a volume of three axes, and the window shows none.")
    came = viewer.dims.ndisplay != 3
    viewer.dims.ndisplay = 3
    return bool(came)


def _displayed_axis(viewer: Any, axis: str | int) -> int:
    """Which of the three displayed axes it is."""
    link, layer = _scan(viewer)
    wanted = axis_of(link, axis) + viewer.dims.ndim - layer.ndim
    displayed: Sequence[int] = tuple(viewer.dims.displayed)
    if wanted not in displayed:
        raise TomoError(
            f"The axis {axis} is not among those that 3-D shows: order the sliders otherwise."
        )
    return displayed.index(wanted)


def _turned(vector: Vector, pole: Vector, angle: float) -> Vector:
    """A vector turned about a unit vector, by Rodrigues' formula."""
    along = pole * (pole @ vector)
    turned: Vector = (
        along + (vector - along) * math.cos(angle) + np.cross(pole, vector) * math.sin(angle)
    )
    return turned


def _eye(share: float, start: float, front: float, end: float) -> float:
    """Where the eye is after a share of a flight: braking until the front, then evenly."""
    inside = (end - front) / (1 - APPROACH)
    if share >= APPROACH:
        return front + (share - APPROACH) * inside
    outside = 2 * (front - start) / APPROACH - inside
    return start + share * outside + share**2 * (inside - outside) / (2 * APPROACH)


def _plane(link: ScanLink, axis: int, at: int) -> str:
    position = [n // 2 for n in link.volume.shape]
    position[axis] = at
    return plane_caption(link.volume, axis, position, None)
