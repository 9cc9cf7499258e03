"""The quick look: coarse levels from a sample of the checkpoint, in a fraction of a second."""

import numpy as np
from numpy.typing import NDArray

from ..anatomy.view import View
from ..base import Progress
from .layout import Block
from .reader import BlockReader, LevelReader
from .reduce import Accumulator

__all__ = ["BUDGET", "RUN", "SHARE", "quick_levels"]

BUDGET = 2**26
"""Bytes that a quick look reads at most (64 MB)."""

SHARE = 8
"""A quick look reads at most one byte in this many: it must be much quicker than all of it."""

RUN = 2**16
"""Bytes: the shortest run worth a seek (64 KB)."""


def quick_levels(
    reader: LevelReader, coarse: int, progress: Progress | None = None
) -> dict[int, NDArray[np.float32]]:
    """Levels from `coarse` on, estimated from evenly spread runs.

    A coarse voxel without a sample takes the value of the nearest sampled one of
    its part along the file.
    """
    layout = reader.layout
    if isinstance(reader, BlockReader) and layout.ndim == 3:
        values = _sample_blocks(reader, coarse, progress)
    elif isinstance(reader, BlockReader):
        return {}
    else:
        from .cube_pass import sample_bricks
        from .cube_reader import CubeReader

        assert isinstance(reader, CubeReader)
        values = sample_bricks(reader, coarse, BUDGET, RUN)
    levels = {coarse: values}
    base = layout.factors[coarse]
    for level in range(coarse + 1, len(layout.factors)):
        ratio = [f // b for f, b in zip(layout.factors[level], base, strict=True)]
        accumulator = Accumulator(layout.level_shape(level), ratio, reader.reduction)
        accumulator.add(values, (0,) * layout.ndim)
        levels[level] = accumulator.result()
    return levels


def _sample_blocks(
    reader: BlockReader, coarse: int, progress: Progress | None
) -> NDArray[np.float32]:
    layout = reader.layout
    factors = layout.factors[coarse]
    out = np.zeros(layout.level_shape(coarse), np.float32)
    whole = sum(_stored_bytes(reader, block) for block in layout.blocks)
    budget = min(BUDGET, whole // SHARE)
    if progress is not None:
        progress.start(len(layout.blocks), "Quick look")
    for block in layout.blocks:
        share = budget * _stored_bytes(reader, block) / max(whole, 1)
        _sample_block(reader, block, factors, share, out)
        if progress is not None:
            progress.advance(1)
    return out


def _stored_bytes(reader: BlockReader, block: Block) -> int:
    tensor = reader.tensors[block.tensor]
    return block.view.size * tensor.nbytes // max(1, tensor.size)


def _sample_block(
    reader: BlockReader,
    block: Block,
    factors: tuple[int, ...],
    share: float,
    out: NDArray[np.float32],
) -> None:
    """Fill a block's coarse voxels from bands of lines that lie together in the file."""
    sections = block.view.shape[0]
    # Lines run along the axis whose elements are neighbours in the file.
    along = 2 if _step(block.view, 2) <= _step(block.view, 1) else 1
    across = 3 - along
    item = _stored_bytes(reader, block) / max(1, block.view.size)
    band = max(1, round(RUN / max(1.0, item * block.view.shape[along])))
    lines = block.view.shape[across]
    bands = max(1, int(share / (sections * max(RUN, item * band * block.view.shape[along]))))
    chosen = _spread(lines, band, bands)
    every = max(1, int(sections * RUN / max(share, 1))) if bands == 1 else 1
    for k in range(0, sections, every):
        coarse = _read_bands(reader, block, k, across, chosen, factors)
        for section in range(k, min(k + every, sections)):
            _fill_nearest(block, section, across, factors, coarse, out)


def _read_bands(
    reader: BlockReader,
    block: Block,
    section: int,
    across: int,
    chosen: list[tuple[int, int]],
    factors: tuple[int, ...],
) -> Accumulator:
    """One section of a block, reduced from some bands of its lines."""
    low = [a // f * f for a, f in zip(block.start, factors, strict=True)]
    high = [-(-b // f) for b, f in zip(block.stop, factors, strict=True)]
    shape = [h - a // f for h, a, f in zip(high, low, factors, strict=True)]
    coarse = Accumulator([1, *shape[1:]], factors, reader.reduction)
    for first, stop in chosen:
        box = [(section, section + 1), *((0, n) for n in block.view.shape[1:])]
        box[across] = (first, stop)
        values = np.empty([b - a for a, b in box], np.float32)
        for target, split, region in block.view.pieces(box):
            weights = reader.tensors[block.tensor].read(region)
            reader.signal.write(weights, block.part, values[target].reshape(split))
        start = [0, *(block.start[axis] - low[axis] for axis in (1, 2))]
        start[across] += first
        coarse.add(values, start)
    return coarse


def _fill_nearest(
    block: Block,
    section: int,
    across: int,
    factors: tuple[int, ...],
    coarse: Accumulator,
    out: NDArray[np.float32],
) -> None:
    """Write a block's section; lines without a sample take the nearest line that has one."""
    values = coarse.result()
    held = np.flatnonzero(coarse.count.any(axis=(0, 3 - across)))
    if not len(held):
        return
    lines = np.arange(values.shape[across])
    nearest = held[np.abs(held[:, None] - lines[None, :]).argmin(axis=0)]
    values = values.take(nearest, axis=across)
    at = [block.start[axis] // factors[axis] for axis in range(3)]
    plane = (block.start[0] + section) // factors[0]
    rows, columns = values.shape[1:]
    target = out[plane, at[1] : at[1] + rows, at[2] : at[2] + columns]
    target[...] = values[0]


def _step(view: View, axis: int) -> int:
    """Distance in the file of neighbours along an axis; axes of length 1 have none to speak of."""
    (*_, (n, stride)) = view.axes[axis]
    return stride if n > 1 else 2**62


def _spread(length: int, band: int, count: int) -> list[tuple[int, int]]:
    """At most `count` bands of `band` lines, evenly spread over `length` lines."""
    band = min(band, length)
    count = min(count, -(-length // band))
    middles = [(i + 0.5) * length / count for i in range(count)]
    firsts = [max(0, min(int(middle - band / 2), length - band)) for middle in middles]
    return [(first, first + band) for first in firsts]
