"""Statistics of several checkpoints together, for a window that they share."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..volume.statistics.summary import QUANTILES, Statistics

__all__ = ["pooled"]

MIXED = 16
"""Steps, evenly spread, whose distributions a part's quantiles are mixed of."""

TAILS = np.concatenate([[0.0], QUANTILES, [1.0]])
"""Shares of the kept quantiles and of the extremes."""


def pooled(all_: Sequence[Statistics], absent: Sequence[NDArray[np.bool_]]) -> Statistics:
    """Statistics of the weights of all steps as if they were of one checkpoint.

    Counts, means, spreads, extremes and the histograms over all parts are exact where those
    of the steps are. A part's quantiles are those of the mixture of its distributions, each
    linear between its own quantiles; of many steps some are taken.

    Parameters
    ----------
    all_
        Of each step, for the same parts.
    absent
        For each step which parts it lacks: an estimate would give them the numbers of others.
    """
    n = np.stack([np.where(gone, 0, one.n) for one, gone in zip(all_, absent, strict=True)])
    nonfinite = np.stack(
        [np.where(gone, 0, one.nonfinite) for one, gone in zip(all_, absent, strict=True)]
    )
    held = n > 0
    total = n.sum(axis=0)
    share = n / np.maximum(total, 1)
    means = np.stack([one.mean for one in all_])
    mean = (share * means).sum(axis=0)
    square = np.stack([one.sigma for one in all_]) ** 2 + (means - mean) ** 2
    low = np.where(held, np.stack([one.low for one in all_]), np.inf).min(axis=0)
    high = np.where(held, np.stack([one.high for one in all_]), -np.inf).max(axis=0)
    some = total > 0
    return Statistics(
        total,
        nonfinite.sum(axis=0),
        np.where(some, mean, 0.0),
        # Rounding must not turn constant parts into ones with a tiny spread.
        np.where(some & (low < high), np.sqrt((share * square).sum(axis=0)), 0.0),
        np.where(some, low, 0.0),
        np.where(some, high, 0.0),
        _quantiles(all_, share),
        np.sum([one.weights for one in all_], axis=0),
        np.sum([one.scores for one in all_], axis=0),
        any(one.estimate for one in all_),
    )


def _quantiles(all_: Sequence[Statistics], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Quantiles of every part's mixture, shape ``(parts, len(QUANTILES))``."""
    if len(all_) == 1:
        return all_[0].quantiles
    chosen = np.unique(np.linspace(0, len(all_) - 1, MIXED).round().astype(int))
    weights = share[chosen] / np.maximum(share[chosen].sum(axis=0), np.finfo(float).tiny)
    ends = np.stack(
        [np.column_stack([all_[i].low, all_[i].quantiles, all_[i].high]) for i in chosen]
    )
    ends = np.maximum.accumulate(ends, axis=2)
    low, high = ends.min(axis=(0, 2)), ends.max(axis=(0, 2))
    width = np.where(high > low, high - low, 1.0)
    # Every part has a stretch of the number line for itself: one call interpolates all.
    first = 2.0 * np.arange(len(low))[:, None]
    places = (ends - low[:, None]) / width[:, None] + first
    values = np.sort(places.transpose(1, 0, 2).reshape(len(low), -1), axis=1)
    below = np.zeros_like(values)
    for place, weight in zip(places, weights, strict=True):
        known = np.hstack([first - 0.5, place, first + 1.5])
        heights = np.broadcast_to([0.0, *TAILS, 1.0], known.shape)
        below += weight[:, None] * np.interp(values, known.ravel(), heights.ravel())
    below = np.maximum.accumulate(np.clip(below, 0, 1), axis=1)
    found = np.interp((QUANTILES + first).ravel(), (below + first).ravel(), values.ravel())
    inner = found.reshape(len(low), -1) - first
    return np.where(share.sum(axis=0)[:, None] > 0, inner * width[:, None] + low[:, None], 0.0)
