"""Groups of tokens: k-means on principal components."""

import numpy as np
from numpy.typing import NDArray

from .space import EmbeddingSpace, Which

__all__ = ["CLUSTERS", "clusters", "k_means"]

F32 = NDArray[np.float32]
Ints = NDArray[np.int64]

CLUSTERS = 8
"""As many as there are colours that can be told apart."""

AXES = 32
"""Principal components that are looked at: neighbours in them are neighbours in the space."""

ROUNDS = 50
"""Rounds after which centres are taken as they are."""

SEED = 0

SAMPLE = 4096
"""Rows among which the first centres are sought."""


def clusters(space: EmbeddingSpace, which: Which = "tokens", k: int = CLUSTERS) -> Ints:
    """The group of each row, ``(row,)``; group 0 is the largest."""
    rows, pca = space.rows(which), space.pca(which)
    return k_means(np.asarray((rows - pca.mean) @ pca.axes[:AXES].T, np.float32), k)


def k_means(points: F32, k: int, seed: int = SEED) -> Ints:
    """Lloyd's k-means with a k-means++ start (Arthur and Vassilvitskii 2007).

    Parameters
    ----------
    points
        ``(point, axis)``.
    k
        Groups, fewer if there are not as many different points.
    seed
        Of the start.

    Returns
    -------
    Ints
        Group of each point, ordered by size: 0 is the largest.
    """
    centres = _start(points, k, np.random.default_rng(seed))
    groups = _nearest(points, centres)
    for _ in range(ROUNDS):
        for group in range(len(centres)):
            members = groups == group
            if members.any():
                centres[group] = points[members].mean(axis=0)
        moved = _nearest(points, centres)
        if np.array_equal(moved, groups):
            break
        groups = moved
    sizes = np.bincount(groups, minlength=len(centres))
    place = np.empty(len(centres), np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(len(centres))
    return place[groups]


def _start(points: F32, k: int, random: np.random.Generator) -> F32:
    n = len(points)
    sample = points if n <= SAMPLE else points[np.sort(random.choice(n, SAMPLE, replace=False))]
    centres = [sample[random.integers(len(sample))]]
    distance = np.square(sample - centres[0]).sum(axis=1, dtype=np.float64)
    while len(centres) < k and distance.sum() > 0:
        chosen = sample[random.choice(len(sample), p=distance / distance.sum())]
        centres.append(chosen)
        distance = np.minimum(distance, np.square(sample - chosen).sum(axis=1, dtype=np.float64))
    return np.array(centres, np.float32)


def _nearest(points: F32, centres: F32) -> Ints:
    return np.asarray(
        np.argmax(points @ centres.T - np.square(centres).sum(axis=1) / 2, axis=1), np.int64
    )
