"""Compiled kernels of the streaming pass over matrices; importing this imports numba.

A plane of a volume is reduced to blocks of ``factor × factor``. Rows are summed
into one row accumulator first, which runs in vector registers, then pooled
along the row. Every kernel releases the interpreter lock.
"""

import math
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
    "emit_extreme",
    "emit_means",
    "emit_roots",
    "finish_sums",
    "halve_beyond",
    "halve_extreme",
    "look_up",
    "pool_extreme",
    "pool_sums",
    "pool_whole_blocks",
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

_NARROW_LOW, _NARROW_HIGH = 1e-30, 1e30
"""Means between these keep all their bits as float32."""

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
) -> Any:
    """Add Σv², Σ|v| or Σv of the finite values of each block of a matrix.

    Returns the number of values that are not finite.

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
    total
        float64, the blocks that the matrix touches; added to.
    count
        int32, the same blocks; the values that are not finite are taken off.
    tally
        float64 (6,): finite, non-finite, Σv, lowest key, highest key, Σv²;
        updated if `every` > 0. For keys see `FINITE_HIGH`.
    histogram
        uint32 (8192,): counts of every `every`-th row's values.
    """
    sums = np.zeros(columns, np.float64)
    clean = np.zeros(0, np.float32)
    group = 0
    lost = 0
    total_v = 0.0
    square = 0.0
    lowest, highest = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
    for i in range(rows):
        row = values[i * stride : i * stride + columns]
        row_bits = bits[i * stride : i * stride + columns]
        low, high = _key_range(row_bits)
        if low < FINITE_LOW or high > FINITE_HIGH:
            if clean.size == 0:
                clean = np.zeros(columns, np.float32)
            hidden = _hide_nonfinite(row, row_bits, column_phase, factor, clean, count[group])
            lost += hidden
            low, high = _finite_key_range(row_bits)
            _add_row(clean, kind, sums)
            if every > 0:
                total_v += _total(clean)
                if kind != SQUARES:
                    square += _square_total(clean)
                if i % every == 0:
                    _count_bins(clean.view(np.int32), histogram)
                    # What is hidden stands in the row as +0; it is no value at all.
                    histogram[0] -= np.uint32(hidden)
        else:
            _add_row(row, kind, sums)
            if every > 0:
                total_v += _total(row)
                if kind != SQUARES:
                    square += _square_total(row)
                if i % every == 0:
                    _count_bins(row_bits, histogram)
        lowest, highest = min(lowest, low), max(highest, high)
        if (row_phase + i + 1) % factor == 0 or i == rows - 1:
            if every > 0 and kind == SQUARES:
                square += _total(sums)
            _pool_row(sums, column_phase, factor, total[group])
            sums[:] = 0.0
            group += 1
    if every > 0:
        _add_tally(tally, rows * columns - lost, lost, total_v, lowest, highest, square)
    return lost


@_exact
def _add_tally(tally: Any, n: Any, lost: Any, total: Any, low: Any, high: Any, square: Any) -> None:
    tally[0] += n
    tally[1] += lost
    tally[2] += total
    tally[3] = min(tally[3], np.float64(low))
    tally[4] = max(tally[4], np.float64(high))
    tally[5] += square


_BAND = 32
"""Rows that are looked over at once: 100 KB of a model of width 768 stays in the cache."""


@_exact
def _band_keys(bits: Any, begin: Any, stride: Any, rows: Any, columns: Any) -> Any:
    low, high = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
    for i in range(rows):
        row = bits[begin + i * stride : begin + i * stride + columns]
        for j in range(row.size):
            key = np.int32(row[j] ^ ((row[j] >> np.int32(31)) & _MAGNITUDE))
            low, high = min(low, key), max(high, key)
    return low, high


@_jit
def _band_total(values: Any, begin: Any, stride: Any, rows: Any, columns: Any) -> Any:
    total = 0.0
    for i in range(rows):
        row = values[begin + i * stride : begin + i * stride + columns]
        for j in range(row.size):
            total += np.float64(row[j])
    return total


@_jit
def _band_square(values: Any, begin: Any, stride: Any, rows: Any, columns: Any) -> Any:
    total = 0.0
    for i in range(rows):
        row = values[begin + i * stride : begin + i * stride + columns]
        for j in range(row.size):
            total += np.float64(row[j]) * np.float64(row[j])
    return total


@_jit
def _sum_rows(
    values: Any, begin: Any, stride: Any, rows: Any, columns: Any, kind: Any, sums: Any
) -> None:
    first = values[begin : begin + columns]
    if kind == SQUARES:
        for j in range(columns):
            sums[j] = np.float64(first[j]) * np.float64(first[j])
        for i in range(1, rows):
            row = values[begin + i * stride : begin + i * stride + columns]
            for j in range(columns):
                sums[j] += np.float64(row[j]) * np.float64(row[j])
        return
    for j in range(columns):
        x = np.float64(first[j])
        sums[j] = abs(x) if kind == MAGNITUDES else x
    for i in range(1, rows):
        row = values[begin + i * stride : begin + i * stride + columns]
        for j in range(columns):
            x = np.float64(row[j])
            sums[j] += abs(x) if kind == MAGNITUDES else x


@_exact
def _emit_root_row(total: Any, inverse: Any, out: Any) -> None:
    """``out = √(Σ/n)``; the root is taken in float32 unless a mean leaves its normal range."""
    unusual = 0
    for j in range(out.size):
        mean = total[j] * inverse[j]
        narrow = np.float32(mean)
        out[j] = math.sqrt(narrow)
        unusual += (mean > 0.0) & ((mean < _NARROW_LOW) | (mean > _NARROW_HIGH))
    if unusual:
        for j in range(out.size):
            out[j] = math.sqrt(total[j] * inverse[j])


@_exact
def _emit_mean_row(total: Any, inverse: Any, out: Any) -> None:
    for j in range(out.size):
        out[j] = total[j] * inverse[j]


@_exact
def pool_whole_blocks(
    values: Any,
    bits: Any,
    stride: Any,
    rows: Any,
    columns: Any,
    factor: Any,
    kind: Any,
    inverse: Any,
    out: Any,
    next_row: Any,
    next_phase: Any,
    next_total: Any,
    hidden_next: Any,
    tally: Any,
    histogram: Any,
    every: Any,
) -> Any:
    """Reduce a matrix of whole blocks at once: their voxels, and their sums one level coarser.

    As `pool_sums` followed by `emit_roots` or `emit_means`, for a matrix that
    shares no block with another: its sums never leave the cache.

    Parameters
    ----------
    inverse, out
        Of the matrix' blocks: 1/n (float64), and the voxels (float32) to write.
    next_row, next_phase
        Whether the first block is the second of its pair (0 or 1), along rows and columns.
    next_total, hidden_next
        float64 and int32, the blocks one level coarser that the matrix touches; sums
        are added to the first, values that are not finite taken off the second.
    """
    sums = np.zeros(columns, np.float64)
    blocks = columns // factor
    pooled = np.zeros(blocks, np.float64)
    gone = np.zeros(blocks, np.int32)
    clean = np.zeros(0, np.float32)
    lost = 0
    total_v = 0.0
    square = 0.0
    lowest, highest = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
    groups = rows // factor
    per_band = max(1, _BAND // factor)
    for band in range(0, groups, per_band):
        last = min(band + per_band, groups)
        begin, count = band * factor * stride, (last - band) * factor
        low, high = _band_keys(bits, begin, stride, count, columns)
        damaged = low < FINITE_LOW or high > FINITE_HIGH
        if not damaged:
            lowest, highest = min(lowest, low), max(highest, high)
            if every > 0:
                total_v += _band_total(values, begin, stride, count, columns)
                for i in range(-(-band * factor // every) * every, last * factor, every):
                    _count_bins(bits[i * stride : i * stride + columns], histogram)
        for group in range(band, last):
            hidden = 0
            if damaged:
                if clean.size == 0:
                    clean = np.zeros(columns, np.float32)
                sums[:] = 0.0
                for i in range(group * factor, (group + 1) * factor):
                    row_bits = bits[i * stride : i * stride + columns]
                    row = values[i * stride : i * stride + columns]
                    found = _hide_nonfinite(row, row_bits, 0, factor, clean, gone)
                    hidden += found
                    _add_row(clean, kind, sums)
                    if every > 0:
                        low, high = _finite_key_range(row_bits)
                        lowest, highest = min(lowest, low), max(highest, high)
                        total_v += _total(clean)
                        if i % every == 0:
                            _count_bins(clean.view(np.int32), histogram)
                            # What is hidden stands in the row as +0; it is no value at all.
                            histogram[0] -= np.uint32(found)
                        if kind != SQUARES:
                            square += _square_total(clean)
            else:
                at = group * factor * stride
                _sum_rows(values, at, stride, factor, columns, kind, sums)
                if every > 0 and kind != SQUARES:
                    square += _band_square(values, at, stride, factor, columns)
            pooled[:] = 0.0
            _pool_row(sums, 0, factor, pooled)
            if every > 0 and kind == SQUARES:
                square += _total(pooled)
            if hidden:
                lost += hidden
                for j in range(blocks):
                    n = np.rint(1.0 / inverse[group, j]) + gone[j]
                    mean = pooled[j] / max(n, 1.0)
                    out[group, j] = math.sqrt(mean) if kind == SQUARES else mean
                    hidden_next[(next_row + group) // 2, (next_phase + j) // 2] += gone[j]
                    gone[j] = 0
            elif kind == SQUARES:
                _emit_root_row(pooled, inverse[group, :blocks], out[group, :blocks])
            else:
                _emit_mean_row(pooled, inverse[group, :blocks], out[group, :blocks])
            _pool_row(pooled, next_phase, 2, next_total[(next_row + group) // 2])
    if every > 0:
        _add_tally(tally, rows * columns - lost, lost, total_v, lowest, highest, square)
    return lost


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
        bottom, top = _key_range(row_bits)
        if bottom < FINITE_LOW or top > FINITE_HIGH:
            if clean.size == 0:
                clean = np.zeros(columns, np.float32)
            hidden = _hide_nonfinite(row, row_bits, column_phase, factor, clean, count[group])
            lost += hidden
            bottom, top = _finite_key_range(row_bits)
            _max_finite_keys(row_bits, row_high, row_low)
            if every > 0:
                total_v += _total(clean)
                square += _square_total(clean)
                if i % every == 0:
                    _count_bins(clean.view(np.int32), histogram)
                    histogram[0] -= np.uint32(hidden)
        else:
            _max_keys(row_bits, row_high, row_low)
            if every > 0:
                total_v += _total(row)
                square += _square_total(row)
                if i % every == 0:
                    _count_bins(row_bits, histogram)
        lowest, highest = min(lowest, bottom), max(highest, top)
        if (row_phase + i + 1) % factor == 0 or i == rows - 1:
            _pool_keys(row_high, row_low, column_phase, factor, high[group], low[group])
            row_high[:] = np.int32(-0x80000000)
            row_low[:] = np.int32(0x7FFFFFFF)
            group += 1
    if every > 0:
        _add_tally(tally, rows * columns - lost, lost, total_v, lowest, highest, square)
    return lost


@_exact
def emit_roots(total: Any, inverse: Any, out: Any) -> None:
    """``out = √(Σ · 1/n)`` as float32. All flat."""
    for i in range(total.size):
        out[i] = math.sqrt(total[i] * inverse[i])


@_exact
def emit_means(total: Any, inverse: Any, out: Any) -> None:
    """``out = Σ · 1/n`` as float32. All flat."""
    for i in range(total.size):
        out[i] = total[i] * inverse[i]


@_exact
def finish_sums(totals: Any, inverses: Any, outs: Any, root: Any) -> None:
    """Sums and voxels of all levels of a plane, from the sums of the first.

    Parameters
    ----------
    totals, inverses, outs
        A tuple per level of Σ (float64), 1/n (float64) and the voxels (float32); only
        the sums of the first level are given, the others are computed.
    root
        Whether voxels are √(Σ/n) rather than Σ/n.
    """
    for level in range(len(totals)):
        total, inverse, out = totals[level], inverses[level], outs[level]
        for i in range(total.shape[0]):
            row = total[i]
            if level > 0:
                above, below = totals[level - 1][2 * i], totals[level - 1][2 * i + 1]
                for j in range(row.size):
                    row[j] = (above[2 * j] + above[2 * j + 1]) + (below[2 * j] + below[2 * j + 1])
            if root:
                _emit_root_row(row, inverse[i], out[i])
            else:
                _emit_mean_row(row, inverse[i], out[i])


@_exact
def halve_beyond(total: Any, next_total: Any, rows: Any, columns: Any) -> None:
    """Add to sums of 2 × 2 blocks what lies outside the first `rows` and `columns`."""
    for i in range(total.shape[0]):
        for j in range(columns if i < rows else 0, total.shape[1]):
            next_total[i // 2, j // 2] += total[i, j]


@_exact
def emit_extreme(high: Any, low: Any, bits: Any) -> None:
    """Bits (int32) of the value of largest magnitude, plus on a tie; +0 for none. All flat."""
    for i in range(high.size):
        # A negative number's key is its bits with the magnitude flipped.
        top, bottom = high[i], low[i]
        above = top ^ ((top >> np.int32(31)) & _MAGNITUDE)
        below = bottom ^ ((bottom >> np.int32(31)) & _MAGNITUDE)
        chosen = above if (above & _MAGNITUDE) >= (below & _MAGNITUDE) else below
        # Without a value the keys still have their first values, top below bottom.
        bits[i] = chosen if (chosen & _MAGNITUDE) != 0 and top >= bottom else np.int32(0)


@_exact
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
