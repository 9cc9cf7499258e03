"""Pictures of a viewer: its canvas, or the four views of a scan."""

import os
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ...display.planes import PLANES, plane_caption
from ...display.png import check_png, write_png
from .. import compat
from ..commands import NO_SCAN, current_link
from ..link import ScanLink, link_of
from ..panes.crosshair import axis_colour
from ..panes.views import views_of
from ..work import finish_all
from .legend import legend_of, strip_height
from .sheet import GAP, Mark, Panel, compose
from .stage import Stage, checked_size

__all__ = ["FOUR_SIZE", "VIEWS", "Views", "caption_of", "screenshot"]

Views = Literal["canvas", "four"]
"""What a picture shows: the canvas as it is, or axial, sagittal, coronal and 3-D views."""

VIEWS: tuple[Views, ...] = get_args(Views)

FOUR_SIZE = (1600, 1500)
"""Width and height in pixels of a picture of four views: bodies are about as high as wide."""

CORNER = (0.0, 25.0, 40.0)
"""Euler angles in degrees of a volume that nobody has turned: three faces are seen."""


def screenshot(
    viewer: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    views: Views = "canvas",
    size: Sequence[int] | None = None,
    legend: bool = True,
) -> NDArray[np.uint8]:
    """A picture of a viewer as it is, also as a PNG.

    Sliders and camera are given back as they were.

    Parameters
    ----------
    viewer
        A viewer in a window.
    path
        Ends with ``.png``; None writes nothing.
    views
        ``"canvas"``, or ``"four"``: the panes as they are if they are open, else the
        planes through the scan's cursor, and the volume.
    size
        Width and height in pixels, legend included; by default those of the canvas
        or of the open panes (with the legend beneath), else 1600 × 1500 for four views.
    legend
        Whether a strip under the picture says what it shows.

    Returns
    -------
    pixels
        uint8, shape ``(rows, columns, 3)``.

    Raises
    ------
    TomoError
        There is no window, size or such views, no scan for four of them, or the file cannot be
        written.
    """
    if views not in VIEWS:
        raise TomoError(f"A picture shows {' or '.join(VIEWS)}, not {views!r}.")
    if path is not None:
        check_png(path)
    if size is not None:
        checked_size(size)
    viewer = compat.real_viewer(viewer)
    if views == "four":
        pixels, title = _four(viewer, size, legend)
    else:
        pixels, title = _canvas(viewer, size, legend)
    if path is not None:
        write_png(pixels, path, title)
    return pixels


def caption_of(viewer: Any) -> str:
    """Which plane of the scan a viewer shows, ``"3-D"`` for a volume; empty without a scan."""
    link = current_link(viewer)
    if link is None:
        return ""
    if viewer.dims.ndisplay == 3:
        return "3-D"
    layer = next(layer for layer in viewer.layers if link_of(layer) is link)
    shift = viewer.dims.ndim - layer.ndim
    place = layer.world_to_data(viewer.dims.point)
    at = [
        min(max(round(float(v)), 0), n - 1) for v, n in zip(place, link.volume.shape, strict=True)
    ]
    cuts = [axis - shift for axis in viewer.dims.not_displayed if axis >= shift]
    return " · ".join(plane_caption(link.volume, axis, at, None) for axis in cuts)


def _canvas(viewer: Any, size: Sequence[int] | None, legend: bool) -> tuple[NDArray[np.uint8], str]:
    caption = caption_of(viewer)
    stage = Stage(viewer, size, legend=legend)
    try:
        pixels = stage.shoot(caption)
    finally:
        stage.close()
    told = legend_of(viewer, caption)
    return pixels, "" if told is None else told.title


def _four(viewer: Any, size: Sequence[int] | None, legend: bool) -> tuple[NDArray[np.uint8], str]:
    link = current_link(viewer)
    if link is None:
        raise TomoError(NO_SCAN)
    views = views_of(viewer)
    place: Sequence[int] = link.cursor.position
    flat = link.volume.ndim < 3
    if views is not None and views.link is link:
        each = None if size is None else _each(size, legend, flat)
        panels = _open_panes(views, each)
    else:
        place = _place(viewer, link)
        panels = _posed(viewer, link, place, _each(size or FOUR_SIZE, legend, flat))
    words = (f"{axis} {at}" for axis, at in zip(link.volume.axes, place, strict=True))
    told = legend_of(viewer, "" if flat else "crossing at " + ", ".join(words))
    pixels = Stage.under(compose(panels), told if legend else None)
    return pixels, "" if told is None else told.title


def _each(size: Sequence[int], legend: bool, flat: bool) -> tuple[int, int]:
    """Width and height of one view of so large a picture."""
    width, height = checked_size(size)
    height -= strip_height(width) if legend else 0
    return (width, height) if flat else ((width - GAP) // 2, (height - GAP) // 2)


def _open_panes(views: Any, each: tuple[int, int] | None) -> list[Panel]:
    """The panes as they are, in the order of the window; as large as the largest by default."""
    axial, coronal, sagittal = views.panes
    panels = []
    if each is None:
        stages = [pane.qt_viewer for pane in (*views.panes, views.volume)]
        sizes = [stage.canvas.size[::-1] for stage in stages]
        each = (max(width for width, _ in sizes), max(height for _, height in sizes))
    for pane in (axial, sagittal, coronal, views.volume):
        stage = Stage(pane.viewer, each, legend=False)
        try:
            caption = "3-D" if pane is views.volume else views.heading(pane, None)[0]
            panels.append(Panel(caption, stage.shoot()))
        finally:
            stage.close()
    return panels


def _posed(viewer: Any, link: ScanLink, place: Sequence[int], each: tuple[int, int]) -> list[Panel]:
    """The planes through a voxel, and the volume, one after the other on the viewer's canvas."""
    layer = next(layer for layer in viewer.layers if link_of(layer) is link)
    shift = viewer.dims.ndim - layer.ndim
    axes = [axis + shift for axis in range(max(layer.ndim - 3, 0), layer.ndim)]
    world = layer.data_to_world(place)
    turned = viewer.dims.ndisplay == 3
    stage = Stage(viewer, each, legend=False)
    try:
        # Coming from 3-D, napari moves the first slider to the camera's depth.
        viewer.dims.ndisplay = 2
        for axis, value in enumerate(world):
            viewer.dims.set_point(axis + shift, float(value))
        if len(axes) < 3:
            stage.fit()
            return [Panel("", stage.shoot())]
        first, second, last = axes
        orders = (axes, [last, second, first], [second, first, last])
        # One scale, so that rows of the upper two and columns of the left two meet.
        zoom = min(stage.zoom_to_fit(order[1:]) for order in orders)
        panels = []
        for order in orders:
            viewer.dims.order = (*range(axes[0]), *order)
            stage.fit(zoom)
            caption = plane_caption(link.volume, order[0] - shift, place, None)
            if link.volume.core is None:
                caption = f"{PLANES[axes.index(order[0])]} · {caption}"
            panels.append(Panel(caption, stage.shoot(), _marks(stage, world, shift)))
        viewer.dims.order = (*range(axes[0]), *axes)
        viewer.dims.ndisplay = 3
        if not turned:
            viewer.scene.camera.angles = CORNER
        stage.fit()
        # 3-D begins coarse: the finest level that fits is read in the background.
        finish_all()
        panels.append(Panel("3-D", stage.shoot()))
        return panels
    finally:
        stage.close()


def _marks(stage: Stage, world: Sequence[float], shift: int) -> tuple[Mark, ...]:
    """Where the other two planes cut the one that is shown."""
    viewer = stage.viewer
    camera, ndim = viewer.scene.camera, viewer.dims.ndim
    down, right = viewer.dims.displayed
    scale = camera.zoom / stage.zoom_for(1.0)
    middle = camera.center[-2:]
    return (
        Mark(
            False,
            stage.rows / 2 + (world[down - shift] - middle[0]) * scale,
            axis_colour(right, ndim),
        ),
        Mark(
            True,
            stage.columns / 2 + (world[right - shift] - middle[1]) * scale,
            axis_colour(down, ndim),
        ),
    )


def _place(viewer: Any, link: ScanLink) -> list[int]:
    """The voxel through which the planes go: the scan's cursor, and in 2-D the sliders'."""
    at = list(link.cursor.position)
    if viewer.dims.ndisplay == 2:
        layer = next(layer for layer in viewer.layers if link_of(layer) is link)
        shift = viewer.dims.ndim - layer.ndim
        point = layer.world_to_data(viewer.dims.point)
        for axis in (axis - shift for axis in viewer.dims.not_displayed if axis >= shift):
            at[axis] = min(max(round(float(point[axis])), 0), link.volume.shape[axis] - 1)
    return at
