"""A tensor whose elements lie in C order in one byte source."""

import sys
from collections.abc import Iterable, Iterator
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dtypes import decode
from .elements import ElementTensor
from .plan import plan_reads
from .region import Region
from .source import ByteSource

__all__ = ["StoredTensor"]

_LARGE = 2**18
"""Elements: a smaller transposed box stays in the cache however it is copied."""

_BAND = 128
"""Lines of a large transposed box that are copied at once: their pages and the lines of the
target stay in the cache; three times as fast as all at once at 4096 × 4096."""


class StoredTensor(ElementTensor):
    """Elements of one type, in C order, from byte `start` of a source.

    Parameters
    ----------
    name, shape
        As in the checkpoint.
    stored
        A key of `STORED_TYPES` whose elements do not share bytes.
    source
        The file.
    start
        Byte of the first element.
    """

    @property
    def extent(self) -> tuple[ByteSource, int, int]:
        """Its file, the byte of it at which the elements begin, and one past their last."""
        return self._source, self._start, self._start + self.nbytes

    def retyped(self, stored: str) -> "StoredTensor":
        """The same bytes as elements of another type of the same size."""
        other = StoredTensor(self.name, self.shape, stored, self._source, self._start)
        if other.nbytes != self.nbytes:
            raise ValueError(f"{stored} elements are not as large as {self.stored} elements")
        return other

    def raw(self, region: Region) -> NDArray[Any]:
        """Elements of a strided box as they are stored; read-only."""
        # One past the last element, without a Python loop: this is the hot path.
        reach = region.offset + sum(map(mul, region.shape, region.strides)) - sum(region.strides)
        if region.offset < 0 or reach >= self._size:
            raise IndexError(f"{region} is outside {self.name} of shape {self.shape}")
        if not self._size:  # such a region may begin beyond the end of the file
            region = Region(0, region.shape, region.strides)
        return self._source.gather(self._start, region, self._storage)

    def ranges(self, region: Region) -> Iterable[tuple[ByteSource, NDArray[np.int64]]]:
        """Bytes on a server that a strided box needs."""
        source = self._source
        if not source.is_remote or not region.size:
            return ()
        plan = plan_reads(
            region,
            self._storage.itemsize,
            offset=self._start,
            max_gap=source.max_gap,
            max_range=sys.maxsize,
        )
        return ((source, plan.ranges),)

    def read_into(self, region: Region, out: NDArray[np.float32]) -> None:
        """Write the values of a strided box into a float32 array of its shape, in one step."""
        raw = self.raw(region)
        for source, target in _bands(raw, out):
            if self.stored == "BF16":
                np.left_shift(source, _HALF, out=target.view(np.uint32), dtype=np.uint32)
            else:
                values = decode(source, self.stored) if self._coded else source
                np.copyto(target, values, "unsafe")


_HALF = np.uint32(16)


def _bands(
    raw: NDArray[Any], out: NDArray[np.float32]
) -> Iterator[tuple[NDArray[Any], NDArray[np.float32]]]:
    """Pieces of an array and of its target that copy fast: bands of lines, if it is transposed."""
    if raw.size > _LARGE:
        axes = range(raw.ndim)
        slow = max(axes, key=lambda axis: raw.strides[axis] if raw.shape[axis] > 1 else -1)
        fast = min(axes, key=lambda axis: out.strides[axis] if raw.shape[axis] > 1 else 2**62)
        if slow == fast:
            for first in range(0, raw.shape[slow], _BAND):
                at = (*[slice(None)] * slow, slice(first, first + _BAND))
                yield raw[at], out[at]
            return
    yield raw, out
