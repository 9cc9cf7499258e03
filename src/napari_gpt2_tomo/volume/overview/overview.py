"""The overview: a volume's coarse levels, first a quick look, then exact."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ...base import CheckpointError, Progress, TomoError
from ...checkpoint.ahead import Wanted, missing_bytes, read_ahead
from ...checkpoint.tensor import Checkpoint
from ..kernels.compiled import prepare
from ..layouts.layout import Box
from ..reading.ahead import wanted
from ..reading.reader import LevelReader
from ..reading.signal import Reduction, Signal
from ..reading.virtual import VirtualVolume
from ..statistics.exact import (
    Contribution,
    keep_statistics,
    merge_tallies,
    stored_statistics,
)
from ..statistics.summary import Statistics
from .quick import quick_levels
from .run import Step, run_all
from .store import CACHE_BYTES, Entry, PartialEntry, entry_lock, overview_folder, trim
from .stream import Pass, Tallies, first_stored_level, make_pass

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["Overview", "State"]

State = Literal["empty", "quick", "refined"]

_VERSION = 1
"""Raised when the meaning of stored levels changes."""

_THIN = 8
"""A box of less than one part in this many of a level is computed from the file rather than
by refining the whole overview first."""


class Overview:
    """Coarse levels of one volume.

    Level 0 and the levels finer than `first` are always computed from the
    file; the others are kept in the user's cache once `refine` has run.
    """

    def __init__(
        self, checkpoint: Checkpoint, reader: LevelReader, signal: Signal, reduction: Reduction
    ) -> None:
        self._checkpoint = checkpoint
        self._reader = reader
        self._signal = signal
        self._reduction = reduction
        layout = reader.layout
        self._shapes = [layout.level_shape(i) for i in range(len(layout.factors))]
        self.first = first_stored_level(self._shapes)
        self._quick: dict[int, NDArray[np.float32]] = {}
        self._lock = threading.Lock()
        self._entry = Entry.find(self.key) if self.first < len(self._shapes) else None

    @cached_property
    def key(self) -> str:
        """Name of the overview in the cache: checkpoint, layout, signal and reduction."""
        text = "\n".join(
            [
                str(_VERSION),
                self._checkpoint.fingerprint,
                self._reader.layout.token,
                self._signal.token,
                self._reduction,
            ]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def token(self) -> str:
        """Name for dask: equal only for equal voxels."""
        return f"tomo-{self.key}"

    @property
    def state(self) -> State:
        """What the coarsest levels hold: nothing yet, a quick look, or exact values."""
        if self._entry is not None or self.first == len(self._shapes):
            return "refined"
        return "quick" if self._quick else "empty"

    @property
    def statistics(self) -> Statistics | None:
        """Exact statistics if the cache has them by now."""
        if self._statistics is None and self.state == "refined":
            self._statistics = stored_statistics(self._checkpoint, self._reader.layout.anatomy)
        return self._statistics

    _statistics: Statistics | None = None

    @cached_property
    def coarse(self) -> int:
        """The first level whose plane is as coarse as it gets: from here on a quick look helps.

        Never level 0, which is the file itself, unless there is no other.
        """
        factors = self._reader.layout.factors
        first = next(i for i, f in enumerate(factors) if f[-2:] == factors[-1][-2:])
        return min(max(first, 1), len(factors) - 1)

    def is_ready(self, level: int) -> bool:
        """Whether the whole level can be loaded without reading the whole checkpoint."""
        return level >= self.first if self.state == "refined" else level >= self.coarse

    def level(self, level: int) -> VirtualVolume:
        """Exact voxels of a level; see `Volume.level`."""
        shape = self._shapes[level]

        def read(box: Box) -> NDArray[np.float32]:
            if self._is_computed(box, level):
                if self._checkpoint.is_remote:
                    read_ahead(self._wanted(box, level))
                return self._reader.read(box, level)
            if self._entry is None:
                self._refuse_by_itself()
                self.refine()
            assert self._entry is not None
            return self._entry.levels[level - self.first].read(box)

        return VirtualVolume(shape, np.float32, read)

    def _is_computed(self, box: Box, level: int) -> bool:
        """Whether the voxels of a box come from the checkpoint itself."""
        if level < self.first or self._entry is not None:
            return level < self.first
        voxels = np.prod([b - a for a, b in box], dtype=np.int64)
        return bool(_THIN * voxels < np.prod(self._shapes[level], dtype=np.int64))

    def _wanted(self, box: Box, level: int) -> Wanted:
        return wanted(self._reader.layout, self._checkpoint, box, level)

    def missing_bytes(self, box: Box, level: int) -> int:
        """Bytes that reading a box of a level as it is displayed would bring from a server."""
        if not self._checkpoint.is_remote or (level >= self.coarse and self._entry is None):
            return 0
        return missing_bytes(self._wanted(box, level)) if self._is_computed(box, level) else 0

    @property
    def cost(self) -> int:
        """Bytes of the checkpoint that `refine` reads, 0 once it is refined."""
        if self.state == "refined":
            return 0
        return sum(tensor.nbytes for tensor in self._checkpoint.values())

    def _refuse_by_itself(self) -> None:
        """Refuse to read all of a remote checkpoint that nobody said should be."""
        if self._checkpoint.is_remote:
            raise CheckpointError(
                f"This needs the exact overview of {self._checkpoint.path}, for which all of its "
                f"{self.cost / 1e9:,.3g} GB are read once. Say so with refine() of the volume, or "
                "download the model."
            )

    def displayed(self, level: int) -> VirtualVolume:
        """The best voxels of a level that are known without long work."""
        if self.state == "refined" or level < self.coarse:
            return self.level(level)
        shape = self._shapes[level]
        held = self._quick.get(level)
        if held is None:
            return VirtualVolume(
                shape, np.float32, lambda box: np.zeros([b - a for a, b in box], np.float32)
            )
        return VirtualVolume(
            shape, np.float32, lambda box: held[tuple(slice(a, b) for a, b in box)].copy()
        )

    def quick_look(self, progress: Progress | None = None) -> None:
        """Fill the coarsest levels from a sample; does nothing if refined.

        At most 64 MB are read, of a remote checkpoint 4 MB.
        """
        if self.state == "empty":
            remote = self._checkpoint.is_remote
            self._quick = quick_levels(self._reader, self.coarse, progress, remote=remote)

    def refine(self, progress: Progress | None = None, cache_bytes: int = CACHE_BYTES) -> None:
        """Compute every stored level and keep it; goes on where an earlier call stopped.

        Another process that builds the same overview is waited for.

        Raises
        ------
        Cancelled
            `progress` asked to stop; finished tiles stay.
        TomoError
            The cache cannot be written.
        """
        with self._lock:
            if self.state == "refined":
                return
            try:
                overview_folder().mkdir(parents=True, exist_ok=True)
                lock = entry_lock(self.key)
                while not _acquired(lock):
                    if progress is not None:
                        progress.advance(0)
                try:
                    self._entry = Entry.find(self.key) or self._build(progress)
                    PartialEntry.discard(self.key)
                finally:
                    lock.release()
                trim(cache_bytes, keep=self.key)
            except OSError as error:
                raise TomoError(
                    f"The overview cannot be kept in {overview_folder()}: "
                    f"{error.strerror or error}. Free some space there, or set "
                    "NAPARI_GPT2_TOMO_CACHE to another folder."
                ) from error
            self._quick = {}

    def improve(
        self, progress: Progress | None = None, cache_bytes: int = CACHE_BYTES
    ) -> Iterator[None]:
        """A quick look, then the exact levels: yields whenever there is more to show."""
        if self.state == "empty":
            self.quick_look(progress)
            yield
        self.refine(progress, cache_bytes)
        yield

    def _build(self, progress: Progress | None) -> Entry:
        prepare()
        layout = self._reader.layout
        tallied = self._signal.is_weight
        work = make_pass(self._reader, tallied)
        factors = layout.factors[self.first :]
        shapes = self._shapes[self.first :]
        chunks = [
            tuple(max(1, n // f) for n, f in zip(work.tile_shape, factor, strict=True))
            for factor in factors
        ]
        partial = PartialEntry(self.key, shapes, chunks)
        todo = [i for i, tile in enumerate(work.tiles) if not partial.finished(i, tile.index)]
        if progress is not None:
            share = len(todo) / max(1, len(work.tiles))
            total = round(layout.n_parameters * share)
            progress.start(total, f"Scanning {self._checkpoint.path.name}")

        held = threading.local()

        def run(i: int, step: Step) -> None:
            # Fresh memory for every tile would cost as much as the reduction itself.
            if not hasattr(held, "out"):
                held.out = [np.empty(chunk, np.float32) for chunk in chunks]
            tallies = work.run(work.tiles[i], held.out, step)
            partial.write(i, work.tiles[i].index, held.out, _pack(tallies))

        run_all(run, todo, progress)
        if tallied:
            self._keep_statistics(work, partial)
        return partial.finish(self._checkpoint.path.name, layout.axes, factors)

    def _keep_statistics(self, work: Pass, partial: PartialEntry) -> None:
        anatomy = self._reader.layout.anatomy
        tallies = [_unpack(partial.tally(i)) for i in range(len(work.tiles))]
        if any(tallies):
            self._statistics = merge_tallies(anatomy, tallies)
            keep_statistics(self._checkpoint, anatomy, self._statistics)


def _acquired(lock: "BaseFileLock") -> bool:
    from filelock import Timeout

    try:
        lock.acquire(timeout=0.1)
    except Timeout:
        return False
    return True


def _pack(tallies: Tallies) -> dict[str, NDArray[np.generic]]:
    """Tallies as a few arrays: parts, their moments, and their histograms one after another."""
    found = [(part, tally.contribution()) for part, tally in sorted(tallies.items())]
    if not found:
        return {}
    return {
        "parts": np.array([part for part, _ in found]),
        "moments": np.stack([moments for _, (moments, _, _) in found]),
        "sizes": np.array([len(bins) for _, (_, bins, _) in found]),
        "bins": np.concatenate([bins for _, (_, bins, _) in found]),
        "counts": np.concatenate([counts for _, (_, _, counts) in found]),
    }


def _unpack(arrays: dict[str, NDArray[np.generic]]) -> dict[int, Contribution]:
    if not arrays:
        return {}
    ends = np.cumsum(arrays["sizes"])[:-1]
    bins: Sequence[NDArray[np.uint16]] = np.split(arrays["bins"], ends)
    counts: Sequence[NDArray[np.uint32]] = np.split(arrays["counts"], ends)
    return {
        int(part): (moments, b, c)
        for part, moments, b, c in zip(
            arrays["parts"], arrays["moments"], bins, counts, strict=True
        )
    }
