"""Reading boxes of the cube, at any level, from the checkpoint."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base import LayoutError
from ...checkpoint.dtypes import decode
from ...checkpoint.region import Region
from ...checkpoint.tensor import LazyTensor
from ..layouts.cube import Brick, CubeLayout, Run
from ..layouts.hilbert import brick_table, brick_voxels, mirrored
from ..layouts.layout import Box
from ..layouts.part_lookup import PartLookup
from .signal import Reduction, Signal

__all__ = ["CubeReader"]


@dataclass(frozen=True, slots=True)
class _Crossing:
    """What a box takes from one brick."""

    brick: Brick
    positions: NDArray[np.int32]
    whole: bool
    target: tuple[slice, ...]


class CubeReader:
    """Reads boxes of the cube; touches only the bricks that a box crosses.

    Parameters
    ----------
    layout
        The cube.
    tensors
        The checkpoint, or a mapping with its tensors.
    signal
        What a voxel shows. It must leave values that are not finite so.
    reduction
        How coarse voxels sum up.
    """

    def __init__(
        self,
        layout: CubeLayout,
        tensors: Mapping[str, LazyTensor],
        signal: Signal,
        reduction: Reduction,
    ) -> None:
        self.layout = layout
        self.tensors = tensors
        self.signal = signal
        self._needs_part = signal.needs_part
        self.reduction: Reduction = reduction

    def read(self, box: Box, level: int) -> NDArray[np.float32]:
        """Voxels of a box of a level; a box counts that level's voxels.

        Raises
        ------
        LayoutError
            The cube has no such level.
        IndexError
            The box reaches out of the level.
        """
        self._check(box, level)
        if level > self.layout.brick_bits:
            return self._read_beyond_bricks(box, level)
        bits = self.layout.brick_bits
        out = np.zeros([b - a for a, b in box], np.float32)
        for crossing in self._crossings(box, level, bits - level):
            base = crossing.brick.index << 3 * bits
            runs = list(self.layout.runs(base, base + 8**bits))
            filled = sum(run.stop - run.start for run in runs) == 8**bits
            if len(runs) == 1 and filled:
                values = self._gather(runs[0], crossing.positions.ravel(), 8**level)
                found = self._reduce(values, level)
            else:
                found = self._read_shared(runs, crossing, level)
            out[crossing.target] = found.reshape(crossing.positions.shape)
        return out

    def _read_shared(self, runs: list[Run], crossing: _Crossing, level: int) -> NDArray[np.float32]:
        """Voxels of a brick that several tensors share, or where the stream ends."""
        # In the order of the curve each tensor's voxels are one slice.
        at = crossing.positions.ravel()
        if crossing.whole:
            order = brick_voxels(crossing.brick.orientation, self.layout.brick_bits - level)
        else:
            order = np.argsort(at).astype(np.int32)
        ranks = at[order].astype(np.int64)
        if level:
            ranks = (ranks[:, None] * 8**level + np.arange(8**level)).ravel()
        # NaN takes no part in a reduction, so air beyond the stream's end needs no count.
        values = np.full(ranks.size, np.nan if level else 0, np.float32)
        base = crossing.brick.index << 3 * self.layout.brick_bits
        for run in runs:
            first = run.stream - base
            low, high = np.searchsorted(ranks, (first, first + run.stop - run.start)).tolist()
            if low < high:
                values[low:high] = self._gather(run, ranks[low:high] - first, 1)
        out = np.empty(at.size, np.float32)
        out[order] = self._reduce(values, level)
        return out

    def _read_beyond_bricks(self, box: Box, level: int) -> NDArray[np.float32]:
        """Voxels that are runs of several bricks, each reduced brick by brick."""
        from ..kernels.runs import combine, finish, reduce_run

        bits = self.layout.brick_bits
        out = np.zeros([b - a for a, b in box], np.float32)
        for crossing in self._crossings(box, level, 0):
            first = crossing.brick.index << 3 * (level - bits)
            last = min(first + 8 ** (level - bits), self.layout.n_bricks)
            counts, totals = [], []
            for brick in range(first, last):
                values = self.values(brick << 3 * bits, (brick + 1) << 3 * bits)
                n, total = reduce_run(values, 8**bits, self.reduction)
                counts.append(n)
                totals.append(total)
            partial = np.concatenate(counts), np.concatenate(totals)
            combined = combine(partial, len(counts), self.reduction)
            out[crossing.target] = finish(combined, self.reduction).reshape(1, 1, 1)
        return out

    def _reduce(self, values: NDArray[np.float32], level: int) -> NDArray[np.float32]:
        if level == 0:
            return values
        from ..kernels.runs import finish, reduce_run

        return finish(reduce_run(values, 8**level, self.reduction), self.reduction)

    def _gather(self, run: Run, at: NDArray[np.integer], group: int) -> NDArray[np.float32]:
        """The signal of groups `at` of a run: ``group·len(at)`` values, flat."""
        raw = self._raw(run)
        # What is stored is gathered first, so that only the voxels of the box are decoded.
        picked = raw.take(at) if group == 1 else raw.reshape(-1, group).take(at, axis=0).ravel()
        weights = decode(picked, self.tensors[run.tensor].element)
        lookup = self.layout.part_lookup(run.tensor)
        part = self._only_part(lookup, run)
        if part is not None:
            return self.signal.apply(weights, part)
        flat = run.start + at.astype(np.int64) * group
        if group > 1:
            flat = (flat[:, None] + np.arange(group)).ravel()
        return self._by_parts(weights, lookup.at(flat))

    def weights(
        self, start: int, stop: int, room: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The stored weights of an interval of the stream, for passes over all of it.

        Flat; the mapped file itself where it is float32 and of one tensor, else
        the beginning of `room`, or a new array.
        """
        from ..kernels.runs import decode_run

        runs = list(self.layout.runs(start, stop))
        raws = [self._raw(run) for run in runs]
        if len(raws) == 1 and raws[0].dtype == np.float32 and raws[0].flags.aligned:
            return raws[0]
        out = _room(sum(raw.size for raw in raws), room)
        for run, raw in zip(runs, raws, strict=True):
            stored = self.tensors[run.tensor].element
            decode_run(raw, stored, out[run.stream - start :][: raw.size])
        return out

    def values(
        self, start: int, stop: int, room: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """The signal of an interval of the stream: the beginning of `room`, or a new array."""
        weights = self.weights(start, stop, room)
        out = weights if weights.flags.writeable else _room(weights.size, room)
        for run in self.layout.runs(start, stop):
            at = slice(run.stream - start, run.stream - start + run.stop - run.start)
            lookup = self.layout.part_lookup(run.tensor)
            part = self._only_part(lookup, run)
            if part is not None:
                self.signal.write(weights[at], part, out[at])
            else:
                parts = lookup.at(np.arange(run.start, run.stop))
                out[at] = self._by_parts(weights[at], parts)
        return out

    def _raw(self, run: Run) -> NDArray[Any]:
        return self.tensors[run.tensor].raw(Region(run.start, (run.stop - run.start,), (1,)))

    def _only_part(self, lookup: PartLookup, run: Run) -> int | None:
        """The part to show a run as, None if the signal differs between parts of the run."""
        if not self._needs_part:
            return lookup.numbers[0]
        return lookup.single(run.start, run.stop)

    def _by_parts(self, weights: NDArray[Any], parts: NDArray[np.int32]) -> NDArray[np.float32]:
        out = np.empty(weights.shape, np.float32)
        for part in np.unique(parts).tolist():
            inside = parts == part
            out[inside] = self.signal.apply(weights[inside], part)
        return out

    def labels(self, box: Box, level: int) -> NDArray[np.int32]:
        """Part number + 1 of every voxel of a box of a level, 0 in air.

        A coarse voxel has the label of the first parameter in it, in the order of
        the stream. Reads nothing. Raises as `read` does.
        """
        self._check(box, level)
        layout = self.layout
        # Nothing is read, so coarse labels need not be looked up in the bricks of level 0.
        bits = min(layout.brick_bits, layout.order - level)
        out = np.zeros([b - a for a, b in box], np.int32)
        for crossing in self._crossings(box, level, bits):
            base = crossing.brick.index << 3 * (level + bits)
            constant = layout.only_label(base, base + 8 ** (level + bits))
            if constant is not None:
                out[crossing.target] = constant
            else:
                stream = base + (crossing.positions.astype(np.int64) << 3 * level)
                out[crossing.target] = layout.labels_at(stream)
        return out

    def _crossings(self, box: Box, level: int, bits: int) -> Iterator[_Crossing]:
        """The bricks of side 2^bits voxels of a level that a box crosses."""
        side = 2**bits
        for brick in self.layout.bricks_in(box, level, bits):
            local, target = [], []
            for (a, b), origin in zip(box, brick.origin, strict=True):
                low, high = max(a, origin), min(b, origin + side)
                local.append(slice(low - origin, high - origin))
                target.append(slice(low - a, high - a))
            if local[2].stop - local[2].start == 1:
                # A sagittal plane is scattered over a table, but one block of the transposed.
                positions = brick_table(mirrored(brick.orientation), bits)[tuple(local[::-1])].T
            else:
                positions = brick_table(brick.orientation, bits)[tuple(local)]
            yield _Crossing(brick, positions, positions.size == side**3, tuple(target))

    def _check(self, box: Box, level: int) -> None:
        if not 0 <= level < len(self.layout.factors):
            last = len(self.layout.factors) - 1
            raise LayoutError(f"The cube has no level {level}; its levels are 0 to {last}.")
        shape = self.layout.level_shape(level)
        if len(box) != 3 or any(not 0 <= a <= b <= n for (a, b), n in zip(box, shape, strict=True)):
            raise IndexError(f"box {box} reaches out of level {level} of shape {shape}")


def _room(size: int, room: NDArray[np.float32] | None) -> NDArray[np.float32]:
    return np.empty(size, np.float32) if room is None else room[:size]
