"""Block-wise reduction of arrays in numpy: the exact, allocation-friendly reference.

Sums are carried as (count, Σ) in float64 and extremes as (largest, smallest),
so that partial results of neighbouring pieces combine without rounding. Where
the compiled kernels are loaded by now they do the work; the values are the same.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..kernels.compiled import is_ready
from ..statistics import histogram
from .signal import Reduction

__all__ = ["Accumulator"]

_SLAB = 2**20
"""Elements that are widened to float64 at once: 8 MB stays in the cache."""


class Accumulator:
    """Reduces pieces of level 0 into coarse voxels.

    Parameters
    ----------
    shape
        Coarse voxels per axis.
    factors
        Level-0 voxels per coarse voxel and axis.
    reduction
        ``"rms"`` √(Σv²/n), ``"mean"`` Σv/n or ``"extreme"``, the signed value of
        largest magnitude, plus on a tie; over the n finite values of a block.
    """

    def __init__(self, shape: Sequence[int], factors: Sequence[int], reduction: Reduction) -> None:
        self._factors = tuple(factors)
        self._reduction = reduction
        self.count = np.zeros(shape, np.int64)
        if reduction == "extreme":
            self.largest = np.full(shape, -np.inf, np.float32)
            self.smallest = np.full(shape, np.inf, np.float32)
        else:
            self.total = np.zeros(shape)

    def add(self, values: NDArray[np.float32], start: Sequence[int]) -> None:
        """Add a box of level-0 values whose first voxel is `start` (from the first block)."""
        if not values.size or self._pool(values, start):
            return
        rows = values.shape[-2] if values.ndim > 1 else 1
        per_row = max(1, values.size // max(1, rows))
        step = max(1, _SLAB // per_row)
        if values.ndim > 1 and rows > step:
            for row in range(0, rows, step):
                piece = values[..., row : row + step, :]
                self._add(piece, (*start[:-2], start[-2] + row, start[-1]))
        else:
            self._add(values, start)

    def _pool(self, values: NDArray[np.float32], start: Sequence[int]) -> bool:
        """Add with the compiled kernels, where they are loaded and the blocks are square."""
        *lead, f, g = self._factors if len(self._factors) > 1 else (0, 0)
        if f != g or f < 2 or any(n != 1 for n in lead) or not is_ready():
            return False
        from ..kernels import extremes, sums
        from ..kernels import rows as shared

        flipped = values.strides[-2] < values.strides[-1] and values.shape[-2] > 1
        turned = values.swapaxes(-1, -2) if flipped else values
        row, column = start[-2:][::-1] if flipped else start[-2:]
        rows, columns = turned.shape[-2:]
        place = tuple(
            slice(a // f, -(-(a + n) // f)) for a, n in zip(start, values.shape, strict=True)
        )[-2:]
        counts = _overlaps(row, rows, f)[:, None] * _overlaps(column, columns, f)
        for index in np.ndindex(*values.shape[:-2]):
            plane = tuple(i + a for i, a in zip(index, start[:-2], strict=True))
            flat = np.ascontiguousarray(turned[index]).reshape(-1)
            flat.flags.writeable = False
            hidden = np.zeros(counts.shape, np.int32)
            matrix = (flat, flat.view(np.int32), columns, rows, columns, row % f, column % f, f)
            if self._reduction == "extreme":
                high = np.full(counts.shape, -(2**31), np.int32)
                low = np.full(counts.shape, 2**31 - 1, np.int32)
                extremes.pool_extreme(*matrix, high, low, hidden, *_NO_TALLY)
                held = _turned(counts + hidden > 0, flipped)
                largest, smallest = self.largest[plane][place], self.smallest[plane][place]
                high_values = _turned(key_values(high), flipped)
                low_values = _turned(key_values(low), flipped)
                np.maximum(largest, high_values, out=largest, where=held)
                np.minimum(smallest, low_values, out=smallest, where=held)
            else:
                kind = shared.SQUARES if self._reduction == "rms" else shared.VALUES
                total = np.zeros(counts.shape)
                sums.pool_sums(*matrix, kind, total, hidden, *_NO_TALLY)
                self.total[plane][place] += _turned(total, flipped)
            self.count[plane][place] += _turned(counts + hidden, flipped)
        return True

    def _add(self, values: NDArray[np.float32], start: Sequence[int]) -> None:
        edges = []
        target = []
        counts: NDArray[np.int64] = np.ones((1,) * values.ndim, np.int64)
        for axis, (first, length, factor) in enumerate(
            zip(start, values.shape, self._factors, strict=True)
        ):
            low, high = first // factor, -(-(first + length) // factor)
            starts = np.maximum(np.arange(low, high) * factor - first, 0)
            edges.append(starts)
            target.append(slice(low, high))
            sizes = np.diff(starts, append=length)
            counts = counts * sizes.reshape([-1 if i == axis else 1 for i in range(values.ndim)])
        at = tuple(target)
        mask = np.isfinite(values)
        finite = None if mask.all() else mask
        if finite is not None:
            counts = _reduceat(np.add, finite.astype(np.int64), edges)
        self.count[at] += counts
        if self._reduction == "extreme":
            high_values = values if finite is None else np.where(finite, values, -np.inf)
            low_values = values if finite is None else np.where(finite, values, np.inf)
            np.maximum(
                self.largest[at], _reduceat(np.maximum, high_values, edges), out=self.largest[at]
            )
            np.minimum(
                self.smallest[at], _reduceat(np.minimum, low_values, edges), out=self.smallest[at]
            )
            return
        wide = (values if finite is None else np.where(finite, values, 0)).astype(np.float64)
        if self._reduction == "rms":
            wide *= wide
        self.total[at] += _reduceat(np.add, wide, edges)

    def result(self) -> NDArray[np.float32]:
        """The coarse voxels, 0 where no finite value fell."""
        if self._reduction == "extreme":
            found = np.where(self.largest >= -self.smallest, self.largest, self.smallest)
            # Adding +0 makes a zero positive whichever of ±0 came first.
            return np.where(self.count > 0, found, np.float32(0)) + np.float32(0)
        mean = self.total / np.maximum(self.count, 1)
        if self._reduction == "rms":
            np.sqrt(mean, out=mean)
        return mean.astype(np.float32)


_NO_TALLY = (np.zeros(6), np.zeros(histogram.BINS, np.uint32), 0)


def _overlaps(start: int, length: int, factor: int) -> NDArray[np.int64]:
    """How much of an interval lies in each block that it touches."""
    low, high = start // factor, -(-(start + length) // factor)
    edges = np.clip(np.arange(low, high + 1) * factor, start, start + length)
    return edges[1:] - edges[:-1]


def _turned(plane: NDArray[Any], flipped: bool) -> NDArray[Any]:
    return plane.T if flipped else plane


def key_values(keys: NDArray[np.int32]) -> NDArray[np.float32]:
    """The float32 of sort keys, see `kernels.rows.FINITE_HIGH`."""
    return np.where(keys < 0, keys ^ np.int32(0x7FFFFFFF), keys).view(np.float32)


def _reduceat(
    operation: np.ufunc, values: NDArray[Any], edges: Sequence[NDArray[np.int64]]
) -> NDArray[Any]:
    """Reduce along every axis between edges, slow axes first: those vectorise."""
    for axis, starts in enumerate(edges):
        if len(starts) == 1:
            values = operation.reduce(values, axis=axis, keepdims=True)
        elif len(starts) < values.shape[axis]:
            values = operation.reduceat(values, starts, axis=axis)
    return values
