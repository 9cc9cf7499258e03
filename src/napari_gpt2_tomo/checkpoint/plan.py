"""Which byte ranges a region needs, and how their bytes become an array. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from .region import Region

__all__ = ["ReadPlan", "assemble", "plan_reads"]


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """Byte ranges to read for a region, and where its elements lie in them.

    Attributes
    ----------
    ranges
        ``(n, 2)`` half-open byte ranges, ascending, disjoint.
    shape
        Shape of the region.
    runs
        Position of each run in the concatenation of all ranges, in elements. A run
        is a box of the `inner` axes; there is one per element of the `outer` axes.
    span
        Elements from the first to the last of a run, gaps included.
    outer, inner
        Axes of the region, outer ones by descending stride. Axes of length 1 are in neither.
    inner_strides
        Stride in elements of each inner axis.
    """

    ranges: NDArray[np.int64]
    shape: tuple[int, ...]
    runs: NDArray[np.int64]
    span: int
    outer: tuple[int, ...]
    inner: tuple[int, ...]
    inner_strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes in all ranges."""
        return int((self.ranges[:, 1] - self.ranges[:, 0]).sum())


def plan_reads(
    region: Region, itemsize: int, *, offset: int, max_gap: int, max_range: int
) -> ReadPlan:
    """Plan the reading of a region of a tensor that begins at byte `offset` of its file.

    Work and memory grow with the number of runs of neighbouring elements, not
    with the number of elements.

    Parameters
    ----------
    region
        What to read, in elements.
    itemsize
        Bytes of an element.
    offset
        Byte at which element 0 of the tensor lies.
    max_gap
        Ranges at most this many bytes apart are read as one. 0 reads no needless byte.
    max_range
        Longer ranges are cut into pieces of at most this many bytes.
    """
    if max_gap < 0 or max_range < 1:
        raise ValueError(f"max_gap={max_gap} and max_range={max_range} cannot be planned for")
    if region.size == 0:
        nothing = np.empty((0, 2), np.int64)
        return ReadPlan(nothing, region.shape, nothing[:, 0], 0, (), (), ())

    order = sorted(
        (stride, axis)
        for axis, (n, stride) in enumerate(zip(region.shape, region.strides, strict=True))
        if n > 1
    )
    span, n_inner = 1, 0
    for stride, axis in order:
        if (stride - span) * itemsize > max_gap:
            break
        span += (region.shape[axis] - 1) * stride
        n_inner += 1
    inner, outer = order[:n_inner], order[n_inner:][::-1]

    starts = np.array([region.offset], np.int64)
    for stride, axis in outer:
        steps = np.arange(region.shape[axis], dtype=np.int64) * stride
        starts = np.add.outer(starts, steps).ravel()
    # Strides need not be nested (a region may hold elements twice), so sort.
    ordered = np.sort(starts)
    cuts = np.flatnonzero((ordered[1:] - ordered[:-1] - span) * itemsize > max_gap) + 1
    first = ordered[np.concatenate(([0], cuts))]
    last = ordered[np.concatenate((cuts - 1, [ordered.size - 1]))] + span
    ends = np.cumsum(last - first)
    place = np.searchsorted(first, starts, side="right") - 1
    runs = starts - first[place] + ends[place] - (last - first)[place]

    ranges = np.stack((first, last), axis=1) * itemsize + offset
    return ReadPlan(
        _split(ranges, max_range),
        region.shape,
        runs,
        span,
        tuple(axis for _, axis in outer),
        tuple(axis for _, axis in inner),
        tuple(stride for stride, _ in inner),
    )


def _split(ranges: NDArray[np.int64], max_range: int) -> NDArray[np.int64]:
    """Cut ranges into pieces of at most `max_range` bytes."""
    lengths = ranges[:, 1] - ranges[:, 0]
    pieces = -(-lengths // max_range)
    if (pieces == 1).all():
        return ranges
    whole = np.repeat(ranges, pieces, axis=0)
    number = np.arange(len(whole)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    start = whole[:, 0] + number * max_range
    return np.stack((start, np.minimum(start + max_range, whole[:, 1])), axis=1)


def assemble(
    plan: ReadPlan, chunks: Iterable[NDArray[np.uint8]], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """The region's array, from the bytes of the plan's ranges in order.

    May be a view of the chunk where there is only one.
    """
    if len(plan.ranges) == 0:
        return np.empty(plan.shape, dtype)
    if len(plan.ranges) == 1:
        (data,) = chunks
    else:
        data = np.empty(plan.nbytes, np.uint8)
        end = 0
        for chunk in chunks:
            data[end : end + chunk.size] = chunk
            end += chunk.size
    elements = data.view(dtype)
    inner_shape = tuple(plan.shape[axis] for axis in plan.inner)
    # Window i is the run that begins at element i; windows overlap, only `runs` are taken.
    windows = as_strided(
        elements,
        (elements.size - plan.span + 1, *inner_shape),
        tuple(dtype.itemsize * stride for stride in (1, *plan.inner_strides)),
        writeable=False,
    )
    only = int(plan.runs[0])
    values = windows[only : only + 1] if plan.runs.size == 1 else windows[plan.runs]
    values = values.reshape((*(plan.shape[axis] for axis in plan.outer), *inner_shape))
    return values.transpose(np.argsort(plan.outer + plan.inner)).reshape(plan.shape)
