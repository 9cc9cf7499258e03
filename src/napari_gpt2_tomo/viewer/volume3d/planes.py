"""The slices at the cursor, standing in the volume."""

from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from ...display.console import Region
from ...display.planes import BODY_PLANES, PLANES
from ...volume.volume import Volume
from ..appearance import colormap
from ..link import ScanLink
from ..throttle import Throttle
from .extras import Extra, Soon, extra_state, translation
from .region import whole_region

__all__ = ["SlicePlanes"]

PLANE_VOXELS = 2**20
"""Voxels of a plane: as many as a screen has pixels, read in a few milliseconds."""


class SlicePlanes:
    """Draws the planes through the cursor as sheets in the 3-D view of one viewer.

    Each sheet is a layer of its own, so that it can be hidden or made transparent
    by itself. It has the window, the colours and the gamma of the console.

    Parameters
    ----------
    viewer, image
        The viewer model and the image in it; not kept alive.
    """

    def __init__(self, viewer: Any, image: Any, link: ScanLink) -> None:
        self._viewer = ref(viewer)
        self._image = ref(image)
        self._link = link
        self._extras = [Extra(viewer, image, self._removed) for _ in range(3)]
        self._soon = Throttle(self._follow)
        self._again = Soon(self.update)
        console = link.console
        for signal in (console.events.planes, console.events.region):
            signal.connect(self._again.call)
        for name in ("transfer", "invert", "gamma", "window"):
            getattr(console.events, name).connect(self._dress)
        link.cursor.moved.connect(self.move)
        for emitter in self._emitters(viewer, image):
            emitter.connect(self._again.call)
        self.update()

    @property
    def layers(self) -> list[Any]:
        """The sheets; empty while there are none."""
        return [extra.layer for extra in self._extras if extra.layer is not None]

    def close(self) -> None:
        """Remove the sheets; nothing is connected any more."""
        self._soon.stop()
        console = self._link.console
        for signal in (console.events.planes, console.events.region):
            signal.disconnect(self._again.call, missing_ok=True)
        for name in ("transfer", "invert", "gamma", "window"):
            getattr(console.events, name).disconnect(self._dress, missing_ok=True)
        self._link.cursor.moved.disconnect(self.move, missing_ok=True)
        viewer, image = self._viewer(), self._image()
        if viewer is not None and image is not None:
            for emitter in self._emitters(viewer, image):
                emitter.disconnect(self._again.call)
        self._again.stop()
        for extra in self._extras:
            extra.close()

    def update(self, *_: Any) -> None:
        """Add, remove or read the sheets again: the view or the volume changed."""
        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None:
            return
        volume = self._link.volume
        wanted = self._link.console.planes and viewer.dims.ndisplay == 3 and volume.ndim >= 3
        if not wanted or image.ndim != volume.ndim or volume.overview.state == "empty":
            self._soon.stop()
            for extra in self._extras:
                extra.take_away()
            return
        self._follow()

    def move(self, *_: Any) -> None:
        """Follow the cursor, as fast as it can be drawn."""
        if self.layers:
            self._soon.call()

    def flush(self) -> None:
        """Draw a move that waits."""
        self._soon.flush()

    def _follow(self) -> None:
        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None or image.ndim != self._link.volume.ndim:
            return
        shift = viewer.dims.ndim - image.ndim
        displayed = [axis - shift for axis in viewer.dims.displayed if axis >= shift]
        for extra, axis in zip(self._extras, displayed, strict=False):
            self._place(extra, image, axis, displayed)

    def _place(self, extra: Extra, image: Any, axis: int, displayed: list[int]) -> None:
        from napari.layers import Image

        region = self._link.region or whole_region(self._link)
        first, stop = region[axis]
        if not first <= self._link.cursor.position[axis] < stop:
            extra.take_away()
            return
        values, start, factors = self._cut(axis, displayed, region)
        scale = [s * f for s, f in zip(image.scale, factors, strict=True)]
        place = translation(image, start, factors)
        normal = [float(other == axis) for other in displayed]
        layer = extra.layer
        if layer is not None and layer.ndim == image.ndim and layer.data.shape == values.shape:
            layer.data = values
            layer.translate = place
            layer.name = self._name(image, axis)
            layer.visible = image.visible
            return
        console = self._link.console
        layer = Image(
            values,
            **extra_state(self._link, self._name(image, axis)),
            contrast_limits=console.window.limits,
            colormap=colormap(console.transfer, invert=console.invert),
            gamma=console.gamma,
            scale=scale,
            translate=place,
            # A sheet, however thick a section is drawn.
            depiction="plane",
            plane={"position": (0.0, 0.0, 0.0), "normal": normal, "thickness": 1.0},
            rendering="mip",
            blending="translucent",
            interpolation3d="nearest",
            visible=image.visible,
            multiscale=False,
            cache=False,
        )
        extra.put(layer)

    def _cut(
        self, axis: int, displayed: list[int], region: Region
    ) -> tuple[NDArray[np.float32], list[int], list[int]]:
        """The plane through the cursor: values, its first voxel, and voxels per value and axis."""
        link = self._link
        at = link.cursor.position
        level = _level(link.volume, axis, displayed)
        factors = [1 if i == axis else f for i, f in enumerate(link.volume.factors[level])]
        box, start = [], []
        for i, ((a, b), f) in enumerate(zip(region, link.volume.factors[level], strict=True)):
            across = i in displayed and i != axis
            first, stop = (a // f, -(-b // f)) if across else (at[i] // f, at[i] // f + 1)
            box.append(slice(first, stop))
            start.append(first * f if across else at[i])
        return np.asarray(link.levels[level][tuple(box)]), start, factors

    def _name(self, image: Any, axis: int) -> str:
        volume = self._link.volume
        usual = PLANES[max(axis - (volume.ndim - 3), 0)]
        return f"{image.name} · {BODY_PLANES.get(volume.axes[axis], usual)}"

    def _dress(self, *_: Any) -> None:
        console = self._link.console
        for layer in self.layers:
            layer.contrast_limits = console.window.limits
            layer.colormap = colormap(console.transfer, invert=console.invert)
            layer.gamma = console.gamma

    def _removed(self) -> None:
        """Somebody removed a sheet from the list: it stays away until planes are asked for."""
        if not self.layers:
            self._link.console.planes = False

    @staticmethod
    def _emitters(viewer: Any, image: Any) -> tuple[Any, ...]:
        events = viewer.dims.events
        return events.ndisplay, events.order, image.events.set_data, image.events.visible


def _level(volume: Volume, axis: int, displayed: list[int]) -> int:
    """The finest level whose plane is read in milliseconds."""
    last = len(volume.factors) - 1
    for level in range(last):
        shape = volume.layout.level_shape(level)
        size = np.prod([shape[i] for i in displayed if i != axis], dtype=np.int64)
        if size <= PLANE_VOXELS and (level == 0 or volume.overview.is_ready(level)):
            return level
    return last
