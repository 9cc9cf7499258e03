"""The kernel that most of a pass spends its time in: matrices made up of whole blocks.

Every number is fetched from memory once. Two rows at a time are summed up, in
vector registers, and looked over again while they are in the innermost cache;
the sums of a block never leave it.
"""

import math
from typing import Any

import numpy as np

from .rows import (
    BAND,
    FINITE_HIGH,
    MAGNITUDES,
    SQUARES,
    add_row,
    add_tally,
    count_bins,
    exact_jit,
    finite_key_range,
    hide_nonfinite,
    key_range,
    mean_row,
    pool_row,
    sum_jit,
    total_of,
    total_of_squares,
    turn,
)

__all__ = ["pool_whole_blocks"]

_NEGATIVE_FINITE = np.uint32(0xFF7FFFFF)
"""Bits of the most negative finite float32: of all finite numbers the largest as uint32."""

_SIGN = np.uint32(0x80000000)


@sum_jit
def _pair_squares(above: Any, below: Any, first: Any, sums: Any) -> Any:
    """Σv² of two rows into (`first`) or onto `sums`, column by column; returns Σv."""
    total = 0.0
    if first:
        for j in range(sums.size):
            x, y = np.float64(above[j]), np.float64(below[j])
            sums[j] = x * x + y * y
            total += x + y
    else:
        for j in range(sums.size):
            x, y = np.float64(above[j]), np.float64(below[j])
            sums[j] += x * x + y * y
            total += x + y
    return total


@sum_jit
def _pair_values(above: Any, below: Any, first: Any, absolute: Any, sums: Any) -> Any:
    """Σv or Σ|v| of two rows into or onto `sums`; returns Σv²."""
    square = 0.0
    if first:
        sums[:] = 0.0
    if absolute:
        for j in range(sums.size):
            x, y = np.float64(above[j]), np.float64(below[j])
            sums[j] += abs(x) + abs(y)
            square += x * x + y * y
    else:
        for j in range(sums.size):
            x, y = np.float64(above[j]), np.float64(below[j])
            sums[j] += x + y
            square += x * x + y * y
    return square


@exact_jit
def _extremes(bits: Any, signed: Any, unsigned: Any) -> None:
    """Largest bits of a row as int32 and as uint32, into one-element arrays.

    The first is that of the largest number where there is a positive one, the
    second that of the most negative where there is a negative one. What is not
    finite is beyond all that is.
    """
    high, low = signed[0], unsigned[0]
    for j in range(bits.size):
        high = max(high, bits[j])
        low = max(low, np.uint32(bits[j]))
    signed[0], unsigned[0] = high, low


@sum_jit
def _pool(sums: Any, factor: Any, pooled: Any) -> None:
    if factor == 2:
        for j in range(pooled.size):
            pooled[j] = sums[2 * j] + sums[2 * j + 1]
    else:
        pooled[:] = 0.0
        pool_row(sums, 0, factor, pooled)


@exact_jit
def pool_whole_blocks(
    values: Any,
    bits: Any,
    stride: Any,
    rows: Any,
    columns: Any,
    factor: Any,
    kind: Any,
    block_row: Any,
    block_column: Any,
    out: Any,
    turned: Any,
    next_total: Any,
    next_hidden: Any,
    tally: Any,
    histogram: Any,
    every: Any,
) -> Any:
    """Reduce a matrix of whole blocks at once: their voxels, and their sums one level coarser.

    As `pool_sums` and then the emission of roots or means, for a matrix that
    shares no block with another. Returns the number of values that are not finite.

    Parameters
    ----------
    values, bits, stride, rows, columns
        The matrix, as for `pool_sums`.
    factor
        Side of a block; even.
    kind
        `SQUARES`, `MAGNITUDES` or `VALUES`.
    block_row, block_column
        Of the matrix' first block in its plane.
    out
        float32, the plane's voxels, transposed if `turned`; the matrix' are written.
    next_total, next_hidden
        float64 and int32, the plane's blocks one level coarser; sums are added to the
        first, values that are not finite taken off the second.
    tally, histogram, every
        As for `pool_sums`.
    """
    blocks = columns // factor
    groups = rows // factor
    root = kind == SQUARES
    inverse = 1.0 / (factor * factor)
    sums = np.zeros(columns, np.float64)
    pooled = np.zeros(blocks, np.float64)
    band = np.zeros((BAND if turned else 1, blocks), np.float32)
    gone = np.zeros(blocks, np.int32)
    clean = np.zeros(0, np.float32)
    signed = np.zeros(1, np.int32)
    unsigned = np.zeros(1, np.uint32)
    lost = 0
    total_v = 0.0
    square = 0.0
    lowest, highest = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
    for group in range(groups):
        first = group * factor
        moment = 0.0
        signed[0] = np.int32(-0x80000000)
        unsigned[0] = np.uint32(0)
        for i in range(first, first + factor, 2):
            a, b = i * stride, (i + 1) * stride
            # The lightest loop comes first: it is the one that waits for the memory.
            _extremes(bits[a : a + columns], signed, unsigned)
            _extremes(bits[b : b + columns], signed, unsigned)
            above, below = values[a : a + columns], values[b : b + columns]
            if root:
                moment += _pair_squares(above, below, i == first, sums)
            else:
                moment += _pair_values(above, below, i == first, kind == MAGNITUDES, sums)
        hidden = 0
        if signed[0] <= FINITE_HIGH and unsigned[0] <= _NEGATIVE_FINITE:
            if every > 0:
                high = signed[0]
                low = np.int32(unsigned[0] ^ np.uint32(0x7FFFFFFF))
                if (high >= 0) != (unsigned[0] >= _SIGN):
                    # All of one sign: the other end was not looked for.
                    low, high = np.int32(0x7FFFFFFF), np.int32(-0x80000000)
                    for i in range(first, first + factor):
                        near, far = key_range(bits[i * stride : i * stride + columns])
                        low, high = min(low, near), max(high, far)
                lowest, highest = min(lowest, low), max(highest, high)
                if root:
                    total_v += moment
                else:
                    square += moment
                    if kind == MAGNITUDES:
                        for i in range(first, first + factor):
                            total_v += total_of(values[i * stride : i * stride + columns])
                    else:
                        total_v += total_of(sums)
                for i in range(-(-first // every) * every, first + factor, every):
                    count_bins(bits[i * stride : i * stride + columns], histogram)
        else:
            if clean.size == 0:
                clean = np.zeros(columns, np.float32)
            sums[:] = 0.0
            for i in range(first, first + factor):
                row_bits = bits[i * stride : i * stride + columns]
                row = values[i * stride : i * stride + columns]
                found = hide_nonfinite(row, row_bits, 0, factor, clean, gone)
                hidden += found
                add_row(clean, kind, sums)
                if every > 0:
                    low, high = finite_key_range(row_bits)
                    lowest, highest = min(lowest, low), max(highest, high)
                    total_v += total_of(clean)
                    if i % every == 0:
                        count_bins(clean.view(np.int32), histogram)
                        # What is hidden stands in the row as +0; it is no value at all.
                        histogram[0] -= np.uint32(found)
                    if not root:
                        square += total_of_squares(clean)
        _pool(sums, factor, pooled)
        if every > 0 and root:
            square += total_of(pooled)
        at = group % BAND
        target = (
            band[at] if turned else out[block_row + group, block_column : block_column + blocks]
        )
        coarse = (block_row + group) // 2
        if hidden:
            lost += hidden
            for j in range(blocks):
                mean = pooled[j] / max(factor * factor + gone[j], 1)
                target[j] = math.sqrt(mean) if root else mean
                next_hidden[coarse, (block_column + j) // 2] += gone[j]
                gone[j] = 0
        else:
            mean_row(pooled, inverse, root, target)
        pool_row(pooled, block_column % 2, 2, next_total[coarse, block_column // 2 :])
        if turned and (at == BAND - 1 or group == groups - 1):
            turn(band, at + 1, out, block_column, block_row + group - at)
    if every > 0:
        add_tally(tally, rows * columns - lost, lost, total_v, lowest, highest, square)
    return lost
