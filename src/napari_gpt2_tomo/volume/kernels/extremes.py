"""Compiled kernels for the value of largest magnitude in each block of a plane."""

from typing import Any

import numpy as np

from .rows import (
    EXPONENT,
    FINITE_HIGH,
    FINITE_LOW,
    MAGNITUDE,
    add_tally,
    count_bins,
    exact_jit,
    finite_key_range,
    hide_nonfinite,
    key_range,
    total_of,
    total_of_squares,
)

__all__ = ["emit_extreme", "halve_extreme", "pool_extreme"]


@exact_jit
def _max_keys(bits: Any, high: Any, low: Any) -> None:
    for j in range(bits.size):
        key = np.int32(bits[j] ^ ((bits[j] >> np.int32(31)) & MAGNITUDE))
        high[j] = max(high[j], key)
        low[j] = min(low[j], key)


@exact_jit
def _max_finite_keys(bits: Any, high: Any, low: Any) -> None:
    for j in range(bits.size):
        if (bits[j] & EXPONENT) != EXPONENT:
            key = np.int32(bits[j] ^ ((bits[j] >> np.int32(31)) & MAGNITUDE))
            high[j] = max(high[j], key)
            low[j] = min(low[j], key)


@exact_jit
def _pool_keys(row_high: Any, row_low: Any, phase: Any, factor: Any, high: Any, low: Any) -> None:
    j = 0
    group = 0
    stop = factor - phase
    while j < row_high.size:
        stop = min(stop, row_high.size)
        top, bottom = high[group], low[group]
        while j < stop:
            top, bottom = max(top, row_high[j]), min(bottom, row_low[j])
            j += 1
        high[group], low[group] = top, bottom
        group += 1
        stop += factor


@exact_jit
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
) -> Any:
    """Highest and lowest sort key (int32) of the finite values of each block.

    Parameters as of `pool_sums`; `high` starts at the smallest, `low` at the largest int32.
    """
    row_high = np.full(columns, np.int32(-0x80000000), np.int32)
    row_low = np.full(columns, np.int32(0x7FFFFFFF), np.int32)
    clean = np.zeros(0, np.float32)
    group = 0
    lost = 0
    total_v = 0.0
    square = 0.0
    lowest, highest = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
    for i in range(rows):
        row = values[i * stride : i * stride + columns]
        row_bits = bits[i * stride : i * stride + columns]
        bottom, top = key_range(row_bits)
        if bottom < FINITE_LOW or top > FINITE_HIGH:
            if clean.size == 0:
                clean = np.zeros(columns, np.float32)
            hidden = hide_nonfinite(row, row_bits, column_phase, factor, clean, count[group])
            lost += hidden
            bottom, top = finite_key_range(row_bits)
            _max_finite_keys(row_bits, row_high, row_low)
            if every > 0:
                total_v += total_of(clean)
                square += total_of_squares(clean)
                if i % every == 0:
                    count_bins(clean.view(np.int32), histogram)
                    histogram[0] -= np.uint32(hidden)
        else:
            _max_keys(row_bits, row_high, row_low)
            if every > 0:
                total_v += total_of(row)
                square += total_of_squares(row)
                if i % every == 0:
                    count_bins(row_bits, histogram)
        lowest, highest = min(lowest, bottom), max(highest, top)
        if (row_phase + i + 1) % factor == 0 or i == rows - 1:
            _pool_keys(row_high, row_low, column_phase, factor, high[group], low[group])
            row_high[:] = np.int32(-0x80000000)
            row_low[:] = np.int32(0x7FFFFFFF)
            group += 1
    if every > 0:
        add_tally(tally, rows * columns - lost, lost, total_v, lowest, highest, square)
    return lost


@exact_jit
def emit_extreme(high: Any, low: Any, bits: Any) -> None:
    """Bits (int32) of the value of largest magnitude, plus on a tie; +0 for none. All flat."""
    for i in range(high.size):
        # A negative number's key is its bits with the magnitude flipped.
        top, bottom = high[i], low[i]
        above = top ^ ((top >> np.int32(31)) & MAGNITUDE)
        below = bottom ^ ((bottom >> np.int32(31)) & MAGNITUDE)
        chosen = above if (above & MAGNITUDE) >= (below & MAGNITUDE) else below
        # Without a value the keys still have their first values, top below bottom.
        bits[i] = chosen if (chosen & MAGNITUDE) != 0 and top >= bottom else np.int32(0)


@exact_jit
def halve_extreme(high: Any, low: Any, next_high: Any, next_low: Any) -> None:
    """Highest and lowest of 2 × 2 blocks."""
    for i in range(next_high.shape[0]):
        for j in range(next_high.shape[1]):
            r, c = 2 * i, 2 * j
            next_high[i, j] = max(
                max(high[r, c], high[r, c + 1]), max(high[r + 1, c], high[r + 1, c + 1])
            )
            next_low[i, j] = min(
                min(low[r, c], low[r, c + 1]), min(low[r + 1, c], low[r + 1, c + 1])
            )
