"""The cube: every parameter of a checkpoint along one three-dimensional Hilbert curve.

Whole stored tensors, each flattened in C order, follow one another in a single
*stream* of parameters; parameter *s* of the stream lies at position *s* of the
curve. An aligned *brick* of 64³ voxels is thus one run of 262,144 parameters,
and a voxel of level *k* is the run of 8^k parameters that begins at a multiple
of 8^k.
"""

import hashlib
import itertools
import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from ...anatomy.anatomy import Anatomy
from ...base import LayoutError
from ...checkpoint.region import c_strides
from .hilbert import decode_point, encode, encode_point, extent, orientations
from .layout import Box, Layout, Place, flat_index
from .levels import VOXEL_LIMIT, round_up
from .part_lookup import PartLookup

__all__ = ["BRICK_BITS", "Brick", "CubeLayout", "Run"]

BRICK_BITS = 6
"""A brick of 64³ float32 values is 1 MB: one request of a remote file, half a core's cache."""

_SMALL_CUBE_BITS = 2
"""A cube of one brick at most is made of bricks of a quarter of its side, to crop the air."""


@dataclass(frozen=True, slots=True)
class Brick:
    """An aligned cube of voxels of one level that is one run of the stream.

    Attributes
    ----------
    index
        Position on the curve through the grid of bricks.
    origin
        First voxel, in voxels of its level.
    orientation
        How the curve runs inside it, see `hilbert.brick_table`.
    """

    index: int
    origin: tuple[int, int, int]
    orientation: int


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the stream inside one tensor: elements ``start ≤ i < stop`` of it, C order."""

    tensor: str
    start: int
    stop: int
    stream: int


class CubeLayout(Layout):
    """All parameters along a Hilbert curve, cropped to the bricks in use.

    Parameters
    ----------
    anatomy
        Gives the parts, and the order of the tensors: that of their first part.
    tensor_shapes
        Shape of every tensor; those without a part are left out.
    brick_bits
        The side of a brick is 2^brick_bits voxels; chosen by the number of
        parameters if None.
    coarsest
        Levels are added until one has no more voxels than this.

    Attributes
    ----------
    tensors
        Names of the tensors in stream order; empty tensors are left out.
    n_parameters
        Length of the stream.
    order
        The curve fills a cube of side 2^order, of which the volume is a corner.
    brick_bits
        See above.
    n_bricks
        Bricks in use.
    """

    name = "cube"
    axes = ("z", "y", "x")

    def __init__(
        self,
        anatomy: Anatomy,
        tensor_shapes: Mapping[str, tuple[int, ...]],
        *,
        brick_bits: int | None = None,
        coarsest: int = VOXEL_LIMIT,
    ) -> None:
        self.anatomy = anatomy
        self._tensor_shapes = dict(tensor_shapes)
        parts: dict[str, list[int]] = {}
        for number, part in enumerate(anatomy.parts):
            parts.setdefault(part.tensor, []).append(number)
        sizes = {name: math.prod(self._tensor_shapes[name]) for name in parts}
        self.tensors = tuple(name for name in parts if sizes[name])
        self._parts_of = parts
        self._lookups: dict[str, PartLookup] = {}
        # Stream position of each tensor's first element, and of the end.
        self._starts = [0, *itertools.accumulate(sizes[name] for name in self.tensors)]
        self.n_parameters = self._starts[-1]

        order = 0
        while 8**order < self.n_parameters:
            order += 1
        if brick_bits is None:
            brick_bits = BRICK_BITS if order > BRICK_BITS else max(0, order - _SMALL_CUBE_BITS)
        self.brick_bits = brick_bits
        self.order = max(order, brick_bits)
        self.n_bricks = -(-self.n_parameters // 8**brick_bits)
        used = extent(max(1, self.n_bricks), self.order - brick_bits)
        for halvings in itertools.count():  # pragma: no branch
            # Beyond single bricks a coarse voxel is an aligned cube of bricks.
            multiple = 2 ** max(0, halvings - brick_bits)
            shape = tuple(round_up(n, multiple) << brick_bits for n in used)
            if math.prod(n >> halvings for n in shape) <= max(1, coarsest):
                break
        self.shape = shape
        self.factors = tuple((2**level,) * 3 for level in range(halvings + 1))

    @cached_property
    def token(self) -> str:
        """Hex digest of everything that decides which parameter lies where."""
        digest = hashlib.sha256(repr((self.name, self.shape, self.factors, self.order)).encode())
        for name in self.tensors:
            digest.update(repr((name, self._tensor_shapes[name])).encode())
        return digest.hexdigest()

    def place(self, voxel: Sequence[int]) -> Place | None:
        """The parameter at a voxel of level 0; None in air, IndexError outside the volume."""
        position = encode_point(self._check(voxel), self.order)
        if position >= self.n_parameters:
            return None
        owner = bisect_right(self._starts, position) - 1
        name = self.tensors[owner]
        flat = position - self._starts[owner]
        shape = self._tensor_shapes[name]
        index = tuple(flat // step % n for n, step in zip(shape, c_strides(shape), strict=True))
        return Place(name, index, self.part_lookup(name).of(flat))

    def voxel(self, tensor: str, index: Sequence[int]) -> tuple[int, ...]:
        """The voxel of a stored parameter; `LayoutError` for buffers and unknown tensors."""
        flat = flat_index(self.anatomy, self._tensor_shapes, tensor, index)
        start = self._start_of.get(tensor)
        if start is None:
            raise LayoutError(
                f"{tensor} is no parameter of the model, so it has no voxel in the cube."
            )
        return decode_point(start + flat, self.order)

    @cached_property
    def _start_of(self) -> dict[str, int]:
        return dict(zip(self.tensors, self._starts, strict=False))

    def part_lookup(self, tensor: str) -> PartLookup:
        """Which part holds each element of a tensor of the stream."""
        found = self._lookups.get(tensor)
        if found is None:
            numbers = self._parts_of[tensor]
            views = [self.anatomy.parts[number].view for number in numbers]
            found = self._lookups[tensor] = PartLookup(numbers, views)
        return found

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """The tensors' runs that make up an interval of the stream, in order."""
        stop = min(stop, self.n_parameters)
        owner = bisect_right(self._starts, start) - 1
        while start < stop:
            first, end = self._starts[owner], min(stop, self._starts[owner + 1])
            yield Run(self.tensors[owner], start - first, end - first, start)
            start = end
            owner += 1

    def only_label(self, start: int, stop: int) -> int | None:
        """The label of an interval of the stream if it has but one; None if that is not sure."""
        if stop > self.n_parameters:
            return None
        owner = bisect_right(self._starts, start) - 1
        if stop > self._starts[owner + 1]:
            return None
        first = self._starts[owner]
        part = self.part_lookup(self.tensors[owner]).single(start - first, stop - first)
        return None if part is None else part + 1

    def labels_at(self, stream: NDArray[np.int64]) -> NDArray[np.int32]:
        """Part number + 1 at positions of the stream (any shape), 0 beyond its end."""
        if not self.tensors:
            return np.zeros(stream.shape, np.int32)
        starts = np.array(self._starts[:-1])
        owner = np.searchsorted(starts, stream, side="right") - 1
        labels: NDArray[np.int32] = self._only_parts[owner] + np.int32(1)
        for fused in np.unique(owner[labels == 0]).tolist():
            inside = owner == fused
            lookup = self.part_lookup(self.tensors[fused])
            labels[inside] = lookup.at(stream[inside] - self._starts[fused]) + 1
        labels[stream >= self.n_parameters] = 0
        return labels

    @cached_property
    def _only_parts(self) -> NDArray[np.int32]:
        """The part of each tensor of the stream, −1 if it has several."""
        numbers = (self._parts_of[name] for name in self.tensors)
        return np.array([found[0] if len(found) == 1 else -1 for found in numbers], np.int32)

    def bricks_in(self, box: Box, level: int = 0, bits: int | None = None) -> list[Brick]:
        """Bricks in use that a box crosses, in the order of the stream.

        Parameters
        ----------
        box
            Voxels of the level.
        level
            A brick of level *k* and *bits* is a run of 8^(k + bits) parameters.
        bits
            The side of these bricks is 2^bits voxels of the level; if None, they
            are the bricks of level 0, or voxels where those are smaller.
        """
        if bits is None:
            bits = max(0, self.brick_bits - level)
        if any(a >= b for a, b in box):
            return []
        low = tuple(a >> bits for a, _ in box)
        high = tuple(-(-b >> bits) for _, b in box)
        count = -(-self.n_parameters >> 3 * (level + bits))
        index, cells, turns = _bricks(self.order - level - bits, low, high, count)
        return [
            Brick(i, (z << bits, y << bits, x << bits), turn)
            for i, (z, y, x), turn in zip(index, cells, turns, strict=True)
        ]


# Scrolling through the planes of one layer of bricks asks for the same bricks each time.
@lru_cache(maxsize=64)
def _bricks(
    order: int, low: tuple[int, ...], high: tuple[int, ...], count: int
) -> tuple[list[int], list[tuple[int, int, int]], list[int]]:
    """Index, cell and orientation of those of the first `count` cells that lie in a box."""
    sides = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    cells = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 3)
    index = encode(cells, order)
    used = np.argsort(index)
    used = used[index[used] < count]
    index, cells = index[used], cells[used]
    found = [(z, y, x) for z, y, x in cells.tolist()]
    return index.tolist(), found, orientations(index, order).tolist()
