"""Patterns as they are looked at: without the first token, from the last one, as thumbnails."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["from_last", "hide_future", "resampled", "thumbnails", "to_first", "without_first"]

F32 = NDArray[np.float32]
Floats = NDArray[np.float64]

THUMBNAIL = 64
"""Pixels that a thumbnail has at most along a side; few screens give a head as many."""


def without_first(pattern: NDArray[Any]) -> F32:
    """What a pattern is apart from the first token, which many heads rest on.

    Parameters
    ----------
    pattern
        ``(..., query, key)``.

    Returns
    -------
    numpy.ndarray
        The same shape: A[i, j] / Σ_{j ≥ 1} A[i, j] for j ≥ 1. The first key is NaN, and so is a
        row with no attention on any other.
    """
    rest = np.array(pattern, np.float32)
    rest[..., 0] = np.nan
    total = np.nansum(rest, axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, rest / total, np.float32(np.nan))


def hide_future(pattern: NDArray[Any]) -> F32:
    """A causal pattern ``(..., query, key)`` with NaN where a query cannot look."""
    shown = np.array(pattern, np.float32)
    n = shown.shape[-1]
    shown[..., ~np.tri(n, dtype=bool)] = np.nan
    return shown


def to_first(pattern: Any, *, causal: bool = True) -> Floats:
    """Mean attention to the first token, ``(layer, head)``; NaN where no query has a choice.

    The first query of a causal model, which has none, is left out.
    """
    begin = 1 if causal else 0
    rows = [np.asarray(pattern[layer][:, begin:, 0], np.float64) for layer in range(len(pattern))]
    if not rows or not rows[0].shape[-1]:
        return np.full(pattern.shape[:2], np.nan)
    return np.array([row.mean(axis=-1) for row in rows])


def from_last(pattern: Any) -> Floats:
    """Attention from the last token: mean over the heads of each layer, ``(layer, key)``."""
    rows = [
        np.asarray(pattern[layer][:, -1], np.float64).mean(axis=0) for layer in range(len(pattern))
    ]
    return np.array(rows)


def thumbnails(pattern: Any, size: int = THUMBNAIL) -> F32:
    """Small pictures of the patterns of all heads: ``(layer, head, row, column)``.

    A pattern that is larger is reduced by its largest values, so that a line of single pairs
    stays in sight; a smaller one stays as it is.

    Parameters
    ----------
    pattern
        ``(layer, head, query, key)``, numpy or zarr; read layer by layer. NaN counts as nothing,
        a block of nothing else is NaN.
    size
        Most pixels along a side.
    """
    layers = range(len(pattern))
    return np.array([_reduced(np.asarray(pattern[layer], np.float32), size) for layer in layers])


def resampled(pictures: NDArray[Any], size: int) -> F32:
    """Pictures ``(..., row, column)`` at ``size × size`` pixels: reduced by their largest
    values, or enlarged by repetition.
    """
    small = _reduced(np.asarray(pictures, np.float32), size)
    n = small.shape[-1]
    at = np.arange(size) * n // size
    return small[..., at[:, None], at[None, :]]


def _reduced(pictures: F32, size: int) -> F32:
    n = pictures.shape[-1]
    if n <= size:
        return pictures
    starts = np.arange(size) * n // size
    # fmax prefers a number to NaN.
    rows = np.fmax.reduceat(pictures, starts, axis=-2)
    reduced: F32 = np.fmax.reduceat(rows, starts, axis=-1)
    return reduced
