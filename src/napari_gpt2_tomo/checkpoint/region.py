"""Strided boxes of elements inside a flat, C-order tensor.

Everything that is ever read from a checkpoint is such a box: a numpy basic
index, one head of a fused projection, a column of a transposed matrix. A file
format therefore implements a single primitive, "read this region".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import index as to_integer
from types import EllipsisType
from typing import SupportsIndex

__all__ = ["BasicIndex", "Region", "c_strides", "normalise_index"]

BasicIndex = SupportsIndex | slice | EllipsisType | None | tuple[object, ...]
"""What numpy calls a basic index: integers, slices, an ellipsis, new axes."""


def c_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements of a C-order array of this shape."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return tuple(strides)


@dataclass(frozen=True, slots=True)
class Region:
    """A strided box: element (i, j, …) lies at ``offset + i·strides[0] + j·strides[1] + …``.

    All numbers count elements, not bytes. Strides are never negative.
    """

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def whole(cls, shape: Sequence[int]) -> "Region":
        """The whole of a C-order tensor of this shape."""
        return cls(0, tuple(shape), c_strides(shape))

    @property
    def size(self) -> int:
        """How many elements are in the box."""
        return math.prod(self.shape)

    @property
    def stop(self) -> int:
        """One past the largest flat index in the box (`offset` if the box is empty)."""
        if self.size == 0:
            return self.offset
        return (
            self.offset
            + 1
            + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        )

    @property
    def is_contiguous(self) -> bool:
        """Whether the box is one run in C order."""
        expected = 1
        for n, s in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if n != 1 and s != expected:
                return False
            expected *= n
        return True


def normalise_index(
    shape: Sequence[int], index: object
) -> tuple[Region, tuple[int, ...], tuple[int | None, ...]]:
    """Translate a numpy basic index into a region.

    Returns
    -------
    region
        What to read, one axis for each slice of the index.
    flipped
        Axes of the region to reverse after reading (negative steps).
    axes
        The result's axes in order: an axis of the region, or None for a new axis.

    Raises
    ------
    IndexError
        As numpy raises it: out of bounds, too many indices, not a basic index.
    """
    items = list(index) if isinstance(index, tuple) else [index]
    ellipses = sum(item is Ellipsis for item in items)
    if ellipses > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    used = sum(item is not None and item is not Ellipsis for item in items)
    if used > len(shape):
        raise IndexError(f"too many indices: the tensor has {len(shape)} axes, {used} were indexed")
    fill: list[object] = [slice(None)] * (len(shape) - used)
    if ellipses:
        at = next(i for i, item in enumerate(items) if item is Ellipsis)
        items[at : at + 1] = fill
    else:
        items += fill

    steps = c_strides(shape)
    offset, axis = 0, 0
    sizes: list[int] = []
    strides: list[int] = []
    flipped: list[int] = []
    axes: list[int | None] = []
    for item in items:
        if item is None:
            axes.append(None)
            continue
        length, step = shape[axis], steps[axis]
        if isinstance(item, slice):
            start, stop, stride = item.indices(length)
            count = len(range(start, stop, stride))
            if count and stride < 0:
                start += (count - 1) * stride
                flipped.append(len(sizes))
            offset += start * step if count else 0
            axes.append(len(sizes))
            sizes.append(count)
            strides.append(abs(stride) * step)
        else:
            at = _integer(item)
            if not -length <= at < length:
                raise IndexError(f"index {at} is out of bounds for axis {axis} of size {length}")
            offset += (at % length) * step
        axis += 1
    return Region(offset, tuple(sizes), tuple(strides)), tuple(flipped), tuple(axes)


def _integer(item: object) -> int:
    # Asking a protocol whether an object is an integer takes microseconds; try it instead.
    try:
        if not isinstance(item, bool):
            return to_integer(item)  # type: ignore[arg-type]
    except TypeError:
        pass
    raise IndexError(f"only integers, slices, '...' and None index a tensor, not {item!r}")
