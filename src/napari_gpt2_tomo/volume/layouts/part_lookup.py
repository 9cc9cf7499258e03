"""Which part holds each element of a stored tensor, for many elements at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...anatomy.view import View
from ...base import LayoutError

__all__ = ["PartLookup"]


class PartLookup:
    """The parts of one tensor, found by flat index.

    Parameters
    ----------
    numbers
        Positions in ``anatomy.parts``.
    views
        Their views; every element of the tensor lies in exactly one.

    Attributes
    ----------
    numbers
        As given.
    """

    def __init__(self, numbers: Sequence[int], views: Sequence[View]) -> None:
        self.numbers = tuple(numbers)
        self._views = tuple(views)
        spans = [_span(view) for view in views]
        self._low = np.array([low for low, _ in spans])
        self._high = np.array([high for _, high in spans])

    def of(self, flat: int) -> int:
        """Part of one element."""
        for i in self._candidates(flat, flat + 1):
            if self._views[i].index(flat) is not None:
                return self.numbers[i]
        raise LayoutError(f"Element {flat} of a tensor lies in none of its parts.")

    def single(self, start: int, stop: int) -> int | None:
        """The part of the elements ``start ≤ i < stop`` if no other comes into question."""
        candidates = self._candidates(start, stop)
        return self.numbers[candidates[0]] if len(candidates) == 1 else None

    def at(self, flat: NDArray[np.int64]) -> NDArray[np.int32]:
        """Part of each element, int32 of the shape of `flat`."""
        if not flat.size:
            return np.zeros(flat.shape, np.int32)
        candidates = self._candidates(int(flat.min()), int(flat.max()) + 1)
        if len(candidates) == 1:
            return np.full(flat.shape, self.numbers[candidates[0]], np.int32)
        found = np.full(flat.shape, -1, np.int32)
        for i in candidates:
            found[_holds(self._views[i], flat)] = self.numbers[i]
        return found

    def _candidates(self, start: int, stop: int) -> list[int]:
        if len(self.numbers) == 1:
            return [0]
        return np.flatnonzero((self._low < stop) & (self._high > start)).tolist()


def _span(view: View) -> tuple[int, int]:
    last = sum((n - 1) * stride for digits in view.axes for n, stride in digits)
    return view.offset, view.offset + (last + 1 if view.size else 0)


def _holds(view: View, flat: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a view holds each flat index, as `View.index` tells it of one."""
    digits: list[tuple[int, int]] = []
    for stride, n in sorted((stride, n) for axis in view.axes for n, stride in axis if n > 1):
        if digits and digits[-1][0] * digits[-1][1] == stride:
            digits[-1] = (digits[-1][0] * n, digits[-1][1])
        else:
            digits.append((n, stride))
    rest = flat - view.offset
    held = rest >= 0
    for n, stride in reversed(digits):
        digit = rest // stride if stride > 1 else rest
        held &= digit < n
        rest = rest - digit * stride
    held &= rest == 0
    return held
