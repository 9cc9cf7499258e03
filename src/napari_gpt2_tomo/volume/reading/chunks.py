"""Every stored value in a box of a volume, once, in chunks: for passes that keep addresses."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...checkpoint.region import Region
from ..layouts.blocks import TensorLayout
from ..layouts.cube import CubeLayout
from ..layouts.hilbert import brick_table, decode
from ..layouts.layout import BlockLayout, Box, Layout

__all__ = ["CHUNK", "Chunk", "Steps", "chunks", "flat_indices", "places", "voxels"]

CHUNK = 2**20
"""Values looked at in one step: 4 MB of float32, a millisecond or two."""


class Chunk(NamedTuple):
    """Values to look at: a region of a tensor, and where each of its elements lies.

    Attributes
    ----------
    pick
        Elements of the region that are meant; all if None.
    split, target, box
        In a layout of blocks: the region, reshaped to the lengths of `target`, fills that
        part of `box`. In a cube they are None.
    stream
        In a cube: position of the region's first element on the curve.
    part
        The part of all elements; None if they may belong to several.
    """

    tensor: str
    region: Region
    part: int | None
    pick: NDArray[np.int64] | None = None
    target: tuple[slice, ...] | None = None
    box: Box | None = None
    stream: int = 0


Steps = Iterator[tuple[Chunk | None, int]]
"""What to look at next, and how many voxels are done after it."""


def _of_blocks(layout: BlockLayout, bounds: Box) -> Steps:
    several = isinstance(layout, TensorLayout)
    for box in _boxes(bounds):
        for piece in layout.pieces(box):
            part = None if several else piece.part
            yield Chunk(piece.tensor, piece.region, part, target=piece.target, box=box), 0
        yield None, _size(box)


def _boxes(bounds: Box) -> Iterator[Box]:
    """Boxes of at most about `CHUNK` voxels that make up a box, in C order."""
    lengths = [b - a for a, b in bounds]
    if not all(lengths):
        return
    axis = next(i for i in range(len(bounds)) if math.prod(lengths[i + 1 :]) <= CHUNK)
    step = max(1, CHUNK // math.prod(lengths[axis + 1 :]))
    first, last = bounds[axis]
    for index in itertools.product(*(range(a, b) for a, b in bounds[:axis])):
        lead = tuple((i, i + 1) for i in index)
        for start in range(first, last, step):
            yield (*lead, (start, min(start + step, last)), *bounds[axis + 1 :])


def _of_stream(layout: CubeLayout) -> Steps:
    for start in range(0, layout.n_parameters, CHUNK):
        for run in layout.runs(start, start + CHUNK):
            region = Region(run.start, (run.stop - run.start,), (1,))
            yield Chunk(run.tensor, region, None, stream=run.stream), region.size


def _of_bricks(layout: CubeLayout, bounds: Box) -> Steps:
    bits = layout.brick_bits
    for brick in layout.bricks_in(bounds):
        inside = tuple(
            slice(max(a - o, 0), min(b - o, 2**bits))
            for (a, b), o in zip(bounds, brick.origin, strict=True)
        )
        at = np.sort(brick_table(brick.orientation, bits)[inside], axis=None).astype(np.int64)
        base = brick.index << 3 * bits
        for run in layout.runs(base, base + 8**bits):
            first = run.stream - base
            low, high = np.searchsorted(at, (first, first + run.stop - run.start)).tolist()
            if low < high:
                region = Region(run.start, (run.stop - run.start,), (1,))
                pick = at[low:high] - first
                yield Chunk(run.tensor, region, None, pick, stream=run.stream), 0
        yield None, at.size


def chunks(layout: Layout, box: Box | None) -> tuple[int, Steps]:
    """What to read for every parameter in a box (all if None), and how many steps it takes.

    Returns
    -------
    total, steps
        The sum of what `steps` counts as done.
    """
    if isinstance(layout, CubeLayout):
        if box is None:
            return layout.n_parameters, _of_stream(layout)
        return _size(box), _of_bricks(layout, box)
    if isinstance(layout, BlockLayout):
        box = box or tuple((0, n) for n in layout.shape)
        return _size(box), _of_blocks(layout, box)
    raise TypeError(f"no parameters of a {type(layout).__name__}")


def flat_indices(chunk: Chunk, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index into the flattened tensor of the elements `at` of a chunk."""
    if chunk.pick is not None:
        at = chunk.pick[at]
    index = np.unravel_index(at, chunk.region.shape)
    flat = np.full(at.shape, chunk.region.offset, np.int64)
    for i, stride in zip(index, chunk.region.strides, strict=True):
        flat += i * stride
    return flat


def places(chunk: Chunk, at: NDArray[np.int64], shape: Sequence[int]) -> NDArray[np.int64]:
    """One number per element `at` of a chunk, which `voxels` turns into its voxel."""
    if chunk.target is None or chunk.box is None:
        return (at if chunk.pick is None else chunk.pick[at]) + chunk.stream
    lengths = [t.stop - t.start for t in chunk.target]
    index = np.unravel_index(at, lengths)
    starts = [a + t.start for (a, _), t in zip(chunk.box, chunk.target, strict=True)]
    voxel = tuple(i + start for i, start in zip(index, starts, strict=True))
    return np.asarray(np.ravel_multi_index(voxel, shape), np.int64)


def voxels(layout: Layout, found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Voxels of level 0 of what `places` gave: shape (n, ndim)."""
    if isinstance(layout, CubeLayout):
        return decode(found, layout.order)
    return np.stack(np.unravel_index(found, layout.shape), axis=1).astype(np.int64)


def _size(bounds: Sequence[tuple[int, int]]) -> int:
    return math.prod(b - a for a, b in bounds)
