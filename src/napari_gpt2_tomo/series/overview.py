"""The overviews of a series: each step's is kept in the cache by itself."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from ..base import Progress
from ..volume.layouts.layout import Box
from ..volume.overview.overview import Overview, State
from ..volume.overview.store import CACHE_BYTES
from ..volume.reading.virtual import VirtualVolume
from ..volume.statistics.summary import Statistics
from ..volume.volume import Volume
from .pool import pooled
from .stack import Gone, SeriesLayout

__all__ = ["SeriesOverview"]

STATES: tuple[State, ...] = get_args(State)
"""From nothing to exact."""

LARGE = 2**26
"""Parameters of a model (67 million) from which refining takes much longer than a quick look."""

STAGE = 1.0
"""Seconds between two times that a refinement has more to show: each draws everything anew."""


class SeriesOverview(Overview):
    """The overviews of all steps, each kept in the cache by itself.

    Attributes
    ----------
    nearest
        The step that is looked at: it is refined first.
    stage
        Grows whenever a refinement has more to show.
    """

    def __init__(self, layout: SeriesLayout, frames: Sequence[Volume], gone: Gone) -> None:
        self._all = [frame.overview for frame in frames]
        self._gone = gone
        self._shapes = [layout.level_shape(i) for i in range(len(layout.factors))]
        self.first = self._all[0].first
        self._parameters = layout.still.n_parameters
        self.nearest = 0
        self.stage = 0

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
        for _ in self._each("quick", lambda one, told: one.refine(told, cache_bytes), progress):
            pass

    def improve(
        self, progress: Progress | None = None, cache_bytes: int = CACHE_BYTES
    ) -> Iterator[None]:
        """As of `Overview`: yields after the step that is looked at, and from time to time.

        Of large models all steps get a quick look before one is refined.
        """
        if self.state == "empty":
            self.quick_look(progress)
            self.stage += 1
            yield
        if self._parameters > LARGE:
            yield from self._each("empty", lambda one, told: one.quick_look(told), progress)
        yield from self._each("quick", lambda one, told: one.refine(told, cache_bytes), progress)

    def _each(
        self,
        most: State,
        work: Callable[[Overview, Progress | None], None],
        progress: Progress | None,
    ) -> Iterator[None]:
        """Work on the steps whose state is `most` or less, from the one that is looked at
        outwards.
        """
        states = STATES[: STATES.index(most) + 1]
        left = [i for i, one in enumerate(self._all) if one.state in states]
        report = None if progress is None else Together(progress, len(left))
        told = time.monotonic()
        while left:
            # What is looked at may be another step by now.
            step = min(left, key=lambda i: abs(i - self.nearest))
            left.remove(step)
            work(self._all[step], report)
            if report is not None:
                report.next()
            if not left or time.monotonic() - told > STAGE or step == self.nearest:
                self.stage += 1
                yield
                told = time.monotonic()

    def _stack(self, level: int, frames: Sequence[VirtualVolume]) -> VirtualVolume:
        def read(box: Box) -> NDArray[np.float32]:
            (first, stop), *inner = box
            index = tuple(slice(a, b) for a, b in inner)
            out = np.empty([b - a for a, b in box], np.float32)
            for step in range(first, stop):
                out[step - first] = self._gone.clear(step, frames[step][index], inner, level)
            return out

        return VirtualVolume(self._shapes[level], np.float32, read)


class Together:
    """The progress of several works as that of one: a bar that is made anew for each would hold
    up the window.
    """

    def __init__(self, progress: Progress, count: int) -> None:
        self._progress = progress
        self._count = count
        self._done = 0
        self._begun = False
        self._share = 0.0
        self._told = 0

    def start(self, total: int, description: str) -> None:
        """Announce one of the works, described by what the first is called."""
        if not self._begun:
            self._begun = True
            self._progress.start(Together.UNITS * self._count, description)
        self._share = Together.UNITS / max(total, 1)
        self._within = 0

    def advance(self, amount: int) -> None:
        """Report finished units of the present one."""
        self._within += amount
        self._tell(self._done * Together.UNITS + self._within * self._share)

    def next(self) -> None:
        """One of the works is finished."""
        self._done += 1
        self._within = 0
        if self._begun:
            self._tell(self._done * Together.UNITS)

    UNITS = 1000
    """Of each work: the works may have different sizes, a bar needs no more."""

    _within = 0

    def _tell(self, done: float) -> None:
        amount = max(0, int(done) - self._told)
        self._told += amount
        self._progress.advance(amount)
