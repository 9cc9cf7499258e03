"""Volumes of all steps of a series as one, the steps along its first axis."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base import Progress
from ..volume.address import Address
from ..volume.atlas import Atlas
from ..volume.layouts.layout import Box, Layout, Place
from ..volume.overview.overview import Overview, State
from ..volume.overview.store import CACHE_BYTES
from ..volume.reading.reader import LevelReader
from ..volume.reading.virtual import VirtualVolume
from ..volume.statistics.summary import Statistics
from ..volume.volume import Volume
from .agree import AbsentTensor
from .pool import pooled

if TYPE_CHECKING:
    from .series import Series

__all__ = ["AXIS", "SeriesLayout", "SeriesOverview", "SeriesVolume"]

AXIS = "step"
"""Name of the axis that counts the steps."""


class SeriesLayout(Layout):
    """The layout of one step, repeated along a first axis.

    The steps are never halved: each level has all of them.
    """

    def __init__(self, still: Layout, count: int) -> None:
        self.still = still
        self.name = still.name
        self.anatomy = still.anatomy
        self.shape = (count, *still.shape)
        self.axes = (AXIS, *still.axes)
        self.factors = tuple((1, *factors) for factors in still.factors)
        self.n_parameters = count * still.n_parameters

    @property
    def token(self) -> str:
        """Hex digest of everything that decides which parameter lies where in a step.

        It does not depend on the number of steps: a series that grows shows what it did.
        """
        return hashlib.sha256(f"{AXIS} {self.still.token}".encode()).hexdigest()

    def place(self, voxel: Sequence[int]) -> Place | None:
        """The parameter at a voxel, of whichever step; None in air, IndexError outside."""
        return self.still.place(self._check(voxel)[1:])

    def voxel(self, tensor: str, index: Sequence[int]) -> tuple[int, ...]:
        """The voxel of a stored parameter in the first step."""
        return (0, *self.still.voxel(tensor, index))


class _SeriesReader:
    """Reads boxes that reach over several steps, each from its own reader."""

    def __init__(self, layout: SeriesLayout, frames: Sequence[Volume], gone: "_Gone") -> None:
        self.layout = layout
        self.signal = frames[0].reader.signal
        self.reduction = frames[0].reader.reduction
        self._frames = frames
        self._gone = gone

    def read(self, box: Box, level: int) -> NDArray[np.float32]:
        """Voxels of a box of a level; a box counts that level's voxels."""
        (first, stop), *inner = box
        frames = [
            self._gone.clear(
                step, self._frames[step].reader.read(tuple(inner), level), inner, level
            )
            for step in range(first, stop)
        ]
        return np.stack(frames) if frames else np.zeros([b - a for a, b in box], np.float32)

    def labels(self, box: Box, level: int) -> NDArray[np.int32]:
        """Part number + 1 of every voxel of a box of a level, 0 in air and what a step lacks."""
        (first, stop), *inner = box
        labels = self._frames[0].reader.labels(tuple(inner), level)
        out = np.repeat(labels[None], stop - first, axis=0)
        for step in range(first, stop):
            gone = self._gone.labels(step)
            if gone is not None:
                out[step - first][gone[labels]] = 0
        return out


class _Gone:
    """What steps lack: by step, which labels of the atlas are air there."""

    def __init__(self, frames: Sequence[Volume]) -> None:
        self._reader: LevelReader = frames[0].reader
        self.parts = [_absent_parts(frame) for frame in frames]

    def labels(self, step: int) -> NDArray[np.bool_] | None:
        """For every label of the atlas whether the step lacks its part; None if it lacks none."""
        absent = self.parts[step]
        return np.append(False, absent) if absent.any() else None

    def clear(
        self, step: int, values: NDArray[np.float32], box: Sequence[tuple[int, int]], level: int
    ) -> NDArray[np.float32]:
        """Voxels of a box of a step in which what it lacks is 0, as air is.

        Coarse levels count what is absent as little as other values that are not finite.
        """
        gone = self.labels(step)
        if gone is None or level > 0:
            return values
        labels = self._reader.labels(tuple(box), level)
        values = np.array(values)
        values[np.isnan(values) & gone[labels]] = 0
        return values


def _absent_parts(frame: Volume) -> NDArray[np.bool_]:
    """Of every part of a step's volume whether the step lacks it, or what it is made of."""
    found = [
        any(isinstance(tensor, AbsentTensor) for tensor in frame.sources(part))
        for part in frame.anatomy.parts
    ]
    return np.array(found, bool)


class SeriesOverview(Overview):
    """The overviews of all steps, each kept in the cache by itself."""

    def __init__(
        self, layout: SeriesLayout, frames: Sequence[Volume], reader: _SeriesReader, gone: _Gone
    ) -> None:
        self._layout = layout
        self._frames = frames
        self._all = [frame.overview for frame in frames]
        self._stacked = reader
        self._gone = gone
        self._shapes = [layout.level_shape(i) for i in range(len(layout.factors))]
        self.first = self._all[0].first
        self.nearest = 0

    @cached_property
    def key(self) -> str:
        """A name that the steps' keys decide."""
        return hashlib.sha256("\n".join(one.key for one in self._all).encode()).hexdigest()[:32]

    @property
    def token(self) -> str:
        """Name for dask: equal only for equal voxels."""
        states = "".join(one.state[0] for one in self._all)
        return f"tomo-{self.key}-{states}"

    @property
    def state(self) -> State:
        """``"empty"`` until a step has something to show, ``"refined"`` once all are."""
        states = [one.state for one in self._all]
        if all(state == "refined" for state in states):
            return "refined"
        return "empty" if states[self.nearest] == "empty" else "quick"

    @property
    def statistics(self) -> Statistics | None:
        """Exact statistics of all steps together, if the cache has those of each."""
        found = [one.statistics for one in self._all]
        known = [one for one in found if one is not None]
        return pooled(known, self._gone.parts) if len(known) == len(found) else None

    @cached_property
    def coarse(self) -> int:
        """The first level whose plane is as coarse as it gets."""
        return self._all[0].coarse

    def is_ready(self, level: int) -> bool:
        """Whether the whole level can be loaded without reading the whole checkpoints."""
        return all(one.is_ready(level) for one in self._all)

    def missing_bytes(self, box: Box, level: int) -> int:
        """Bytes that reading a box of a level would bring from a server, of all its steps."""
        (first, stop), *inner = box
        return sum(one.missing_bytes(tuple(inner), level) for one in self._all[first:stop])

    def level(self, level: int) -> VirtualVolume:
        """Exact voxels of a level; see `Volume.level`."""
        return self._stack(level, [one.level(level) for one in self._all])

    def displayed(self, level: int) -> VirtualVolume:
        """The best voxels of a level that are known without long work."""
        return self._stack(level, [one.displayed(level) for one in self._all])

    def quick_look(self, progress: Progress | None = None) -> None:
        """A quick look at the step that is looked at."""
        self._all[self.nearest].quick_look(progress)

    def refine(self, progress: Progress | None = None, cache_bytes: int = CACHE_BYTES) -> None:
        """Compute the overviews of all steps, from the one that is looked at outwards.

        Raises
        ------
        Cancelled
            `progress` asked to stop; finished steps and tiles stay.
        TomoError
            The cache cannot be written.
        """
        for _ in self._refine_each(progress, cache_bytes):
            pass

    def improve(
        self, progress: Progress | None = None, cache_bytes: int = CACHE_BYTES
    ) -> Iterator[None]:
        """As of `Overview`: yields after every step."""
        if self.state == "empty":
            self.quick_look(progress)
            yield
        yield from self._refine_each(progress, cache_bytes)

    def _refine_each(self, progress: Progress | None, cache_bytes: int) -> Iterator[None]:
        left = [i for i, one in enumerate(self._all) if one.state != "refined"]
        while left:
            # What is looked at may be another step by now.
            step = min(left, key=lambda i: abs(i - self.nearest))
            left.remove(step)
            self._all[step].refine(progress, cache_bytes)
            yield

    def _stack(self, level: int, frames: Sequence[VirtualVolume]) -> VirtualVolume:
        def read(box: Box) -> NDArray[np.float32]:
            (first, stop), *inner = box
            index = tuple(slice(a, b) for a, b in inner)
            out = np.empty([b - a for a, b in box], np.float32)
            for step in range(first, stop):
                out[step - first] = self._gone.clear(step, frames[step][index], inner, level)
            return out

        return VirtualVolume(self._shapes[level], np.float32, read)


class SeriesVolume(Volume):
    """Voxels of all steps of a series, axes ``(step, …)``.

    What does not say a step is about the one that is looked at, see `attend`.

    Attributes
    ----------
    frames
        The volume of each step; all have one layout.
    series
        Where they come from.
    """

    lead = 1

    def __init__(self, frames: Sequence[Volume], series: "Series") -> None:
        self.frames = tuple(frames)
        self.series = series
        first = frames[0]
        self.anatomy = first.anatomy
        self.layout = SeriesLayout(first.layout, len(frames))
        self.signal, self.reduction = first.signal, first.reduction
        gone = _Gone(frames)
        reader = _SeriesReader(self.layout, frames, gone)
        self._gone = gone
        self.reader = reader
        self.overview: SeriesOverview = SeriesOverview(self.layout, frames, reader, gone)
        self._pooled: tuple[list[Statistics], Statistics] | None = None
        self.attend((series.present,))

    @property
    def still(self) -> Volume:
        """The volume of the step that is looked at."""
        return self.frames[self.present]

    def attend(self, voxel: Sequence[int]) -> None:
        """Be looked at at a voxel: its step is the one that is meant from now on."""
        self.present = min(max(int(voxel[0]), 0), len(self.frames) - 1)
        self.checkpoint = self.frames[self.present].checkpoint
        self.overview.nearest = self.present
        self.series.attend(self.present)

    def lead_title(self, index: int) -> str:
        """Name of a step: ``"step 250"``."""
        steps = self.series.steps
        return steps[index].title if 0 <= index < len(self.frames) else ""

    def weights(self) -> Volume:
        """The same voxels showing the weights themselves, for reading exact values."""
        shown = [frame.weights() for frame in self.frames]
        same = all(a is b for a, b in zip(shown, self.frames, strict=True))
        return self if same else SeriesVolume(shown, self.series)

    @property
    def core(self) -> tuple[slice, ...] | None:
        """Slices of level 0 that leave the margins out; None if the layout has no margins."""
        core = self.frames[0].core
        return None if core is None else (slice(None), *core)

    @property
    def statistics(self) -> Statistics:
        """Statistics of the weights of all steps together, exact where those of each are."""
        found = [frame.statistics for frame in self.frames]
        known = self._pooled
        if known is None or any(a is not b for a, b in zip(known[0], found, strict=True)):
            known = self._pooled = found, pooled(found, self._gone.parts)
        return known[1]

    @cached_property
    def atlas(self) -> Atlas:
        """Which voxel belongs to which part."""
        text = "\n".join(frame.checkpoint.fingerprint for frame in self.frames)
        token = hashlib.sha256(f"{text}\n{self.layout.token}".encode()).hexdigest()[:32]
        return Atlas(self.anatomy, self.reader, token)

    def voxel(self, tensor: str, index: Sequence[int]) -> tuple[int, ...]:
        """The voxel of a stored parameter in the step that is looked at; see `Volume.voxel`."""
        return (self.present, *self.frames[0].voxel(tensor, index))

    def address(self, voxel: Sequence[int]) -> Any:
        """The parameter at a voxel in its step; None in air and where the step lacks it."""
        place = self.layout.place(voxel)
        step = int(voxel[0])
        if place is None or self._gone.parts[step][place.part]:
            return None
        found = self.frames[step].address(voxel[1:])
        title = self.lead_title(step)
        return replace(found, step=title) if isinstance(found, Address) else found

    def caption(self, section: int) -> str:
        """What a section of a step shows, see `Volume.caption`."""
        return self.frames[0].caption(section)

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.shape))
        what = f"{self.layout.name} {self.signal}–{self.reduction}"
        return f"<SeriesVolume {what} {shape} of {self.series.name}>"
