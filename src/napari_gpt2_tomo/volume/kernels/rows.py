"""What the kernels over planes share: loops over one row, and their constants."""

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

__all__ = [
    "BAND",
    "EXPONENT",
    "FINITE_HIGH",
    "FINITE_LOW",
    "MAGNITUDE",
    "MAGNITUDES",
    "NARROW_HIGH",
    "NARROW_LOW",
    "SQUARES",
    "VALUES",
    "add_row",
    "add_tally",
    "count_bins",
    "exact_jit",
    "finite_key_range",
    "hide_nonfinite",
    "key_range",
    "mean_row",
    "means",
    "pool_row",
    "sum_jit",
    "total_of",
    "total_of_squares",
    "turn",
]

SQUARES, MAGNITUDES, VALUES = 0, 1, 2
"""What a kernel sums up."""

# Sums may be reordered so that they vectorise. NaN and infinity are found on
# the bits of the numbers, which no such licence touches.
sum_jit: Callable[[Callable[..., Any]], Callable[..., Any]] = numba.njit(
    nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"}
)
exact_jit: Callable[[Callable[..., Any]], Callable[..., Any]] = numba.njit(
    nogil=True, cache=True, error_model="numpy"
)

# float32 bits as int32 with the negative ones flipped sort like the numbers; NaNs lie outside.
FINITE_HIGH = 0x7F7FFFFF
"""Sort key of the largest finite float32."""

FINITE_LOW = -0x7F800000
"""Sort key of the most negative finite float32."""

MAGNITUDE = np.int32(0x7FFFFFFF)
"""Bits of a float32 but its sign."""

BAND = 128
"""Rows of voxels that are turned at once: their columns are written as eight cache lines
each, of which the memory fetches ahead what is not the first."""

_LINE = 16
"""float32 in a cache line."""

NARROW_LOW, NARROW_HIGH = np.float32(1e-30), np.float32(1e30)
"""Means between these keep all their bits as float32."""

_HISTOGRAM_SHIFT = np.uint32(19)
EXPONENT = np.int32(0x7F800000)


@sum_jit
def _add_squares(row: Any, sums: Any) -> None:
    for j in range(row.size):
        x = np.float64(row[j])
        sums[j] += x * x


@sum_jit
def _add_values(row: Any, sums: Any) -> None:
    for j in range(row.size):
        sums[j] += np.float64(row[j])


@sum_jit
def _add_magnitudes(row: Any, sums: Any) -> None:
    for j in range(row.size):
        sums[j] += abs(np.float64(row[j]))


@sum_jit
def add_row(row: Any, kind: Any, sums: Any) -> None:
    """Add Σv², Σ|v| or Σv of a row to column sums."""
    if kind == SQUARES:
        _add_squares(row, sums)
    elif kind == MAGNITUDES:
        _add_magnitudes(row, sums)
    else:
        _add_values(row, sums)


@sum_jit
def total_of(row: Any) -> Any:
    """Σv of a row."""
    total = 0.0
    for j in range(row.size):
        total += np.float64(row[j])
    return total


@sum_jit
def total_of_squares(row: Any) -> Any:
    """Σv² of a row."""
    total = 0.0
    for j in range(row.size):
        x = np.float64(row[j])
        total += x * x
    return total


@exact_jit
def key_range(bits: Any) -> Any:
    """Lowest and highest sort key of a row, those of NaN included."""
    low, high = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
    for j in range(bits.size):
        key = np.int32(bits[j] ^ ((bits[j] >> np.int32(31)) & MAGNITUDE))
        low, high = min(low, key), max(high, key)
    return low, high


@exact_jit
def finite_key_range(bits: Any) -> Any:
    """Lowest and highest sort key of the finite values of a row."""
    low, high = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
    for j in range(bits.size):
        if (bits[j] & EXPONENT) != EXPONENT:
            key = np.int32(bits[j] ^ ((bits[j] >> np.int32(31)) & MAGNITUDE))
            low, high = min(low, key), max(high, key)
    return low, high


@exact_jit
def count_bins(bits: Any, histogram: Any) -> None:
    """Count a row in a histogram, see `statistics.histogram`."""
    for j in range(bits.size):
        histogram[np.uint32(bits[j]) >> _HISTOGRAM_SHIFT] += np.uint32(1)


@exact_jit
def hide_nonfinite(row: Any, bits: Any, phase: Any, factor: Any, clean: Any, count: Any) -> Any:
    """Copy a row with its non-finite values as 0, and take them out of the counts."""
    hidden = 0
    for j in range(row.size):
        if (bits[j] & EXPONENT) == EXPONENT:
            clean[j] = np.float32(0)
            count[(phase + j) // factor] -= 1
            hidden += 1
        else:
            clean[j] = row[j]
    return hidden


@sum_jit
def _pool_pairs(sums: Any, out: Any) -> None:
    for j in range(sums.size // 2):
        out[j] += sums[2 * j] + sums[2 * j + 1]


@sum_jit
def pool_row(sums: Any, phase: Any, factor: Any, out: Any) -> None:
    """Add sums of groups of `factor` columns; the first lies at `phase` of its group."""
    if factor == 2 and phase == 0 and sums.size % 2 == 0:
        _pool_pairs(sums, out)
        return
    j = 0
    group = 0
    stop = factor - phase
    while j < sums.size:
        stop = min(stop, sums.size)
        total = 0.0
        while j < stop:
            total += sums[j]
            j += 1
        out[group] += total
        group += 1
        stop += factor


@exact_jit
def add_tally(tally: Any, n: Any, lost: Any, total: Any, low: Any, high: Any, square: Any) -> None:
    """Add the moments and the key range of some values, see `sums.pool_sums`."""
    tally[0] += n
    tally[1] += lost
    tally[2] += total
    tally[3] = min(tally[3], np.float64(low))
    tally[4] = max(tally[4], np.float64(high))
    tally[5] += square


@exact_jit
def mean_row(total: Any, inverse: Any, root: Any, out: Any) -> None:
    """``out = Σ/n`` or √(Σ/n), given 1/n.

    The root is taken in float32 unless a mean leaves its normal range.
    """
    if not root:
        for j in range(out.size):
            out[j] = total[j] * inverse
        return
    unusual: Any = 0
    for j in range(out.size):
        narrow = np.float32(total[j] * inverse)
        out[j] = math.sqrt(narrow)
        unusual += ((narrow < NARROW_LOW) & (total[j] > 0.0)) | (narrow > NARROW_HIGH)
    if unusual:
        for j in range(out.size):
            out[j] = math.sqrt(total[j] * inverse)


@exact_jit
def means(total: Any, count: Any, root: Any, out: Any) -> None:
    """``out = Σ/n`` or √(Σ/n), 0 where n is 0; the root as in `mean_row`."""
    unusual: Any = 0
    for j in range(out.size):
        narrow = np.float32(total[j] / max(count[j], 1))
        out[j] = math.sqrt(narrow) if root else narrow
        unusual += ((narrow < NARROW_LOW) & (total[j] > 0.0)) | (narrow > NARROW_HIGH)
    if root and unusual:
        for j in range(out.size):
            out[j] = math.sqrt(total[j] / max(count[j], 1))


@exact_jit
def turn(band: Any, count: Any, out: Any, row: Any, column: Any) -> None:
    """Write `count` rows of `band` as columns of `out`, from `row` of it, beginning at `column`."""
    lines = count // _LINE * _LINE
    for j in range(band.shape[1]):
        for first in range(0, lines, _LINE):
            target = out[row + j, column + first : column + first + _LINE]
            for k in range(_LINE):
                target[k] = band[first + k, j]
        for k in range(lines, count):
            out[row + j, column + k] = band[k, j]
