"""Compiled decoding and reduction of runs of parameters; importing it imports numba.

A partial result holds, per group of parameters, ``(n, total)``: how many of
them are finite, and as float64 Σw² (rms) or Σw (mean), or as float32 the value
of largest magnitude (extreme). Partial results of neighbours combine into that
of a coarser level, so nothing is ever rounded twice.
"""

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ...checkpoint.dtypes import LUT, decode
from ..reading.signal import Reduction
from .codes import look_up, widen
from .rows import mean_row, means

__all__ = [
    "Partial",
    "Room",
    "combine",
    "decode_run",
    "finish",
    "new_room",
    "put",
    "reduce_run",
]

Partial = tuple[NDArray[np.int64], NDArray[Any]]
"""(n, total): int64, and float64 for rms and mean or float32 for extreme; one entry per group."""

Room = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Memory for a `Partial`; fresh memory for every piece would cost half as much as its sums."""

# Sums may be reordered, which lets them run in vector registers. Nothing may be
# assumed away about NaN and infinity: the checks below depend on them.
_jit: Callable[[Callable[..., Any]], Callable[..., Any]] = numba.njit(
    nogil=True, cache=True, fastmath={"reassoc", "contract"}
)

_EXPONENT = np.uint32(0x7F800000)
"""Bits that are all set in infinities and NaNs only."""

_MAGNITUDE = np.uint32(0x7FFFFFFF)
"""Bits of a float32 without its sign; they order the finite values."""

_CHUNK = 1024
"""Values that are computed before they are written to their places."""

# Copied into its caller, so that the length of its loops may be a constant there.
_inlined: Callable[[Callable[..., Any]], Callable[..., Any]] = numba.njit(
    nogil=True, inline="always"
)

# The kernels first take every value as finite. What is not shows in the result
# (no sum of squares of finite float32 overflows float64), and only then is the
# group read again with a test per value: half the cost where all is finite.
# Groups of 8, the commonest by far, are unrolled: a quarter of the cost.


@_inlined
def _fill_squares(values: Any, group: int, total: Any) -> None:
    for g in range(total.size):
        found = 0.0
        for i in range(group):
            found += np.float64(values[g * group + i]) * np.float64(values[g * group + i])
        total[g] = found


@_jit
def _sums_of_squares(values: Any, bits: Any, group: int, n: Any, total: Any) -> None:
    if group == 8:
        _fill_squares(values, 8, total)
    else:
        _fill_squares(values, group, total)
    n[:] = group
    if _all_finite(total):
        return
    for g in range(n.size):
        if not math.isfinite(total[g]):
            found, count = 0.0, 0
            for i in range(g * group, (g + 1) * group):
                if bits[i] & _EXPONENT != _EXPONENT:
                    found += np.float64(values[i]) * np.float64(values[i])
                    count += 1
            n[g], total[g] = count, found


@_inlined
def _fill_sums(values: Any, group: int, total: Any) -> None:
    for g in range(total.size):
        found = 0.0
        for i in range(group):
            found += np.float64(values[g * group + i])
        total[g] = found


@_jit
def _sums(values: Any, bits: Any, group: int, n: Any, total: Any) -> None:
    if group == 8:
        _fill_sums(values, 8, total)
    else:
        _fill_sums(values, group, total)
    n[:] = group
    if _all_finite(total):
        return
    for g in range(n.size):
        if not math.isfinite(total[g]):
            found, count = 0.0, 0
            for i in range(g * group, (g + 1) * group):
                if bits[i] & _EXPONENT != _EXPONENT:
                    found += np.float64(values[i])
                    count += 1
            n[g], total[g] = count, found


@_jit
def _all_finite(total: Any) -> Any:
    # Without an early exit this runs in vector registers.
    odd = 0
    for g in range(total.size):
        odd |= not math.isfinite(total[g])
    return odd == 0


@_inlined
def _fill_extremes(bits: Any, group: int, total: Any) -> None:
    # The largest bit pattern as a signed integer is the largest positive value; as an
    # unsigned one it is the negative value of largest magnitude, if there is one.
    for g in range(total.size):
        signed, unsigned = np.int32(0), np.uint32(0)
        for i in range(group):
            signed = max(signed, np.int32(bits[g * group + i]))
            unsigned = max(unsigned, bits[g * group + i])
        total[g] = unsigned if unsigned & _MAGNITUDE > np.uint32(signed) else np.uint32(signed)


@_jit
def _extremes(values: Any, bits: Any, group: int, n: Any, total: Any) -> None:
    if group == 8:
        _fill_extremes(bits, 8, total)
    else:
        _fill_extremes(bits, group, total)
    n[:] = group
    largest = np.uint32(0)
    for g in range(total.size):
        largest = max(largest, total[g] & _MAGNITUDE)
    if largest < _EXPONENT:
        return
    for g in range(n.size):
        if total[g] & _MAGNITUDE >= _EXPONENT:
            signed, unsigned, count = np.int32(0), np.uint32(0), 0
            for i in range(g * group, (g + 1) * group):
                if bits[i] & _EXPONENT != _EXPONENT:
                    signed = max(signed, np.int32(bits[i]))
                    unsigned = max(unsigned, bits[i])
                    count += 1
            n[g] = count
            total[g] = unsigned if unsigned & _MAGNITUDE > np.uint32(signed) else np.uint32(signed)


@_inlined
def _add_up(n: Any, total: Any, group: int, counts: Any, sums: Any) -> None:
    for g in range(counts.size):
        count, found = 0, 0.0
        for i in range(group):
            count += n[g * group + i]
            found += total[g * group + i]
        counts[g], sums[g] = count, found


@_jit
def _combine_sums(n: Any, total: Any, group: int, counts: Any, sums: Any) -> None:
    if group == 8:
        _add_up(n, total, 8, counts, sums)
    else:
        _add_up(n, total, group, counts, sums)


@_inlined
def _pick(n: Any, total: Any, group: int, counts: Any, extremes: Any) -> None:
    # Every total is finite, and 0 where there was nothing.
    for g in range(counts.size):
        count, high, low = 0, np.float32(0), np.float32(0)
        for i in range(group):
            count += n[g * group + i]
            high, low = max(high, total[g * group + i]), min(low, total[g * group + i])
        counts[g], extremes[g] = count, high if high >= -low else low


@_jit
def _combine_extremes(n: Any, total: Any, group: int, counts: Any, extremes: Any) -> None:
    if group == 8:
        _pick(n, total, 8, counts, extremes)
    else:
        _pick(n, total, group, counts, extremes)


@_jit
def _scatter_means(n: Any, total: Any, root: bool, at: Any, out: Any) -> None:
    room = np.empty(_CHUNK, np.float32)
    for first in range(0, n.size, _CHUNK):
        last = min(first + _CHUNK, n.size)
        same = True
        for g in range(first, last):
            same &= n[g] == n[first]
        if same:
            mean_row(total[first:last], 1.0 / max(n[first], 1), root, room[: last - first])
        else:
            means(total[first:last], n[first:last], root, room[: last - first])
        for g in range(first, last):
            out[at[g]] = room[g - first]


@_jit
def _scatter(values: Any, at: Any, out: Any) -> None:
    for g in range(values.size):
        out[at[g]] = values[g]


def decode_run(raw: NDArray[Any], stored: str, out: NDArray[np.float32]) -> None:
    """Write stored elements, flat and contiguous, as float32; see `dtypes.decode`."""
    if raw.flags.aligned and stored == "BF16":
        widen(raw, raw.size, out.view(np.uint32)[None])
    elif raw.flags.aligned and stored in LUT:
        look_up(raw.view(f"u{raw.itemsize}"), raw.size, LUT[stored], out[None])
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            np.copyto(out, decode(raw, stored), casting="unsafe")


def new_room(groups: int) -> Room:
    """Memory for the result of `reduce_run` with so many groups."""
    return np.empty(groups, np.int64), np.empty(groups, np.int64)


def reduce_run(
    values: NDArray[np.float32], group: int, reduction: Reduction, room: Room | None = None
) -> Partial:
    """Reduce the consecutive groups of a run; the kernels release the interpreter lock.

    Parameters
    ----------
    values
        Contiguous float32, one axis. The last group may be shorter.
    group
        Parameters in a group, 8^k for level k of the cube.
    reduction
        What to carry.
    room
        Where the result goes; new memory if None.

    Returns
    -------
    n, total
        One entry per group: the number of finite values, and the sum of their
        squares, their sum, or the one of largest magnitude (plus wins a tie,
        zero is +0). A group without a finite value has n 0 and total 0.
    """
    kernel = {"rms": _sums_of_squares, "mean": _sums, "extreme": _extremes}[reduction]
    # What is mapped cannot be written: one type for all means one compilation.
    values = values.view()
    values.flags.writeable = False
    bits = values.view(np.uint32)
    whole, rest = divmod(values.size, group)
    groups = whole + (rest > 0)
    counts, numbers = room or new_room(groups)
    n = counts[:groups]
    total = numbers.view(np.uint32 if reduction == "extreme" else np.float64)[:groups]
    kernel(values, bits, group, n[:whole], total[:whole])
    if rest:
        kernel(values[-rest:], bits[-rest:], rest, n[whole:], total[whole:])
    return n, total.view(np.float32) if reduction == "extreme" else total


def combine(partial: Partial, group: int, reduction: Reduction) -> Partial:
    """Combine consecutive partial results, `group` at a time (8: one level coarser)."""
    n, total = partial
    kernel = _combine_extremes if reduction == "extreme" else _combine_sums
    whole, rest = divmod(n.size, group)
    counts = np.empty(whole + (rest > 0), np.int64)
    combined = np.empty(counts.size, total.dtype)
    kernel(n, total, group, counts[:whole], combined[:whole])
    if rest:
        kernel(n[-rest:], total[-rest:], rest, counts[whole:], combined[whole:])
    return counts, combined


def finish(partial: Partial, reduction: Reduction) -> NDArray[np.float32]:
    """Values of coarse voxels: √(Σw²/n), Σw/n or the extreme; 0 where n is 0."""
    n, total = partial
    if reduction == "extreme":
        return total.astype(np.float32, copy=False)
    out = np.empty(n.size, np.float32)
    means(total, n, reduction == "rms", out)
    return out


def put(
    partial: Partial, reduction: Reduction, at: NDArray[np.int32], out: NDArray[np.float32]
) -> None:
    """``out[at] = finish(partial, reduction)`` without the interpreter lock; all flat."""
    n, total = partial
    if reduction == "extreme":
        _scatter(total, at, out)
    else:
        _scatter_means(n, total, reduction == "rms", at, out)
