"""A change of low rank as a tensor: left · right, computed where it is read."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checkpoint.region import Region
from ...checkpoint.tensor import LazyTensor
from ..mapping import chunked, flat_indices

__all__ = ["Factor", "LowRank"]

Matrix = NDArray[np.float64]

CHUNK = 2**14
"""Elements whose rows and columns are looked up one by one in one step; each takes as many
products as the rank."""


@dataclass(frozen=True, slots=True)
class Factor:
    """A stored matrix, or its transpose."""

    tensor: LazyTensor
    turned: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.tensor.shape
        return (columns, rows) if self.turned else (rows, columns)

    def rows(self, start: int, stop: int) -> Matrix:
        """Some rows, float64."""
        index = (slice(None), slice(start, stop)) if self.turned else slice(start, stop)
        values = np.asarray(self.tensor[index], np.float64)
        return values.T if self.turned else values

    def columns(self, start: int, stop: int) -> Matrix:
        """Some columns, float64."""
        return Factor(self.tensor, not self.turned).rows(start, stop).T


@dataclass(frozen=True, slots=True)
class LowRank:
    """scale · left · right, a matrix of rows × columns.

    Attributes
    ----------
    left, right
        Factors of the shapes (rows, rank) and (rank, columns).
    scale
        What their product is multiplied with.
    """

    left: Factor
    right: Factor
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.left.shape[0], self.right.shape[1]

    @property
    def rank(self) -> int:
        """Columns of the left factor: the largest rank that the product can have."""
        return self.left.shape[1]

    def read(self, region: Region) -> Matrix:
        """The values of a strided box of the C-order matrix, float64."""
        if not region.size:
            return np.zeros(region.shape)
        axes = self._axes(region)
        if axes is not None:
            return self._block(region, axes)
        if region.is_contiguous:
            return self._run(region)
        out = np.empty(region.shape)
        for at, inner in chunked(region, CHUNK):
            index: Any = (*at, ...)
            out[index] = self._elements(inner)
        return out

    def _axes(self, region: Region) -> list[tuple[bool, int]] | None:
        """For each axis of the region whether it runs along rows, and its step there.

        None if an axis runs along both: a row ends within it.
        """
        _, columns = self.shape
        found = []
        reach = region.offset % columns
        for n, stride in zip(region.shape, region.strides, strict=True):
            down = n == 1 or stride % columns == 0
            found.append((down, stride // columns if down else stride))
            if not down:
                reach += (n - 1) * stride
        return found if reach < columns else None

    def _block(self, region: Region, axes: list[tuple[bool, int]]) -> Matrix:
        row, column = divmod(region.offset, self.shape[1])
        rows, columns = np.array([row]), np.array([column])
        order: list[int] = []
        for wanted in (True, False):
            for axis, (down, step) in enumerate(axes):
                if down is not wanted:
                    continue
                order.append(axis)
                more = np.arange(region.shape[axis]) * step
                if down:
                    rows = np.add.outer(rows, more).ravel()
                else:
                    columns = np.add.outer(columns, more).ravel()
        top, first = int(rows.min()), int(columns.min())
        left = self.left.rows(top, int(rows.max()) + 1)[rows - top]
        right = self.right.columns(first, int(columns.max()) + 1)[:, columns - first]
        product: Matrix = (left @ right) * self.scale
        shaped = product.reshape([region.shape[axis] for axis in order])
        return shaped.transpose(np.argsort(order)) if order else shaped

    def _run(self, region: Region) -> Matrix:
        """Neighbours in C order: the rows that they lie in, cut to size."""
        _, columns = self.shape
        first, stop = region.offset // columns, -(-(region.offset + region.size) // columns)
        product = self.left.rows(first, stop) @ self.right.columns(0, columns) * self.scale
        start = region.offset - first * columns
        return product.reshape(-1)[start : start + region.size].reshape(region.shape)

    def _elements(self, region: Region) -> Matrix:
        rows, columns = np.divmod(flat_indices(region).ravel(), self.shape[1])
        top, first = int(rows.min()), int(columns.min())
        left = self.left.rows(top, int(rows.max()) + 1)[rows - top]
        right = self.right.columns(first, int(columns.max()) + 1)[:, columns - first]
        found: Matrix = np.einsum("ik,ki->i", left, right) * self.scale
        return found.reshape(region.shape)
