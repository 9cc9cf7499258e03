"""Statistics of several checkpoints together, for a window that they share."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..volume.statistics.summary import QUANTILES, Statistics

__all__ = ["pooled"]

TAILS = np.concatenate([[0.0], QUANTILES, [1.0]])
"""Shares of the kept quantiles and of the extremes."""


def pooled(all_: Sequence[Statistics], absent: Sequence[NDArray[np.bool_]]) -> Statistics:
    """Statistics of the weights of all steps as if they were of one checkpoint.

    Counts, means, spreads, extremes and the histograms over all parts are exact where those
    of the steps are. A part's quantiles are those of the mixture of its distributions, each
    linear between its own quantiles.

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
    out = np.zeros_like(all_[0].quantiles)
    for part in range(len(out)):
        edges = []
        for one, weight in zip(all_, share[:, part], strict=True):
            if weight > 0:
                ends = (one.low[part], *one.quantiles[part], one.high[part])
                edges.append((np.maximum.accumulate(np.array(ends)), weight))
        if not edges:
            continue
        values = np.unique(np.concatenate([ends for ends, _ in edges]))
        below = sum(weight * _cdf(values, ends) for ends, weight in edges)
        out[part] = np.interp(QUANTILES, np.maximum.accumulate(below), values)
    return out


def _cdf(values: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of a distribution at or below each value, from its quantiles at `TAILS`."""
    if ends[0] == ends[-1]:
        return np.asarray(values >= ends[0], float)
    # Of equal quantiles the last counts: what lies at a value is at or below it.
    last = np.append(np.diff(ends) > 0, True)
    first = np.flatnonzero(last)
    found: NDArray[np.float64] = np.interp(values, ends[first], TAILS[first], left=0.0, right=1.0)
    return found
