"""Going to a place in a viewer, and back again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from ...base import DisplayError
from ...display.history import History
from ...display.places import Target
from .. import compat
from ..commands import NO_SCAN, current_link
from ..link import ScanLink, link_of
from .guide import finder

__all__ = ["Place", "fly", "go_to", "history_of", "look", "step"]

FILL = 0.85
"""Share of the canvas that a part may fill: its surroundings stay in sight."""

SMALL = 0.2
"""Share of the canvas below which a part is brought closer."""

CLOSEST = 16.0
"""Canvas pixels a voxel: closer shows nothing more."""


@dataclass(frozen=True)
class Place:
    """Where somebody was: sliders, camera and cursor of a viewer.

    Attributes
    ----------
    title
        What was looked at.
    point, order, ndisplay
        Of the viewer's dims.
    center, zoom, angles
        Of its camera.
    link
        Weak reference to what was looked at.
    cursor
        The voxel of its cursor.
    """

    title: str
    point: tuple[float, ...]
    order: tuple[int, ...]
    ndisplay: int
    center: tuple[float, ...]
    zoom: float
    angles: tuple[float, ...]
    link: "ref[ScanLink] | None" = None
    cursor: tuple[int, ...] = ()


_histories: "WeakKeyDictionary[Any, History[Place]]" = WeakKeyDictionary()


def history_of(viewer: Any) -> History[Place]:
    """The places that were visited in a viewer."""
    return _histories.setdefault(compat.real_viewer(viewer), History())


def go_to(viewer: Any, query: str, link: ScanLink | None = None) -> Target:
    """Go to a parameter, voxel, part, head, neuron or token; `queries.EXAMPLES` lists them.

    Moves the sliders and the shared cursor; in 2-D the camera shows what was asked for,
    in 3-D it turns about it. `step` goes back.

    Parameters
    ----------
    viewer
        A viewer that shows a scan.
    query
        Where to go.
    link
        Which of several scans; that of the active layer by default.

    Raises
    ------
    DisplayError
        There is no such place, or no scan; the message says what was wrong.
    LayoutError
        The layout does not show it.
    """
    link = link or current_link(viewer)
    if link is None:
        raise DisplayError(NO_SCAN)
    target = finder(link).find(query)
    fly(viewer, link, target)
    return target


def fly(viewer: Any, link: ScanLink, target: Target) -> None:
    """Go to a place, and remember where one was and is."""
    _remember(viewer, link)
    _move(viewer, link, target)
    history_of(viewer).visit(look(viewer, link, target.title))


def step(viewer: Any, back: bool) -> Place | None:
    """Go back to the place that was visited before, or forward again; None if there is none."""
    history = history_of(viewer)
    link = current_link(viewer)
    if link is not None:
        _remember(viewer, link)
    place = history.back() if back else history.forward()
    if place is not None:
        _return(viewer, place)
    return place


def look(viewer: Any, link: ScanLink, title: str = "start") -> Place:
    """The place where one is."""
    camera = viewer.scene.camera
    return Place(
        title,
        tuple(float(v) for v in viewer.dims.point),
        tuple(viewer.dims.order),
        viewer.dims.ndisplay,
        tuple(float(v) for v in camera.center),
        float(camera.zoom),
        tuple(float(v) for v in camera.angles),
        ref(link),
        link.cursor.position,
    )


def _remember(viewer: Any, link: ScanLink) -> None:
    """Keep what the present place looks like now: it is about to be left."""
    history = history_of(viewer)
    present = history.present
    if present is None:
        history.visit(look(viewer, link))
    else:
        history.leave(look(viewer, link, present.title))


def _move(viewer: Any, link: ScanLink, target: Target) -> None:
    layer = next((layer for layer in viewer.layers if link_of(layer) is link), None)
    if layer is None:
        raise DisplayError(f"This window does not show {link.name} any more.")
    link.cursor.move(target.voxel)
    dims, camera = viewer.dims, viewer.scene.camera
    shift = dims.ndim - layer.ndim
    world = layer.data_to_world(target.voxel)
    for axis, value in enumerate(world, shift):
        # In 3-D a slider of a displayed axis would upload the volume again.
        if dims.ndisplay == 2 or axis not in dims.displayed:
            dims.set_point(axis, float(value))
    low, high = (
        np.asarray(layer.data_to_world([end[side] - 0.5 for end in target.box]), float)
        for side in (0, 1)
    )
    center = list(camera.center)
    sizes, voxels = [], []
    for place, axis in enumerate(dims.displayed, len(center) - dims.ndisplay):
        if axis >= shift:
            own = axis - shift
            center[place] = float(low[own] + high[own]) / 2
            sizes.append(float(abs(high[own] - low[own])))
            voxels.append(float(abs(layer.scale[own])))
    camera.center = tuple(center)
    if dims.ndisplay == 2 and len(sizes) == 2:
        camera.zoom = _zoom(camera.zoom, viewer.canvas.size, sizes, voxels)


def _zoom(
    zoom: float, canvas: Sequence[int], sizes: Sequence[float], voxels: Sequence[float]
) -> float:
    """Canvas pixels per world unit at which a box of this size is seen well.

    As it is, if the box is neither larger than the canvas nor lost in it.
    """
    whole = min(have / need for have, need in zip(canvas, sizes, strict=True))
    closest = CLOSEST / max(voxels)
    if zoom > FILL * whole:
        return min(FILL * whole, closest)
    if zoom < SMALL * whole:
        return max(zoom, min(SMALL * whole, closest))
    return zoom


def _return(viewer: Any, place: Place) -> None:
    dims, camera = viewer.dims, viewer.scene.camera
    if len(place.order) == dims.ndim:
        dims.order = place.order
    dims.ndisplay = place.ndisplay
    if len(place.point) == dims.ndim:
        for axis, value in enumerate(place.point):
            if place.ndisplay == 2 or axis not in dims.displayed:
                dims.set_point(axis, value)
    camera.center, camera.zoom, camera.angles = place.center, place.zoom, place.angles
    link = place.link() if place.link is not None else None
    if link is not None and len(place.cursor) == len(link.cursor.shape):
        link.cursor.place(dict(enumerate(place.cursor)))
