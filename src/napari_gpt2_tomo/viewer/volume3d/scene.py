"""What a viewer shows of one image of a scan beside the image itself."""

from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np

from .. import compat
from ..link import ScanLink
from .cloud import PointCloud
from .edges import Edges
from .focus import Focus
from .planes import SlicePlanes
from .slab import Slab

__all__ = ["Scene"]


class Scene:
    """Makes one viewer follow what a console says about slabs, planes, region, points and edges.

    Parameters
    ----------
    viewer, image
        The viewer model and the image in it; not kept alive.
    budget
        Gives the bytes that a volume may take on the GPU.
    say
        Told in a sentence what should be known about the picture.

    Attributes
    ----------
    slab, focus, planes, cloud, edges
        Who does it.
    """

    def __init__(
        self,
        viewer: Any,
        image: Any,
        link: ScanLink,
        budget: Callable[[], int],
        say: Callable[[str], None],
    ) -> None:
        self._viewer = ref(viewer)
        self._image = ref(image)
        self._link = link
        self.slab = Slab(viewer, image, link)
        self.focus = Focus(viewer, image, link, budget, say)
        self.planes = SlicePlanes(viewer, image, link)
        self.cloud = PointCloud(viewer, image, link)
        self.edges = Edges(compat.qt_viewer_of(viewer))
        for signal in (link.console.events.bounding_box, link.console.events.region):
            signal.connect(self._edge)
        for emitter in self._emitters(viewer, image):
            emitter.connect(self._edge)
        viewer.dims.events.point.connect(self._stepped)
        viewer.dims.events.ndisplay.connect(self._turned)
        self._edge()
        if link.volume.lead:
            # Which step is meant counts before anybody moves a slider.
            self._stepped()

    def close(self) -> None:
        """Remove what was added; nothing is connected any more."""
        for one in (self.cloud, self.planes, self.focus, self.slab):
            one.close()
        self.edges.close()
        events = self._link.console.events
        for signal in (events.bounding_box, events.region):
            signal.disconnect(self._edge, missing_ok=True)
        viewer, image = self._viewer(), self._image()
        if viewer is not None and image is not None:
            for emitter in self._emitters(viewer, image):
                emitter.disconnect(self._edge)
            viewer.dims.events.point.disconnect(self._stepped)
            viewer.dims.events.ndisplay.disconnect(self._turned)

    def update(self) -> None:
        """The volume is another one, or has other voxels than before."""
        self.slab.update()
        self.focus.renew()
        self.planes.update()
        self.cloud.update()
        self._edge()

    def _edge(self, *_: Any) -> None:
        """Draw the edges of what is drawn: of the region where there is one, without margins."""
        viewer, image, link = self._viewer(), self._image(), self._link
        if viewer is None or image is None or image.ndim != link.volume.ndim:
            return
        if not link.console.bounding_box or not image.visible:
            self.edges.hide()
            return
        volume = link.volume
        shown = link.region or tuple((0, n) for n in volume.shape)
        if link.region is None and volume.core is not None and not link.margins:
            shown = tuple((0, c.stop or n) for c, n in zip(volume.core, volume.shape, strict=True))
        low = image.data_to_world([a - 0.5 for a, _ in shown])
        high = image.data_to_world([b - 0.5 for _, b in shown])
        shift = viewer.dims.ndim - image.ndim
        axes = [axis - shift for axis in viewer.dims.displayed if axis >= shift]
        self.edges.show([low[axis] for axis in axes], [high[axis] for axis in axes])

    def _stepped(self, event: Any = None) -> None:
        """The cursor goes where the slices go."""
        from ..panes.views import pane_viewers

        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None or image.ndim != self._link.volume.ndim:
            return
        if any(viewer is pane for pane in pane_viewers()):
            return  # It is the cursor that moves a pane.
        shift = viewer.dims.ndim - image.ndim
        here = np.rint(np.asarray(image.world_to_data(viewer.dims.point[shift:]), float))
        fixed = (axis - shift for axis in viewer.dims.not_displayed if axis >= shift)
        if self._link.cursor.shape == self._link.volume.shape:
            self._link.cursor.place({axis: int(here[axis]) for axis in fixed})

    def _turned(self, event: Any = None) -> None:
        """From 3-D back to the slices that the cursor is on."""
        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None or viewer.dims.ndisplay != 2:
            return
        link = self._link
        if image.ndim != link.volume.ndim or link.cursor.shape != link.volume.shape:
            return
        shift = viewer.dims.ndim - image.ndim
        world = image.data_to_world(link.cursor.position)
        for axis in viewer.dims.not_displayed:
            at = viewer.dims.point[axis]
            if axis >= shift and not np.isclose(at, world[axis - shift]):
                viewer.dims.set_point(axis, float(world[axis - shift]))

    @staticmethod
    def _emitters(viewer: Any, image: Any) -> tuple[Any, ...]:
        events = viewer.dims.events
        return events.ndisplay, events.order, image.events.visible
