"""Tokens whose states are so large that they would decide what a picture shows."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["FACTOR", "norms", "outliers"]

FACTOR = 5.0
"""Times the median norm of its state from which a token is an outlier.

The first token of a text carries activations a hundred times as large as the others' in many
models (Sun et al. 2024, "Massive activations"); ordinary tokens stay within a factor of two or
three. Principal components of raw states would show nothing but that token.
"""


def norms(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean norm along the last axis, summed in float64."""
    squares = np.einsum("...c,...c->...", values, values, dtype=np.float64)
    return np.asarray(np.sqrt(squares), np.float32)


def outliers(values: NDArray[np.float32], factor: float = FACTOR) -> tuple[int, ...]:
    """Tokens whose norm is in some state more than `factor` times the median over the tokens.

    Parameters
    ----------
    values
        ``(state, token, channel)``.
    factor
        How many times.

    Returns
    -------
    tokens
        Indices; empty where there are fewer than three tokens, which have no usual norm.
    """
    if values.shape[1] < 3:
        return ()
    lengths = norms(values)
    usual = np.median(lengths, axis=1, keepdims=True)
    return tuple(np.flatnonzero((lengths > factor * usual).any(axis=0)).tolist())
