"""Compiled kernels that sum up blocks of a plane; importing this imports numba.

A plane of a volume is reduced to blocks of ``factor × factor``. Rows are summed
into one row accumulator first, which runs in vector registers, then pooled
along the row. Every kernel releases the interpreter lock.
"""

from typing import Any

import numpy as np

from .rows import (
    BAND,
    FINITE_HIGH,
    FINITE_LOW,
    SQUARES,
    add_row,
    add_tally,
    count_bins,
    exact_jit,
    finite_key_range,
    hide_nonfinite,
    key_range,
    mean_row,
    means,
    pool_row,
    total_of,
    total_of_squares,
    turn,
)

__all__ = ["finish_plane", "pool_sums"]


@exact_jit
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
        low, high = key_range(row_bits)
        if low < FINITE_LOW or high > FINITE_HIGH:
            if clean.size == 0:
                clean = np.zeros(columns, np.float32)
            hidden = hide_nonfinite(row, row_bits, column_phase, factor, clean, count[group])
            lost += hidden
            low, high = finite_key_range(row_bits)
            add_row(clean, kind, sums)
            if every > 0:
                total_v += total_of(clean)
                if kind != SQUARES:
                    square += total_of_squares(clean)
                if i % every == 0:
                    count_bins(clean.view(np.int32), histogram)
                    # What is hidden stands in the row as +0; it is no value at all.
                    histogram[0] -= np.uint32(hidden)
        else:
            add_row(row, kind, sums)
            if every > 0:
                total_v += total_of(row)
                if kind != SQUARES:
                    square += total_of_squares(row)
                if i % every == 0:
                    count_bins(row_bits, histogram)
        lowest, highest = min(lowest, low), max(highest, high)
        if (row_phase + i + 1) % factor == 0 or i == rows - 1:
            if every > 0 and kind == SQUARES:
                square += total_of(sums)
            pool_row(sums, column_phase, factor, total[group])
            sums[:] = 0.0
            group += 1
    if every > 0:
        add_tally(tally, rows * columns - lost, lost, total_v, lowest, highest, square)
    return lost


@exact_jit
def finish_plane(
    totals: Any,
    counts: Any,
    outs: Any,
    rows: Any,
    columns: Any,
    bare: Any,
    uniform: Any,
    root: Any,
    turned: Any,
) -> None:
    """Voxels of all levels of a plane, and the sums of all but the two finest.

    Parameters
    ----------
    totals, counts, outs
        A tuple per level of Σ (float64), n (int32) and the voxels (float32) to write.
    rows, columns
        Blocks of the finest level that are left alone: they are written, and their
        sums are in the second level, by `pool_whole_blocks`. The other sums of the
        finest level are set to 0 for the next plane, if there are several levels.
    bare
        Whether all other blocks are air.
    uniform
        Whether those blocks, and the coarser ones made of them alone, hold as many
        parameters each as the first.
    root
        Whether voxels are √(Σ/n) rather than Σ/n.
    turned
        Whether the voxels are transposed.
    """
    fine = totals[0]
    height, width = fine.shape
    band = np.zeros((BAND if turned else 0, width), np.float32)
    if bare:
        _clear(rows, columns, turned, outs[0])
    else:
        _emit(fine, counts[0], (rows, height, 0, width), root, turned, band, outs[0])
        _emit(fine, counts[0], (0, rows, columns, width), root, turned, band, outs[0])
        if len(totals) > 1:
            for i in range(height):
                left = columns if i < rows else 0
                pool_row(fine[i, left:], left % 2, 2, totals[1][i // 2, left // 2 :])
                fine[i, left:] = 0.0
    whole = uniform
    for level in range(1, len(totals)):
        total = totals[level]
        height, width = total.shape
        if level > 1:
            finer = totals[level - 1]
            for i in range(height):
                row, above, below = total[i], finer[2 * i], finer[2 * i + 1]
                for j in range(width):
                    row[j] = (above[2 * j] + above[2 * j + 1]) + (below[2 * j] + below[2 * j + 1])
        # Where a half is left over, there is a block that is not made of whole ones alone.
        whole = whole and rows % 2 == 0 and columns % 2 == 0
        rows, columns = (rows // 2, columns // 2) if uniform else (0, 0)
        count, out = counts[level], outs[level]
        # Where all hold as many, their table need not be read.
        _emit(total, count[:1, :1], (0, rows, 0, columns), root, turned, band, out)
        if bare and whole:
            _clear(rows, columns, turned, out)
        else:
            _emit(total, count, (rows, height, 0, width), root, turned, band, out)
            _emit(total, count, (0, rows, columns, width), root, turned, band, out)


@exact_jit
def _clear(rows: Any, columns: Any, turned: Any, out: Any) -> None:
    """Air outside the first `rows` and `columns`."""
    down, right = (columns, rows) if turned else (rows, columns)
    out[down:] = 0.0
    out[:down, right:] = 0.0


@exact_jit
def _emit(total: Any, count: Any, box: Any, root: Any, turned: Any, band: Any, out: Any) -> None:
    """Write the voxels of a box of blocks: first and last row, first and last column.

    `count` may have a single element for all; `band` is room for rows that are turned.
    """
    top, bottom, left, right = box
    if right == left:
        return
    for start in range(top, bottom, BAND):
        n = min(BAND, bottom - start)
        for i in range(n):
            straight = out[0, :0] if turned else out[start + i, left:right]
            target = band[i, : right - left] if turned else straight
            row = total[start + i, left:right]
            if count.size == 1:
                mean_row(row, 1.0 / max(count[0, 0], 1), root, target)
            else:
                means(row, count[start + i, left:right], root, target)
        if turned:
            turn(band[:, : right - left], n, out, left, start)
