"""Layouts: invertible maps between parameters and voxels. Pure arithmetic, no I/O."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...anatomy.anatomy import Anatomy
from ...anatomy.view import View
from ...base import LayoutError
from ...checkpoint.region import Region, c_strides

__all__ = ["Block", "BlockLayout", "Box", "Layout", "Piece", "Place"]

Box = tuple[tuple[int, int], ...]
"""A half-open interval of voxels per axis."""


@dataclass(frozen=True, slots=True)
class Place:
    """A stored parameter: tensor, index into it, and the part (position in ``anatomy.parts``)."""

    tensor: str
    index: tuple[int, ...]
    part: int


@dataclass(frozen=True, slots=True)
class Block:
    """A box of a volume that is filled from one strided view of one stored tensor."""

    start: tuple[int, ...]
    view: View
    tensor: str
    part: int

    @property
    def stop(self) -> tuple[int, ...]:
        """One past the block's last voxel, per axis."""
        return tuple(a + n for a, n in zip(self.start, self.view.shape, strict=True))


class Piece(NamedTuple):
    """What a box of a volume takes from one tensor with a single strided read.

    ``out[target].reshape(split)`` of an array of the box's shape has the shape of `region`.
    """

    target: tuple[slice, ...]
    split: tuple[int, ...]
    region: Region
    tensor: str
    part: int


class Layout(ABC):
    """An invertible map parameter ⇄ voxel.

    Attributes
    ----------
    name
        ``"body"``, ``"cube"``, ``"tensor"``, ``"heads"`` or ``"experts"``.
    shape
        Voxels of level 0 per axis, padded so that every level halves it exactly.
    axes
        Name of each axis.
    factors
        Level-0 voxels per voxel and axis, for each level, finest first; ``factors[0]`` is all 1.
    n_parameters
        Parameters that have a voxel.
    """

    name: str
    anatomy: Anatomy
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    factors: tuple[tuple[int, ...], ...]
    n_parameters: int

    @abstractmethod
    def place(self, voxel: Sequence[int]) -> Place | None:
        """The parameter at a voxel of level 0; None in air, IndexError outside the volume."""

    @abstractmethod
    def voxel(self, tensor: str, index: Sequence[int]) -> tuple[int, ...]:
        """The voxel of a stored parameter; `LayoutError` for buffers and unknown tensors."""

    @property
    @abstractmethod
    def token(self) -> str:
        """Hex digest of everything that decides which parameter lies where."""

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def level_shape(self, level: int) -> tuple[int, ...]:
        """Voxels of a level per axis."""
        return tuple(n // f for n, f in zip(self.shape, self.factors[level], strict=True))

    def _check(self, voxel: Sequence[int]) -> tuple[int, ...]:
        at = tuple(int(v) for v in voxel)
        if len(at) != self.ndim or any(not 0 <= v < n for v, n in zip(at, self.shape, strict=True)):
            raise IndexError(f"voxel {at} is outside the {self.name} of shape {self.shape}")
        return at


class BlockLayout(Layout):
    """A layout made of rectangular blocks, each a strided view of a tensor."""

    def __init__(
        self,
        name: str,
        anatomy: Anatomy,
        tensor_shapes: dict[str, tuple[int, ...]],
        blocks: Sequence[Block],
        shape: tuple[int, ...],
        axes: tuple[str, ...],
        factors: tuple[tuple[int, ...], ...],
    ) -> None:
        self.name = name
        self.anatomy = anatomy
        self.blocks = tuple(blocks)
        self.shape = shape
        self.axes = axes
        self.factors = factors
        self.n_parameters = sum(block.view.size for block in self.blocks)
        self._tensor_shapes = tensor_shapes

    @cached_property
    def _bounds(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        starts = np.array([block.start for block in self.blocks], np.int64)
        stops = np.array([block.stop for block in self.blocks], np.int64)
        return starts.reshape(-1, self.ndim), stops.reshape(-1, self.ndim)

    @cached_property
    def _by_tensor(self) -> dict[str, list[Block]]:
        found: dict[str, list[Block]] = {}
        for block in self.blocks:
            found.setdefault(block.tensor, []).append(block)
        return found

    @cached_property
    def token(self) -> str:
        """Hex digest of everything that decides which parameter lies where."""
        digest = hashlib.sha256(repr((self.name, self.shape, self.factors)).encode())
        for block in self.blocks:
            digest.update(repr((block.start, block.view, block.tensor)).encode())
        return digest.hexdigest()

    @cached_property
    def _plain(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Offset and strides of the blocks with one digit an axis, and which blocks those are."""
        plain = np.array([all(len(d) == 1 for d in b.view.axes) for b in self.blocks], bool)
        strides = np.zeros((len(self.blocks), self.ndim), np.int64)
        for i in np.flatnonzero(plain):
            strides[i] = [digits[0][1] for digits in self.blocks[i].view.axes]
        offsets = np.array([block.view.offset for block in self.blocks], np.int64)
        return offsets, strides, plain

    def _hits(self, box: Box) -> NDArray[np.intp]:
        starts, stops = self._bounds
        low, high = np.array(box).T
        return np.flatnonzero(((starts < high) & (stops > low)).all(axis=1))

    def blocks_in(self, box: Box) -> Iterator[Block]:
        """Blocks that a box of level-0 voxels touches, in forward order."""
        for i in self._hits(box):
            yield self.blocks[i]

    def pieces(self, box: Box) -> Iterator[Piece]:
        """The strided reads that fill a box; voxels in no piece are air."""
        hits = self._hits(box)
        starts, stops = self._bounds
        low, high = np.array(box).T
        offsets, strides, plain = self._plain
        # The corners of all crossed blocks at once: a plane may cross hundreds.
        first = np.maximum(starts[hits], low)
        last = np.minimum(stops[hits], high)
        inner = first - starts[hits]
        shapes = (last - first).tolist()
        targets, ends = (first - low).tolist(), (last - low).tolist()
        begins = (offsets[hits] + (inner * strides[hits]).sum(axis=1)).tolist()
        steps = strides[hits].tolist()
        for k, i in enumerate(hits.tolist()):
            block = self.blocks[i]
            if plain[i]:
                shape = tuple(shapes[k])
                region = Region(begins[k], shape, tuple(steps[k]))
                target = tuple(map(slice, targets[k], ends[k]))
                yield Piece(target, shape, region, block.tensor, block.part)
                continue
            bounds = [(a, a + n) for a, n in zip(inner[k].tolist(), shapes[k], strict=True)]
            for target, split, region in block.view.pieces(bounds):
                moved = tuple(
                    slice(t.start + d, t.stop + d) for t, d in zip(target, targets[k], strict=True)
                )
                yield Piece(moved, split, region, block.tensor, block.part)

    def place(self, voxel: Sequence[int]) -> Place | None:
        """The parameter at a voxel of level 0; None in air, IndexError outside the volume."""
        at = self._check(voxel)
        for block in self.blocks_in(tuple((v, v + 1) for v in at)):
            flat = block.view.flat([v - s for v, s in zip(at, block.start, strict=True)])
            shape = self._tensor_shapes[block.tensor]
            index = tuple(flat // step % n for n, step in zip(shape, c_strides(shape), strict=True))
            return Place(block.tensor, index, block.part)
        return None

    def voxel(self, tensor: str, index: Sequence[int]) -> tuple[int, ...]:
        """The voxel of a stored parameter; `LayoutError` for buffers and unknown tensors."""
        flat = flat_index(self.anatomy, self._tensor_shapes, tensor, index)
        for block in self._by_tensor.get(tensor, ()):
            inner = block.view.index(flat)
            if inner is not None:
                return tuple(s + i for s, i in zip(block.start, inner, strict=True))
        raise LayoutError(
            f"{tensor}{list(index)} has no voxel in the {self.name} layout; "
            f"the body and the cube hold every parameter."
        )


def flat_index(
    anatomy: Anatomy,
    shapes: dict[str, tuple[int, ...]],
    tensor: str,
    index: Sequence[int],
) -> int:
    """Flat index of a stored parameter, with errors that name what is wrong.

    Raises
    ------
    LayoutError
        The tensor is a buffer or does not exist.
    IndexError
        The index does not fit the tensor's shape.
    """
    if tensor in anatomy.buffers:
        raise LayoutError(f"{tensor} is a buffer, not a parameter, so it has no voxel.")
    if tensor not in shapes:
        raise LayoutError(f"The checkpoint has no tensor named {tensor!r}.")
    shape = shapes[tensor]
    if len(index) != len(shape) or any(not -n <= i < n for i, n in zip(index, shape, strict=True)):
        raise IndexError(f"index {tuple(index)} does not fit {tensor} of shape {shape}")
    steps = c_strides(shape)
    return sum((int(i) % n) * s for i, n, s in zip(index, shape, steps, strict=True))
