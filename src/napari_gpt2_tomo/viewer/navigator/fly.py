"""Going to a place in a viewer, and back again."""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from numpy.typing import NDArray

from ...base import DisplayError
from ...display.history import History
from ...display.places import Target
from .. import compat
from ..commands import NO_SCAN, current_link
from ..link import ScanLink, link_of
from ..panes.views import views_of
from .guide import finder
from .mark import mark

__all__ = ["Place", "fly", "go_to", "history_of", "look", "step"]

Floats = NDArray[np.float64]

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
    dims = viewer.dims
    shift = dims.ndim - layer.ndim
    world = layer.data_to_world(target.voxel)
    for axis, value in enumerate(world, shift):
        # In 3-D a slider of a displayed axis would upload the volume again.
        if dims.ndisplay == 2 or axis not in dims.displayed:
            dims.set_point(axis, float(value))
    low, high = np.array(dims.point, float), np.array(dims.point, float)
    low[shift:] = layer.data_to_world([a - 0.5 for a, _ in target.box])
    high[shift:] = layer.data_to_world([b - 0.5 for _, b in target.box])
    axes = list(dims.displayed)
    if dims.ndisplay == 2:
        core = link.volume.core or (slice(None),) * layer.ndim
        ranges = [range(*c.indices(n)) for c, n in zip(core, link.volume.shape, strict=True)]
        # What lies in a margin is no reason to stay within the core.
        first, last = low.copy(), high.copy()
        first[shift:] = np.minimum(
            low[shift:], layer.data_to_world([r.start - 0.5 for r in ranges])
        )
        last[shift:] = np.maximum(high[shift:], layer.data_to_world([r.stop - 0.5 for r in ranges]))
        voxel = max(float(n) for n in layer.scale[-2:])
        _aim(viewer, low[axes], high[axes], first[axes], last[axes], voxel)
    else:
        viewer.scene.camera.center = tuple(((low + high) / 2)[axes].tolist())
    mark(viewer, low, high)
    views = views_of(viewer)
    for pane in views.panes if views is not None else ():
        mark(pane.viewer, low[shift:], high[shift:])


def _aim(viewer: Any, low: Floats, high: Floats, first: Floats, last: Floats, voxel: float) -> None:
    """Show a box in 2-D; if it is seen well already, nothing moves.

    Parameters
    ----------
    low, high
        Corners of the box, world coordinates along the displayed axes.
    first, last
        Corners of the picture: no more is shown of what lies beyond it than must be.
    voxel
        World units a voxel.
    """
    camera = viewer.scene.camera
    canvas = np.asarray(viewer.canvas.size, float)
    center = np.array(camera.center, float)
    whole = float((canvas / (high - low)).min())
    zoom = camera.zoom
    if zoom > FILL * whole:
        zoom = FILL * whole
    elif zoom < SMALL * whole:
        zoom = max(zoom, min(SMALL * whole, CLOSEST / voxel))
    half = canvas / 2 / zoom
    inside = (low > center[-2:] - half) & (high < center[-2:] + half)
    if zoom == camera.zoom and inside.all():
        return
    middle = (low + high) / 2
    room = last - first > 2 * half
    center[-2:] = np.where(
        room,
        np.clip(middle, first + half, np.maximum(last - half, first + half)),
        (first + last) / 2,
    )
    camera.zoom = zoom
    camera.center = tuple(center.tolist())


def _return(viewer: Any, place: Place) -> None:
    dims, camera = viewer.dims, viewer.scene.camera
    if len(place.order) == dims.ndim:
        dims.order = place.order
    dims.ndisplay = place.ndisplay
    if len(place.point) == dims.ndim:
        # What stays the same is not set: in 3-D that would upload the volume again.
        moved = [axis for axis, value in enumerate(place.point) if dims.point[axis] != value]
        dims.set_point(moved, [place.point[axis] for axis in moved])
    camera.center, camera.zoom, camera.angles = place.center, place.zoom, place.angles
    link = place.link() if place.link is not None else None
    if link is not None and len(place.cursor) == len(link.cursor.shape):
        link.cursor.place(dict(enumerate(place.cursor)))
