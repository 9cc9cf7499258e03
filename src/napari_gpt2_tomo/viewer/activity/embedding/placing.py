"""Where rows of a table stand in the world of a viewer, and which of them a ray meets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ....activity.embedding.space import EmbeddingSpace, Which
from ....activity.projection import Projection
from ....base import Progress

__all__ = ["AXES", "EXTENT", "Axes", "Placing", "nearest_to_ray", "place_rows", "places", "placing"]

F32 = NDArray[np.float32]

Axes = Literal["tokens", "positions", "joint", "unembedding"]

AXES: Mapping[Axes, str] = {
    "tokens": "PCA of the tokens",
    "positions": "PCA of the positions",
    "joint": "PCA of tokens and positions",
    "unembedding": "PCA of the unembedding",
}
"""What the axes can be fitted on, and what a person calls it."""

EXTENT = 1000.0
"""World units that the bulk of a cloud is wide: of the order of a body's sections."""

BULK = 0.998
"""Share of the points that the extent is taken from: a few may lie far away."""

BLOCK = 8192
"""Rows that are projected at a time."""


@dataclass(frozen=True, eq=False)
class Placing:
    """Three axes that points are shown on.

    Attributes
    ----------
    projection
        The axes; the first lies along x, the second up, the third towards the viewer's depth.
    scale
        World units of one unit of the stream.
    """

    projection: Projection
    scale: float

    @classmethod
    def of(cls, projection: Projection, rows: F32) -> "Placing":
        """Axes on which the bulk of some rows is `EXTENT` wide."""
        points = places(projection, rows)
        tail = (1 - BULK) / 2
        low, high = np.quantile(points, (tail, 1 - tail), axis=0)
        width = float((high - low).max())
        return cls(projection, EXTENT / width if width > 0 else 1.0)

    def place(self, rows: F32) -> F32:
        """World coordinates ``(row, 3)``, depth first, as napari orders them."""
        return places(self.projection, rows) * np.float32(self.scale)

    @property
    def labels(self) -> tuple[str, ...]:
        """Titles of the three axes, depth first."""
        titles = [*self.projection.labels[:3], "–", "–"][:3]
        return tuple(reversed(titles))


_placings: "WeakKeyDictionary[EmbeddingSpace, dict[Axes, Placing]]" = WeakKeyDictionary()
_placed: "WeakKeyDictionary[EmbeddingSpace, dict[tuple[Axes, Which], F32]]" = WeakKeyDictionary()


def placing(space: EmbeddingSpace, axes: Axes, progress: Progress | None = None) -> Placing:
    """Axes of a space, fitted once; slow the first time, so a thread may ask first.

    Raises
    ------
    TomoError
        The space has no such table.
    Cancelled
        `progress` asked to stop.
    """
    known = _placings.setdefault(space, {})
    if axes not in known:
        projection = space.pca(axes, progress)
        known[axes] = Placing.of(projection, space.rows("tokens" if axes == "joint" else axes))
    return known[axes]


def place_rows(space: EmbeddingSpace, axes: Axes, which: Which) -> F32:
    """World coordinates of all rows of a table on axes of its space, computed once."""
    known = _placed.setdefault(space, {})
    if (axes, which) not in known:
        known[axes, which] = placing(space, axes).place(space.rows(which))
    return known[axes, which]


def places(projection: Projection, rows: F32) -> F32:
    """Coordinates of rows on the first three axes, ``(row, 3)``, depth first, y downwards.

    napari's y axis points down; the second component is turned so that it points up, as in the
    plots.
    """
    axes = projection.axes[:3]
    found = np.zeros((len(rows), 3), np.float32)
    for start in range(0, len(rows), BLOCK):
        block = (rows[start : start + BLOCK] - projection.mean) @ axes.T
        found[start : start + BLOCK, : len(axes)] = block
    found[:, 1] *= -1
    return found[:, ::-1].copy()


def nearest_to_ray(
    points: F32, origin: Sequence[float], direction: Sequence[float] | None, reach: float
) -> int | None:
    """The point that lies nearest to a ray, at most `reach` from it; None if none does.

    Parameters
    ----------
    points
        ``(point, 3)`` world coordinates, depth first.
    origin
        A point on the ray.
    direction
        Along the ray; None looks along the first axis, as a flat view does.
    reach
        World units.
    """
    if not len(points):
        return None
    way = np.array((1.0, 0.0, 0.0) if direction is None else direction, np.float32)
    way /= max(float(np.linalg.norm(way)), 1e-12)
    offset = points - np.asarray(origin, np.float32)
    along = offset @ way
    distance = np.einsum("ij,ij->i", offset, offset) - along**2
    best = int(distance.argmin())
    return best if distance[best] <= reach**2 else None
