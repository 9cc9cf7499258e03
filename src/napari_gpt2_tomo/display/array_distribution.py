"""How the values of an array are distributed, over all and in each of its parts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import DisplayError
from .distribution import SAMPLE, Distribution

__all__ = ["ArrayDistributions"]

SHARES = frozenset({"attention"})
"""Signals that are shares of 1."""

BLOCKS = 4
"""Parts that a sample of an array on the disk is read from, evenly spread."""


class ArrayDistributions:
    """The distributions of an array, made when they are asked for: a `display.distribution.Spread`.

    Parameters
    ----------
    array
        numpy, or dask where it lies on the disk.
    signal
        How its values are windowed, see `display.looks`.
    noun
        What the values are, in the plural.
    axis
        The axis that `parts` count.
    parts
        Index on that axis by name.
    """

    def __init__(
        self, array: Any, signal: str, noun: str, axis: int, parts: Mapping[str, int]
    ) -> None:
        self.signal = signal
        self._array = array
        self._noun = noun
        self._axis = axis
        self._parts = parts
        self._made: dict[str | None, Distribution] = {}

    def of(self, part: str | None = None) -> Distribution:
        """The distribution over all, or in one part; of a large array from a sample.

        Raises
        ------
        DisplayError
            There is no such part.
        """
        if part not in self._made:
            self._made[part] = self._make(part)
        return self._made[part]

    def sample(self, part: str) -> Distribution:
        """The same."""
        return self.of(part)

    def _make(self, part: str | None) -> Distribution:
        if part is None:
            values, n = self._spread(), int(np.prod(self._array.shape))
        elif part in self._parts:
            chosen = self._cut(self._parts[part])
            values, n = _thinned(np.asarray(chosen)), int(np.prod(chosen.shape))
        else:
            raise DisplayError(f"What is shown has no part named {part!r}.")
        found = Distribution.of_values(values, self.signal, part or f"all {self._noun}", n)
        # Shares are seen as such, not as what they happen to be in one text.
        return replace(found, low=0.0, high=1.0) if self.signal in SHARES else found

    def _spread(self) -> NDArray[Any]:
        if isinstance(self._array, np.ndarray):
            return _thinned(self._array)
        length = self._array.shape[self._axis]
        at = np.unique(np.linspace(0, length - 1, min(length, BLOCKS)).astype(int))
        return np.concatenate([_thinned(np.asarray(self._cut(i)), len(at)) for i in at])

    def _cut(self, index: int) -> Any:
        return self._array[(slice(None),) * self._axis + (slice(index, index + 1),)]


def _thinned(values: NDArray[Any], share: int = 1) -> NDArray[Any]:
    """About `SAMPLE` / `share` of the values, evenly spread; all where there are fewer."""
    step = -(-values.size * share // SAMPLE)
    # A step that divides a row would see the same columns of every row.
    return values.reshape(-1)[:: step | 1] if step > 1 else values.reshape(-1)
