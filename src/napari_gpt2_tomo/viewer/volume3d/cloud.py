"""The strongest parameters as points in the 3-D view."""

from collections.abc import Generator
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from ...base import Progress
from ...display.console import Region
from ...display.roles import role_colour
from ...volume.strongest import Strongest, strongest
from ...volume.volume import Volume
from ..link import ScanLink
from ..work import Job
from .extras import Extra, extra_state

__all__ = ["PointCloud", "table"]

POINTS_ACROSS = 160
"""Points of the middling size 1 along the diagonal of a volume."""

SMALL, LARGE = 0.5, 2.5
"""Size of the weakest and of the strongest point."""

PIXELS = (3, 40)
"""Diameter of a point on the screen, at least and at most."""

TEXTS = ("tensor", "part", "role")
"""Columns of few different words: as categories they take a byte a point."""


def table(found: Strongest, volume: Volume) -> Any:
    """The addresses as a pandas table: tensor, index, value, part, role, layer, head."""
    import pandas as pd

    frame = pd.DataFrame(found.columns(volume))
    for name in TEXTS:
        frame[name] = frame[name].astype("category")
    for name in ("layer", "head"):
        frame[name] = frame[name].astype("Int32").mask(frame[name] < 0)
    return frame


class PointCloud:
    """Shows the strongest parameters of a volume, or of its region, as points in 3-D.

    A layer of points whose features are the addresses. The stronger a weight the
    larger its point, in the colour that its part has in the atlas.

    Parameters
    ----------
    viewer, image
        The viewer model and the image in it; not kept alive.
    """

    def __init__(self, viewer: Any, image: Any, link: ScanLink) -> None:
        self._viewer = ref(viewer)
        self._image = ref(image)
        self._link = link
        self._job: Job | None = None
        self._shown: tuple[Any, ...] = ()
        self._found: Strongest | None = None
        self._extra = Extra(viewer, image, self._removed)
        events = link.console.events
        for name in ("points", "region", "shown", "hidden"):
            getattr(events, name).connect(self.update)
        events.tints.connect(self._tint)
        for emitter in self._emitters(viewer, image):
            emitter.connect(self.update)
        self.update()

    @property
    def layer(self) -> Any:
        """The layer of points; None while there is none."""
        return self._extra.layer

    def close(self) -> None:
        """Remove the points; nothing is connected or under way any more."""
        self._cancel()
        events = self._link.console.events
        for name in ("points", "region", "shown", "hidden"):
            getattr(events, name).disconnect(self.update, missing_ok=True)
        events.tints.disconnect(self._tint, missing_ok=True)
        viewer, image = self._viewer(), self._image()
        if viewer is not None and image is not None:
            for emitter in self._emitters(viewer, image):
                emitter.disconnect(self.update)
        self._extra.close()

    def update(self, *_: Any) -> None:
        """Look for the points again if others are wanted than are shown."""
        viewer, image, console = self._viewer(), self._image(), self._link.console
        if viewer is None or image is None:
            return
        volume = self._link.volume
        if not console.points or viewer.dims.ndisplay != 3 or image.ndim != volume.ndim:
            self._cancel()
            self._shown, self._found = (), None
            self._extra.take_away()
            return
        if self.layer is not None:
            self.layer.visible = image.visible
        region = self._link.region
        wanted = (
            volume.layout.token,
            console.points,
            region,
            console.shown,
            console.hidden,
            self._link.margins,
        )
        if wanted != self._shown:
            self._shown = wanted
            self._search(volume, console.points, region)

    def _search(self, volume: Volume, count: int, region: Region | None) -> None:
        self._cancel()
        console = self._link.console
        parts = None
        if console.shown is not None or console.hidden:
            names = [part.name for part in volume.anatomy.parts]
            alone = console.shown
            parts = [
                name
                for name in names
                if (alone is None or name in alone) and name not in console.hidden
            ]
        box = region
        if box is None and volume.core is not None and not self._link.margins:
            # What the 3-D view hides has no points either: gains of norms are all near 1.
            box = tuple(
                (0, n if c.stop is None else c.stop)
                for c, n in zip(volume.core, volume.shape, strict=True)
            )

        def work(report: Progress) -> Generator[object, None, None]:
            found = strongest(volume, count, box=box, parts=parts, progress=report)
            yield found, table(found, volume)

        def arrived(result: tuple[Strongest, Any]) -> None:
            if self._link.volume.layout.token == self._shown[0]:
                self._show(*result)

        self._job = Job(work, arrived)

    def _show(self, found: Strongest, features: Any) -> None:
        from napari.layers import Points

        image = self._image()
        if image is None:
            return
        layer = Points(
            # The weakest first: the strong ones are drawn over them.
            found.voxel[::-1],
            **extra_state(self._link, f"{image.name} · strongest {len(found):,}"),
            features=features[::-1].reset_index(drop=True),
            scale=image.scale,
            translate=image.translate,
            size=_sizes(found, image, self._shown[2])[::-1],
            face_color=self._colours(found)[::-1],
            border_width=0,
            border_color="transparent",
            canvas_size_limits=PIXELS,
            blending="translucent",
            visible=image.visible,
        )
        layer.editable = False
        self._found = found
        self._extra.put(layer)

    def _colours(self, found: Strongest) -> NDArray[np.float32]:
        """The colours that the parts have in the atlas, or their tints."""
        tints = self._link.console.tints
        colours = [
            tints.get(part.name) or role_colour(part.role, part.group, part.layer)
            for part in self._link.volume.anatomy.parts
        ]
        opaque = np.ones((len(found), 4), np.float32)
        opaque[:, :3] = np.array(colours, np.float32)[found.part]
        return opaque

    def _tint(self, *_: Any) -> None:
        if self.layer is not None and self._found is not None:
            self.layer.face_color = self._colours(self._found)[::-1]

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _removed(self) -> None:
        """Somebody removed the points from the list: they are not wanted."""
        self._link.console.points = 0

    @staticmethod
    def _emitters(viewer: Any, image: Any) -> tuple[Any, ...]:
        return viewer.dims.events.ndisplay, image.events.visible


def _sizes(found: Strongest, image: Any, region: Region | None) -> NDArray[np.float64]:
    """Diameters in voxels: as the square root of the strength, and seen whatever the volume."""
    strength = np.abs(found.value)
    low, high = (strength.min(), strength.max()) if len(strength) else (0.0, 1.0)
    share = (strength - low) / (high - low) if high > low else np.ones(len(strength))
    box = region or [(0, n) for n in image.data[0].shape]
    diagonal = np.linalg.norm([(b - a) * s for (a, b), s in zip(box, image.scale, strict=True)])
    unit = float(diagonal) / POINTS_ACROSS
    sizes: NDArray[np.float64] = (SMALL + (LARGE - SMALL) * np.sqrt(share)) * unit
    # napari scales sizes as the last axis.
    return sizes / float(image.scale[-1])
