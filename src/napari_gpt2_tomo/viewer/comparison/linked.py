"""Two viewers that look at two volumes alike: slices, axes, camera, window."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer

from ..layers import is_image
from ..link import ScanLink
from ..panes.places import layers_of, probe_of, set_sliders, slider_indices

__all__ = ["Eye", "LinkedEyes"]

LOOKS = (
    "transfer", "invert", "window", "gamma", "opacity", "rendering", "attenuation",
    "iso_threshold", "slab", "slab_projection", "solid",
)  # fmt: skip
"""Fields of the console that both have in common; the colours come before the window, which
some of them would move."""

CAMERA = ("center", "zoom", "angles", "perspective")


class Eye:
    """A viewer and the volume in it that counts."""

    def __init__(self, viewer: Any, link: ScanLink) -> None:
        self.viewer = viewer
        self.link = link

    @property
    def layer(self) -> Any:
        """The image of the volume; None once it was removed."""
        found = layers_of(self.viewer, self.link)
        return next((layer for layer in found if is_image(layer)), None)

    @property
    def shift(self) -> int:
        """Axes of the viewer in front of those of the volume."""
        return int(self.viewer.dims.ndim) - self.link.volume.ndim

    def sizes(self) -> Sequence[float]:
        """How long the volume is in the world along each of its axes, margins apart."""
        scale = np.abs(np.asarray(self.layer.scale, float))
        found: list[float] = (scale * np.asarray(self.link.volume.core_shape, float)).tolist()
        return found


class LinkedEyes:
    """Keeps two viewers in step, both ways.

    Slices are linked by their index, and cameras in proportion where the volumes have different
    sizes. What can not be followed, because a volume has other axes, stays as it is.
    """

    def __init__(self, first: Eye, second: Eye) -> None:
        self.eyes = (first, second)
        self._busy = False
        self._connected: list[tuple[Any, Callable[..., None]]] = []
        for eye, other in ((first, second), (second, first)):
            self._listen(eye, other)
        self.follow(first, second)

    def follow(self, eye: Eye, other: Eye) -> None:
        """Let one eye look where the other does, with the same window."""
        self._share_looks(eye, other)
        self._share_dims(eye, other)
        self._share_camera(eye, other)

    def close(self) -> None:
        """Link nothing any more."""
        self._busy = True
        for emitter, callback in self._connected:
            emitter.disconnect(callback)
        self._connected = []

    def _listen(self, eye: Eye, other: Eye) -> None:
        def dims(event: Any = None) -> None:
            self._share_dims(eye, other)

        def displayed(event: Any = None) -> None:
            self._share_dims(eye, other)
            # napari fits its camera to the axes after this.
            QTimer.singleShot(0, camera)

        def camera(event: Any = None) -> None:
            self._share_camera(eye, other)

        def mouse(event: Any = None) -> None:
            self._share_mouse(eye, other)

        def looks(event: Any = None) -> None:
            self._share_looks(eye, other)

        viewer = eye.viewer
        self._connect(viewer.dims.events.point, dims)
        self._connect(viewer.dims.events.order, displayed)
        self._connect(viewer.dims.events.ndisplay, displayed)
        for name in CAMERA:
            self._connect(viewer.scene.camera.events[name], camera)
        self._connect(viewer.cursor.events.position, mouse)
        for name in LOOKS:
            self._connect(getattr(eye.link.console.events, name), looks)

    def _connect(self, emitter: Any, callback: Callable[..., None]) -> None:
        emitter.connect(callback)
        self._connected.append((emitter, callback))

    def _share_dims(self, eye: Eye, other: Eye) -> None:
        with self._once(eye, other) as able:
            if not able:
                return
            dims, theirs = eye.viewer.dims, other.viewer.dims
            if theirs.ndisplay != dims.ndisplay:
                theirs.ndisplay = dims.ndisplay
            if eye.link.volume.ndim != other.link.volume.ndim:
                return
            order = [axis - eye.shift + other.shift for axis in dims.order if axis >= eye.shift]
            wanted = (*range(other.shift), *order)
            if tuple(theirs.order) != wanted:
                theirs.order = wanted
            at = slider_indices(eye.viewer, eye.layer)
            shape = other.link.volume.shape
            voxel = [min(max(at.get(axis, 0), 0), n - 1) for axis, n in enumerate(shape)]
            set_sliders(other.viewer, other.layer, other.layer.data_to_world(voxel))

    def _share_camera(self, eye: Eye, other: Eye) -> None:
        with self._once(eye, other) as able:
            if not able:
                return
            camera, theirs = eye.viewer.scene.camera, other.viewer.scene.camera
            ratios = self._ratios(eye, other)
            center = np.asarray(camera.center, float)
            center[-len(ratios) :] *= ratios
            theirs.angles = camera.angles
            theirs.perspective = camera.perspective
            theirs.zoom = camera.zoom / float(ratios.max())
            theirs.center = tuple(center.tolist())

    def _share_mouse(self, eye: Eye, other: Eye) -> None:
        """Read under the same place in both."""
        probe = probe_of(other.viewer)
        if probe is None or eye.viewer.dims.ndisplay != 2:
            return
        with self._once(eye, other) as able:
            if not able:
                return
            position = np.asarray(eye.viewer.cursor.position, float)
            count = min(len(position), 2)
            position = position[len(position) - count :] * self._ratios(eye, other)[-count:]
            there = list(other.viewer.dims.point)
            for axis, at in zip(other.viewer.dims.displayed[-count:], position, strict=True):
                there[axis] = float(at)
            other.viewer.cursor.position = tuple(there)
        probe.update_soon()

    def _share_looks(self, eye: Eye, other: Eye) -> None:
        with self._once(eye, other) as able:
            if able and eye.link.volume.signal == other.link.volume.signal:
                for name in LOOKS:
                    setattr(other.link.console, name, getattr(eye.link.console, name))

    def _ratios(self, eye: Eye, other: Eye) -> Any:
        """How much longer the other volume is along each displayed axis."""
        shown = [axis - eye.shift for axis in eye.viewer.dims.displayed if axis >= eye.shift]
        mine, theirs = eye.sizes(), other.sizes()
        if len(mine) != len(theirs) or not shown:
            return np.ones(eye.viewer.dims.ndisplay)
        return np.array([theirs[axis] / max(mine[axis], 1e-9) for axis in shown])

    @contextmanager
    def _once(self, eye: Eye, other: Eye) -> Iterator[bool]:
        """Change the other eye without hearing of it; False where that makes no sense now."""
        if self._busy or eye.layer is None or other.layer is None:
            yield False
            return
        self._busy = True
        try:
            yield True
        finally:
            self._busy = False
