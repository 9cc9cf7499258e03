"""Rotary positions read off the vectors that a model turned."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rotary", "find_rotary"]

F64 = NDArray[np.float64]

CLOSE = 1e-3
"""Share of a vector's length by which a turned vector may miss."""


@dataclass(frozen=True, eq=False)
class Rotary:
    """How a layer turns its queries and keys.

    Attributes
    ----------
    pairs
        ``(pair, 2)``: the two dimensions that turn together.
    angles
        ``(pair,)`` radians a position.
    base
        θ, where the angles are θ^(−2i/r) as published; None where they are scaled in some way.
    dims
        r, the dimensions that are turned; the others stay as they are.
    """

    pairs: NDArray[np.int64]
    angles: F64
    base: float | None
    dims: int

    @property
    def interleaved(self) -> bool:
        """Whether neighbours turn together, and not a dimension and that half a head further."""
        return bool(len(self.pairs) > 0 and self.pairs[0, 1] == self.pairs[0, 0] + 1)

    def turn(self, vectors: F64, positions: F64) -> F64:
        """``(token, d_head)`` vectors turned by their positions."""
        out = np.array(vectors, np.float64)
        angle = positions[:, None] * self.angles
        a, b = vectors[:, self.pairs[:, 0]], vectors[:, self.pairs[:, 1]]
        out[:, self.pairs[:, 0]] = a * np.cos(angle) - b * np.sin(angle)
        out[:, self.pairs[:, 1]] = a * np.sin(angle) + b * np.cos(angle)
        return out


def find_rotary(before: F64, after: F64, base: float | None) -> Rotary | None:
    """The turn that makes `after` of `before`, both ``(token, d_head)`` from position 0 on.

    Both pairings in use are tried: halves (GPT-NeoX, LLaMA) and neighbours (GPT-J), each over
    the dimensions that change. With `base` the published angles (Su et al., "RoFormer",
    https://arxiv.org/abs/2104.09864, section 3.2.2) are tried first; otherwise the angles are read
    off position 1. None where neither explains what is there, as with one token alone.
    """
    n_tokens, d_head = before.shape
    if n_tokens < 2:
        return None
    changed = np.flatnonzero(np.abs(after - before).max(0) > 1e-6 * np.abs(before).max())
    if not len(changed):
        return None
    size = float(np.abs(after).max()) or 1.0
    positions = np.arange(n_tokens, dtype=np.float64)
    # The slowest pairs may turn by less than can be seen: the turned part has an even length,
    # usually the whole head or the configured share of it.
    for dims in _lengths(int(changed[-1]) + 1, d_head):
        half = np.arange(dims // 2)
        powers = None if base is None else base ** (-2.0 * half / dims)
        for pairs in (
            np.stack([half, half + dims // 2], 1),
            np.stack([2 * half, 2 * half + 1], 1),
        ):
            for angles, known in ((powers, base), (_read_angles(before, after, pairs), None)):
                if angles is None:
                    continue
                found = Rotary(pairs, angles, known, dims)
                if np.abs(found.turn(before, positions) - after).max() <= CLOSE * size:
                    return found
    return None


def _lengths(least: int, most: int) -> list[int]:
    return list(dict.fromkeys([*(n for n in range(least + least % 2, most + 1, 2)), most]))


def _read_angles(before: F64, after: F64, pairs: NDArray[np.int64]) -> F64:
    """Radians between position 1 before and after; the sign is that of the turn."""
    old = before[1, pairs[:, 0]] + 1j * before[1, pairs[:, 1]]
    new = after[1, pairs[:, 0]] + 1j * after[1, pairs[:, 1]]
    return np.asarray(np.angle(new * np.conj(old)))
