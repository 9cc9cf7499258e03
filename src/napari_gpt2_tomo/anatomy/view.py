"""Strided views: where the elements of a part lie inside its stored tensor."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..checkpoint.region import Region

__all__ = ["Digits", "View", "cut"]

Digits = tuple[tuple[int, int], ...]
"""One axis as a mixed-radix number: (size, stride in elements) per digit, major first.

A plain axis has one digit. The unit axis of a fused, interleaved projection
stored as ``(head, 3, d_head)`` has two: the head and the dimension in it.
"""


def cut(digits: Digits, start: int, stop: int) -> Iterator[tuple[int, int, Digits]]:
    """Decompose the interval ``start ≤ i < stop`` of an axis into boxes of its digits.

    Yields ``(first, offset, digits)``: the piece begins at position `first` of
    the axis and at `offset` elements from the axis' origin. One digit gives one
    piece, two digits at most three (part of a head, whole heads, part of a head).
    """
    if start >= stop:
        return
    (_, stride), *rest = digits
    if not rest:
        yield start, start * stride, ((stop - start, stride),)
        return
    inner = tuple(rest)
    width = math.prod(n for n, _ in inner)
    major, minor = divmod(start, width)
    if minor:
        end = min(width, stop - major * width)
        for first, offset, piece in cut(inner, minor, end):
            yield major * width + first, major * stride + offset, ((1, stride), *piece)
        major += 1
    last = stop // width
    if last > major:
        yield major * width, major * stride, ((last - major, stride), *inner)
    if stop % width and last >= major:
        for first, offset, piece in cut(inner, 0, stop - last * width):
            yield last * width + first, last * stride + offset, ((1, stride), *piece)


@dataclass(frozen=True, slots=True)
class View:
    """A strided view into a flat, C-order stored tensor; invertible.

    Attributes
    ----------
    offset
        Flat index of the view's first element.
    axes
        The digits of each axis.
    """

    offset: int
    axes: tuple[Digits, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(math.prod(n for n, _ in digits) for digits in self.axes)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def flat(self, index: Sequence[int]) -> int:
        """Flat index in the stored tensor of the element at `index` of the view."""
        at = self.offset
        for position, digits in zip(index, self.axes, strict=True):
            for n, stride in reversed(digits):
                position, digit = divmod(position, n)
                at += digit * stride
            if position:
                raise IndexError(f"index {tuple(index)} is outside the shape {self.shape}")
        return at

    def index(self, flat: int) -> tuple[int, ...] | None:
        """Position in the view of flat index `flat`, None if the view does not hold it."""
        rest = flat - self.offset
        if rest < 0:
            return None
        found: dict[tuple[int, int], int] = {}
        order = sorted(
            (
                (stride, axis, place, n)
                for axis, digits in enumerate(self.axes)
                for place, (n, stride) in enumerate(digits)
                if n > 1
            ),
            reverse=True,
        )
        for stride, axis, place, n in order:
            digit = rest // stride
            if digit >= n:
                return None
            rest -= digit * stride
            found[axis, place] = digit
        if rest:
            return None
        return tuple(
            _compose(digits, [found.get((axis, place), 0) for place in range(len(digits))])
            for axis, digits in enumerate(self.axes)
        )

    def pieces(
        self, box: Sequence[tuple[int, int]]
    ) -> Iterator[tuple[tuple[slice, ...], tuple[int, ...], Region]]:
        """Regions that together cover the box of half-open intervals `box`.

        Yields ``(target, split, region)``: `region` has one axis per digit;
        `target` slices an array of the box's shape, and that slice, reshaped to
        `split` (always possible without a copy), has the region's shape.
        """
        cuts = [
            list(cut(digits, start, stop))
            for digits, (start, stop) in zip(self.axes, box, strict=True)
        ]
        for combination in itertools.product(*cuts):
            offset = self.offset
            target: list[slice] = []
            sizes: list[int] = []
            strides: list[int] = []
            for (first, piece_offset, digits), (start, _) in zip(combination, box, strict=True):
                offset += piece_offset
                length = math.prod(n for n, _ in digits)
                target.append(slice(first - start, first - start + length))
                sizes.extend(n for n, _ in digits)
                strides.extend(s for _, s in digits)
            yield tuple(target), tuple(sizes), Region(offset, tuple(sizes), tuple(strides))


def _compose(digits: Digits, values: Sequence[int]) -> int:
    position = 0
    for (n, _), value in zip(digits, values, strict=True):
        position = position * n + value
    return position
