"""The region of a volume in 3-D: a block of its own, as fine as the budget allows."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from numpy.typing import NDArray

from ...base import Progress
from ...display.console import Region
from ...volume.reading.boxed import coarse_box
from ...volume.volume import Volume
from .. import compat
from ..appearance import appearance
from ..console.binding import Binding
from ..detail import BEST_BYTES, TEXEL
from ..link import ScanLink
from ..work import Job
from .extras import Extra, extra_state, translation

__all__ = ["Block", "Focus", "LevelCost", "affordable", "drawn_block", "level_costs"]


@dataclass(frozen=True, slots=True)
class LevelCost:
    """One level at which a volume, or a region of it, can be drawn in 3-D.

    Attributes
    ----------
    level
        0 is the finest.
    shape
        Voxels per axis.
    nbytes
        Bytes on the GPU.
    fits
        Whether that is within the budget and the GPU's largest texture.
    """

    level: int
    shape: tuple[int, ...]
    nbytes: int
    fits: bool


def level_costs(
    volume: Volume, region: Region | None, displayed: Sequence[int], budget: int, limit: int
) -> list[LevelCost]:
    """What each level of a volume, or of a region of it, takes on the GPU, finest first.

    Parameters
    ----------
    region
        Box in voxels of level 0; None is the whole volume.
    displayed
        The three axes that are drawn.
    budget
        Bytes that may be taken.
    limit
        Longest side of a 3-D texture in voxels.
    """
    box = region or tuple((0, n) for n in volume.shape)
    found = []
    for level, factors in enumerate(volume.factors):
        shape = tuple(b - a for a, b in coarse_box(box, factors))
        sides = [shape[axis] for axis in displayed]
        nbytes = TEXEL * int(np.prod(sides, dtype=np.int64))
        found.append(LevelCost(level, shape, nbytes, nbytes <= budget and max(sides) <= limit))
    return found


def affordable(costs: Sequence[LevelCost], wanted: int | None) -> LevelCost:
    """The finest level that fits and is not finer than `wanted`, which itself may exceed the
    budget as far as `BEST_BYTES`.
    """
    last = costs[-1]
    if wanted is not None:
        asked = costs[min(wanted, len(costs) - 1)]
        if asked.fits or asked.nbytes <= BEST_BYTES:
            return asked
    return next((one for one in costs if one.fits and one.level >= (wanted or 0)), last)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """What stands for an image in 3-D: voxels of a level in a box of that level."""

    level: int
    box: Region
    values: NDArray[np.float32]


_drawn: WeakKeyDictionary[Any, Block] = WeakKeyDictionary()


def drawn_block(image: Any) -> Block | None:
    """The block that stands for an image in 3-D; None where the image itself is drawn."""
    return _drawn.get(image)


class Focus:
    """Draws the region of a console in 3-D, in place of the image.

    Parameters
    ----------
    viewer, image
        The viewer model and the image in it; not kept alive.
    budget
        Gives the bytes that may be taken on the GPU.
    say
        Told in a sentence when a region is drawn coarser than it was asked for.
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
        self._budget = budget
        self._say = say
        self._job: Job | None = None
        self._binding: Binding | None = None
        self._wanted: tuple[Any, ...] = ()
        self._extra = Extra(viewer, image, self._removed)
        events = link.console.events
        for signal in (events.region, events.detail, events.solid):
            signal.connect(self.update)
        for emitter in self._emitters(viewer, image):
            emitter.connect(self.update)
        self.update()

    @property
    def layer(self) -> Any:
        """The layer of the block, None while the image itself is drawn."""
        return self._extra.layer

    def close(self) -> None:
        """Remove the block; nothing is connected or under way any more."""
        self._leave()
        events = self._link.console.events
        for signal in (events.region, events.detail, events.solid):
            signal.disconnect(self.update, missing_ok=True)
        viewer, image = self._viewer(), self._image()
        if viewer is not None and image is not None:
            for emitter in self._emitters(viewer, image):
                emitter.disconnect(self.update)
        self._extra.close()

    def renew(self) -> None:
        """Read the block again: the volume has other voxels than before."""
        self._wanted = ()
        self.update()

    def update(self, *_: Any) -> None:
        """Choose the block again: the view, the region, the detail or the volume changed."""
        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None:
            return
        volume, region = self._link.volume, self._link.region
        shift = viewer.dims.ndim - image.ndim
        displayed = [axis - shift for axis in viewer.dims.displayed if axis >= shift]
        solid = self._link.console.solid and image.ndim == volume.ndim
        if region is None or not solid or len(displayed) != 3:
            self._leave()
            return
        if self.layer is not None:
            self.layer.visible = image.visible
        if volume.overview.state == "empty":
            return
        budget, detail = self._budget(), self._link.console.detail
        costs = level_costs(volume, region, displayed, budget, compat.max_texture_3d())
        chosen = affordable(costs, detail)
        if volume.overview.state == "quick" and not volume.overview.is_ready(chosen.level):
            chosen = next(one for one in costs if volume.overview.is_ready(one.level))
        wanted = (volume, volume.overview.state, region, chosen.level)
        if len(wanted) == len(self._wanted) and all(map(_same, wanted, self._wanted)):
            return
        self._wanted = wanted
        self._explain(chosen, detail)
        self._read(region, chosen.level)

    def _explain(self, chosen: LevelCost, detail: int | None) -> None:
        finest = detail or 0
        if chosen.level > finest and self._link.volume.overview.state == "refined":
            sides = " × ".join(map(str, chosen.shape))
            self._say(
                f"The region is shown at level {chosen.level} ({sides} voxels): "
                "finer ones exceed the memory for 3-D detail. Make the region smaller, or "
                "allow more memory in the preferences."
            )

    def _read(self, region: Region, level: int) -> None:
        if self._job is not None:
            self._job.cancel()
        volume = self._link.volume
        box = coarse_box(region, volume.factors[level])
        source = self._link.levels[level]

        def work(report: Progress) -> Generator[object, None, None]:
            yield np.asarray(source[tuple(slice(a, b) for a, b in box)])

        def arrived(values: NDArray[np.float32]) -> None:
            if self._wanted and self._wanted[0] is self._link.volume:
                self._show(values, level, box)

        self._job = Job(work, arrived)

    def _show(self, values: NDArray[np.float32], level: int, box: Region) -> None:
        from napari.layers import Image

        viewer, image = self._viewer(), self._image()
        if viewer is None or image is None:
            return
        factors = self._link.volume.factors[level]
        start = [a * f for (a, _), f in zip(box, factors, strict=True)]
        state = {
            **extra_state(self._link, f"{image.name} · region"),
            **appearance(self._link.console),
            "scale": [s * f for s, f in zip(image.scale, factors, strict=True)],
            "translate": translation(image, start, factors),
            "blending": image.blending,
            "visible": image.visible,
            "multiscale": False,
            "cache": False,
        }
        self._unbind()
        layer = Image(values, **state)
        self._extra.put(layer)
        self._binding = Binding(layer, self._link.console, viewer)
        _drawn[image] = Block(level, box, values)

    def _leave(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self._wanted = ()
        self._unbind()
        self._extra.take_away()
        image = self._image()
        if image is not None:
            _drawn.pop(image, None)

    def _unbind(self) -> None:
        if self._binding is not None:
            self._binding.close()
            self._binding = None

    def _removed(self) -> None:
        """Somebody removed the block from the list: the whole volume is wanted."""
        self._unbind()
        self._link.console.region = None

    @staticmethod
    def _emitters(viewer: Any, image: Any) -> tuple[Any, ...]:
        events = viewer.dims.events
        return events.ndisplay, events.order, image.events.visible


def _same(one: Any, other: Any) -> bool:
    return one is other or (isinstance(one, tuple | int | str) and one == other)
