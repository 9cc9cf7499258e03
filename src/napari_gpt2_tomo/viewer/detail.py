"""How fine a volume is drawn in 3-D, and which part of it.

napari draws the coarsest level in 3-D unless a level is locked. A `Detail`
locks the finest one that fits a budget of bytes and the GPU, reading it in the
background first so that the window never waits, and lets go in 2-D, where
napari's own choice by the zoom is right.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any
from weakref import ref

from ..base import Progress
from . import compat
from .link import ScanLink
from .live import LiveLevel
from .work import Job

__all__ = ["BEST_BYTES", "SMALL_BYTES", "Detail", "choose_level"]

SMALL_BYTES = 8 * 2**20
"""Bytes: a level up to this size is read at once; that takes a few milliseconds."""

BEST_BYTES = 2**31
"""Bytes: what "best detail" may take, what a GPU of 4 GB holds beside its screen."""

TEXEL = 4
"""Bytes of a voxel on the GPU: float32."""


def choose_level(
    shapes: Sequence[Sequence[int]], displayed: Sequence[int], budget: int, limit: int
) -> int | None:
    """The finest level that may be drawn in 3-D; None if not even the coarsest fits.

    Parameters
    ----------
    shapes
        Of the levels, finest first.
    displayed
        The three axes that are drawn.
    budget
        Bytes that the drawn block may take.
    limit
        Longest side of a 3-D texture in voxels.
    """
    for level, shape in enumerate(shapes):
        sides = [shape[axis] for axis in displayed]
        size = TEXEL
        for side in sides:
            size *= side
        if size <= budget and max(sides) <= limit:
            return level
    return None


class Detail:
    """Chooses what a layer draws in 3-D in one viewer.

    Parameters
    ----------
    viewer
        The viewer model; it is not kept alive.
    layer
        An image or an atlas whose `link` is given; not kept alive.
    budget
        Gives the bytes that the drawn block may take.

    Attributes
    ----------
    best
        Whether the budget is left aside for the finest level that the GPU takes.
    """

    def __init__(self, viewer: Any, layer: Any, link: ScanLink, budget: Callable[[], int]) -> None:
        self._viewer = ref(viewer)
        self._layer = ref(layer)
        self._link = link
        self._is_image = hasattr(layer, "contrast_limits")
        self._budget = budget
        self._job: Job | None = None
        self._wanted: int | None = None
        self._locking = False
        self._locked = False
        self._stale = False
        self._by_hand = False
        self._clipped = False
        self.best = False
        viewer.dims.events.ndisplay.connect(self._changed)
        viewer.dims.events.order.connect(self._changed)
        layer.events.visible.connect(self._changed)
        layer.events.locked_data_level.connect(self._locked_by_someone)

    def close(self) -> None:
        """Let go of the layer: nothing is connected, held or under way any more."""
        self._cancel()
        viewer, layer = self._viewer(), self._layer()
        if viewer is not None:
            viewer.dims.events.ndisplay.disconnect(self._changed)
            viewer.dims.events.order.disconnect(self._changed)
        if layer is not None:
            layer.events.visible.disconnect(self._changed)
            layer.events.locked_data_level.disconnect(self._locked_by_someone)
        for level in self._levels():
            level.release(self)

    @property
    def level(self) -> int | None:
        """The level that is locked, None in 2-D and while napari chooses."""
        layer = self._layer()
        return None if layer is None else layer.locked_data_level

    def update(self) -> None:
        """Choose again: the view, the budget or the volume changed."""
        viewer, layer = self._viewer(), self._layer()
        if viewer is None or layer is None:
            return
        displayed = self._displayed(viewer, layer)
        if len(displayed) != 3:
            self._leave(layer)
            return
        self._clip(layer, displayed)
        if self._by_hand or not layer.visible or not layer.multiscale:
            return
        overview = self._link.volume.overview
        if overview.state == "empty":
            return
        shapes = [level.shape for level in self._levels()]
        budget = BEST_BYTES if self.best else self._budget()
        level = choose_level(shapes, displayed, budget, compat.max_texture_3d())
        if level is not None and overview.state == "quick":
            # Finer levels would be computed from the whole file, which the
            # refinement is reading anyway.
            level = next((i for i in range(level, len(shapes)) if overview.is_ready(i)), None)
        self._wanted = len(shapes) - 1 if level is None else level
        self._bring(layer, self._wanted)

    def reload(self) -> None:
        """Draw the volume's present voxels; it was refined."""
        layer = self._layer()
        if layer is None:
            return
        if any(level.is_held_by(self) for level in self._levels()):
            # The picture stays as it is until the new voxels have been read.
            self._stale = True
        else:
            compat.renew(layer)
        self.update()

    def _changed(self, event: Any = None) -> None:
        self.update()

    def _locked_by_someone(self, event: Any = None) -> None:
        if self._locking:
            return
        layer = self._layer()
        self._locked = False
        self._by_hand = layer is not None and layer.locked_data_level is not None
        if self._by_hand:
            self._cancel()
            for level in self._levels():
                level.release(self)
        else:
            self.update()

    def _levels(self) -> list[LiveLevel]:
        return self._link.levels if self._is_image else self._link.atlas

    def _displayed(self, viewer: Any, layer: Any) -> list[int]:
        shift = viewer.dims.ndim - layer.ndim
        return [axis - shift for axis in viewer.dims.displayed if axis >= shift]

    def _leave(self, layer: Any) -> None:
        self._cancel()
        self._wanted = None
        self._by_hand = self._stale = False
        if self._locked:
            self._lock(layer, None)
        if self._clipped:
            layer.experimental_clipping_planes.clear()
            self._clipped = False
        for level in self._levels():
            level.release(self)

    def _bring(self, layer: Any, index: int) -> None:
        level = self._levels()[index]
        drawn = layer.locked_data_level == index and level.is_held_by(self)
        if drawn and not self._stale:
            return
        if level.held is not None and not self._stale:
            self._draw(layer, level, None)
        elif level.nbytes <= SMALL_BYTES:
            self._draw(layer, level, level.read())
        else:
            self._read(layer, level)

    def _read(self, layer: Any, level: LiveLevel) -> None:
        self._cancel()
        weak = self._layer

        def work(report: Progress) -> Generator[object, None, None]:
            yield level.read()

        def arrived(values: Any) -> None:
            found = weak()
            if found is not None and self._wanted == level.index:
                self._draw(found, level, values)

        self._job = Job(work, arrived)

    def _draw(self, layer: Any, level: LiveLevel, values: Any) -> None:
        self._stale = False
        level.hold(values, self)
        if layer.locked_data_level == level.index:
            compat.renew(layer)
        else:
            self._lock(layer, level.index)
        for other in self._levels():
            if other is not level:
                other.release(self)

    def _lock(self, layer: Any, index: int | None) -> None:
        self._locking = True
        self._locked = index is not None
        try:
            layer.locked_data_level = index
        finally:
            self._locking = False

    def _clip(self, layer: Any, displayed: Sequence[int]) -> None:
        """Hide the margins, or show them; planes that somebody else set are left alone."""
        if len(layer.experimental_clipping_planes) and not self._clipped:
            return
        planes = []
        core = None if self._link.margins else self._link.volume.core
        if core is not None:
            shape = self._link.volume.shape
            for place, axis in enumerate(displayed):
                stop = core[axis].stop
                if stop is None or stop >= shape[axis]:
                    continue
                point = [0.0, 0.0, 0.0]
                point[place] = stop - 0.5
                normal = [0.0, 0.0, 0.0]
                normal[place] = -1.0
                position = compat.clip_point(layer, point, displayed)
                planes.append({"position": position, "normal": tuple(normal), "enabled": True})
        layer.experimental_clipping_planes = planes
        self._clipped = bool(planes)

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
