"""Compiled reduction of runs of parameters; importing it imports numba.

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

from .signal import Reduction

__all__ = ["Partial", "combine", "finish", "reduce_run"]

Partial = tuple[NDArray[np.int64], NDArray[Any]]
"""(n, total): int64, and float64 for rms and mean or float32 for extreme; one entry per group."""

# Sums may be reordered, which lets them run in vector registers. Nothing may be
# assumed away about NaN and infinity: the checks below depend on them.
_jit: Callable[[Callable[..., Any]], Callable[..., Any]] = numba.njit(
    nogil=True, cache=True, fastmath={"reassoc", "contract"}
)

_EXPONENT = np.uint32(0x7F800000)
"""Bits that are all set in infinities and NaNs only."""

_MAGNITUDE = np.uint32(0x7FFFFFFF)
"""Bits of a float32 without its sign; they order the finite values."""

# The kernels first take every value as finite. What is not shows in the result
# (no sum of squares of finite float32 overflows float64), and only then is the
# group read again with a test per value: half the cost where all is finite.


@_jit
def _sums_of_squares(values: Any, bits: Any, group: int, n: Any, total: Any) -> None:
    for g in range(n.size):
        run = values[g * group : (g + 1) * group]
        found = 0.0
        for i in range(group):
            found += np.float64(run[i]) * np.float64(run[i])
        count = group
        if not math.isfinite(found):
            found, count = 0.0, 0
            for i in range(g * group, (g + 1) * group):
                if bits[i] & _EXPONENT != _EXPONENT:
                    found += np.float64(values[i]) * np.float64(values[i])
                    count += 1
        n[g], total[g] = count, found


@_jit
def _sums(values: Any, bits: Any, group: int, n: Any, total: Any) -> None:
    for g in range(n.size):
        run = values[g * group : (g + 1) * group]
        found = 0.0
        for i in range(group):
            found += np.float64(run[i])
        count = group
        if not math.isfinite(found):
            found, count = 0.0, 0
            for i in range(g * group, (g + 1) * group):
                if bits[i] & _EXPONENT != _EXPONENT:
                    found += np.float64(values[i])
                    count += 1
        n[g], total[g] = count, found


@_jit
def _extremes(values: Any, bits: Any, group: int, n: Any, total: Any) -> None:
    # The largest bit pattern as a signed integer is the largest positive value; as an
    # unsigned one it is the negative value of largest magnitude, if there is one.
    for g in range(n.size):
        run = bits[g * group : (g + 1) * group]
        signed, unsigned = np.int32(0), np.uint32(0)
        for i in range(group):
            signed = max(signed, np.int32(run[i]))
            unsigned = max(unsigned, run[i])
        count = group
        if max(np.uint32(signed), unsigned & _MAGNITUDE) >= _EXPONENT:
            signed, unsigned, count = np.int32(0), np.uint32(0), 0
            for i in range(group):
                if run[i] & _EXPONENT != _EXPONENT:
                    signed = max(signed, np.int32(run[i]))
                    unsigned = max(unsigned, run[i])
                    count += 1
        n[g] = count
        total[g] = unsigned if unsigned & _MAGNITUDE > np.uint32(signed) else np.uint32(signed)


def reduce_run(values: NDArray[np.float32], group: int, reduction: Reduction) -> Partial:
    """Reduce the consecutive groups of a run; the kernels release the interpreter lock.

    Parameters
    ----------
    values
        Contiguous float32, one axis. The last group may be shorter.
    group
        Parameters in a group, 8^k for level k of the cube.
    reduction
        What to carry.

    Returns
    -------
    n, total
        One entry per group: the number of finite values, and the sum of their
        squares, their sum, or the one of largest magnitude (plus wins a tie,
        zero is +0). A group without a finite value has n 0 and total 0.
    """
    kernel = {"rms": _sums_of_squares, "mean": _sums, "extreme": _extremes}[reduction]
    bits = values.view(np.uint32)
    whole, rest = divmod(values.size, group)
    n = np.empty(whole + (rest > 0), np.int64)
    total = np.empty(n.size, np.uint32 if reduction == "extreme" else np.float64)
    kernel(values, bits, group, n[:whole], total[:whole])
    if rest:
        kernel(values[-rest:], bits[-rest:], rest, n[whole:], total[whole:])
    return n, total.view(np.float32) if reduction == "extreme" else total


def combine(partial: Partial, group: int, reduction: Reduction) -> Partial:
    """Combine consecutive partial results, `group` at a time (8: one level coarser)."""
    n, total = partial
    starts = np.arange(0, n.size, group)
    counts = np.add.reduceat(n, starts)
    if reduction == "extreme":
        # Every total is finite, and 0 where there was nothing.
        high, low = np.maximum.reduceat(total, starts), np.minimum.reduceat(total, starts)
        return counts, np.where(high >= -low, high, low) + np.float32(0)
    return counts, np.add.reduceat(total, starts)


def finish(partial: Partial, reduction: Reduction) -> NDArray[np.float32]:
    """Values of coarse voxels: √(Σw²/n), Σw/n or the extreme; 0 where n is 0."""
    n, total = partial
    if reduction == "extreme":
        return total.astype(np.float32, copy=False)
    mean = total / np.maximum(n, 1)
    return (np.sqrt(mean) if reduction == "rms" else mean).astype(np.float32)
