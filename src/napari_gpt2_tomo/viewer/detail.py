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
from ..volume.volume import Volume
from . import compat
from .link import ScanLink
from .live import LiveLevel
from .work import Job

__all__ = ["BEST_BYTES", "SMALL_BYTES", "Detail", "choose_level", "level_to_draw"]

SMALL_BYTES = 8 * 2**20
"""Bytes: a level up to this size is read at once; that takes a few milliseconds."""

BEST_BYTES = 2**31
"""Bytes: what "best detail" may take, what a GPU of 4 GB holds beside its screen."""

LONGEST_LINE = 2**14
"""Voxels of a line that is drawn whole: more than a screen is wide, and any GPU takes them."""

FIELDS = ("detail", "region", "solid")
"""Of the console: what decides about the level that is drawn."""

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


def level_to_draw(
    volume: Volume, displayed: Sequence[int], budget: int, limit: int, wanted: int | None = None
) -> int:
    """The level of a volume to draw in 3-D.

    Parameters
    ----------
    volume
        Its overview says which levels can be had without reading the whole checkpoint.
    displayed, budget, limit
        As of `choose_level`.
    wanted
        A level that the user chose: the budget is then left aside as far as `BEST_BYTES`.
    """
    shapes = [volume.layout.level_shape(i) for i in range(len(volume.factors))]
    last = len(shapes) - 1
    level = choose_level(shapes, displayed, budget if wanted is None else BEST_BYTES, limit)
    if level is None:
        return last
    level = min(max(level, wanted or 0), last)
    if volume.overview.state == "quick":
        # Finer levels would be computed from the whole file, which the
        # refinement is reading anyway.
        return next((i for i in range(level, last) if volume.overview.is_ready(i)), last)
    return level


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
        viewer.dims.events.ndisplay.connect(self._changed)
        viewer.dims.events.order.connect(self._changed)
        layer.events.visible.connect(self._changed)
        layer.events.locked_data_level.connect(self._locked_by_someone)
        for name in FIELDS:
            getattr(link.console.events, name).connect(self._changed)

    def close(self) -> None:
        """Let go of the layer: nothing is connected, held or under way any more."""
        self.let_go()
        for name in FIELDS:
            getattr(self._link.console.events, name).disconnect(self._changed, missing_ok=True)
        viewer, layer = self._viewer(), self._layer()
        if viewer is not None:
            viewer.dims.events.ndisplay.disconnect(self._changed)
            viewer.dims.events.order.disconnect(self._changed)
        if layer is not None:
            layer.events.visible.disconnect(self._changed)
            layer.events.locked_data_level.disconnect(self._locked_by_someone)

    def let_go(self) -> None:
        """Hold and wait for nothing any more: the layer is about to get other levels."""
        self._cancel()
        self._wanted = None
        self._locked = self._by_hand = self._stale = False
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
        if viewer is None or layer is None or layer.ndim != self._link.volume.ndim:
            # A copy in another view gets the present volume in a moment.
            return
        displayed = self._displayed(viewer, layer)
        if len(displayed) != 3:
            self._leave(layer, displayed)
            return
        self._clip(layer, displayed)
        if self._by_hand or not layer.visible or not layer.multiscale:
            return
        console, volume = self._link.console, self._link.volume
        if volume.overview.state == "empty":
            return
        if self._absent:
            self._wanted = len(volume.factors) - 1
        else:
            limit = compat.max_texture_3d()
            self._wanted = level_to_draw(volume, displayed, self._budget(), limit, console.detail)
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

    def _leave(self, layer: Any, displayed: Sequence[int]) -> None:
        self._cancel()
        self._wanted = None
        self._by_hand = self._stale = False
        line = self._line_level(displayed)
        if line is not None and (self._locked or layer.locked_data_level is None):
            if layer.locked_data_level != line:
                self._lock(layer, line)
        elif self._locked:
            self._lock(layer, None)
        if self._clipped:
            layer.experimental_clipping_planes.clear()
            self._clipped = False
        for level in self._levels():
            level.release(self)

    def _line_level(self, displayed: Sequence[int]) -> int | None:
        """The level to draw of a picture one voxel high or wide; None of others.

        napari 0.9.2 never leaves the coarsest level of such a picture.
        """
        shapes = [[level.shape[axis] for axis in displayed] for level in self._levels()]
        if min(shapes[0]) > 1:
            return None
        return next((i for i, shape in enumerate(shapes) if max(shape) <= LONGEST_LINE), None)

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
        planes = [
            {
                "position": compat.clip_point(layer, _along(place, at), displayed),
                "normal": _along(place, side),
                "enabled": True,
            }
            for place, at, side in self._cuts(displayed)
        ]
        layer.experimental_clipping_planes = planes
        self._clipped = bool(planes)

    @property
    def _absent(self) -> bool:
        """Whether the volume itself is not drawn: a layer of its own draws a region."""
        console = self._link.console
        return self._is_image and (self._link.region is not None or not console.solid)

    def _cuts(self, displayed: Sequence[int]) -> list[tuple[int, float, float]]:
        """Where the volume is cut: place of a displayed axis, data coordinate, and the side of
        it (+1 or −1) that is kept.
        """
        volume = self._link.volume
        if self._absent:
            return [(0, 2.0 * volume.shape[displayed[0]], 1.0)]
        if volume.core is None or self._link.margins:
            return []
        cuts = []
        for place, axis in enumerate(displayed):
            stop = volume.core[axis].stop
            if stop is not None and stop < volume.shape[axis]:
                cuts.append((place, stop - 0.5, -1.0))
        return cuts

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None


def _along(place: int, value: float) -> tuple[float, ...]:
    """A vector along one of three axes."""
    return tuple(value if i == place else 0.0 for i in range(3))
