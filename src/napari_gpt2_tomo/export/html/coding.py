"""Voxels as bytes, with the way back to values.

A byte stands for a value of a table that the page carries along, so what the page
says of a voxel is exact up to half the distance between two neighbours of the table.
Weights have long tails: equal steps up to the largest of them would leave the others
three or four bytes. So the steps are equal up to the *knee*, below which nearly all
values lie, and grow in proportion to the value beyond it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["AIR", "FIRST", "LAST", "NOT_FINITE", "ZERO", "Coding"]

AIR = 0
"""Byte of a voxel without a parameter."""

FIRST, LAST = 3, 254
"""Bytes of the smallest and of the largest value. niivue's shader shows 1 and 2 in a mixed
colour, so that they stay unused.
"""

ZERO = 128
"""Byte of the value 0 of a signal with a sign; without one 0 is `FIRST`."""

NOT_FINITE = 255
"""Byte of NaN and of the infinities."""

KNEE = 0.99
"""Share of the voxels with a smaller magnitude than the knee."""

EQUAL = 0.8
"""Share of the bytes that lie below the knee, in equal steps."""


@dataclass(frozen=True, slots=True)
class Coding:
    """A table of the values that bytes stand for.

    Attributes
    ----------
    values
        The value of each byte, float64 of shape ``(256,)``; NaN where a byte stands for none.
    errors
        How far a voxel's value lies from that of its byte at most, float64 of shape ``(256,)``.
    knee
        Magnitude up to which the steps are equal.
    step
        Distance of two neighbours below the knee.
    largest_step
        Distance of the last two neighbours.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    knee: float
    step: float
    largest_step: float

    @classmethod
    def of(cls, voxels: NDArray[np.float32], *, signed: bool) -> "Coding":
        """The table that suits these voxels (finite or not, air left out).

        Parameters
        ----------
        voxels
            Any shape; may be empty.
        signed
            Whether values may lie on both sides of 0.
        """
        sizes = np.abs(voxels[np.isfinite(voxels)].astype(np.float64))
        far = float(sizes.max()) if sizes.size and sizes.max() > 0 else 1.0
        count = LAST - ZERO - 1 if signed else LAST - FIRST
        knee = float(np.quantile(sizes, KNEE)) if sizes.size else far
        equal = round(EQUAL * count)
        if knee <= 0 or far <= knee / equal * count:
            # The tail is no longer than equal steps reach.
            knee, ladder = far, np.linspace(0, far, count + 1)
        else:
            tail = np.geomspace(knee, far, count - equal + 1)[1:]
            ladder = np.concatenate([np.linspace(0, knee, equal + 1), tail])
        values = np.full(256, np.nan)
        if signed:
            values[ZERO - count : ZERO] = -ladder[:0:-1]
            values[ZERO : ZERO + count + 1] = ladder
        else:
            values[FIRST : LAST + 1] = ladder
        return cls(
            values,
            _errors(values),
            knee,
            float(ladder[1]),
            float(ladder[-1] - ladder[-2]),
        )

    def encode(self, voxels: NDArray[np.float32], air: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """The byte of every voxel: that of the nearest value of the table.

        Parameters
        ----------
        voxels
            Any shape.
        air
            Where there is no parameter; of the same shape.
        """
        used = np.flatnonzero(np.isfinite(self.values))
        table = self.values[used]
        between = (table[1:] + table[:-1]) / 2
        codes = used[np.searchsorted(between, voxels)].astype(np.uint8)
        codes[~np.isfinite(voxels)] = NOT_FINITE
        codes[air] = AIR
        return codes

    @property
    def count(self) -> int:
        """Number of values that bytes stand for."""
        return int(np.isfinite(self.values).sum())

    def decode(self, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The values that bytes stand for; NaN for air and for what is not finite."""
        return self.values[codes]


def _errors(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the distance to the farther neighbour in the table."""
    used = np.flatnonzero(np.isfinite(values))
    half = np.diff(values[used]) / 2
    errors = np.full(256, np.nan)
    errors[used] = np.maximum(np.append(half, 0), np.append(0, half))
    return errors
