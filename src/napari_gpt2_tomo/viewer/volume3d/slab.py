"""Thick slices: several sections as one picture."""

from typing import Any
from weakref import ref

from ..link import ScanLink

__all__ = ["Slab"]


class Slab:
    """Makes the slices of an image as thick as its console says, in one viewer.

    The slab lies around the slice that is shown; of an even number of sections
    one more lies after it. A slab has no meaning in 3-D.

    Parameters
    ----------
    viewer, image
        The viewer model and the image in it; not kept alive.
    """

    def __init__(self, viewer: Any, image: Any, link: ScanLink) -> None:
        self._viewer = ref(viewer)
        self._image = ref(image)
        self._link = link
        self._thick = False
        for emitter in self._emitters(viewer):
            emitter.connect(self.update)
        link.console.events.slab.connect(self.update)
        link.console.events.slab_projection.connect(self.update)
        self.update()

    def close(self) -> None:
        """Show single sections again."""
        self._thin()
        console = self._link.console
        console.events.slab.disconnect(self.update, missing_ok=True)
        console.events.slab_projection.disconnect(self.update, missing_ok=True)
        viewer = self._viewer()
        if viewer is not None:
            for emitter in self._emitters(viewer):
                emitter.disconnect(self.update)

    def update(self, *_: Any) -> None:
        """Set thickness and projection anew: the console, the view or the volume changed."""
        viewer, image, console = self._viewer(), self._image(), self._link.console
        if viewer is None or image is None or image.ndim != self._link.volume.ndim:
            return
        dims = viewer.dims
        shift = dims.ndim - image.ndim
        cut = [axis for axis in dims.not_displayed if axis >= shift]
        if console.slab == 1 or dims.ndisplay == 3 or not cut:
            self._thin()
            return
        self._thick = True
        axis, step = cut[-1], float(image.scale[cut[-1] - shift])
        # Whole voxels on both sides: napari rounds halves to even, and would show now one
        # section more and now one less.
        before, after = (console.slab - 1) // 2, console.slab // 2
        dims.margin_left = _only(axis, before * step, dims.ndim)
        dims.margin_right = _only(axis, after * step, dims.ndim)
        if str(image.projection_mode) != console.slab_projection:
            image.projection_mode = console.slab_projection

    def _thin(self) -> None:
        viewer, image = self._viewer(), self._image()
        if not self._thick or viewer is None or image is None:
            return
        self._thick = False
        image.projection_mode = "none"
        viewer.dims.margin_left = viewer.dims.margin_right = (0.0,) * viewer.dims.ndim

    @staticmethod
    def _emitters(viewer: Any) -> tuple[Any, ...]:
        events = viewer.dims.events
        return events.ndisplay, events.order, events.ndim


def _only(axis: int, value: float, ndim: int) -> tuple[float, ...]:
    return tuple(value if i == axis else 0.0 for i in range(ndim))
