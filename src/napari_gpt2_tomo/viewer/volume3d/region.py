"""Choosing the region that a volume is cut to: drawn, as seen, or by numbers."""

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np

from ...base import DisplayError, TomoError
from ...display.console import Region
from .. import compat
from ..layers import is_image
from ..link import ScanLink, link_of
from ..work import show

__all__ = [
    "DrawnRegion",
    "cancel_drawing",
    "draw_region",
    "drawing_of",
    "region_in_view",
    "region_of",
    "visible_box",
    "whole_region",
]

Box = Mapping[int, tuple[int, int]]
"""First and one past the last voxel of some axes, by number of the axis."""

_drawing: WeakKeyDictionary[Any, "DrawnRegion"] = WeakKeyDictionary()


def whole_region(link: ScanLink) -> Region:
    """The box of all that is shown of a volume: without margins where 3-D hides them."""
    volume = link.volume
    if volume.core is None or link.margins:
        return tuple((0, n) for n in volume.shape)
    return tuple((0, c.stop or n) for c, n in zip(volume.core, volume.shape, strict=True))


def region_of(link: ScanLink, box: Box) -> Region:
    """A region with these ends along some axes; along the others it stays as it is.

    Raises
    ------
    DisplayError
        Nothing of the box lies in the volume.
    """
    region = list(link.region or whole_region(link))
    for axis, (first, stop) in box.items():
        n = link.volume.shape[axis]
        region[axis] = (max(int(first), 0), min(int(stop), n))
        if region[axis][0] >= region[axis][1]:
            raise DisplayError(
                f"The box lies outside the volume along {link.volume.axes[axis]}: draw it over "
                "the picture."
            )
    return tuple(region)


def visible_box(viewer: Any, image: Any) -> dict[int, tuple[int, int]]:
    """What a 2-D view shows of an image: voxels along the two axes of the picture."""
    shift = viewer.dims.ndim - image.ndim
    shown = [axis - shift for axis in viewer.dims.displayed if axis >= shift]
    camera = viewer.scene.camera
    half = np.asarray(viewer.canvas.size, float) / 2 / camera.zoom
    middle = np.asarray(camera.center[-2:], float)
    ends = []
    for corner in (middle - half, middle + half):
        world = np.asarray(image.data_to_world(np.zeros(image.ndim)), float)
        world[shown] = corner[-len(shown) :]
        ends.append(np.asarray(image.world_to_data(world), float))
    low, high = np.minimum(*ends), np.maximum(*ends)
    return {
        axis: (
            max(int(np.rint(low[axis])), 0),
            min(int(np.rint(high[axis])) + 1, image.data[0].shape[axis]),
        )
        for axis in shown
    }


def region_in_view(viewer: Any, link: ScanLink) -> Region:
    """The region that the slices show now, of all sections that the present region has.

    With four views open it is what all three planes show.

    Raises
    ------
    DisplayError
        No slice is shown, or nothing of the volume is in view.
    """
    viewer = compat.real_viewer(viewer)
    box: dict[int, tuple[int, int]] = {}
    for view in _slices(viewer):
        image = _image(view, link)
        for axis, (first, stop) in visible_box(view, image).items() if image is not None else ():
            a, b = box.get(axis, (first, stop))
            box[axis] = max(a, first), min(b, stop)
    if not box:
        raise DisplayError(
            "The region in view is that of a slice: go to 2-D, or open the four views."
        )
    return region_of(link, box)


def draw_region(viewer: Any, link: ScanLink) -> "DrawnRegion":
    """Let the user draw the region as a rectangle on a slice.

    Goes to 2-D for it and back afterwards; with four views open any of the planes
    takes it. The region keeps its extent along the axis that is cut.

    Returns
    -------
    DrawnRegion
        What waits for the rectangle.
    """
    viewer = compat.real_viewer(viewer)
    cancel_drawing(viewer)
    _drawing[viewer] = DrawnRegion(viewer, link)
    return _drawing[viewer]


def cancel_drawing(viewer: Any) -> None:
    """Wait for no rectangle any more."""
    waiting = _drawing.pop(compat.real_viewer(viewer), None)
    if waiting is not None:
        waiting.close()


def drawing_of(viewer: Any) -> "DrawnRegion | None":
    """What waits for a rectangle in a viewer; None while nothing does."""
    return _drawing.get(compat.real_viewer(viewer))


class DrawnRegion:
    """Layers of shapes, in every view that can take it, that wait for a rectangle.

    Attributes
    ----------
    layers
        The layers, one per view.
    """

    def __init__(self, viewer: Any, link: ScanLink) -> None:
        self._viewer = ref(viewer)
        self._link = link
        self._deep = viewer.dims.ndisplay == 3 and not _panes(viewer)
        if self._deep:
            viewer.dims.ndisplay = 2
        self._views: list[tuple[Any, Any, Any]] = []
        for view in _slices(viewer):
            if _image(view, link) is not None:
                active = view.layers.selection.active
                self._views.append((ref(view), self._wait(view), active))

    @property
    def layers(self) -> list[Any]:
        """The layers, one per view."""
        return [layer for _, layer, _ in self._views]

    def close(self) -> None:
        """Remove the layers; the view is as it was before."""
        views, self._views = self._views, []
        for weak, layer, active in views:
            view = weak()
            layer.events.data.disconnect(self._drawn)
            if view is None:
                continue
            if layer in view.layers:
                compat.keep_context(view)
                view.layers.remove(layer)
            if active in view.layers:
                view.layers.selection.active = active
        viewer = self._viewer()
        if viewer is not None:
            if _drawing.get(viewer) is self:
                del _drawing[viewer]
            if self._deep:
                viewer.dims.ndisplay = 3

    def _wait(self, view: Any) -> Any:
        from napari.layers import Shapes

        image = _image(view, self._link)
        layer = Shapes(
            ndim=image.ndim,
            name="Draw the region",
            scale=image.scale,
            translate=image.translate,
            axis_labels=image.axis_labels,
            units=image.units,
            face_color=list(INSIDE),
            edge_color=list(OUTLINE),
            edge_width=1,
        )
        view.layers.append(layer)
        view.layers.selection.active = layer
        layer.mode = "add_rectangle"
        layer.events.data.connect(self._drawn)
        return layer

    def _drawn(self, event: Any) -> None:
        if str(getattr(event, "action", "")) != "added":
            return
        from qtpy.QtCore import QTimer

        layer = event.source
        # napari has not finished with the shape: the layer goes afterwards.
        QTimer.singleShot(0, lambda: self._take(layer))

    def _take(self, layer: Any) -> None:
        views = (weak() for weak, one, _ in self._views if one is layer)
        found = next((view for view in views if view is not None), None)
        if found is None or not layer.data:
            return
        corners = np.asarray(layer.data[-1], float)
        shift = found.dims.ndim - layer.ndim
        axes = [axis - shift for axis in found.dims.displayed if axis >= shift]
        low, high = corners.min(axis=0), corners.max(axis=0)
        box = {axis: (int(np.rint(low[axis])), int(np.rint(high[axis])) + 1) for axis in axes}
        if any(stop - first < LEAST for first, stop in box.values()):
            layer.data = []
            return
        self.close()
        try:
            self._link.console.region = region_of(self._link, box)
        except TomoError as error:
            show(error)


LEAST = 2
"""Voxels along a side of a rectangle: less is a click."""

INSIDE, OUTLINE = (1.0, 0.72, 0.3, 0.15), (1.0, 0.72, 0.3, 1.0)
"""Amber, as the window in the histogram."""


def _panes(viewer: Any) -> list[Any]:
    from ..panes.views import views_of

    views = views_of(viewer)
    return [] if views is None else [pane.viewer for pane in views.panes]


def _slices(viewer: Any) -> list[Any]:
    """The views of a viewer that show slices."""
    return _panes(viewer) or ([viewer] if viewer.dims.ndisplay == 2 else [])


def _image(viewer: Any, link: ScanLink) -> Any:
    found = (layer for layer in viewer.layers if link_of(layer) is link and is_image(layer))
    return next(found, None)
