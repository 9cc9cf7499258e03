"""The few directions in which positions differ, and what of a token lies in them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..projection import Projection
from .space import EmbeddingSpace

__all__ = ["ENOUGH", "PositionSubspace", "position_subspace", "shares"]

F32 = NDArray[np.float32]

ENOUGH = 0.99
"""Share of the positions' variance that their subspace holds."""

BLOCK = 8192
"""Rows that are projected at a time."""


@dataclass(frozen=True, eq=False)
class PositionSubspace:
    """The span of the first principal components of the positions.

    Attributes
    ----------
    basis
        ``(axis, channel)`` float32, orthonormal.
    explained
        Share of the positions' variance in it, 0 to 1.
    rule
        How its axes were chosen, as a sentence.
    """

    basis: F32
    explained: float
    rule: str

    @property
    def expected(self) -> float:
        """Mean share of the squared length of a vector of random direction: axes / channels."""
        return len(self.basis) / int(self.basis.shape[1])


def position_subspace(
    space: EmbeddingSpace, k: int | None = None, enough: float = ENOUGH
) -> PositionSubspace:
    """The subspace of the positions.

    Parameters
    ----------
    space
        A space with positions.
    k
        Number of axes; None: the fewest that hold `enough` of the positions' variance.
    enough
        That share, 0 to 1.

    Raises
    ------
    TomoError
        The model has no position embeddings.
    """
    pca = space.pca("positions")
    total = np.cumsum(pca.explained)
    if k is None:
        k = _fewest(pca, enough)
        rule = f"the {k} principal components of the positions that hold {enough:.0%} of"
    else:
        k = max(1, min(k, len(pca.axes)))
        rule = f"the first {k} principal components of the positions, which hold"
        rule += f" {total[k - 1]:.0%} of"
    return PositionSubspace(pca.axes[:k], float(total[k - 1]), f"{rule} their variance")


def shares(rows: F32, basis: F32, centre: F32 | None = None) -> F32:
    """Share of each row's squared length that lies in a subspace, ``(row,)`` float32, 0 to 1.

    Parameters
    ----------
    rows
        ``(row, channel)``.
    basis
        ``(axis, channel)``, orthonormal.
    centre
        ``(channel,)``, subtracted from the rows first. A row that is 0 then has the share 0.
    """
    found = np.zeros(len(rows), np.float32)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        if centre is not None:
            block = block - centre
        inside = np.square(block @ basis.T).sum(axis=1)
        whole = np.square(block).sum(axis=1)
        np.divide(inside, whole, out=found[start : start + BLOCK], where=whole > 0)
    return np.clip(found, 0, 1)


def _fewest(pca: Projection, enough: float) -> int:
    total = np.cumsum(pca.explained)
    return min(int(np.searchsorted(total, enough)) + 1, len(total))
