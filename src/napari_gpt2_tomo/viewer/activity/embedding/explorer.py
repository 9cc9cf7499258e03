"""The explorer of an embedding space: what a dock does, a script can do with it."""

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from ....activity.embedding.arithmetic import evaluate, parse
from ....activity.embedding.neighbours import Measure, Neighbours, nearest
from ....activity.embedding.properties import available, property_of
from ....activity.embedding.search import TokenIndex
from ....activity.embedding.space import EmbeddingSpace, Which, embedding_space
from ....base import TomoError
from ... import compat
from .flight import Flight
from .picture import Picture
from .placing import EXTENT, Axes
from .pointing import Pointing
from .stage import Before, see_depth

if TYPE_CHECKING:
    from ....facade import Scan

__all__ = ["Explorer", "explore", "explorer_of"]

F32 = NDArray[np.float32]
Ints = NDArray[np.int64]

FILL = 0.75
"""Share of the canvas that the cloud, or what is flown to, fills."""

NEAR = 2.5
"""Times the zoom of the whole cloud that a flight comes nearer at least."""

CLOSEST = 60.0
"""Times the zoom of the whole cloud: nearer, a single dot would fill the canvas."""

ANGLES = (0.0, 25.0, 40.0)
"""Euler angles in degrees at first: from a corner."""

LOCAL = 200
"""Neighbours that the local view shows."""

_explorers: WeakKeyDictionary[Any, "Explorer"] = WeakKeyDictionary()


def explore(viewer: Any, scan: "Scan | EmbeddingSpace") -> "Explorer":
    """Show the embedding space of a scan in a viewer; an explorer that is open there is closed.

    Reads the tables and fits the axes, which takes seconds for a large vocabulary.

    Parameters
    ----------
    viewer
        A napari viewer.
    scan
        An open checkpoint, or its embedding space.

    Raises
    ------
    TomoError
        The checkpoint holds no embeddings.
    """
    space = scan if isinstance(scan, EmbeddingSpace) else embedding_space(scan)
    former = explorer_of(viewer)
    if former is not None:
        former.close()
    return Explorer(viewer, space)


def explorer_of(viewer: Any) -> "Explorer | None":
    """The explorer that is open in a viewer."""
    return _explorers.get(compat.real_viewer(viewer))


class Explorer(Picture):
    """Tokens as points, coloured, searched and compared; other layers are hidden meanwhile.

    Parameters
    ----------
    viewer
        A napari viewer, or the proxy of one that a plugin is handed.
    space
        What is shown.
    metadata
        Of the layers.

    Attributes
    ----------
    space, index
        What is shown, and the texts of its tokens.
    selected
        The token that is selected, None if none is.
    neighbours
        What is near it.
    shown
        The property that the points are coloured by, as colours; None without tokens.
    moved, hovered, recoloured, closed
        Signals: another token is selected (its id or None), one is under the cursor (its id or
        None), the colours are others, the explorer is closed.
    """

    moved = Signal(object)
    hovered = Signal(object)
    closed = Signal()

    def __init__(
        self, viewer: Any, space: EmbeddingSpace, metadata: dict[str, Any] | None = None
    ) -> None:
        viewer = compat.real_viewer(viewer)
        super().__init__(viewer, space, metadata or {})
        self.index = TokenIndex(space.texts or space.labels)
        self._open = True
        self.flight = Flight(viewer)
        self._before = Before(viewer)
        viewer.dims.ndisplay = 3
        self._draw()
        self._look()
        self._pointing = Pointing(viewer, self._pointable, self._hovered, self._clicked)
        viewer.layers.events.removed.connect(self._removed)
        viewer.dims.events.ndisplay.connect(self._turned)
        viewer.events.theme.connect(self._rethemed)
        _explorers[viewer] = self

    @property
    def which(self) -> Which | None:
        """Whose vectors are drawn as tokens: ``"tokens"``, ``"unembedding"``, None without any."""
        return self._which

    @which.setter
    def which(self, which: Which) -> None:
        self.space.rows(which)
        self._which = which
        self._axes = which
        self._renew()

    @property
    def axes(self) -> Axes:
        """What the axes are fitted on."""
        return self._axes

    @axes.setter
    def axes(self, axes: Axes) -> None:
        self.space.pca(axes)
        self._axes = axes
        self._local = None
        if axes in ("positions", "joint"):
            self._positions = True
        self._renew()

    @property
    def colour(self) -> str:
        """Name of the property that tokens are coloured by."""
        return self._colour

    @colour.setter
    def colour(self, name: str) -> None:
        if self._which is not None and name not in available(self.space, self._which):
            property_of(self.space, name, self._which)  # Says what there is.
        self._colour = name
        self._hidden = frozenset()
        self._draw()

    @property
    def positions(self) -> bool:
        """Whether the path of the positions is drawn."""
        return self._positions

    @positions.setter
    def positions(self, shown: bool) -> None:
        if shown:
            self.space.rows("positions")
        self._positions = shown
        self._draw_positions()

    @property
    def measure(self) -> Measure:
        """What "near" means."""
        return self._measure

    @measure.setter
    def measure(self, measure: Measure) -> None:
        self._measure = measure
        self._find()

    @property
    def k(self) -> int:
        """How many neighbours are sought."""
        return self._k

    @k.setter
    def k(self, k: int) -> None:
        self._k = k
        self._find()

    @property
    def lines(self) -> bool:
        """Whether lines to the neighbours are drawn."""
        return self._lines

    @lines.setter
    def lines(self, shown: bool) -> None:
        self._lines = shown
        self._mark()

    @property
    def most(self) -> int | None:
        """Points that are drawn at most; None is all."""
        return self._most

    @most.setter
    def most(self, most: int | None) -> None:
        self._most = most
        self._draw()

    @property
    def hidden(self) -> frozenset[int]:
        """Kinds (of a property with kinds) whose tokens are not drawn."""
        return self._hidden

    @hidden.setter
    def hidden(self, kinds: "frozenset[int] | set[int]") -> None:
        self._hidden = frozenset(kinds)
        self._draw()

    @property
    def local(self) -> bool:
        """Whether only the neighbourhood of the selected token is shown, on axes of its own."""
        return self._local is not None

    @local.setter
    def local(self, on: bool) -> None:
        if not on:
            self._local = None
        else:
            token = self._needed()
            rows = self._rows()
            near = nearest(
                rows, rows[token], LOCAL, "cosine", [token], self.space.norms(self._table())
            )
            self._local = np.concatenate([[token], near.ids])
        self._renew()

    def select(self, token: int | None, *, fly: bool = False) -> None:
        """Select a token, mark its neighbours, and fly to it if wanted."""
        if token is not None and not 0 <= token < len(self._rows()):
            raise TomoError(f"There is no token {token}; there are {len(self._rows()):,}.")
        if token != self.selected:
            self.selected = token
            self._find()
            if self._colour == "cosine":
                self._draw()
            self.moved.emit(token)
        if fly and token is not None:
            self.fly()

    def search(self, text: str, *, fly: bool = True) -> int:
        """Select the token of a text, and fly to it; see `TokenIndex.one`.

        Raises
        ------
        TomoError
            There is none; the message names tokens like it.
        """
        token = self.index.one(text)
        self.select(token, fly=fly)
        return token

    def fly(self, *, at_once: bool = False) -> None:
        """Bring the selected token and its neighbours before the camera."""
        token = self._needed()
        near = np.empty(0, np.int64) if self.neighbours is None else self.neighbours.ids
        points = self._points_of(np.concatenate([[token], near]).astype(np.int64))
        # Half of the neighbours: in three of many dimensions some lie far away.
        reach = float(np.median(np.linalg.norm(points[1:] - points[0], axis=1))) if len(near) else 0
        whole = self._zoom_of(EXTENT)
        zoom = self._zoom_of(2 * reach) if reach > 0 else np.inf
        zoom = float(np.clip(zoom, NEAR * whole, CLOSEST * whole))
        self.flight.fly(points[0].tolist(), zoom, at_once=at_once)

    def home(self) -> None:
        """Show the whole cloud again."""
        self.flight.fly(self._centre(), self._zoom_of(EXTENT))

    def sum(self, text: str, k: int = 10) -> Neighbours:
        """The tokens nearest to a sum of tokens such as ``king - man + woman``; those are left out.

        Raises
        ------
        TomoError
            It cannot be read, or a word is not one token.
        """
        rows = self._rows()
        expression = parse(text, self.index)
        point = evaluate(expression, rows)
        return nearest(
            rows, point, k, self._measure, expression.tokens, self.space.norms(self._table())
        )

    def close(self) -> None:
        """Take the layers away and show again what was shown before."""
        if not self._open:
            return
        self._open = False
        self.flight.stop()
        viewer = self._viewer()
        if viewer is not None:
            viewer.layers.events.removed.disconnect(self._removed)
            viewer.dims.events.ndisplay.disconnect(self._turned)
            viewer.events.theme.disconnect(self._rethemed)
            self._pointing.close()
            self.cloud.close()
            see_depth(viewer, False)
            self._before.restore(viewer)
            _explorers.pop(viewer, None)
        self.closed.emit()

    def _needed(self) -> int:
        if self.selected is None:
            raise TomoError("Select a token first: click on it, or search for it.")
        return self.selected

    def _renew(self) -> None:
        """Other axes: everything stands elsewhere."""
        self._placing = self._place()
        self._draw()
        self._find()
        self._look()

    def _find(self) -> None:
        if self.selected is None:
            self.neighbours = None
        else:
            rows, which = self._rows(), self._table()
            self.neighbours = nearest(
                rows,
                rows[self.selected],
                self._k,
                self._measure,
                [self.selected],
                self.space.norms(which),
            )
        self._mark()

    def _look(self) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        if viewer.dims.ndisplay == 3:
            viewer.scene.camera.angles = ANGLES
        self.flight.fly(self._centre(), self._zoom_of(EXTENT), at_once=True)

    def _zoom_of(self, width: float) -> float:
        """Canvas pixels a world unit at which a width fills its share of the canvas."""
        viewer = self._viewer()
        size = (600, 600) if viewer is None else viewer.canvas.size
        return FILL * min(size) / max(width, 1e-9)

    def _turned(self, event: Any = None) -> None:
        """The view is flat now, or deep: lines are drawn otherwise."""
        self._flatten()
        self._draw_positions()
        self._mark()
        self._look()

    def _rethemed(self, event: Any = None) -> None:
        self._draw()
        self._mark()

    def _hovered(self, point: int | None) -> None:
        self.hovered.emit(None if point is None else int(self._drawn[point]))

    def _clicked(self, point: int) -> None:
        self.select(int(self._drawn[point]))

    def _removed(self, event: Any) -> None:
        if self.cloud.owns(event.value):
            self.cloud.forget(event.value)
            if not self.cloud.layers or (self._which and not self.cloud.layer("tokens")):
                self.close()
