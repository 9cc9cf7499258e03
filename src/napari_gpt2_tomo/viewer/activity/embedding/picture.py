"""What an explorer draws: tokens, positions and marks, as it is set to."""

from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from ....activity.embedding.drawing import LONGEST, position_map, spread
from ....activity.embedding.neighbours import Measure, Neighbours, local_pca
from ....activity.embedding.properties import property_of
from ....activity.embedding.space import EmbeddingSpace, Which
from ....base import TomoError
from ....display.plots import DARK, LIGHT, Theme
from ....display.plots.cells import cut
from .cloud import Cloud
from .colours import Coloured, coloured
from .placing import Axes, Placing, place_rows, placing
from .stage import see_depth

__all__ = ["Picture", "first_table"]

F32 = NDArray[np.float32]
Ints = NDArray[np.int64]

NAMED = 30
"""Neighbours that are named where only a neighbourhood is seen."""


def first_table(space: EmbeddingSpace) -> Which:
    """What is shown at first: the tokens if there are any."""
    order: tuple[Which, ...] = ("tokens", "unembedding", "positions")
    return next(which for which in order if space.has(which))


class Picture:
    """The layers of an embedding space in a viewer, and what they are to show.

    Parameters
    ----------
    viewer
        The viewer model; not kept alive.
    space
        What is shown.
    metadata
        Of the layers.

    Attributes
    ----------
    space, cloud
        What is shown, and its layers.
    selected, neighbours
        The token that is selected and what is near it, None if none is.
    shown
        The property that the points are coloured by, as colours; None without tokens.
    recoloured
        Signal: the colours, or which tokens are drawn, are others.
    """

    recoloured = Signal()

    def __init__(self, viewer: Any, space: EmbeddingSpace, metadata: dict[str, Any]) -> None:
        self._viewer = ref(viewer)
        self.space = space
        self.selected: int | None = None
        self.neighbours: Neighbours | None = None
        self.shown: Coloured | None = None
        first = first_table(space)
        self._which: Which | None = None if first == "positions" else first
        self._axes: Axes = first
        self._colour = "kind" if space.texts else "norm"
        self._measure: Measure = "cosine"
        self._k = 15
        self._lines = True
        self._most: int | None = None
        self._hidden: frozenset[int] = frozenset()
        self._positions = self._which is None
        self._local: Ints | None = None
        self._drawn: Ints = np.empty(0, np.int64)
        self._points: F32 = np.empty((0, 3), np.float32)
        self.cloud = Cloud(viewer, space.name, metadata)
        self._placing = self._place()

    @property
    def drawn(self) -> Ints:
        """Ids of the tokens that are drawn."""
        return self._drawn

    @property
    def theme(self) -> Theme:
        """Colours that are seen on the canvas as it is now."""
        viewer = self._viewer()
        return LIGHT if viewer is not None and viewer.theme == "light" else DARK

    @property
    def stated(self) -> str:
        """What the axes are, in a sentence."""
        pca = self._placing.projection
        return f"Axes: {', '.join(pca.labels[:3])} of {pca.stated}."

    def _table(self) -> Which:
        if self._which is None:
            raise TomoError(f"{self.space.name} has no token embeddings.")
        return self._which

    def _rows(self) -> F32:
        return self.space.rows(self._table())

    def _place(self) -> Placing:
        if self._local is not None:
            rows = self._rows()
            around = self.space.label(int(self._local[0]))
            stated = f"{around} and its {len(self._local) - 1} nearest"
            return Placing.of(local_pca(rows, self._local, stated=stated), rows[self._local])
        return placing(self.space, self._axes)

    def _draw(self) -> None:
        self.cloud.set_axes(self._placing.labels)
        self._draw_tokens()
        self._draw_positions()
        self._flatten()
        self.recoloured.emit()

    def _draw_tokens(self) -> None:
        if self._which is None:
            return
        if not self._tokens_fit:
            self.cloud.remove("tokens")
            return
        shown = property_of(self.space, self._colour, self._which, self.selected)
        self.shown = coloured(shown, self.theme)
        rows = self._rows()
        ids = spread(len(rows), len(rows) if self._most is None else self._most)
        if self._local is not None:
            ids = self._local
        if self._hidden:
            ids = ids[~np.isin(shown.values[ids], list(self._hidden))]
        points = self._points_of(ids)
        self._drawn, self._points = ids, points
        self.cloud.show_tokens(points, self.shown.colours[ids], ids, self.space.labels)

    def _draw_positions(self) -> None:
        fits = self.space.has("positions") and (self._axes == "positions" or self.space.can_join)
        if not (self._positions and fits and self._local is None):
            self.cloud.remove("path")
            self.cloud.remove("positions")
            return
        points = place_rows(self.space, self._axes, "positions")
        self.cloud.show_positions(points, _along(len(points), self.theme))

    @property
    def _tokens_fit(self) -> bool:
        """Whether tokens can be shown on the axes."""
        if self._which is None:
            return False
        width = int(self.space.rows(self._which).shape[1])
        return width == len(self._placing.projection.mean)

    def _points_of(self, ids: Ints) -> F32:
        """World coordinates of some tokens."""
        if self._local is not None:
            return self._placing.place(self._rows()[ids])
        points = place_rows(self.space, self._axes, self._table())
        return points if len(ids) == len(points) else points[ids]

    def _mark(self) -> None:
        token = self.selected
        if token is None or self.neighbours is None or not self._tokens_fit:
            self.cloud.mark(np.empty((0, 3), np.float32), (), self.theme, False)
            return
        ids = np.concatenate([[token], self.neighbours.ids]).astype(np.int64)
        if self._local is not None:
            ids = self._local[:NAMED]
        labels = [cut(self.space.label(int(i)), LONGEST) for i in ids]
        points = self._points_of(ids)
        self.cloud.mark(points, labels, self.theme, self._lines and self._local is None)

    def _centre(self) -> list[float]:
        """World coordinates of the middle of what is seen."""
        if self._local is not None:
            points = self._points
        else:
            fitted: Which = "tokens" if self._axes == "joint" else self._axes
            points = place_rows(self.space, self._axes, fitted)
        return [float(v) for v in np.median(points, axis=0)]

    def _flatten(self) -> None:
        viewer = self._viewer()
        if viewer is not None:
            see_depth(viewer, viewer.dims.ndisplay == 2)

    def _pointable(self) -> F32:
        layer = self.cloud.layer("tokens")
        if layer is None or not layer.visible:
            return np.empty((0, 3), np.float32)
        return self._points


def _along(n: int, theme: Theme) -> F32:
    """Colours of positions, first to last."""
    return np.asarray(position_map(theme)(np.linspace(0, 1, max(n, 1))), np.float32)
