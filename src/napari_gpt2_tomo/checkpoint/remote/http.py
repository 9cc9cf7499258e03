"""A remote file as a source of bytes: ranges in parallel, through the blocks on disk."""

import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base import CheckpointError
from ..address import Address
from ..plan import assemble, plan_reads
from ..region import Region
from ..source import ByteSource
from .blocks import BLOCK, PAGE, BlockStore
from .coalesce import LONGEST, coalesce, paged
from .link import Link, Version
from .pool import TICK, submit
from .traffic import Traffic, check, refuse_to_wait
from .transfer import fetch

__all__ = ["HEAD", "HttpSource", "probe"]

HEAD = 1 << 14
"""Bytes that are read to learn of a file: its version, and the headers of most files (16 KB)."""

MANY_BLOCKS = 1 << 13
"""Blocks (2 GB) that are looked for in the cache before telling what reading would cost."""

Ranges = NDArray[np.int64]


def probe(link: Link, traffic: Traffic) -> tuple[Version, NDArray[np.uint8]]:
    """What a remote file is, and its first bytes, with one request."""
    answer = fetch(link, 0, HEAD, traffic=traffic)
    return answer.version, answer.data


class HttpSource(ByteSource):
    """A file on a server that sends ranges of bytes.

    Wanted pages that are not in the cache are fetched over several connections; ranges that
    lie close together are asked for as one, see `coalesce`. A pickle holds the address and the
    version, no bytes and no token.

    Parameters
    ----------
    path
        The file's address.
    link
        How to ask for it.
    version
        What it was when it was opened; another one is refused.
    counter
        Counts what is read.
    head
        First bytes of the file, if they are known.

    Attributes
    ----------
    counter, version
        As given.
    """

    is_remote = True
    max_gap = PAGE
    max_range = LONGEST

    def __init__(
        self,
        path: Address,
        link: Link,
        version: Version,
        counter: Traffic,
        head: NDArray[np.uint8] | None = None,
    ) -> None:
        self.path = path
        self.size = version.size
        self.stamp = version.stamp
        self.counter = counter
        self._link = link
        self.version = version
        self._closed = threading.Event()
        # Bytes of a file whose versions cannot be told apart must not outlive its opening.
        certain = version.is_certain or link.is_fixed
        self._store = BlockStore(link.name, version.stamp) if certain else None
        self.identifies = certain
        self._head = np.empty(0, np.uint8) if head is None else head
        if self._store is not None and self._head.size:
            self._keep(0, self._head)

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Bytes ``start ≤ i < stop``, read-only."""
        if not 0 <= start <= stop <= self.size:
            raise CheckpointError(
                f"{self.path} has {self.size} bytes; {start} to {stop} are outside it."
            )
        return self._collect(np.array([(start, stop)], np.int64))

    def read_many(self, ranges: Ranges) -> Iterable[NDArray[np.uint8]]:
        """Bytes of each range, fetched together."""
        data = self._collect(ranges)
        ends = np.cumsum(ranges[:, 1] - ranges[:, 0]).tolist()
        return (data[a:b] for a, b in zip([0, *ends], ends, strict=False))

    def gather(self, offset: int, region: Region, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Elements of a strided box of a tensor that begins at byte `offset`; read-only."""
        # Long ranges are cut where they are asked for: here they would only be copied once more.
        plan = plan_reads(
            region, dtype.itemsize, offset=offset, max_gap=self.max_gap, max_range=sys.maxsize
        )
        values = assemble(plan, self.read_many(plan.ranges) if len(plan.ranges) else (), dtype)
        values.flags.writeable = False
        return values

    def prefetch(self, ranges: Ranges) -> None:
        """Bring bytes that will be read into the cache, with as few waits as possible."""
        if self._store is None or not self._store.writable:
            return  # Nothing would be left of it when it is read.
        missing = self._missing(paged(ranges, PAGE, self.size))
        self._fetch(missing, lambda start, data: None)

    def read_head(self, stop: int) -> NDArray[np.uint8]:
        """The first bytes of the file, held in memory; fetched in the thread that calls."""
        stop = min(stop, self.size)
        if self._head.size < stop:
            low = self._head.size // PAGE * PAGE
            high = min(-(-stop // PAGE) * PAGE, self.size)
            target = _Target(np.array([(0, high)], np.int64))
            target.add(0, self._head)
            missing = self._missing(np.array([(low, high)], np.int64), target.add)
            for start, end in missing.tolist():
                target.add(start, self._brought(start, end, self._closed.is_set))
            self._head = target.data
        return self._head[:stop]

    def missing_bytes(self, ranges: Ranges) -> int:
        """Bytes that the server would be asked for to read ranges, those between them included."""
        wanted = paged(ranges, PAGE, self.size)
        blocks = int((-(-wanted[:, 1] // BLOCK) - wanted[:, 0] // BLOCK).sum())
        # Of so many blocks hardly any is held, and looking takes longer than it is worth.
        asked = coalesce(wanted if blocks > MANY_BLOCKS else self._missing(wanted))
        return int((asked[:, 1] - asked[:, 0]).sum())

    def close(self) -> None:
        """End what is under way; reading afterwards raises `CheckpointError`."""
        self._closed.set()

    def _collect(self, ranges: Ranges) -> NDArray[np.uint8]:
        """The bytes of all ranges, one after another; read-only."""
        if self._closed.is_set():
            raise CheckpointError(
                f"{self.path} was closed; open the checkpoint again to read its tensors."
            )
        target = _Target(ranges)
        wanted = paged(ranges, PAGE, self.size)
        if self._head.size:
            target.add(0, self._head)
            low = self._head.size // PAGE * PAGE if self._head.size < self.size else self.size
            wanted = _after(wanted, low)
        missing = self._missing(wanted, target.add)
        self._fetch(missing, target.add)
        target.data.flags.writeable = False
        return target.data

    def _missing(
        self, wanted: Ranges, found: "Callable[[int, NDArray[np.uint8]], None] | None" = None
    ) -> Ranges:
        """What of ascending ranges of whole pages the disk does not have; `found` gets the rest."""
        if self._store is None or not len(wanted):
            return wanted
        missing: list[tuple[int, int]] = []
        block, mask, pages = -1, 0, _NO_PAGES
        for start, stop in wanted.tolist():
            for at in range(start // BLOCK * BLOCK, stop, BLOCK):
                if at // BLOCK != block:
                    block = at // BLOCK
                    mask, pages = self._store.get(block)
                low, high = max(at, start), min(at + BLOCK, stop)
                first, last = (low - at) // PAGE, -(-(high - at) // PAGE)
                for run, held in _runs(mask, first, last):
                    a, b = at + run.start * PAGE, min(at + run.stop * PAGE, high)
                    if not held:
                        missing.append((a, b))
                    elif found is not None:
                        skip = (mask & ((1 << run.start) - 1)).bit_count()
                        found(a, pages[skip : skip + len(run)].reshape(-1)[: b - a])
                        self.counter.add(reused=b - a)
        return paged(np.array(missing, np.int64).reshape(-1, 2), PAGE, self.size)

    def _fetch(self, missing: Ranges, arrived: Callable[[int, NDArray[np.uint8]], None]) -> None:
        """Fetch ranges of whole pages, several at once; `arrived` gets them as they come."""
        if not len(missing):
            return
        refuse_to_wait(str(self.path))
        over = threading.Event()

        def stopped() -> bool:
            return over.is_set() or self._closed.is_set()

        pending: dict[Future[NDArray[np.uint8]], int] = {}
        try:
            for start, stop in coalesce(missing).tolist():
                pending[submit(partial(self._brought, start, stop, stopped))] = start
            while pending:
                done, _ = wait(pending, TICK, FIRST_COMPLETED)
                for future in done:
                    arrived(pending.pop(future), future.result())
                check()
        finally:
            over.set()
            for future in pending:
                future.cancel()

    def _brought(self, start: int, stop: int, stopped: Callable[[], bool]) -> NDArray[np.uint8]:
        """Whole pages from the server, which the cache has from now on."""
        answer = fetch(
            self._link, start, stop, version=self.version, traffic=self.counter, stopped=stopped
        )
        self._keep(start, answer.data)
        return answer.data

    def _keep(self, start: int, data: NDArray[np.uint8]) -> None:
        """Keep whole pages in the cache."""
        if self._store is not None:
            end = start + data.size
            whole = data.size if end == self.size else data.size // PAGE * PAGE
            self._store.put(start, data[:whole])

    def __reduce__(self) -> tuple[Any, ...]:
        if self._closed.is_set():
            raise CheckpointError(f"{self.path} was closed, so its tensors cannot be sent on.")
        return HttpSource, (self.path, self._link, self.version, self.counter)


_NO_PAGES = np.empty((0, PAGE), np.uint8)


class _Target:
    """The bytes of several ranges, one after another, filled in any order."""

    def __init__(self, ranges: Ranges) -> None:
        lengths = ranges[:, 1] - ranges[:, 0]
        order = np.argsort(ranges[:, 0], kind="stable")
        self.data = np.empty(int(lengths.sum()), np.uint8)
        self._starts, self._stops = ranges[order, 0], ranges[order, 1]
        self._places = (np.cumsum(lengths) - lengths)[order]
        # Ranges may overlap: this far any range up to here reaches.
        self._reach = np.maximum.accumulate(self._stops)

    def add(self, start: int, data: NDArray[np.uint8]) -> None:
        """Take what the ranges want of bytes from `start` on."""
        stop = start + data.size
        first = int(np.searchsorted(self._reach, start, side="right"))
        last = int(np.searchsorted(self._starts, stop, side="left"))
        for i in range(first, last):
            a, b = max(start, int(self._starts[i])), min(stop, int(self._stops[i]))
            if a < b:
                at = int(self._places[i]) - int(self._starts[i])
                self.data[at + a : at + b] = data[a - start : b - start]


def _after(ranges: Ranges, low: int) -> Ranges:
    """What of ranges lies at or after byte `low`."""
    kept = ranges[ranges[:, 1] > low]
    return np.stack((np.maximum(kept[:, 0], low), kept[:, 1]), axis=1)


def _runs(mask: int, first: int, last: int) -> Iterable[tuple[range, bool]]:
    """The pages from `first` to `last`, in runs of those that are held and those that are not."""
    at = first
    while at < last:
        held = bool(mask >> at & 1)
        end = at + 1
        while end < last and bool(mask >> end & 1) == held:
            end += 1
        yield range(at, end), held
        at = end
