"""Where in a volume a viewer looks, kept while the volume becomes another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .link import ScanLink

__all__ = ["Viewpoint", "looked_at"]

CLOSE = 1.4
"""Times the whole picture: who has zoomed in further looks at a place, not at all of it."""


def looked_at(viewer: Any, layer: Any, link: ScanLink) -> tuple[int, ...]:
    """The voxel of level 0 that a viewer looks at.

    The slices that are shown, and along the axes of the picture the cursor where
    it is in view, else the middle of the view.
    """
    shape = link.volume.shape
    at = list(link.cursor.position) if link.cursor.shape == shape else [n // 2 for n in shape]
    shift = viewer.dims.ndim - layer.ndim
    here = np.rint(np.asarray(layer.world_to_data(viewer.dims.point[shift:]), float))
    for axis in viewer.dims.not_displayed:
        if axis >= shift:
            at[axis - shift] = int(here[axis - shift])
    shown = [axis - shift for axis in viewer.dims.displayed if axis >= shift]
    if viewer.dims.ndisplay == 2 and len(shown) == 2:
        world = np.asarray(layer.data_to_world(at), float)
        middle = np.asarray(viewer.scene.camera.center[-2:], float)
        half = np.asarray(viewer.canvas.size, float) / 2 / viewer.scene.camera.zoom
        if (np.abs(world[shown] - middle) > half).any():
            world[shown] = middle
            found = np.rint(np.asarray(layer.world_to_data(world), float))
            for axis in shown:
                at[axis] = int(found[axis])
    return tuple(min(max(v, 0), n - 1) for v, n in zip(at, shape, strict=True))


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """The camera of a viewer, relative to what it shows.

    Attributes
    ----------
    voxel
        What is looked at, see `looked_at`.
    magnification
        Of the picture, relative to one in which everything is seen.
    pixels
        Of the canvas per voxel of level 0, along the last axis that is shown.
    """

    voxel: tuple[int, ...]
    magnification: float
    pixels: float

    @classmethod
    def of(cls, viewer: Any, layer: Any, link: ScanLink) -> "Viewpoint":
        """The present viewpoint of a viewer that shows an image of a scan."""
        camera = viewer.scene.camera
        before = (tuple(camera.center), camera.zoom)
        voxel = looked_at(viewer, layer, link)
        viewer.fit_to_view()
        whole = camera.zoom
        camera.center, camera.zoom = before
        return cls(voxel, before[1] / whole, before[1] * _last_scale(viewer, layer))

    def take(self, viewer: Any, layer: Any, voxel: Sequence[int]) -> None:
        """Look at a voxel of what the layer shows now, from as close as before."""
        shift = viewer.dims.ndim - layer.ndim
        world = [float(w) for w in layer.data_to_world(voxel)]
        viewer.dims.set_point(range(shift, viewer.dims.ndim), world)
        viewer.fit_to_view()
        camera = viewer.scene.camera
        if self.magnification < CLOSE:
            return
        shown = [axis - shift for axis in viewer.dims.displayed if axis >= shift]
        if viewer.dims.ndisplay == 2:
            camera.zoom = self.pixels / _last_scale(viewer, layer)
        else:
            camera.zoom = camera.zoom * self.magnification
        camera.center = tuple(world[axis] for axis in shown)


def _last_scale(viewer: Any, layer: Any) -> float:
    axis = viewer.dims.displayed[-1] - (viewer.dims.ndim - layer.ndim)
    return float(layer.scale[axis])
