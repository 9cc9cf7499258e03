"""What stands out among the dimensions of a table: offsets, active dimensions, lengths."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ACTIVE",
    "OFFSET",
    "Dimensions",
    "active_dimensions",
    "extreme_rows",
    "moments",
    "offset_dimensions",
]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Ints = NDArray[np.int64]

OFFSET = 0.5
"""Offset of a dimension, in typical σ, from which it is called systematic.

With values spread as the bell curve, seven rows in ten have the sign of such a mean.
"""

ACTIVE = 5.0
"""σ of a dimension, in typical σ, from which it is called active."""

BLOCK = 8192
"""Rows that are summed at a time."""


@dataclass(frozen=True, eq=False)
class Dimensions:
    """Dimensions that stand out, and why.

    Attributes
    ----------
    mean, sigma
        ``(dimension,)`` float64: of each dimension over the rows.
    typical
        Median of `sigma`.
    chosen
        Indices of those that stand out, strongest first.
    rule
        What makes one stand out, as a sentence.
    """

    mean: F64
    sigma: F64
    typical: float
    chosen: Ints
    rule: str


def moments(rows: F32) -> tuple[F64, F64]:
    """Mean and standard deviation of each column, ``(column,)`` float64."""
    n = len(rows)
    mean = np.zeros(rows.shape[1])
    square = np.zeros(rows.shape[1])
    for start in range(0, n, BLOCK):
        mean += rows[start : start + BLOCK].sum(axis=0, dtype=np.float64)
    mean /= max(n, 1)
    for start in range(0, n, BLOCK):
        square += np.square(rows[start : start + BLOCK] - mean).sum(axis=0)
    return mean, np.sqrt(square / max(n, 1))


def offset_dimensions(rows: F32, threshold: float = OFFSET) -> Dimensions:
    """Dimensions whose mean over the rows is far from 0: |mean| ≥ threshold · median σ."""
    mean, sigma = moments(rows)
    typical = float(np.median(sigma))
    far = np.abs(mean) >= threshold * typical if typical > 0 else np.abs(mean) > 0
    chosen = np.flatnonzero(far)
    chosen = chosen[np.argsort(-np.abs(mean[chosen]), kind="stable")]
    rule = (
        f"Systematic offset: |mean| ≥ {threshold:g} × the median σ of the dimensions "
        f"({typical:.3g})."
    )
    return Dimensions(mean, sigma, typical, chosen, rule)


def active_dimensions(rows: F32, threshold: float = ACTIVE) -> Dimensions:
    """Dimensions in which the rows differ much more than usual: σ ≥ threshold · median σ.

    Where most dimensions are in use the median is no floor, and none stands out.
    """
    mean, sigma = moments(rows)
    typical = float(np.median(sigma))
    wide = sigma >= threshold * typical if typical > 0 else sigma > 0
    chosen = np.flatnonzero(wide)
    chosen = chosen[np.argsort(-sigma[chosen], kind="stable")]
    rule = f"Active: σ ≥ {threshold:g} × the median σ of the dimensions ({typical:.3g})."
    return Dimensions(mean, sigma, typical, chosen, rule)


def extreme_rows(values: NDArray[np.floating], k: int) -> tuple[Ints, Ints]:
    """Rows of the k smallest and the k largest values, the most extreme first."""
    order = np.argsort(values, kind="stable")
    return order[:k], order[::-1][:k]
