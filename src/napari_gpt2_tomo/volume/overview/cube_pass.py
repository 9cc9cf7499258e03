"""Coarse levels of the cube: one sequential pass over the stream, or a sample of it."""

import math
import threading
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..kernels.runs import Partial, Room, combine, finish, new_room, put, reduce_run
from ..layouts.hilbert import brick_voxels, decode, encode_point, orientations
from ..reading.cube_reader import CubeReader
from ..reading.signal import Reduction
from .quick import SHARE
from .run import Step
from .stream import Tallies, Tile, first_stored_level

__all__ = ["CHUNK_BITS", "CubePass", "sample_bricks"]

CHUNK_BITS = 6
"""A tile's finest level has a side of 2⁶ voxels: files of 1 MB, at most some hundreds of them,
so the pass can be stopped and resumed at as many points."""

_PIECE_BITS = 6
"""A tile is read in runs of 8⁶ parameters: 1 MB of float32 stays in a core's cache."""


class CubePass:
    """Compiled pass over a cube: a tile is an aligned cube, hence one run of the stream.

    Collects no statistics.

    Parameters
    ----------
    reader
        Of a cube.
    chunk_bits
        The side of a tile is 2^chunk_bits voxels of the finest level, or one voxel of
        the coarsest where that is more.

    Attributes
    ----------
    first
        The finest level that is computed.
    tiles
        Those that cover the volume, in the order of the stream; the last may hold only air.
    tile_shape
        Voxels of level 0 per axis.
    """

    def __init__(self, reader: CubeReader, chunk_bits: int = CHUNK_BITS) -> None:
        layout = reader.layout
        self._reader = reader
        self._local = threading.local()
        self._last = len(layout.factors) - 1
        self.first = first_stored_level([layout.level_shape(i) for i in range(self._last + 1)])
        self._bits = min(layout.order, max(self.first + chunk_bits, self._last))
        # A piece holds whole voxels of the finest level.
        self._piece_bits = min(self._bits, max(_PIECE_BITS, self.first))
        side = 2**self._bits
        self.tile_shape: tuple[int, ...] = (side,) * 3
        cells = list(np.ndindex(*(-(-n // side) for n in layout.shape)))
        order = layout.order - self._bits
        starts = [encode_point(cell, order) for cell in cells]
        turns = orientations(np.array(starts), order).tolist()
        self._places = {c: (i, turn) for c, i, turn in zip(cells, starts, turns, strict=True)}
        self.tiles: Sequence[Tile] = [
            Tile(
                cell,
                tuple(
                    (i * side, min((i + 1) * side, n))
                    for i, n in zip(cell, layout.shape, strict=True)
                ),
            )
            for cell in sorted(cells, key=lambda cell: self._places[cell])
        ]

    def run(self, tile: Tile, out: Sequence[NDArray[np.float32]], step: Step) -> Tallies:
        """Compute levels ``first, first + 1, …`` of a tile into `out`, see `Pass`."""
        index, turn = self._places[tile.index]
        base, length = index << 3 * self._bits, 8**self._piece_bits
        stop = min(base + 8**self._bits, self._reader.layout.n_parameters)
        if stop - base < 8**self._bits:
            for level in out:
                level.fill(0)
        levels = _Levels(self._bits, turn, self.first, out, self._reader.reduction)
        values_room, groups_room = self._rooms(length)
        held = []
        for start in range(base, stop, length):
            values = _values(self._reader, start, min(start + length, stop), values_room)
            partial = reduce_run(values, 8**self.first, self._reader.reduction, groups_room)
            # The levels of which a piece holds whole voxels, then those of several pieces.
            n, total = levels.write(partial, start - base, self.first, self._piece_bits)
            held.append((n.copy(), total.copy()))
            step(values.size)
        if held and self._last > self._piece_bits:
            counts, totals = zip(*held, strict=True)
            partial = np.concatenate(counts), np.concatenate(totals)
            partial = combine(partial, 8, self._reader.reduction)
            levels.write(partial, 0, self._piece_bits + 1, self._last)
        for level in out:
            _take_off_sign(self._reader, level)
        return {}

    def _rooms(self, length: int) -> tuple[NDArray[np.float32], Room]:
        """This thread's memory for the values of a piece and for what they are reduced to."""
        held: tuple[NDArray[np.float32], Room] | None = getattr(self._local, "rooms", None)
        if held is None:
            held = np.empty(length, np.float32), new_room(length // 8**self.first)
            self._local.rooms = held
        return held


class _Levels:
    """The levels of one tile, written from partial results in the order of the stream."""

    def __init__(
        self,
        bits: int,
        orientation: int,
        first: int,
        out: Sequence[NDArray[np.float32]],
        reduction: Reduction,
    ) -> None:
        self._reduction = reduction
        self._levels = {
            level: (brick_voxels(orientation, bits - level), values.reshape(-1))
            for level, values in enumerate(out, first)
        }

    def write(self, partial: Partial, at: int, level: int, last: int) -> Partial:
        """Write `partial`, of a level, and the coarser levels up to `last`, if there are any.

        `at` is a position of the stream, from the tile's first parameter. Returns
        the partial results of the last level written.
        """
        while True:
            voxels, out = self._levels[level]
            first = at >> 3 * level
            put(partial, self._reduction, voxels[first : first + len(partial[0])], out)
            level += 1
            if level > last or level not in self._levels:
                return partial
            partial = combine(partial, 8, self._reduction)


def _values(
    reader: CubeReader, start: int, stop: int, room: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Values of an interval of the stream whose reduction is that of the signal, but for its sign.

    Where possible they are the file itself; `room` holds them otherwise.
    """
    if not reader.signal.is_weight:
        return reader.values(start, stop, room)
    weights = reader.weights(start, stop, room)
    if reader.signal.name == "magnitude" and reader.reduction == "mean":
        return np.abs(weights, out=room[: weights.size])
    return weights


def _take_off_sign(reader: CubeReader, level: NDArray[np.float32]) -> None:
    """Turn the reduction of `_values` into that of the signal."""
    if reader.signal.name == "magnitude" and reader.reduction == "extreme":
        np.abs(level, out=level)


def sample_bricks(reader: CubeReader, coarse: int, budget: int, run: int) -> NDArray[np.float32]:
    """A coarse level from runs of the stream that are evenly spread over the checkpoint.

    Parameters
    ----------
    reader
        Of a cube.
    coarse
        The level.
    budget
        Bytes to read at most; never more than one in `SHARE` of the checkpoint.
    run
        Bytes of a run at least. One run is read even if the budget is less. Both
        count every parameter as wide as the average one.

    Returns
    -------
    float32 of the shape of the level. A voxel that no run touches takes the value of
    the nearest one along the curve that a run does; air is 0.
    """
    layout = reader.layout
    group = 8**coarse
    out = np.zeros(layout.level_shape(coarse), np.float32)
    if not layout.n_parameters:
        return out
    room = np.empty(0, np.float32)
    at, counts, totals = [], [], []
    for start, stop in _spread(reader, group, budget, run):
        if room.size < stop - start:
            room = np.empty(stop - start, np.float32)
        n, total = reduce_run(_values(reader, start, stop, room), group, reader.reduction)
        at.append(start // group + np.arange(n.size))
        counts.append(n)
        totals.append(total)
    sampled = np.concatenate(at)
    found = finish((np.concatenate(counts), np.concatenate(totals)), reader.reduction)
    voxels = np.arange(-(-layout.n_parameters // group))
    after = np.searchsorted(sampled, voxels).clip(0, sampled.size - 1)
    before = (after - 1).clip(0)
    closer = np.abs(sampled[before] - voxels) <= np.abs(sampled[after] - voxels)
    cells = decode(voxels, layout.order - coarse)
    out[tuple(cells.T)] = found[np.where(closer, before, after)]
    _take_off_sign(reader, out)
    return out


def _spread(reader: CubeReader, group: int, budget: int, run: int) -> Iterator[tuple[int, int]]:
    """Intervals of the stream, in order, each of whole voxels or within a single one.

    A voxel has `group` parameters.
    """
    layout = reader.layout
    stored = sum(reader.tensors[name].nbytes for name in layout.tensors)
    item = stored / layout.n_parameters
    budget = min(budget, stored // SHARE)
    length = math.ceil(run / item)
    unit = group * max(1, math.ceil(length / group))
    shortest = unit if length > group else length
    units = math.ceil(layout.n_parameters / unit)
    count = max(1, min(units, int(budget / (item * shortest))))
    length = max(shortest, min(unit, int(budget / (item * count))))
    for i in range(count):
        start = (2 * i + 1) * units // (2 * count) * unit
        yield start, min(start + length, layout.n_parameters)
