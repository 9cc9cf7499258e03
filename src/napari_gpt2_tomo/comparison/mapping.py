"""Where the elements of a part lie in its counterpart's tensor, region by region.

Two views of one shape say, digit by digit, how a step in one file becomes a step in the
other. A strided region of the first tensor therefore is one of the second, or a few,
however differently the two are oriented, fused or permuted.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..anatomy.part import Part
from ..anatomy.view import Digits, View
from ..checkpoint.region import Region
from ..checkpoint.tensor import LazyTensor

__all__ = ["Crossing", "Held", "chunked", "flat_indices"]

Integers = NDArray[np.int64]

PIECES = 512
"""Regions: what would be cut into more is looked up element by element."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a part holds of a region of its tensor.

    Attributes
    ----------
    at
        Which elements of the region, flat in C order.
    index
        Their place in the part, one array for each axis.
    """

    at: Integers
    index: tuple[Integers, ...]


class Crossing:
    """Takes regions of a part's tensor to those of its counterpart.

    Parameters
    ----------
    a, b
        Parts of one shape, see `Part.view`.
    """

    def __init__(self, a: Part, b: Part) -> None:
        self.a = a
        self.b = b

    @cached_property
    def same(self) -> bool:
        """Whether both lie alike in their tensors: an element has the same flat index."""
        joint = self._joint
        if joint is None or self.a.view.offset != self.b.view.offset:
            return False
        return all(step_a == step_b for _, step_a, step_b in joint)

    @cached_property
    def _joint(self) -> tuple[tuple[int, int, int], ...] | None:
        """Digits (size, stride in a, stride in b) of all axes, by falling stride in a.

        None if the digits of an axis cannot be cut so that they fit each other.
        """
        found: list[tuple[int, int, int]] = []
        for first, second in zip(self.a.view.axes, self.b.view.axes, strict=True):
            digits = _refined(first, second)
            if digits is None:
                return None
            found += digits
        return tuple(sorted(found, key=lambda digit: -digit[1]))

    def regions(self, region: Region) -> list[tuple[tuple[slice, ...], Region]] | None:
        """The counterpart of a region of a's tensor.

        Returns pairs of a box of the region's array and the region of b's tensor that
        fills it; None if the region is not wholly in the part, or not so simply.
        """
        joint = self._joint
        if joint is None:
            return None
        rest = region.offset - self.a.view.offset
        starts: list[int] = []
        for n, step, _ in joint:
            digit, rest = divmod(rest, step)
            if not 0 <= digit < n:
                return None
            starts.append(digit)
        if rest:
            return None
        base = self.b.view.offset + sum(
            digit * step for digit, (_, _, step) in zip(starts, joint, strict=True)
        )
        movers = [0] * len(joint)
        reach = list(starts)
        sinks = [False] * len(joint)
        axes: list[list[tuple[slice, int, int]]] = []
        for count, stride in zip(region.shape, region.strides, strict=True):
            if count <= 1:
                axes.append([(slice(0, count), 0, 0)])
                continue
            flat: Integers = np.arange(count, dtype=np.int64) * stride
            flat += region.offset - self.a.view.offset
            there = np.zeros(count, np.int64)
            for number, (n, step_a, step_b) in enumerate(joint):
                position = flat // step_a
                flat -= position * step_a
                if position.max() >= n:
                    return None
                move = position - starts[number]
                low, high = int(move.min()), int(move.max())
                if low or high:
                    movers[number] += 1
                    sinks[number] |= low < 0
                    reach[number] += high
                    there += move * step_b
            if flat.any():
                return None
            axes.append(_runs(there))
        for number, (n, _, _) in enumerate(joint):
            # Where several axes of the region move one digit they must not make it carry.
            if movers[number] > 1 and (sinks[number] or reach[number] >= n):
                return None
        if math.prod(map(len, axes)) > PIECES:
            return None
        found = []
        for runs in itertools.product(*axes):
            piece = Region(
                base + sum(first for _, first, _ in runs),
                tuple(at.stop - at.start for at, _, _ in runs),
                tuple(stride for _, _, stride in runs),
            )
            found.append((tuple(at for at, _, _ in runs), piece))
        return found

    def held(self, flat: Integers) -> Held | None:
        """What the part holds of these flat indices of a's tensor; None if nothing."""
        rest = flat.ravel() - self.a.view.offset
        inside = rest >= 0
        digits: dict[tuple[int, int], Integers] = {}
        for stride, axis, place, n in sorted(_placed(self.a.view), reverse=True):
            digit = rest // stride
            inside &= digit < n
            rest = rest - digit * stride
            digits[axis, place] = digit
        inside &= rest == 0
        at = np.flatnonzero(inside)
        if not at.size:
            return None
        index = []
        for axis, sizes in enumerate(self.a.view.axes):
            position = np.zeros(at.size, np.int64)
            for place, (n, _) in enumerate(sizes):
                position *= n
                if (axis, place) in digits:
                    position += digits[axis, place][at]
            index.append(position)
        return Held(at, tuple(index))

    def values(self, tensor: LazyTensor, held: Held) -> NDArray[Any]:
        """The counterpart's stored values of what the part holds, flat."""
        box = [(int(i.min()), int(i.max()) + 1) for i in held.index]
        room = np.empty([stop - start for start, stop in box], tensor.dtype)
        for target, split, region in self.b.view.pieces(box):
            # With an ellipsis even an array without axes gives a view, not its value.
            at: Any = (*target, ...)
            room[at].reshape(split)[...] = tensor.read(region)
        inner = tuple(i - start for i, (start, _) in zip(held.index, box, strict=True))
        found: NDArray[Any] = room[inner] if inner else room.reshape(1)
        return found


def flat_indices(region: Region) -> Integers:
    """The flat index of every element of a region, in its shape."""
    flat = np.full(region.shape, region.offset, np.int64)
    for axis, stride in enumerate(region.strides):
        along = [-1 if i == axis else 1 for i in range(flat.ndim)]
        flat += (np.arange(region.shape[axis]) * stride).reshape(along)
    return flat


def chunked(region: Region, most: int) -> Iterator[tuple[tuple[slice, ...], Region]]:
    """Cut a region into boxes of at most `most` elements that lie together in the file.

    Yields a box of the region's array and the region that it is.
    """
    by_stride = sorted(range(len(region.shape)), key=lambda axis: -region.strides[axis])
    lengths = list(region.shape)
    for axis in by_stride:
        size = math.prod(lengths)
        if size > most:
            lengths[axis] = max(1, most * lengths[axis] // size)
    counts = [-(-n // max(1, length)) for n, length in zip(region.shape, lengths, strict=True)]
    for index in np.ndindex(*counts):
        at = tuple(
            slice(i * length, min((i + 1) * length, n))
            for i, length, n in zip(index, lengths, region.shape, strict=True)
        )
        offset = region.offset + sum(
            where.start * stride for where, stride in zip(at, region.strides, strict=True)
        )
        yield at, Region(offset, tuple(where.stop - where.start for where in at), region.strides)


def _refined(first: Digits, second: Digits) -> list[tuple[int, int, int]] | None:
    """The digits of an axis cut as finely as both views do: (size, stride in a, stride in b)."""
    a = [digit for digit in first if digit[0] > 1]
    b = [digit for digit in second if digit[0] > 1]
    found: list[tuple[int, int, int]] = []
    while a and b:
        (n, step_a), (m, step_b) = a.pop(), b.pop()
        size = min(n, m)
        if max(n, m) % size:
            return None
        found.append((size, step_a, step_b))
        if n > size:
            a.append((n // size, step_a * size))
        elif m > size:
            b.append((m // size, step_b * size))
    return found


def _runs(there: Integers) -> list[tuple[slice, int, int]]:
    """Cut offsets into runs of even steps that do not fall: (where, first offset, stride)."""
    steps = np.diff(there)
    found: list[tuple[slice, int, int]] = []
    start = 0
    while start < len(there):
        stride, length = 0, 1
        if start < len(steps) and steps[start] >= 0:
            stride = int(steps[start])
            others = np.flatnonzero(steps[start:] != stride)
            length += int(others[0]) if others.size else len(steps) - start
        found.append((slice(start, start + length), int(there[start]), stride))
        start += length
        if len(found) > PIECES:
            break
    return found


def _placed(view: View) -> Sequence[tuple[int, int, int, int]]:
    """Digits that move as (stride, axis, place, size)."""
    return [
        (stride, axis, place, n)
        for axis, digits in enumerate(view.axes)
        for place, (n, stride) in enumerate(digits)
        if n > 1
    ]
