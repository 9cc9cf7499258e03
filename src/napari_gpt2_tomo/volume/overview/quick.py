"""The quick look: coarse levels from a sample of the checkpoint, in a fraction of a second."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...anatomy.view import View
from ...base import Progress
from ...checkpoint.ahead import Wanted, read_ahead
from ...checkpoint.tensor import LazyTensor
from ..layouts.layout import Block
from ..reading.accumulator import Accumulator
from ..reading.reader import BlockReader, LevelReader

__all__ = ["BUDGET", "REMOTE_BUDGET", "RUN", "SHARE", "quick_levels"]

BUDGET = 2**26
"""Bytes that a quick look reads at most (64 MB)."""

REMOTE_BUDGET = 2**22
"""Bytes that a quick look at a checkpoint on a server reads at most (4 MB): about a second. Up to
twice as many are sent, where what lies between is cheaper than another request."""

SHARE = 8
"""A quick look reads at most one byte in this many: it must be much quicker than all of it."""

_CHEAP = 2**22
"""Bytes: so much takes milliseconds to read, whatever share of the checkpoint it is (4 MB)."""

RUN = 2**16
"""Bytes: the shortest run worth a seek (64 KB)."""


def quick_levels(
    reader: LevelReader, coarse: int, progress: Progress | None = None, *, remote: bool = False
) -> dict[int, NDArray[np.float32]]:
    """Levels from `coarse` on, estimated from evenly spread runs, on a server from fewer.

    A coarse voxel without a sample takes the value of the nearest sampled one of
    its part along the file.
    """
    layout = reader.layout
    budget = REMOTE_BUDGET if remote else BUDGET
    if isinstance(reader, BlockReader):
        values = _sample_blocks(reader, coarse, progress, budget, remote)
    else:
        from ..reading.cube_reader import CubeReader
        from .cube_pass import sample_bricks

        assert isinstance(reader, CubeReader)
        values = sample_bricks(reader, coarse, budget, RUN)
    levels = {coarse: values}
    base = layout.factors[coarse]
    for level in range(coarse + 1, len(layout.factors)):
        ratio = [f // b for f, b in zip(layout.factors[level], base, strict=True)]
        accumulator = Accumulator(layout.level_shape(level), ratio, reader.reduction)
        accumulator.add(values, (0,) * layout.ndim)
        levels[level] = accumulator.result()
    return levels


_Planes = dict[int, NDArray[np.float32]]
"""Coarse planes of a block by their number, without gaps."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """What is read of a block; its planes, numbered in C order, span the last two axes.

    Attributes
    ----------
    across
        Axis along which bands are chosen, -1 or -2; their lines run along the other one.
    bands
        Intervals of lines, counted from the block's first.
    every
        Every how many planes of the block.
    nbytes
        Bytes that this reads.
    """

    across: int
    bands: list[tuple[int, int]]
    every: int
    nbytes: int


def _sample_blocks(
    reader: BlockReader, coarse: int, progress: Progress | None, most: int, remote: bool
) -> NDArray[np.float32]:
    layout = reader.layout
    factors = layout.factors[coarse]
    out = np.zeros(layout.level_shape(coarse), np.float32)
    whole = sum(_stored_bytes(reader, block) for block in layout.blocks)
    budget = min(most, max(whole // SHARE, _CHEAP))
    least = sum(_plan(reader, block, 0).nbytes for block in layout.blocks)
    # At most half is for one run of each block; what is left is shared by size.
    stride = max(1, -(-2 * least // budget))
    share = max(0, budget - -(-least // stride)) / max(1, whole)
    if progress is not None:
        progress.start(len(layout.blocks), "Quick look")
    kinds: dict[object, _Planes] = {}
    left = budget
    plans: list[tuple[Block, object, _Sample | None]] = []
    seen: dict[object, int] = {}
    for block in layout.blocks:
        # Where there are too many blocks, one takes what was read of another of its kind.
        role = layout.anatomy.parts[block.part].role
        phases = [a % f for a, f in zip(block.start[-2:], factors[-2:], strict=True)]
        kind = (role, block.view.shape, *phases)
        number = seen.get(kind, 0)
        seen[kind] = number + 1
        sample = _plan(reader, block, share) if number % stride == 0 else None
        if sample is not None and sample.nbytes > left:
            sample = None
        left -= 0 if sample is None else sample.nbytes
        plans.append((block, kind, sample))
    if remote:
        read_ahead(_wanted(reader, plans))
    for block, like, sample in plans:
        if sample is not None:
            kinds[like] = _read_sample(reader, block, sample, factors)
        held = kinds.get(like, {})
        _fill(block, factors, held, out)
        if progress is not None:
            progress.advance(1)
    return out


def _stored_bytes(reader: BlockReader, block: Block) -> int:
    tensor = reader.tensors[block.tensor]
    return block.view.size * tensor.nbytes // max(1, tensor.size)


def _plan(reader: BlockReader, block: Block, share: float) -> _Sample:
    """What to read of a block to get about this share of its bytes, but one run at least."""
    *lead, rows, columns = block.view.shape
    planes = math.prod(lead)
    # Lines run along the axis whose elements are neighbours in the file.
    tensor = reader.tensors[block.tensor]
    right, down = (_step(block.view, axis, tensor) for axis in (-1, -2))
    across, lines = (-2, rows) if right <= down else (-1, columns)
    stored = _stored_bytes(reader, block)
    line = max(1, stored // max(1, planes * lines))
    wanted = int(share * stored)
    # Where a line of the file runs through all planes, they are read together or not at all.
    steps = [_step(block.view, axis, tensor) for axis, n in enumerate(lead) if n > 1]
    woven = bool(steps) and max(steps) < max(right, down)
    band = min(lines, -(-RUN // (line * planes if woven else line)))
    bands = _spread(lines, band, max(1, wanted // (planes * band * line)))
    once = sum(stop - first for first, stop in bands) * line
    count = planes if woven else max(1, min(planes, wanted // once))
    every = -(-planes // count)
    return _Sample(across, bands, every, -(-planes // every) * once)


def _leads(block: Block, sample: _Sample) -> list[list[tuple[int, int]]]:
    """The planes of a block that are sampled: intervals of voxels along all but two axes."""
    lead = block.view.shape[:-2]
    if sample.every == 1:
        return [list(zip(block.start, block.stop, strict=True))[: len(lead)]]
    numbers = range(0, math.prod(lead), sample.every)
    places = (np.unravel_index(number, lead) for number in numbers)
    return [
        [(a + int(i), a + int(i) + 1) for a, i in zip(block.start, place, strict=False)]
        for place in places
    ]


def _bands(block: Block, sample: _Sample) -> Iterator[list[tuple[int, int]]]:
    """The bands that are sampled of each plane, in voxels along the last two axes."""
    origin = block.start[sample.across]
    for first, stop in sample.bands:
        band = list(zip(block.start[-2:], block.stop[-2:], strict=True))
        band[sample.across] = (origin + first, origin + stop)
        yield band


def _wanted(reader: BlockReader, plans: Iterable[tuple[Block, object, _Sample | None]]) -> Wanted:
    """What all samples read."""
    for block, _, sample in plans:
        if sample is None:
            continue
        for lead in _leads(block, sample):
            for band in _bands(block, sample):
                for piece in reader.layout.pieces((*lead, *band)):
                    yield reader.tensors[piece.tensor], piece.region


def _read_sample(
    reader: BlockReader, block: Block, sample: _Sample, factors: tuple[int, ...]
) -> _Planes:
    """Planes of a block by number, reduced from some bands of their lines."""
    numbers = range(0, math.prod(block.view.shape[:-2]), sample.every)
    found: _Planes = {}
    reduced = [_reduce(reader, block, sample, box, factors) for box in _leads(block, sample)]
    values, counts = (
        np.concatenate([array.reshape(-1, *array.shape[-2:]) for array in arrays])
        for arrays in ([part.result() for part in reduced], [part.count for part in reduced])
    )
    for number, value, count in zip(numbers, values, counts, strict=True):
        plane = _nearest(value, count)
        if plane is not None:
            found[number] = plane
    return found


def _reduce(
    reader: BlockReader,
    block: Block,
    sample: _Sample,
    lead: list[tuple[int, int]],
    factors: tuple[int, ...],
) -> Accumulator:
    """Bands of lines of some planes (`lead`, in voxels), reduced in the plane only."""
    plane = list(zip(block.start[-2:], block.stop[-2:], strict=True))
    low = [a // f for (a, _), f in zip(plane, factors[-2:], strict=True)]
    shape = [-(-b // f) - a for (_, b), f, a in zip(plane, factors[-2:], low, strict=True)]
    ones = (1,) * len(lead)
    coarse = Accumulator(
        (*(b - a for a, b in lead), *shape), (*ones, *factors[-2:]), reader.reduction
    )
    for band in _bands(block, sample):
        for values, start in reader.values((*lead, *band)):
            inside = [
                a + i - f * b
                for (a, _), i, f, b in zip(band, start[-2:], factors[-2:], low, strict=True)
            ]
            coarse.add(values, (*start[:-2], *inside))
    return coarse


def _fill(
    block: Block, factors: tuple[int, ...], sampled: _Planes, out: NDArray[np.float32]
) -> None:
    """Write a block; planes without a sample take the nearest that has one."""
    if not sampled:
        return
    known = np.array(list(sampled))
    row, column = (a // f for a, f in zip(block.start[-2:], factors[-2:], strict=True))
    for number, index in enumerate(np.ndindex(*block.view.shape[:-2])):
        values = sampled[int(known[np.abs(known - number).argmin()])]
        rows, columns = values.shape
        at = tuple((a + i) // f for a, i, f in zip(block.start, index, factors, strict=False))
        out[at][row : row + rows, column : column + columns] = values


def _nearest(values: NDArray[np.float32], count: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """A plane in which rows and columns without a sample repeat the nearest that has one."""
    for axis in (0, 1):
        held = np.flatnonzero(count.any(axis=1 - axis))
        if not len(held):
            return None
        places = np.arange(values.shape[axis])
        nearest = held[np.abs(held[:, None] - places).argmin(axis=0)]
        values = values.take(nearest, axis=axis)
    return values


def _step(view: View, axis: int, tensor: LazyTensor) -> int:
    """Distance in the file of neighbours along an axis; axes of length 1 have none to speak of."""
    (*_, (n, stride)) = view.axes[axis]
    if n == 1:
        return 2**62
    if tensor.column_major and tensor.ndim > 1:
        rows, columns = tensor.shape[-2:]
        if stride % (rows * columns):
            return stride // columns if stride % columns == 0 else stride * rows
    return stride


def _spread(length: int, band: int, count: int) -> list[tuple[int, int]]:
    """At most `count` bands of `band` lines, evenly spread over `length` lines."""
    if count * band >= length:
        return [(0, length)]
    middles = [(i + 0.5) * length / count for i in range(count)]
    firsts = [max(0, min(int(middle - band / 2), length - band)) for middle in middles]
    return [(first, first + band) for first in firsts]
