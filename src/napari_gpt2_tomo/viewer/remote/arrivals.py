"""Slices of remote volumes that arrive: the window draws what is known and never waits."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from ...base import Progress
from ...base.sizes import megabytes
from ...checkpoint.remote.traffic import watched
from ...volume.layouts.layout import Box
from ...volume.volume import Volume
from ..work import Job

if TYPE_CHECKING:
    from ..link import ScanLink

__all__ = ["MOST", "Arrivals"]

MOST = 2**28
"""Bytes that one slice may bring from a server without being asked for (256 MB): more than a
section of the largest models, a small part of a plane across all sections."""

KEPT = 2**28
"""Bytes of slices that are kept as they arrived (256 MB): those of all views, and a few more."""

Item = int | range


class Arrivals:
    """Fetches what the layers of a link slice, and draws it when it has arrived.

    Until then the slice shows the quick look, enlarged. A newer slice of the same direction
    takes the place of one that is still under way. Other threads wait for what they read.

    Parameters
    ----------
    link
        Whose layers; not kept alive.
    """

    def __init__(self, link: "ScanLink") -> None:
        self._link = ref(link)
        self._volume: Volume | None = None
        self._held: OrderedDict[Any, NDArray[Any]] = OrderedDict()
        self._jobs: dict[Any, tuple[Any, Job]] = {}
        self._refused: set[Any] = set()

    def over(self, present: Any, volume: Volume, level: int) -> Any:
        """A level as an array-like that gives its slices at once, better ones later."""
        return _Arriving(self, present, volume, level)

    @property
    def running(self) -> bool:
        """Whether a slice is under way."""
        return any(job.running for _, job in self._jobs.values())

    def stop(self) -> None:
        """Fetch nothing more."""
        for _, job in self._jobs.values():
            job.cancel()
        self._jobs.clear()

    def get(self, present: Any, volume: Volume, level: int, items: Sequence[Item]) -> NDArray[Any]:
        """A slice as well as it is known now; what is missing of it is fetched."""
        if volume is not self._volume:
            self.stop()
            self._volume = volume
            self._held.clear()
            self._refused.clear()
        box = _box(items)
        index = tuple(item if isinstance(item, int) else _slice(item) for item in items)
        key = (level, index_key(items))
        direction = (level, tuple(b - a == 1 for a, b in box))
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        alone = box[volume.lead][1] - box[volume.lead][0] <= 1
        if alone and not volume.missing_bytes(box, level):
            # What waits for nobody: the slice is in the cache, or in the overview.
            return np.asarray(present[index])
        single = all(b - a <= 1 for a, b in box)
        if not single and direction not in self._refused:
            self._fetch(present, volume, level, index, box, key, direction)
        return _enlarged(volume, level, items, box)

    def bring(self, voxel: Sequence[int], arrived: Callable[[], None]) -> None:
        """Fetch the parameter at a voxel; one at a time, since the cursor moves on."""
        link = self._link()
        _, job = self._jobs.get(None, (None, None))
        if link is None or (job is not None and job.running):
            return
        volume = link.volume
        if not all(0 <= at < n for at, n in zip(voxel, volume.shape, strict=True)):
            return

        def work(report: Progress) -> Generator[object, None, None]:
            with watched(report):
                volume.address(voxel)
            yield True

        # What cannot be read is said by the slice around it.
        self._jobs[None] = None, Job(work, lambda _: arrived(), lambda _: None)

    def _fetch(
        self,
        present: Any,
        volume: Volume,
        level: int,
        index: Any,
        box: Box,
        key: Any,
        direction: Any,
    ) -> None:
        under_way, job = self._jobs.get(direction, (None, None))
        if job is not None and job.running:
            if under_way == key:
                return
            job.cancel()

        def work(report: Progress) -> Generator[object, None, None]:
            cost = volume.missing_bytes(box, level)
            if cost > MOST:
                yield cost
                return
            report.start(1, f"Reading {megabytes(cost)} from the server")
            with watched(report):
                yield np.asarray(present[index])

        def arrived(found: Any) -> None:
            self._jobs.pop(direction, None)
            if isinstance(found, int):
                self._refused.add(direction)
                _say(
                    f"This plane crosses so many matrices that {megabytes(found)} would have to be "
                    "read. It shows the quick look; sections along the first axis are read."
                )
                return
            self._keep(key, found)
            self._draw()

        self._jobs[direction] = key, Job(work, arrived)

    def _keep(self, key: Any, values: NDArray[Any]) -> None:
        self._held[key] = values
        while len(self._held) > 1 and sum(one.nbytes for one in self._held.values()) > KEPT:
            self._held.popitem(last=False)

    def _draw(self) -> None:
        from ..session import sessions_of, show_again
        from .status import told

        link = self._link()
        if link is None:
            return
        show_again(link)
        for session in sessions_of(link):
            if session.viewer is not None:
                session.viewer.status = told(link)


class _Arriving:
    """One level for whoever slices it."""

    def __init__(self, arrivals: Arrivals, present: Any, volume: Volume, level: int) -> None:
        self._arrivals = arrivals
        self._present = present
        self._volume = volume
        self._level = level
        self.shape: tuple[int, ...] = tuple(present.shape)
        self.dtype = present.dtype

    def __getitem__(self, index: Any) -> NDArray[Any]:
        if threading.current_thread() is not threading.main_thread():
            return np.asarray(self._present[index])
        items = _items(index, self.shape)
        if any(isinstance(item, range) and not item for item in items):
            return np.asarray(self._present[index])
        return self._arrivals.get(self._present, self._volume, self._level, items)


def _items(index: Any, shape: Sequence[int]) -> list[Item]:
    """A basic index of integers, slices and an ellipsis, one item per axis."""
    given = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in given:
        at = given.index(Ellipsis)
        given[at : at + 1] = [slice(None)] * (len(shape) - len(given) + 1)
    given += [slice(None)] * (len(shape) - len(given))
    return [
        range(*item.indices(n)) if isinstance(item, slice) else int(item) % n
        for item, n in zip(given, shape, strict=True)
    ]


def index_key(items: Sequence[Item]) -> tuple[object, ...]:
    """Items as a key: the same for the same voxels."""
    return tuple(
        item if isinstance(item, int) else (item.start, item.stop, item.step) for item in items
    )


def _slice(item: range) -> slice:
    stop = item[-1] + (1 if item.step > 0 else -1)
    return slice(item[0], None if stop < 0 else stop, item.step)


def _box(items: Sequence[Item]) -> Box:
    return tuple(
        (item, item + 1) if isinstance(item, int) else (min(item[0], item[-1]), max(item) + 1)
        for item in items
    )


def _enlarged(volume: Volume, level: int, items: Sequence[Item], box: Box) -> NDArray[Any]:
    """A slice made of the quick look: each of its voxels many times."""
    coarse = max(level, volume.overview.coarse)
    fine, wide = volume.factors[level], volume.factors[coarse]
    places = [
        np.asarray([item] if isinstance(item, int) else item) * f // w
        for item, f, w in zip(items, fine, wide, strict=True)
    ]
    lows = [int(at.min()) for at in places]
    whole = tuple(slice(low, int(at.max()) + 1) for low, at in zip(lows, places, strict=True))
    found = np.asarray(volume.overview.displayed(coarse)[whole])
    for axis, (at, low) in enumerate(zip(places, lows, strict=True)):
        found = found.take(at - low, axis=axis)
    kept = tuple(0 if isinstance(item, int) else slice(None) for item in items)
    return np.asarray(found[kept])


def _say(text: str) -> None:
    from napari.utils.notifications import show_info

    show_info(text)
