"""Reduction of one plane to all its in-plane levels, in buffers that a thread uses again."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checkpoint.region import Region
from ...checkpoint.tensor import LazyTensor
from ..kernels import extremes, rows, sums, whole
from ..kernels.matrices import MatrixPiece, Source
from ..reading.signal import Reduction
from ..statistics import histogram
from ..statistics.exact import Contribution

__all__ = ["Arrangement", "Stack", "Tally", "count_pieces"]

_HIGHEST, _LOWEST = 2**31 - 1, -(2**31)


class Tally:
    """What stored values of one part contribute to its statistics."""

    __slots__ = ("counts", "moments")

    def __init__(self) -> None:
        self.moments = np.array([0.0, 0.0, 0.0, math.inf, -math.inf, 0.0])
        self.counts = np.zeros(histogram.BINS, np.uint32)

    def contribution(self) -> Contribution:
        """Moments, the histogram's bins in use, and their counts."""
        bins = np.flatnonzero(self.counts)
        return self.moments, bins.astype(np.uint16), self.counts[bins]


def count_pieces(
    pieces: Sequence[tuple[tuple[int, int], tuple[int, int]]],
    shape: tuple[int, int],
    factors: Sequence[int],
) -> list[NDArray[np.int32]]:
    """Parameters in every block of a plane, int32, for each factor; pieces are (start, shape)."""
    counts = []
    for factor in factors:
        count = np.zeros((shape[0] // factor, shape[1] // factor), np.int32)
        for start, size in pieces:
            rows, columns = (
                _overlap(a, length, factor) for a, length in zip(start, size, strict=True)
            )
            at = tuple(
                slice(a // factor, a // factor + len(n))
                for a, n in zip(start, (rows, columns), strict=True)
            )
            count[at] += np.multiply.outer(rows, columns)
        counts.append(count)
    return counts


def _overlap(start: int, length: int, factor: int) -> NDArray[np.int32]:
    """How much of an interval lies in each block that it touches."""
    first, last = start // factor, -(-(start + length) // factor)
    edges = np.arange(first, last + 1, dtype=np.int32) * factor
    edges[0], edges[-1] = start, start + length
    return edges[1:] - edges[:-1]


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Where the parameters of a section lie in its plane; many sections share one.

    Attributes
    ----------
    flipped
        Whether the plane is held transposed, because that is how it lies in the file.
    counts
        Parameters in every block, int32, for each factor.
    edge
        Blocks of the finest factor, as (rows, columns) from the origin, that are whole
        and belong to a single piece each; (0, 0) if there are none.
    bare
        Whether there are no parameters but those.
    """

    flipped: bool
    counts: list[NDArray[np.int32]]
    edge: tuple[int, int]
    bare: bool

    @classmethod
    def of(
        cls,
        flipped: bool,
        places: Sequence[tuple[tuple[int, int], tuple[int, int]]],
        shape: tuple[int, int],
        factors: Sequence[int],
    ) -> "Arrangement":
        """From the pieces' (start, shape) in the plane as it is held."""
        counts = count_pieces(places, shape, factors)
        whole = [place for place in places if _is_whole(place, factors[0])]
        edge = tuple(
            max((start[axis] + size[axis] for start, size in whole), default=0) for axis in (0, 1)
        )
        if sum(size[0] * size[1] for _, size in whole) != edge[0] * edge[1]:
            edge = (0, 0)
        blocks = (edge[0] // factors[0], edge[1] // factors[0])
        bare = len(whole) == len(places) and edge != (0, 0)
        return cls(flipped, counts, blocks, bare)


def _is_whole(place: tuple[tuple[int, int], tuple[int, int]], factor: int) -> bool:
    start, size = place
    return all(n % factor == 0 for n in (*start, *size))


class Stack:
    """Partial reductions of one plane at every in-plane factor.

    Parameters
    ----------
    shape
        Rows and columns of the plane as it is held.
    factors
        In-plane factors, ascending, each twice the one before.
    reduction, absolute
        How blocks are summed up, and whether the signal is the magnitude.
    """

    def __init__(
        self, shape: tuple[int, int], factors: Sequence[int], reduction: Reduction, absolute: bool
    ) -> None:
        self._factors = factors
        self._extreme = reduction == "extreme"
        self._root = reduction == "rms"
        self._absolute = absolute
        if self._root:
            self._kind = rows.SQUARES
        else:
            self._kind = rows.MAGNITUDES if absolute else rows.VALUES
        shapes = [(shape[0] // f, shape[1] // f) for f in factors]
        if self._extreme:
            self._high = [np.empty(s, np.int32) for s in shapes]
            self._low = [np.empty(s, np.int32) for s in shapes]
        else:
            self._total = [np.zeros(s) for s in shapes]
        # Voxels as the plane is held, where they are not what is asked for.
        self._unseen = tuple(np.zeros(s, np.float32) for s in shapes)
        # What is not finite is taken off the counts; there is hardly ever any.
        self._hidden = [np.zeros(s, np.int32) for s in shapes]
        self._lost = 0
        self._edge = (0, 0)
        # Sums of whole blocks go to the next level alone; without one they are needed here.
        self._at_once = not self._extreme and len(factors) > 1 and factors[0] % 2 == 0

    def begin(self, arrangement: Arrangement, out: Sequence[NDArray[np.float32]]) -> None:
        """Begin another plane, whose levels `emit` writes to `out`, as the volume is oriented."""
        self._at = arrangement
        self._out = out
        self._edge = arrangement.edge if self._at_once and len(out) else (0, 0)
        if self._extreme:
            self._high[0].fill(_LOWEST)
            self._low[0].fill(_HIGHEST)
        else:
            # With several levels, the plane before left those of the finest at 0.
            self._total[min(1, len(self._total) - 1)].fill(0)
        if self._lost:
            for hidden in self._hidden:
                hidden.fill(0)
            self._lost = 0

    def add(
        self,
        source: Source,
        piece: MatrixPiece,
        offset: int,
        tensors: Mapping[str, LazyTensor],
        tally: Tally | None,
    ) -> None:
        """Add the elements of a piece, given as the plane is held, but from another offset."""
        region = Region(offset, piece.shape, piece.strides)
        factor = self._factors[0]
        (top, column), (height, width) = piece.start, piece.shape
        bottom, right = self._edge
        inside = top + height <= bottom * factor and column + width <= right * factor
        collected = (tally.moments, tally.counts, piece.every) if tally is not None else _NO_TALLY
        for first, matrix in source.pieces(tensors[piece.tensor], piece.part, region, factor):
            row = piece.start[0] + first
            values = (matrix.values, matrix.values.view(np.int32), matrix.stride)
            size = (matrix.rows, matrix.columns)
            if inside:
                self._add_whole((*values, *size), (row // factor, column // factor), collected)
                continue
            at = (slice(row // factor, None), slice(column // factor, None))
            place = (*size, row % factor, column % factor, factor)
            if self._extreme:
                self._lost += extremes.pool_extreme(
                    *values, *place, self._high[0][at], self._low[0][at], self._hidden[0][at],
                    *collected,
                )  # fmt: skip
            else:
                self._lost += sums.pool_sums(
                    *values, *place, self._kind, self._total[0][at], self._hidden[0][at],
                    *collected,
                )  # fmt: skip

    def _add_whole(
        self, matrix: tuple[Any, ...], block: tuple[int, int], collected: tuple[Any, ...]
    ) -> None:
        self._lost += whole.pool_whole_blocks(
            *matrix,
            self._factors[0],
            self._kind,
            *block,
            self._out[0],
            self._at.flipped,
            self._total[1],
            self._hidden[1],
            *collected,
        )

    def emit(self) -> None:
        """Write the voxels of every level."""
        if self._lost:
            self._merge_hidden()
        if self._extreme:
            for i in range(len(self._out)):
                self._emit_extreme(i)
        else:
            self._emit_sums()

    def _emit_sums(self) -> None:
        counts = self._at.counts
        if self._lost:
            counts = [n + hidden for n, hidden in zip(counts, self._hidden, strict=True)]
        # Without a level to write (all are coarser along the sections) there is still a sum.
        turned = self._at.flipped and len(self._out) > 0
        outs = tuple(self._out) or self._unseen
        bare = self._at.bare and self._edge != (0, 0)
        place = (*self._edge, bare, not self._lost, self._root, turned)
        sums.finish_plane(tuple(self._total), tuple(counts), outs, *place)

    def _merge_hidden(self) -> None:
        """Sum up the non-finite values of each level; those of whole blocks begin at the second."""
        for i in range(1, len(self._factors)):
            rows, columns = self._hidden[i].shape
            fine = self._hidden[i - 1].reshape(rows, 2, columns, 2)
            self._hidden[i] += fine.sum(axis=(1, 3), dtype=np.int32)

    def _emit_extreme(self, i: int) -> None:
        if i:
            extremes.halve_extreme(self._high[i - 1], self._low[i - 1], self._high[i], self._low[i])
        flipped = self._at.flipped
        voxels = self._unseen[i] if flipped else self._out[i]
        flat = voxels.reshape(-1)
        extremes.emit_extreme(
            self._high[i].reshape(-1), self._low[i].reshape(-1), flat.view(np.int32)
        )
        if self._absolute:
            np.abs(flat, out=flat)
        if flipped:
            np.copyto(self._out[i], voxels.T)

    def coarsest(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Copies of the coarsest level's partial reduction (Σ, or keys) and finite counts."""
        count = self._at.counts[-1] + self._hidden[-1]
        if self._extreme:
            held: NDArray[Any] = np.stack([self._high[-1], self._low[-1]])
        else:
            held = self._total[-1].copy()
        return (held.swapaxes(-1, -2), count.T) if self._at.flipped else (held, count)


_NO_TALLY = (np.zeros(6), np.zeros(histogram.BINS, np.uint32), 0)
