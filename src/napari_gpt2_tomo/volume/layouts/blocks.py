"""Layouts of single tensors and of heads, each in its own shape."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...anatomy.anatomy import Anatomy
from ...anatomy.view import Digits, View, cut
from ...base import LayoutError
from ...checkpoint.region import c_strides
from .layout import Block, BlockLayout, Box, Place
from .levels import halvings
from .part_lookup import PartLookup

__all__ = ["TensorLayout", "heads_layout", "tensor_layout"]

_POINT: Digits = ((1, 0),)


class TensorLayout(BlockLayout):
    """One stored tensor in its own shape; its voxels may belong to several parts."""

    tensor: str

    @cached_property
    def lookup(self) -> PartLookup:
        """The parts of the tensor, by flat index."""
        positions = self.anatomy.positions[self.tensor]
        return PartLookup(positions, [self.anatomy.parts[i].view for i in positions])

    def place(self, voxel: Sequence[int]) -> Place | None:
        """The parameter at a voxel of level 0; None in air, IndexError outside the volume."""
        place = super().place(voxel)
        if place is None:
            return None
        shape = self._tensor_shapes[self.tensor]
        flat = sum(i * s for i, s in zip(place.index, c_strides(shape), strict=True))
        return Place(place.tensor, place.index, self.lookup.of(flat))

    def labels(self, box: Box, factors: Sequence[int]) -> NDArray[np.int32]:
        """Part number + 1 of the first parameter of each voxel of a level, 0 in air."""
        shape = self._tensor_shapes[self.tensor]
        own = (1,) * (self.ndim - len(shape)) + shape
        out = np.zeros([b - a for a, b in box], np.int32)
        flat: NDArray[np.int64] = np.zeros((1,) * self.ndim, np.int64)
        for axis, ((a, b), n, f, step) in enumerate(
            zip(box, own, factors, c_strides(own), strict=True)
        ):
            # A voxel's first element is its corner, or it lies in the padding as a whole.
            inside = np.arange(a, min(b, -(-n // f))) * f * step
            flat = flat + inside.reshape([-1 if i == axis else 1 for i in range(self.ndim)])
        out[tuple(slice(0, n) for n in flat.shape)] = self.lookup.at(flat) + 1
        return out


def tensor_layout(
    anatomy: Anatomy, tensor_shapes: Mapping[str, tuple[int, ...]], tensor: str
) -> TensorLayout:
    """The layout of one stored tensor; a vector is shown as one row, a scalar as one voxel.

    Raises
    ------
    LayoutError
        There is no such tensor, or it is a buffer or empty.
    """
    if tensor not in tensor_shapes:
        raise LayoutError(f"The checkpoint has no tensor named {tensor!r}.")
    if tensor not in anatomy.positions:
        raise LayoutError(f"{tensor} is a buffer, not a parameter, so it has no voxels.")
    own = tensor_shapes[tensor]
    if 0 in own:
        raise LayoutError(f"{tensor} of shape {own} is empty; there is nothing to show.")
    shape = (1,) * (2 - len(own)) + own
    padded, factors = halvings(shape, (len(shape) - 2, len(shape) - 1))
    padding = ("single", "row")[2 - (len(shape) - len(own)) :]
    axes = padding + tuple(f"axis {i}" for i in range(len(own)))
    view = View(0, tuple(((n, s),) for n, s in zip(shape, c_strides(shape), strict=True)))
    block = Block((0,) * len(shape), view, tensor, anatomy.positions[tensor][0])
    layout = TensorLayout("tensor", anatomy, dict(tensor_shapes), [block], padded, axes, factors)
    layout.tensor = tensor
    return layout


def heads_layout(
    anatomy: Anatomy, tensor_shapes: Mapping[str, tuple[int, ...]], role: str
) -> BlockLayout:
    """All heads of one role, axes ``(layer, head, d_head, channel)``.

    Raises
    ------
    LayoutError
        No part has this role, or the number of heads is not known.
    """
    parts = [
        (i, part)
        for i, part in enumerate(anatomy.parts)
        if part.role == role and part.axes == ("channel", "unit") and part.layer is not None
    ]
    if not parts:
        raise LayoutError(f"This checkpoint has no matrices of role {role!r} to show by head.")
    heads = {(part.n_heads, part.d_head, part.shape) for _, part in parts}
    n_heads, d_head, (channels, _) = max(heads, key=lambda kind: kind[2])
    if n_heads is None or d_head is None:
        raise LayoutError(
            f"The number of heads of role {role!r} is not known from this checkpoint: "
            "give n_heads=…, or put its config.json beside it."
        )
    blocks = []
    depth = 1 + max(part.layer or 0 for _, part in parts)
    for position, part in parts:
        if (part.n_heads, part.d_head, part.shape[0]) != (n_heads, d_head, channels):
            continue
        channel_digits, unit_digits = part.view.axes
        for head in range(n_heads):
            start = head * d_head
            for first, offset, digits in cut(unit_digits, start, start + d_head):
                view = View(part.view.offset + offset, (_POINT, _POINT, digits, channel_digits))
                at = (part.layer or 0, head, first - start, 0)
                blocks.append(Block(at, view, part.tensor, position))
    padded, factors = halvings((depth, n_heads, d_head, channels), (2, 3))
    return BlockLayout(
        "heads",
        anatomy,
        dict(tensor_shapes),
        blocks,
        padded,
        ("layer", "head", "d_head", "channel"),
        factors,
    )
