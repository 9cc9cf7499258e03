"""The streaming pass: every parameter is read once, in tiles that stand on their own.

A tile is an aligned box of the volume. Running it gives all coarse levels of
that box and what its parameters contribute to the statistics, so tiles can run
in any order, on several threads, and be resumed.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..kernels import extremes
from ..kernels.matrices import MatrixPiece, Source, split_digits
from ..layouts.body import BodyLayout
from ..layouts.layout import BlockLayout, Box
from ..reading.accumulator import Accumulator
from ..reading.reader import BlockReader, LevelReader
from .run import Step
from .stack import Arrangement, Stack, Tally

__all__ = [
    "BodyPass",
    "Pass",
    "PlainPass",
    "Tallies",
    "Tile",
    "first_stored_level",
    "make_pass",
    "sampling",
]

STORED_VOXELS = 2**26
"""Voxels: the finest level that the overview keeps has no more (256 MB of float32)."""

_TILE_BYTES = 2**22
"""Bytes that a tile writes for its finest level: files of a handy size, progress several
times a second."""

_SAMPLES = 2**17
"""Parameters: quantiles of larger parts come from rows that hold so many or more. The error
of a share (its standard deviation) stays below 0.15 %, and the pass is not held up."""

_SPARSEST = 16
"""Every how many rows at most are looked at for quantiles."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One aligned box of level-0 voxels, at `index` of the grid of tiles."""

    index: tuple[int, ...]
    box: Box


Tallies = dict[int, Tally]


class Pass(Protocol):
    """A way to compute the coarse levels of a volume tile by tile."""

    first: int
    tiles: Sequence[Tile]
    tile_shape: tuple[int, ...]

    def run(self, tile: Tile, out: Sequence[NDArray[np.float32]], step: Step) -> Tallies:
        """Compute levels ``first, first + 1, …`` of a tile into `out`.

        Arrays of the chunks' shapes with whatever was in them; beyond the volume they become 0.
        """


def first_stored_level(level_shapes: Sequence[tuple[int, ...]]) -> int:
    """The finest level that an overview keeps: never level 0, that is the file itself."""
    for level, shape in enumerate(level_shapes):
        if level and math.prod(shape) <= STORED_VOXELS:
            return level
    return len(level_shapes)


def sampling(size: int) -> int:
    """Every how many rows a part of this many parameters enters the histogram."""
    return min(max(1, size // _SAMPLES), _SPARSEST)


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
        self._local = threading.local()
        self._plans: dict[tuple[int, ...], _Plan] = {}
        self._arrangements: dict[object, Arrangement] = {}

    def run(self, tile: Tile, out: Sequence[NDArray[np.float32]], step: Step) -> Tallies:
        """Compute the stored levels of a tile."""
        tallies: Tallies = {}
        source = Source(self._reader.signal)
        stacks = self._stacks()
        flat = sum(factors[0] == 1 for factors in self._factors)
        (start, stop), *_ = tile.box
        coarsest: list[tuple[NDArray[Any], NDArray[np.int32]]] = []
        for section in range(start, stop):
            plan = self._plan_of(section)
            stack = stacks[plan.arrangement.flipped]
            stack.begin(plan.arrangement, [level[section - start] for level in out[:flat]])
            for piece, origin, stride in plan.pieces:
                tally = tallies.get(piece.part)
                if tally is None and self._tallied:
                    tally = tallies[piece.part] = Tally()
                offset = piece.offset + (section - origin) * stride
                stack.add(source, piece, offset, self._reader.tensors, tally)
            step(plan.size)
            stack.emit()
            if len(out) > flat:
                coarsest.append(stack.coarsest())
        for factors, level in zip(self._factors, out, strict=True):
            level[-(-(stop - start) // factors[0]) :] = 0
        for factors, target in zip(self._factors[flat:], out[flat:], strict=True):
            self._thicken(coarsest, factors[0], target)
        return tallies

    @cached_property
    def _in_plane(self) -> list[int]:
        """In-plane factors of the stored levels, each once, finest first."""
        return sorted({factors[1] for factors in self._factors})

    def _stacks(self) -> dict[bool, Stack]:
        """This thread's buffers, for planes as they are and for transposed ones."""
        held: dict[bool, Stack] | None = getattr(self._local, "stacks", None)
        if held is None:
            rows, columns = self._layout.shape[1:]
            kind = self._reader.reduction, self._reader.signal.name == "magnitude"
            held = {
                False: Stack((rows, columns), self._in_plane, *kind),
                True: Stack((columns, rows), self._in_plane, *kind),
            }
            self._local.stacks = held
        return held

    @cached_property
    def _held(self) -> list[tuple[int, ...]]:
        """The blocks of every section."""
        layout = self._layout
        held: list[list[int]] = [[] for _ in range(layout.shape[0])]
        for i, block in enumerate(layout.blocks):
            for section in range(block.start[0], block.stop[0]):
                held[section].append(i)
        return [tuple(blocks) for blocks in held]

    def _plan_of(self, section: int) -> "_Plan":
        """What a section is made of; sections of the same blocks share a plan."""
        blocks = self._held[section]
        plan = self._plans.get(blocks)
        if plan is None:
            # Two threads may make the same one; that is cheaper than to wait.
            plan = self._plans[blocks] = self._plan(blocks)
        return plan

    def _plan(self, blocks: Sequence[int]) -> "_Plan":
        layout, arrangements = self._layout, self._arrangements
        pieces: list[tuple[MatrixPiece, int, int]] = []
        for block in (layout.blocks[i] for i in blocks):
            # A block's sections are one digit: see how the body stacks them.
            ((_, stride),) = block.view.axes[0]
            every = sampling(layout.anatomy.parts[block.part].size)
            for row, column, offset, (n, row_step), (m, column_step) in split_digits(
                block.view.axes[1], block.view.axes[2], block.view.offset
            ):
                start = (block.start[1] + row, block.start[2] + column)
                steps = (row_step, column_step)
                piece = MatrixPiece(block.tensor, block.part, offset, start, (n, m), steps, every)
                pieces.append((piece, block.start[0], stride))
        # The plane is held the way that most of it lies in the file.
        size = sum(piece.size for piece, _, _ in pieces)
        flipped = 2 * sum(piece.size for piece, _, _ in pieces if piece.runs_down) > size
        if flipped:
            pieces = [(piece.transposed(), first, stride) for piece, first, stride in pieces]
        places = tuple((piece.start, piece.shape) for piece, _, _ in pieces)
        key = (flipped, places)
        if key not in arrangements:
            rows, columns = layout.shape[1:]
            shape = (columns, rows) if flipped else (rows, columns)
            arrangements[key] = Arrangement.of(flipped, places, shape, self._in_plane)
        return _Plan(pieces, arrangements[key], size)

    def _thicken(
        self,
        planes: Sequence[tuple[NDArray[Any], NDArray[np.int32]]],
        thick: int,
        out: NDArray[np.float32],
    ) -> None:
        """A level that also halves the sections, from the planes of the coarsest in-plane one."""
        for k in range(0, len(planes), thick):
            group, counts = zip(*planes[k : k + thick], strict=True)
            target = out[k // thick]
            if self._reader.reduction == "extreme":
                high = np.max([keys[0] for keys in group], axis=0)
                low = np.min([keys[1] for keys in group], axis=0)
                extremes.emit_extreme(high.ravel(), low.ravel(), target.reshape(-1).view(np.int32))
                if self._reader.signal.name == "magnitude":
                    np.abs(target, out=target)
            else:
                mean = np.sum(group, axis=0) / np.maximum(np.sum(counts, axis=0), 1)
                target[...] = np.sqrt(mean) if self._reader.reduction == "rms" else mean


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a section is made of.

    Attributes
    ----------
    pieces
        Each with the section that its offset is of, and the offset's step from section to section.
    arrangement
        Where they lie in the plane.
    size
        Number of parameters.
    """

    pieces: list[tuple[MatrixPiece, int, int]]
    arrangement: Arrangement
    size: int


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
            if target.shape != result.shape:
                target.fill(0)
            target[tuple(slice(0, n) for n in result.shape)] = result
        return {}


def make_pass(reader: LevelReader, tallied: bool) -> Pass:
    """The pass for a reader."""
    if isinstance(reader, BlockReader):
        if isinstance(reader.layout, BodyLayout):
            return BodyPass(reader, tallied)
        assert isinstance(reader.layout, BlockLayout)
        return PlainPass(reader)
    from ..reading.cube_reader import CubeReader
    from .cube_pass import CubePass

    assert isinstance(reader, CubeReader)
    return CubePass(reader)
