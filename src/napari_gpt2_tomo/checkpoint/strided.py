"""A tensor whose elements lie in any regular order in one byte source."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .elements import ElementTensor
from .region import Region, c_strides
from .source import ByteSource
from .stored import StoredTensor
from .tensor import LazyTensor

__all__ = ["StridedTensor", "tensor_at"]

BAND = 1 << 20
"""Elements of a run with steps that are read at once; the steps leave out the others."""


def tensor_at(
    name: str,
    shape: Sequence[int],
    strides: Sequence[int],
    stored: str,
    source: ByteSource,
    start: int,
) -> LazyTensor:
    """The plainest tensor for elements that lie `strides` elements apart; see `StridedTensor`."""
    tidy = tuple(shape)
    plain = Region(0, tidy, tuple(strides)).is_contiguous or not math.prod(tidy)
    if plain:
        return StoredTensor(name, tidy, stored, source, start)
    return StridedTensor(name, tidy, tuple(strides), stored, source, start)


class StridedTensor(ElementTensor):
    """Elements of one type at regular distances: transposed, cut out or repeated.

    Parameters
    ----------
    name, shape
        As in the checkpoint.
    strides
        Elements between neighbours along each axis, not negative; 0 repeats them.
    stored
        A key of `STORED_TYPES` whose elements do not share bytes.
    source
        The file.
    start
        Byte of the first element.
    """

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        stored: str,
        source: ByteSource,
        start: int,
    ) -> None:
        super().__init__(name, shape, stored, source, start)
        self._shape, self._strides = _merged(shape, strides)
        self._steps = c_strides(self._shape)
        # Repeated elements are in the file once.
        own = math.prod(n for n, step in zip(self._shape, self._strides, strict=True) if step)
        self.nbytes = own * self._storage.itemsize

    def raw(self, region: Region) -> NDArray[Any]:
        """Elements of a strided box as they are stored; read-only."""
        if region.size and (region.offset < 0 or region.stop > self._size):
            raise IndexError(f"{region} is outside {self.name} of shape {self.shape}")
        if not region.size:
            return self._gather(Region(0, region.shape, (0,) * len(region.shape)))
        box = self._box(region)
        if box is not None:
            return self._gather(box)
        values = np.empty(region.shape, self._storage)
        self._fill(region, values)
        values.flags.writeable = False
        # A view, so that nobody makes it writable again.
        return values[...]

    def _gather(self, box: Region) -> NDArray[Any]:
        return self._source.gather(self._start, box, self._storage)

    def _box(self, region: Region) -> Region | None:
        """Where the elements of a region lie in the file, if that is a strided box too.

        It is one where no axis of the region goes over the end of one of the tensor: then a
        step of the region is the same step in the file wherever it begins.
        """
        offset, reach = 0, []
        rest = region.offset
        for n, step, stride in zip(self._shape, self._steps, self._strides, strict=True):
            at, rest = divmod(rest, step)
            offset += at * stride
            reach.append(n - 1 - at)
        strides = []
        for count, stride in zip(region.shape, region.strides, strict=True):
            lies = 0
            rest = stride
            if count > 1:
                for axis, step in enumerate(self._steps):
                    along, rest = divmod(rest, step)
                    reach[axis] -= along * (count - 1)
                    lies += along * self._strides[axis]
            strides.append(lies)
        return (
            None if any(left < 0 for left in reach) else Region(offset, region.shape, (*strides,))
        )

    def _fill(self, region: Region, out: NDArray[Any]) -> None:
        """Read a region that is no strided box of the file, piece by piece."""
        box = self._box(region)
        if box is not None:
            out[...] = self._gather(box)
            return
        axis = max(range(len(region.shape)), key=lambda i: _reach(region, i))
        count, step = region.shape[axis], region.strides[axis]
        if sum(n > 1 for n in region.shape) > 1:
            rest = (*region.shape[:axis], *region.shape[axis + 1 :])
            steps = (*region.strides[:axis], *region.strides[axis + 1 :])
            lines = np.moveaxis(out, axis, 0)
            for i in range(count):
                self._fill(Region(region.offset + i * step, rest, steps), lines[i, ...])
            return
        line = np.moveaxis(out, axis, -1).reshape(-1) if out.ndim > 1 else out
        if step == 1:
            self._fill_run(region.offset, line)
        else:
            per_band = max(1, BAND // step)
            for first in range(0, count, per_band):
                some = min(per_band, count - first)
                run = np.empty((some - 1) * step + 1, self._storage)
                self._fill_run(region.offset + first * step, run)
                line[first : first + some] = run[::step]
        if out.ndim > 1 and not np.may_share_memory(line, out):
            out[...] = line.reshape(out.shape)

    def _fill_run(self, start: int, line: NDArray[Any]) -> None:
        """Neighbouring elements: parts of lines at both ends, whole boxes between them."""
        for first, region in _boxes(self._shape, self._steps, start, start + line.size):
            box = self._box(region)
            assert box is not None
            line[first - start : first - start + region.size].reshape(region.shape)[...] = (
                self._gather(box)
            )


def _merged(
    shape: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape and strides with axes joined that are one in the file, and without those of length 1.

    The fewer axes, the fewer regions go over the end of one.
    """
    found: list[list[int]] = []
    for n, stride in zip(shape, strides, strict=True):
        if n == 1:
            continue
        if found and found[-1][1] == n * stride:
            found[-1] = [found[-1][0] * n, stride]
        else:
            found.append([n, stride])
    return tuple(n for n, _ in found), tuple(stride for _, stride in found)


def _boxes(
    shape: Sequence[int], steps: Sequence[int], start: int, stop: int
) -> Iterator[tuple[int, Region]]:
    """Boxes of a C-order tensor that make up a run, and at which of its elements each begins."""
    done = start
    while done < stop:
        # The longest step that the run has left and that begins here.
        axis = next(i for i, step in enumerate(steps) if done % step == 0 and done + step <= stop)
        step = steps[axis]
        to_end = shape[axis] - done // step % shape[axis]
        count = min((stop - done) // step, to_end)
        yield done, Region(done, (count, *shape[axis + 1 :]), (step, *steps[axis + 1 :]))
        done += count * step


def _reach(region: Region, axis: int) -> int:
    return region.strides[axis] if region.shape[axis] > 1 else -1
