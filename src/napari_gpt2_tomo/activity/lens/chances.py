"""Distributions over a vocabulary, from logits: probabilities, ranks, entropy, divergence."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...base import TomoError

__all__ = [
    "NATS_PER_BIT",
    "Chances",
    "divergence",
    "entropies",
    "log_chances",
    "ranks",
    "strongest",
]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

NATS_PER_BIT = float(np.log(2.0))
"""Nats in a bit."""

LEAST = -200.0
"""Nats below which a probability is 0 in float32, so that 0·ln 0 is 0 and not undefined."""

NOT_FINITE = (
    "The model gives no finite logits here: a weight is NaN or infinite, or the numbers overflow "
    "(then run it in float32)."
)
"""Why there is no prediction."""


def log_chances(logits: ArrayLike) -> F32:
    """Logarithm of the softmax over the last axis, in nats.

    Parameters
    ----------
    logits
        ``(..., vocab)``. ``-inf`` is a token that cannot come.

    Returns
    -------
    ndarray
        Same shape, float32; the normaliser is summed in float64.
    """
    values = np.asarray(logits, np.float32)
    shifted = values - values.max(axis=-1, keepdims=True)
    total = np.exp(shifted).sum(axis=-1, keepdims=True, dtype=np.float64)
    found: F32 = shifted - np.log(total).astype(np.float32)
    return found


def entropies(log_probability: F32) -> F64:
    """Entropy −Σ p·ln p over the last axis, in nats: ``(...)`` float64, never below 0."""
    possible = np.maximum(log_probability, LEAST)
    terms = np.exp(possible) * possible
    found: F64 = np.maximum(-terms.sum(axis=-1, dtype=np.float64), 0.0)
    return found


def divergence(true: F32, other: F32) -> F64:
    """Kullback–Leibler divergence KL(true‖other) over the last axis, in nats.

    Parameters
    ----------
    true, other
        Log-probabilities in nats, ``(..., vocab)``.

    Returns
    -------
    ndarray
        ``(...)`` float64, never below 0. Infinite where `other` excludes what is possible.
    """
    possible = np.maximum(true, LEAST)
    chance = np.exp(possible)
    terms = np.zeros_like(chance)
    np.multiply(chance, possible - other, out=terms, where=chance > 0)
    found: F64 = np.maximum(terms.sum(axis=-1, dtype=np.float64), 0.0)
    return found


def strongest(values: F32, count: int) -> NDArray[np.int64]:
    """Indices of the largest values along the last axis, largest first.

    Of equal values the lower index comes first, as far as they are among the chosen.

    Parameters
    ----------
    values
        ``(..., vocab)``.
    count
        How many; no more than there are.

    Returns
    -------
    ndarray
        ``(..., count)`` int64.
    """
    count = min(count, values.shape[-1])
    chosen = np.argpartition(-values, count - 1, axis=-1)[..., :count]
    chosen.sort(axis=-1)
    order = np.argsort(-np.take_along_axis(values, chosen, -1), axis=-1, kind="stable")
    return np.take_along_axis(chosen, order, -1).astype(np.int64)


def ranks(values: F32, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rank of chosen entries among all: 1 is the largest; equal ones share the better rank.

    Parameters
    ----------
    values
        ``(row, vocab)``.
    ids
        ``(row, choice)``.

    Returns
    -------
    ndarray
        ``(row, choice)`` int64, from 1.
    """
    own = np.take_along_axis(values, ids, -1)
    columns = [(values > own[:, [place]]).sum(axis=-1) for place in range(ids.shape[1])]
    return np.stack(columns, axis=-1).astype(np.int64) + 1 if columns else ids.copy()


@dataclass(frozen=True, eq=False)
class Chances:
    """How likely each token of a vocabulary is to come next.

    Attributes
    ----------
    logits
        ``(vocab,)`` float32, as the model gives them.
    log_probability
        ``(vocab,)`` float32, nats.
    """

    logits: F32
    log_probability: F32

    @classmethod
    def of_logits(cls, logits: ArrayLike) -> "Chances":
        """The softmax of logits.

        Raises
        ------
        TomoError
            They are not one finite row, up to ``-inf`` for tokens that cannot come.
        """
        values = np.asarray(logits, np.float32)
        if values.ndim != 1 or values.size == 0:
            raise TomoError(f"Logits of one position are (vocab,), not {values.shape}.")
        if np.isnan(values).any() or not np.isfinite(values.max()):
            raise TomoError(NOT_FINITE)
        return cls(values, log_chances(values))

    @property
    def probability(self) -> F32:
        """``(vocab,)`` float32; sums to 1."""
        return np.exp(self.log_probability)

    @property
    def entropy(self) -> float:
        """Uncertainty in nats: −Σ p·ln p."""
        return float(entropies(self.log_probability))

    def top(self, count: int) -> NDArray[np.int64]:
        """Ids of the likeliest tokens, likeliest first."""
        return strongest(self.logits, count)

    def rank(self, token: int) -> int:
        """Rank of a token, 1 for the likeliest."""
        return int((self.logits > self.logits[token]).sum()) + 1
