"""The nearest rows of a table: every row is looked at, none is skipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...base import TomoError
from ..projection import Projection, fit_pca

__all__ = ["MEASURES", "Measure", "Neighbours", "cosines", "local_pca", "nearest"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Ints = NDArray[np.int64]

Measure = Literal["cosine", "euclid", "inner"]

MEASURES: tuple[Measure, ...] = get_args(Measure)
"""Cosine of the angle, Euclidean distance, inner product."""

SPARE = 32
"""Candidates in single precision beyond those that are wanted, ordered anew in double."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Rows near a point, the nearest first; equals by index.

    Attributes
    ----------
    ids
        ``(k,)`` rows of the table.
    values
        ``(k,)`` float64: cosine, distance or inner product.
    measure
        Which of the three.
    """

    ids: Ints
    values: F64
    measure: Measure


def nearest(
    rows: F32,
    query: ArrayLike,
    k: int = 10,
    measure: Measure = "cosine",
    exclude: Sequence[int] = (),
    norms: F32 | None = None,
) -> Neighbours:
    """The k rows nearest to a vector.

    Compared in float32, then the best of them once more in float64.

    Parameters
    ----------
    rows
        ``(row, channel)``.
    query
        ``(channel,)``.
    k
        How many; fewer if there are not as many rows.
    measure
        What "near" means. A row of length 0 has the cosine 0.
    exclude
        Rows that are left out.
    norms
        Length of each row if it is known: saves a pass over the rows.

    Raises
    ------
    TomoError
        There is no such measure, or the query has another number of channels.
    """
    if measure not in MEASURES:
        raise TomoError(f"There is no measure {measure!r}; there are: {', '.join(MEASURES)}.")
    point = np.asarray(query, np.float64)
    if point.shape != rows.shape[1:]:
        raise TomoError(
            f"A vector of {point.size} channels has no neighbours among rows of {rows.shape[1]}."
        )
    score = _scores(rows, point.astype(np.float32), measure, norms)
    score[list(exclude)] = -np.inf
    wanted = min(k, len(rows) - len(set(exclude)))
    if wanted <= 0:
        return Neighbours(np.empty(0, np.int64), np.empty(0), measure)
    spare = min(wanted + SPARE, len(rows))
    candidates = np.argpartition(-score, spare - 1)[:spare]
    candidates = np.sort(candidates[score[candidates] > -np.inf])
    exact = _exact(rows[candidates], point, measure)
    order = np.argsort(exact if measure == "euclid" else -exact, kind="stable")[:wanted]
    return Neighbours(candidates[order], exact[order], measure)


def cosines(rows: F32, query: ArrayLike, norms: F32 | None = None) -> F32:
    """Cosine of every row with a vector, ``(row,)`` float32."""
    return _scores(rows, np.asarray(query, np.float32), "cosine", norms)


def local_pca(rows: F32, ids: Ints, k: int = 3, stated: str = "") -> Projection:
    """Principal components of a few rows among their own: what tells neighbours apart."""
    return fit_pca(rows[ids], min(k, rows.shape[1]), stated)


def _scores(rows: F32, point: F32, measure: Measure, norms: F32 | None) -> F32:
    """A number for each row that grows with nearness."""
    # One product: in blocks, the threads would wait for each other at the end of every block.
    score = rows @ point
    if measure != "inner":
        length = _lengths(rows) if norms is None else norms
        if measure == "cosine":
            whole = length * np.float32(np.linalg.norm(point))
            score = np.divide(score, whole, out=np.zeros_like(score), where=whole > 0)
        else:
            # Order of -|x - q|², without the query's own length.
            score = 2 * score - length**2
    found = np.nan_to_num(score, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    return np.asarray(found, np.float32)


def _lengths(rows: F32) -> F32:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows)), np.float32)


def _exact(rows: F32, point: F64, measure: Measure) -> F64:
    values = rows.astype(np.float64)
    if measure == "euclid":
        return np.asarray(np.linalg.norm(values - point, axis=1), np.float64)
    product = values @ point
    if measure == "inner":
        return np.asarray(product, np.float64)
    whole = np.linalg.norm(values, axis=1) * np.linalg.norm(point)
    return np.asarray(
        np.divide(product, whole, out=np.zeros(len(values)), where=whole > 0), np.float64
    )
