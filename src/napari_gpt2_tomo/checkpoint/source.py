"""Where bytes come from: a mapped file, or anything that can be read by range."""

import mmap
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from ..base import CheckpointError
from .address import Address
from .plan import assemble, plan_reads
from .region import Region

__all__ = ["ByteSource", "MappedFile"]


class ByteSource(ABC):
    """Bytes of one file that are read by range.

    A subclass implements `read`; it may override `read_many` (ranges in parallel)
    or `gather` (no copy).

    Attributes
    ----------
    path
        The file, or its address on a server; for messages.
    size
        Number of bytes.
    stamp
        Text that differs when the file was changed: size and time, an ETag, …
    identifies
        Whether the stamp alone tells this content from any other, so that nothing need be
        read for it.
    is_remote
        Whether reading waits for a server.
    max_gap
        `gather` reads ranges at most this many bytes apart as one.
    max_range
        `gather` reads at most this many bytes at once.
    """

    path: Path | Address
    size: int
    stamp: str
    identifies: bool = False
    is_remote: bool = False
    max_gap: int = 4096
    """A page: what an operating system or a proxy reads anyway."""
    max_range: int = 1 << 24
    """16 MiB: large enough that latency does not count, small enough to report progress."""

    @abstractmethod
    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Bytes ``start ≤ i < stop``, read-only; `CheckpointError` if they cannot be read."""

    @abstractmethod
    def close(self) -> None:
        """Release what is held open; reading afterwards raises `CheckpointError`."""

    def bytes(self, start: int, stop: int) -> bytes:
        """Bytes ``start ≤ i < stop`` as far as the file has them, for parsing headers."""
        ranges = np.array([[min(start, self.size), min(stop, self.size)]], np.int64)
        (data,) = self.read_many(ranges)
        return data.tobytes()

    def read_many(self, ranges: NDArray[np.int64]) -> Iterable[NDArray[np.uint8]]:
        """Bytes of each of ``(n, 2)`` half-open ranges, in their order."""
        return (self.read(start, stop) for start, stop in ranges.tolist())

    def prefetch(self, ranges: NDArray[np.int64]) -> None:
        """Hear which ranges will be read next: a server is asked for all of them at once."""
        return

    def missing_bytes(self, ranges: NDArray[np.int64]) -> int:
        """Bytes that a server would be asked for to read ranges."""
        return 0

    def gather(self, offset: int, region: Region, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Elements of a strided box of a tensor that begins at byte `offset`; read-only."""
        plan = plan_reads(
            region, dtype.itemsize, offset=offset, max_gap=self.max_gap, max_range=self.max_range
        )
        values = assemble(plan, self.read_many(plan.ranges), dtype)
        values.flags.writeable = False
        return values


class MappedFile(ByteSource):
    """A local file, mapped read-only into memory when it is first read.

    What it gives are views of the map; they stay valid after `close`, which only
    gives up this object's own hold on it. A pickle holds the path, not the bytes,
    and the copies unpickled in one process share one map.

    Parameters
    ----------
    path
        Absolute path.
    size, mtime_ns
        Size in bytes and time of change, as seen when the file was opened as a
        checkpoint. A file that differs when it is mapped raises `CheckpointError`.
    """

    def __init__(self, path: Path, size: int, mtime_ns: int) -> None:
        self.path: Path = path
        self.size = size
        self.mtime_ns = mtime_ns
        self.stamp = f"{size}:{mtime_ns}"
        self._map: mmap.mmap | None = None
        self._closed = False
        self._lock = threading.Lock()

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Bytes ``start ≤ i < stop``: a read-only view of the map."""
        if not 0 <= start <= stop <= self.size:
            raise CheckpointError(
                f"{self.path} has {self.size} bytes; {start} to {stop} are outside it."
            )
        return np.ndarray((stop - start,), np.uint8, self._map or self._open(), start)

    def read_many(self, ranges: NDArray[np.int64]) -> Iterable[NDArray[np.uint8]]:
        """Bytes of each range, read without the map.

        A page of the map that is not in memory yet brings its whole surroundings with it
        (megabytes, as the disk is configured), which scattered ranges do not need.
        """
        self._refuse_closed()
        with self._unchanged() as file:
            for start, stop in ranges.tolist():
                file.seek(start)
                data = np.empty(stop - start, np.uint8)
                if file.readinto(data.data) != data.size:
                    raise CheckpointError(f"{self.path} became shorter while it was being read.")
                yield data

    def gather(self, offset: int, region: Region, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Elements of a strided box: a read-only, possibly unaligned view of the map."""
        item = dtype.itemsize
        # numpy itself refuses a box that leaves the map, and the map is read-only.
        return np.ndarray(
            region.shape,
            dtype,
            self._map or self._open(),
            offset + region.offset * item,
            tuple([stride * item for stride in region.strides]),
        )

    def close(self) -> None:
        """Give up the map; views of it that are still in use keep it alive."""
        with self._lock:
            self._map = None
            self._closed = True

    def _open(self) -> mmap.mmap:
        with self._lock:
            self._refuse_closed()
            if self._map is None:
                self._map = self._mapped()
            return self._map

    def _refuse_closed(self) -> None:
        if self._closed:
            raise CheckpointError(
                f"{self.path} was closed; open the checkpoint again to read its tensors."
            )

    def _mapped(self) -> mmap.mmap:
        with self._unchanged() as file:
            return mmap.mmap(file.fileno(), self.size, access=mmap.ACCESS_READ)

    @contextmanager
    def _unchanged(self) -> Iterator[FileIO]:
        """The open file, if it is still the one that was opened as a checkpoint."""
        try:
            with open(self.path, "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if (status.st_size, status.st_mtime_ns) != (self.size, self.mtime_ns):
                    raise CheckpointError(
                        f"{self.path} was changed after it had been opened ({self.size} bytes "
                        f"then, {status.st_size} now); open the checkpoint again."
                    )
                yield file
        except OSError as error:
            raise CheckpointError(f"{self.path} cannot be read any more: {error}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        if self._closed:
            raise CheckpointError(f"{self.path} was closed, so its tensors cannot be sent on.")
        return _shared, (self.path, self.size, self.mtime_ns)


_unpickled: WeakValueDictionary[tuple[Path, int, int], MappedFile] = WeakValueDictionary()


def _shared(path: Path, size: int, mtime_ns: int) -> MappedFile:
    """The one map per process of a file whose tensors were unpickled."""
    key = (path, size, mtime_ns)
    file = _unpickled.get(key)
    if file is None:
        file = _unpickled.setdefault(key, MappedFile(path, size, mtime_ns))
    return file
