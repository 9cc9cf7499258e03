"""A histogram over the whole range of float32, without a pass to find the range first.

A bin is the upper 13 bits of the number: sign, exponent and 4 bits of the
mantissa, so 16 bins an octave; a bin's edges lie at most 6.25 % apart.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "SHIFT", "add", "ascending", "fold", "quantiles"]

SHIFT = 19
"""Bits of a float32 that a bin ignores."""

BINS = 2 ** (32 - SHIFT)
"""Bins: the lower half is positive from +0 up, the upper half negative from -0 down."""

_HALF = BINS // 2
_FINITE = 0x7F800000 >> SHIFT
"""First bin of a sign that holds infinities and NaN."""


def add(histogram: NDArray[np.float64], values: NDArray[np.float32], weight: float = 1.0) -> None:
    """Count the finite `values` into `histogram` (shape ``(BINS,)``), each as `weight`."""
    bits = np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint32) >> SHIFT
    counts = np.bincount(bits, minlength=BINS).astype(np.float64)
    counts[_FINITE:_HALF] = counts[_HALF + _FINITE :] = 0
    histogram += counts * weight


@cache
def _edges() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper edge of every finite bin of the positive half."""
    lower = (np.arange(_FINITE + 1, dtype=np.uint32) << SHIFT).view(np.float32).astype(np.float64)
    lower[-1] = np.finfo(np.float32).max
    return lower[:-1], lower[1:]


def fold(histogram: NDArray[np.float64]) -> NDArray[np.float64]:
    """The histogram of magnitudes."""
    folded = np.zeros(BINS)
    folded[:_HALF] = histogram[:_HALF] + histogram[_HALF:]
    return folded


def ascending(
    histogram: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Counts with the lower and upper edge of their bins, from the most negative up."""
    lower, upper = _edges()
    negative = histogram[_HALF : _HALF + _FINITE]
    positive = histogram[:_FINITE]
    counts = np.concatenate([negative[::-1], positive])
    return counts, np.concatenate([-upper[::-1], lower]), np.concatenate([-lower[::-1], upper])


def quantiles(histogram: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values below which these shares (0…1) of the counts lie, linear inside a bin."""
    counts, lower, upper = ascending(histogram)
    total = counts.sum()
    if total == 0:
        return np.zeros(len(shares))
    used = np.flatnonzero(counts)
    counts, lower, upper = counts[used], lower[used], upper[used]
    cumulative = np.cumsum(counts)
    wanted = np.clip(shares, 0, 1) * total
    at = np.minimum(np.searchsorted(cumulative, wanted), len(used) - 1)
    inside = (wanted - (cumulative[at] - counts[at])) / counts[at]
    found: NDArray[np.float64] = lower[at] + np.clip(inside, 0, 1) * (upper[at] - lower[at])
    return found
