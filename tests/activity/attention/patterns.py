"""Patterns whose metrics are known."""

import numpy as np


def as_pattern(*heads: np.ndarray) -> np.ndarray:
    """``(1, head, query, key)`` float32."""
    return np.stack(heads).astype(np.float32)[None]


def current(n: int) -> np.ndarray:
    return np.eye(n)


def previous(n: int) -> np.ndarray:
    """Each token looks at the one before; the first at itself."""
    pattern = np.eye(n, k=-1)
    pattern[0, 0] = 1
    return pattern


def uniform(n: int) -> np.ndarray:
    return np.tri(n) / np.arange(1, n + 1)[:, None]


def first(n: int) -> np.ndarray:
    pattern = np.zeros((n, n))
    pattern[:, 0] = 1
    return pattern


def induction(ids: list[int]) -> np.ndarray:
    """Looks at the token after the last earlier occurrence; at the first token if there is none."""
    pattern = np.zeros((len(ids), len(ids)))
    for i, id in enumerate(ids):
        before = [j for j in range(i) if ids[j] == id and j + 1 < i]
        pattern[i, before[-1] + 1 if before else 0] = 1
    return pattern
