"""The streaming pass: every parameter is read once, in tiles that stand on their own.

A tile is an aligned box of the volume. Running it gives all coarse levels of
that box and what its parameters contribute to the statistics, so tiles can run
in any order, on several threads, and be resumed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from . import histogram, kernels
from .body import BodyLayout
from .layout import BlockLayout, Box
from .matrices import Source, split_digits
from .reader import BlockReader, LevelReader
from .reduce import Accumulator
from .run import Step
from .statistics_store import Contribution

__all__ = ["BodyPass", "Pass", "PlainPass", "Tally", "Tile", "first_stored_level", "make_pass"]

STORED_VOXELS = 2**26
"""Voxels: the finest level that the overview keeps has no more (256 MB of float32)."""

_TILE_BYTES = 2**23
"""Bytes that a tile writes for its finest level: files of a handy size, progress several
times a second."""

_SAMPLED_ABOVE = 2**20
"""Parameters: quantiles of larger parts come from every 8th row. Their error (standard
deviation of the share) stays below 0.15 %, and the pass runs at the speed of the memory."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One aligned box of level-0 voxels, at `index` of the grid of tiles."""

    index: tuple[int, ...]
    box: Box


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


Tallies = dict[int, Tally]


class Pass(Protocol):
    """A way to compute the coarse levels of a volume tile by tile."""

    first: int
    tiles: Sequence[Tile]
    tile_shape: tuple[int, ...]

    def run(self, tile: Tile, out: Sequence[NDArray[np.float32]], step: Step) -> Tallies:
        """Compute levels ``first, first + 1, …`` of a tile into `out` (zeros, chunk shape)."""


def first_stored_level(level_shapes: Sequence[tuple[int, ...]]) -> int:
    """The finest level that an overview keeps: never level 0, that is the file itself."""
    for level, shape in enumerate(level_shapes):
        if level and math.prod(shape) <= STORED_VOXELS:
            return level
    return len(level_shapes)


def sampling(size: int) -> int:
    """Every how many rows a part of this many parameters enters the histogram."""
    return 8 if size > _SAMPLED_ABOVE else 1


class _Grid:
    """Tiles of whole planes along the first axis."""

    def __init__(self, reader: BlockReader, thickness: int, first: int) -> None:
        layout = reader.layout
        self.first = first
        self.tile_shape: tuple[int, ...] = (thickness, *layout.shape[1:])
        self.tiles: Sequence[Tile] = [
            Tile(
                (i,) + (0,) * (layout.ndim - 1),
                ((a, min(a + thickness, layout.shape[0])), *((0, n) for n in layout.shape[1:])),
            )
            for i, a in enumerate(range(0, layout.shape[0], thickness))
        ]


class BodyPass(_Grid):
    """Compiled pass over a body: planes are pooled as they lie in the file.

    Parameters
    ----------
    reader
        Of a body.
    tallied
        Whether to collect statistics; only for a signal that is the weight itself.
    """

    def __init__(self, reader: BlockReader, tallied: bool) -> None:
        self._layout = layout = reader.layout
        self._reader = reader
        self._tallied = tallied
        first = first_stored_level([layout.level_shape(i) for i in range(len(layout.factors))])
        self._factors = layout.factors[first:]
        thick = layout.factors[-1][0]
        plane = 4 * math.prod(layout.level_shape(first)[1:])
        while thick * 2 * plane <= _TILE_BYTES and thick < layout.shape[0]:
            thick *= 2
        super().__init__(reader, thick, first)

    @cached_property
    def _in_plane(self) -> list[int]:
        """In-plane factors of the levels, finest stored first, each once."""
        return sorted({factors[1] for factors in self._factors})

    def run(self, tile: Tile, out: Sequence[NDArray[np.float32]], step: Step) -> Tallies:
        """Compute the stored levels of a tile."""
        tallies: Tallies = {}
        source = Source(self._reader.signal)
        (start, stop), *_ = tile.box
        coarsest: list[Any] = []
        for section in range(start, stop):
            plane = _Plane(self._layout.shape[1:], self._in_plane[0], self._reader)
            step(self._fill(plane, section, source, tallies))
            for i in range(len(self._in_plane)):
                plane.emit(out[i][section - start])
                if i + 1 < len(self._in_plane):
                    plane = plane.halved()
            coarsest.append(plane)
        if len(self._factors) > len(self._in_plane):
            self._thicken(coarsest, out[len(self._in_plane) :])
        return tallies

    def _fill(self, plane: "_Plane", section: int, source: Source, tallies: Tallies) -> int:
        rows, columns = self._layout.shape[1:]
        seen = 0
        for block in self._layout.blocks_in(((section, section + 1), (0, rows), (0, columns))):
            inside = section - block.start[0]
            offset = block.view.offset
            # A block's sections are one digit: see how the body stacks them.
            ((_, stride),) = block.view.axes[0]
            tensor = self._reader.tensors[block.tensor]
            part = self._layout.anatomy.parts[block.part]
            tally = tallies.setdefault(block.part, Tally()) if self._tallied else None
            for row, column, at, (n, row_step), (m, column_step) in split_digits(
                block.view.axes[1], block.view.axes[2], offset + inside * stride
            ):
                plane.add(
                    source,
                    tensor,
                    block.part,
                    at,
                    (block.start[1] + row, block.start[2] + column),
                    (n, m),
                    (row_step, column_step),
                    tally,
                    sampling(part.size),
                )
                seen += n * m
        return seen

    def _thicken(self, planes: list["_Plane"], out: Sequence[NDArray[np.float32]]) -> None:
        """Levels that halve the sections, from the coarsest planes."""
        base = len(self._in_plane)
        for factors, target in zip(self._factors[base:], out, strict=True):
            thick = factors[0]
            for k in range(0, len(planes), thick):
                group = planes[k : k + thick]
                merged = group[0].merged(group[1:])
                merged.emit(target[k // thick])


class _Plane:
    """Partial reductions of one plane at one in-plane factor."""

    def __init__(self, shape: Sequence[int], factor: int, reader: BlockReader) -> None:
        self.factor = factor
        self._reader = reader
        self._extreme = reader.reduction == "extreme"
        coarse = (shape[0] // factor, shape[1] // factor)
        self._make(coarse)
        self._transposed: _Plane | None = None

    def _make(self, coarse: tuple[int, int]) -> None:
        self.count = np.zeros(coarse, np.int32)
        if self._extreme:
            self.high = np.full(coarse, -(2**31), np.int32)
            self.low = np.full(coarse, 2**31 - 1, np.int32)
        else:
            self.total = np.zeros(coarse)

    def _like(self, coarse: tuple[int, int], factor: int) -> "_Plane":
        plane = _Plane.__new__(_Plane)
        plane.factor, plane._reader, plane._extreme = factor, self._reader, self._extreme
        plane._transposed = None
        plane._make(coarse)
        return plane

    def add(
        self,
        source: Source,
        tensor: Any,
        part: int,
        offset: int,
        start: tuple[int, int],
        shape: tuple[int, int],
        strides: tuple[int, int],
        tally: Tally | None,
        every: int,
    ) -> None:
        """Add a matrix of the file at `start` of the plane, along the file's own order."""
        from ..checkpoint.region import Region

        if strides[0] < strides[1] and shape[0] > 1:
            if self._transposed is None:
                rows, columns = self.count.shape
                self._transposed = self._like((columns, rows), self.factor)
            self._transposed.add(
                source, tensor, part, offset, start[::-1], shape[::-1], strides[::-1], tally, every
            )
            return
        region = Region(offset, shape, strides)
        factor = self.factor
        for first, matrix in source.pieces(tensor, part, region):
            row = start[0] + first
            at = (slice(row // factor, None), slice(start[1] // factor, None))
            values = matrix.values
            moments, counts, step = (
                (tally.moments, tally.counts, every) if tally is not None else (_NONE, _NO_BINS, 0)
            )
            common = (
                values,
                values.view(np.int32),
                matrix.stride,
                matrix.rows,
                matrix.columns,
                row % factor,
                start[1] % factor,
                factor,
            )
            if self._extreme:
                kernels.pool_extreme(
                    *common, self.high[at], self.low[at], self.count[at], moments, counts, step
                )
            else:
                kind = _kind(self._reader)
                kernels.pool_sums(
                    *common, kind, self.total[at], self.count[at], moments, counts, step
                )

    def _settle(self) -> None:
        """Fold in what was collected along the other axis."""
        other = self._transposed
        if other is None:
            return
        self._transposed = None
        kernels.add_transposed(other.count, self.count)
        if self._extreme:
            kernels.max_transposed(other.high, other.low, self.high, self.low)
        else:
            kernels.add_transposed(other.total, self.total)

    def emit(self, out: NDArray[np.float32]) -> None:
        """Write the plane's voxels."""
        self._settle()
        if self._extreme:
            kernels.emit_extreme(self.high, self.low, self.count, out.view(np.int32))
            if self._reader.signal.name == "magnitude":
                np.abs(out, out=out)
        else:
            kernels.emit_sums(self.total, self.count, self._reader.reduction == "rms", out)

    def halved(self) -> "_Plane":
        """The plane at twice the factor."""
        self._settle()
        rows, columns = self.count.shape
        coarse = self._like((rows // 2, columns // 2), self.factor * 2)
        if self._extreme:
            kernels.halve_extreme(
                self.high, self.low, self.count, coarse.high, coarse.low, coarse.count
            )
        else:
            kernels.halve_sums(self.total, self.count, coarse.total, coarse.count)
        return coarse

    def merged(self, others: Sequence["_Plane"]) -> "_Plane":
        """This plane and others of the same factor as one."""
        rows, columns = self.count.shape
        merged = self._like((rows, columns), self.factor)
        for plane in (self, *others):
            merged.count += plane.count
            if self._extreme:
                np.maximum(merged.high, plane.high, out=merged.high)
                np.minimum(merged.low, plane.low, out=merged.low)
            else:
                merged.total += plane.total
        return merged


_NONE = np.zeros(6)
_NO_BINS = np.zeros(histogram.BINS, np.uint32)


def _kind(reader: BlockReader) -> int:
    if reader.reduction == "rms":
        return kernels.SQUARES
    return kernels.MAGNITUDES if reader.signal.name == "magnitude" else kernels.VALUES


class PlainPass(_Grid):
    """Pass over any layout of blocks in numpy: for single tensors and heads, which are small."""

    def __init__(self, reader: BlockReader) -> None:
        layout = reader.layout
        self._reader = reader
        first = first_stored_level([layout.level_shape(i) for i in range(len(layout.factors))])
        self._factors = layout.factors[first:]
        super().__init__(reader, layout.factors[-1][0], first)

    def run(self, tile: Tile, out: Sequence[NDArray[np.float32]], step: Step) -> Tallies:
        """Compute the stored levels of a tile."""
        partial = [
            Accumulator(
                [(b - a) // f for (a, b), f in zip(tile.box, factors, strict=True)],
                factors,
                self._reader.reduction,
            )
            for factors in self._factors
        ]
        for values, start in self._reader.values(tile.box):
            for accumulator in partial:
                accumulator.add(values, start)
            step(values.size)
        for accumulator, target in zip(partial, out, strict=True):
            result = accumulator.result()
            target[tuple(slice(0, n) for n in result.shape)] = result
        return {}


def make_pass(reader: LevelReader, tallied: bool) -> Pass:
    """The pass for a reader."""
    if isinstance(reader, BlockReader):
        if isinstance(reader.layout, BodyLayout):
            return BodyPass(reader, tallied)
        assert isinstance(reader.layout, BlockLayout)
        return PlainPass(reader)
    from .cube_pass import CubePass

    return CubePass(reader)
