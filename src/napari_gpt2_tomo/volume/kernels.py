"""Compiled kernels of the streaming pass over matrices; importing this imports numba.

A plane of a volume is reduced to blocks of ``factor × factor``. Rows are summed
into one row accumulator first, which runs in vector registers, then pooled
along the row. Every kernel releases the interpreter lock.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

__all__ = [
    "FINITE_HIGH",
    "FINITE_LOW",
    "MAGNITUDES",
    "SQUARES",
    "VALUES",
    "add_transposed",
    "emit_extreme",
    "emit_sums",
    "halve_extreme",
    "halve_sums",
    "look_up",
    "max_transposed",
    "pool_extreme",
    "pool_sums",
    "widen",
]

SQUARES, MAGNITUDES, VALUES = 0, 1, 2
"""What `pool_sums` sums up."""

# Sums may be reordered so that they vectorise. NaN and infinity are found on
# the bits of the numbers, which no such licence touches.
_jit: Callable[[Callable[..., Any]], Callable[..., Any]] = numba.njit(
    nogil=True, cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"}
)
_exact: Callable[[Callable[..., Any]], Callable[..., Any]] = numba.njit(
    nogil=True, cache=True, error_model="numpy"
)

# float32 bits as int32 with the negative ones flipped sort like the numbers; NaNs lie outside.
FINITE_HIGH = 0x7F7FFFFF
"""Sort key of the largest finite float32."""

FINITE_LOW = -0x7F800000
"""Sort key of the most negative finite float32."""

_HISTOGRAM_SHIFT = np.uint32(19)
_MAGNITUDE = np.int32(0x7FFFFFFF)
_EXPONENT = np.int32(0x7F800000)


@_jit
def _add_squares(row: Any, sums: Any) -> None:
    for j in range(row.size):
        x = np.float64(row[j])
        sums[j] += x * x


@_jit
def _add_values(row: Any, sums: Any) -> None:
    for j in range(row.size):
        sums[j] += np.float64(row[j])


@_jit
def _add_magnitudes(row: Any, sums: Any) -> None:
    for j in range(row.size):
        sums[j] += abs(np.float64(row[j]))


@_jit
def _total(row: Any) -> Any:
    total = 0.0
    for j in range(row.size):
        total += np.float64(row[j])
    return total


@_exact
def _key_range(bits: Any) -> Any:
    low, high = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
    for j in range(bits.size):
        key = np.int32(bits[j] ^ ((bits[j] >> np.int32(31)) & _MAGNITUDE))
        low, high = min(low, key), max(high, key)
    return low, high


@_exact
def _count_bins(bits: Any, histogram: Any) -> None:
    for j in range(bits.size):
        histogram[np.uint32(bits[j]) >> _HISTOGRAM_SHIFT] += np.uint32(1)


@_exact
def look_up(codes: Any, stride: Any, table: Any, out: Any) -> None:
    """Decode rows of codes `stride` apart: ``out[i, j] = table[codes[i·stride + j]]``."""
    rows, columns = out.shape
    for i in range(rows):
        row = codes[i * stride : i * stride + columns]
        target = out[i]
        for j in range(columns):
            target[j] = table[row[j]]


@_exact
def widen(codes: Any, stride: Any, bits: Any) -> None:
    """Decode rows of bfloat16 codes `stride` apart into float32 bits (uint32)."""
    rows, columns = bits.shape
    for i in range(rows):
        row = codes[i * stride : i * stride + columns]
        target = bits[i]
        for j in range(columns):
            target[j] = np.uint32(row[j]) << np.uint32(16)


@_exact
def _hide_nonfinite(row: Any, bits: Any, phase: Any, factor: Any, clean: Any, count: Any) -> Any:
    """Copy a row with its non-finite values as 0, and take them out of the counts."""
    hidden = 0
    for j in range(row.size):
        if (bits[j] & _EXPONENT) == _EXPONENT:
            clean[j] = np.float32(0)
            count[(phase + j) // factor] -= 1
            hidden += 1
        else:
            clean[j] = row[j]
    return hidden


@_jit
def _pool_pairs(sums: Any, out: Any) -> None:
    for j in range(sums.size // 2):
        out[j] += sums[2 * j] + sums[2 * j + 1]


@_jit
def _pool_row(sums: Any, phase: Any, factor: Any, out: Any) -> None:
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


@_exact
def _add_counts(count: Any, rows: Any, columns: Any, phase: Any, factor: Any) -> None:
    first = min(factor - phase, columns)
    count[0] += rows * first
    group = 1
    left = columns - first
    while left > 0:
        count[group] += rows * min(factor, left)
        left -= factor
        group += 1


@_jit
def _add_row(row: Any, kind: Any, sums: Any) -> None:
    if kind == SQUARES:
        _add_squares(row, sums)
    elif kind == MAGNITUDES:
        _add_magnitudes(row, sums)
    else:
        _add_values(row, sums)


@_jit
def _square_total(row: Any) -> Any:
    total = 0.0
    for j in range(row.size):
        x = np.float64(row[j])
        total += x * x
    return total


@_exact
def _tally_row(
    row: Any, bits: Any, hidden: Any, low: Any, high: Any, sampled: Any, tally: Any, histogram: Any
) -> None:
    tally[0] += row.size - hidden
    tally[1] += hidden
    tally[2] += _total(row)
    tally[3] = min(tally[3], np.float64(low))
    tally[4] = max(tally[4], np.float64(high))
    if sampled:
        _count_bins(bits, histogram)
        # What is hidden stands in the row as +0; it is no value at all.
        histogram[0] -= np.uint32(hidden)


@_exact
def _finite_key_range(bits: Any) -> Any:
    low, high = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
    for j in range(bits.size):
        if (bits[j] & _EXPONENT) != _EXPONENT:
            key = np.int32(bits[j] ^ ((bits[j] >> np.int32(31)) & _MAGNITUDE))
            low, high = min(low, key), max(high, key)
    return low, high


@_exact
def pool_sums(
    values: Any,
    bits: Any,
    stride: Any,
    rows: Any,
    columns: Any,
    row_phase: Any,
    column_phase: Any,
    factor: Any,
    kind: Any,
    total: Any,
    count: Any,
    tally: Any,
    histogram: Any,
    every: Any,
) -> None:
    """Add Σv², Σ|v| or Σv, and the number of finite values, of each block of a matrix.

    Parameters
    ----------
    values, bits, stride
        float32 with one axis and the same memory as int32; row i of the matrix
        is ``values[i·stride : i·stride + columns]``.
    rows, columns
        Shape of the matrix.
    row_phase, column_phase
        Position of the first value inside its block.
    factor
        Side of a block.
    kind
        `SQUARES`, `MAGNITUDES` or `VALUES`.
    total, count
        float64 and int32, the blocks that the matrix touches; added to.
    tally
        float64 (6,): finite, non-finite, Σv, lowest key, highest key, Σv²;
        updated if `every` > 0. For keys see `FINITE_HIGH`.
    histogram
        uint32 (8192,): counts of every `every`-th row's values.
    """
    sums = np.zeros(columns, np.float64)
    clean = np.zeros(0, np.float32)
    group = 0
    begun = 0
    for i in range(rows):
        row = values[i * stride : i * stride + columns]
        row_bits = bits[i * stride : i * stride + columns]
        low, high = _key_range(row_bits)
        sampled = every > 0 and i % every == 0
        if low < FINITE_LOW or high > FINITE_HIGH:
            if clean.size == 0:
                clean = np.zeros(columns, np.float32)
            hidden = _hide_nonfinite(row, row_bits, column_phase, factor, clean, count[group])
            _add_row(clean, kind, sums)
            if every > 0:
                low, high = _finite_key_range(row_bits)
                found = clean.view(np.int32)
                _tally_row(clean, found, hidden, low, high, sampled, tally, histogram)
                if kind != SQUARES:
                    tally[5] += _square_total(clean)
        else:
            _add_row(row, kind, sums)
            if every > 0:
                _tally_row(row, row_bits, 0, low, high, sampled, tally, histogram)
                if kind != SQUARES:
                    tally[5] += _square_total(row)
        begun += 1
        if (row_phase + i + 1) % factor == 0 or i == rows - 1:
            if every > 0 and kind == SQUARES:
                tally[5] += _total(sums)
            _pool_row(sums, column_phase, factor, total[group])
            _add_counts(count[group], begun, columns, column_phase, factor)
            sums[:] = 0.0
            group += 1
            begun = 0


@_exact
def _max_keys(bits: Any, high: Any, low: Any) -> None:
    for j in range(bits.size):
        key = np.int32(bits[j] ^ ((bits[j] >> np.int32(31)) & _MAGNITUDE))
        high[j] = max(high[j], key)
        low[j] = min(low[j], key)


@_exact
def _max_finite_keys(bits: Any, high: Any, low: Any) -> None:
    for j in range(bits.size):
        if (bits[j] & _EXPONENT) != _EXPONENT:
            key = np.int32(bits[j] ^ ((bits[j] >> np.int32(31)) & _MAGNITUDE))
            high[j] = max(high[j], key)
            low[j] = min(low[j], key)


@_exact
def pool_extreme(
    values: Any,
    bits: Any,
    stride: Any,
    rows: Any,
    columns: Any,
    row_phase: Any,
    column_phase: Any,
    factor: Any,
    high: Any,
    low: Any,
    count: Any,
    tally: Any,
    histogram: Any,
    every: Any,
) -> None:
    """Highest and lowest sort key (int32) and number of finite values of each block.

    Parameters as of `pool_sums`; `high` starts at the smallest, `low` at the largest int32.
    """
    row_high = np.full(columns, np.int32(-0x80000000), np.int32)
    row_low = np.full(columns, np.int32(0x7FFFFFFF), np.int32)
    clean = np.zeros(0, np.float32)
    group = 0
    begun = 0
    for i in range(rows):
        row = values[i * stride : i * stride + columns]
        row_bits = bits[i * stride : i * stride + columns]
        lowest, highest = _key_range(row_bits)
        sampled = every > 0 and i % every == 0
        if lowest < FINITE_LOW or highest > FINITE_HIGH:
            if clean.size == 0:
                clean = np.zeros(columns, np.float32)
            hidden = _hide_nonfinite(row, row_bits, column_phase, factor, clean, count[group])
            _max_finite_keys(row_bits, row_high, row_low)
            if every > 0:
                lowest, highest = _finite_key_range(row_bits)
                found = clean.view(np.int32)
                _tally_row(clean, found, hidden, lowest, highest, sampled, tally, histogram)
                tally[5] += _square_total(clean)
        else:
            _max_keys(row_bits, row_high, row_low)
            if every > 0:
                _tally_row(row, row_bits, 0, lowest, highest, sampled, tally, histogram)
                tally[5] += _square_total(row)
        begun += 1
        if (row_phase + i + 1) % factor == 0 or i == rows - 1:
            for j in range(columns):
                at = (column_phase + j) // factor
                high[group, at] = max(high[group, at], row_high[j])
                low[group, at] = min(low[group, at], row_low[j])
            _add_counts(count[group], begun, columns, column_phase, factor)
            row_high[:] = np.int32(-0x80000000)
            row_low[:] = np.int32(0x7FFFFFFF)
            group += 1
            begun = 0


_TILE = 32


@_exact
def add_transposed(source: Any, target: Any) -> None:
    """``target += source.T``, tile by tile so that both stay in the cache."""
    rows, columns = source.shape
    for a in range(0, rows, _TILE):
        for b in range(0, columns, _TILE):
            for i in range(a, min(a + _TILE, rows)):
                for j in range(b, min(b + _TILE, columns)):
                    target[j, i] += source[i, j]


@_exact
def max_transposed(high: Any, low: Any, target_high: Any, target_low: Any) -> None:
    """Combine transposed highest and lowest keys into those of a plane."""
    rows, columns = high.shape
    for a in range(0, rows, _TILE):
        for b in range(0, columns, _TILE):
            for i in range(a, min(a + _TILE, rows)):
                for j in range(b, min(b + _TILE, columns)):
                    target_high[j, i] = max(target_high[j, i], high[i, j])
                    target_low[j, i] = min(target_low[j, i], low[i, j])


@_jit
def emit_sums(total: Any, count: Any, root: Any, out: Any) -> None:
    """``out = Σ/n`` or its square root as float32; 0 where n is 0."""
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            mean = total[i, j] / np.float64(max(count[i, j], 1))
            out[i, j] = np.float32(np.sqrt(mean)) if root else np.float32(mean)


@_jit
def halve_sums(total: Any, count: Any, next_total: Any, next_count: Any) -> None:
    """Sums and counts of 2 × 2 blocks; added to."""
    for i in range(next_total.shape[0]):
        for j in range(next_total.shape[1]):
            next_total[i, j] += (total[2 * i, 2 * j] + total[2 * i, 2 * j + 1]) + (
                total[2 * i + 1, 2 * j] + total[2 * i + 1, 2 * j + 1]
            )
            next_count[i, j] += (count[2 * i, 2 * j] + count[2 * i, 2 * j + 1]) + (
                count[2 * i + 1, 2 * j] + count[2 * i + 1, 2 * j + 1]
            )


@_exact
def emit_extreme(high: Any, low: Any, count: Any, bits: Any) -> None:
    """Bits (int32) of the value of largest magnitude, plus on a tie; +0 where n is 0."""
    for i in range(high.shape[0]):
        for j in range(high.shape[1]):
            if count[i, j] == 0:
                bits[i, j] = np.int32(0)
                continue
            # A negative number's key is its bits with the magnitude flipped.
            top, bottom = high[i, j], low[i, j]
            above = top if top >= 0 else top ^ _MAGNITUDE
            below = bottom if bottom >= 0 else bottom ^ _MAGNITUDE
            chosen = above if (above & _MAGNITUDE) >= (below & _MAGNITUDE) else below
            bits[i, j] = chosen if (chosen & _MAGNITUDE) != 0 else np.int32(0)


@_exact
def halve_extreme(
    high: Any, low: Any, count: Any, next_high: Any, next_low: Any, next_count: Any
) -> None:
    """Highest, lowest and counts of 2 × 2 blocks; combined with what is there."""
    for i in range(next_high.shape[0]):
        for j in range(next_high.shape[1]):
            for a in range(2):
                for b in range(2):
                    r, c = 2 * i + a, 2 * j + b
                    next_high[i, j] = max(next_high[i, j], high[r, c])
                    next_low[i, j] = min(next_low[i, j], low[r, c])
                    next_count[i, j] += count[r, c]
