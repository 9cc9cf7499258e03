"""The layers of an embedding space: tokens, positions and their path, what is selected."""

from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from ....display.plots import Theme
from ... import compat
from .colours import rgba
from .placing import EXTENT
from .tubes import tubes

__all__ = ["Cloud"]

F32 = NDArray[np.float32]
Ints = NDArray[np.int64]

POINT = 0.004 * EXTENT
"""World units of a token's dot in a crowd."""

CROWD, LARGEST = 20000, 3.0
"""Fewer dots than a crowd are larger, so that they fill the room alike, up to so many times."""

PIXELS = (0, 14)
"""Canvas pixels of the smallest and the largest dot, however near the camera is.

A least size above 0 would give the dots outlines, whatever the width of their border.
"""

MARK = 0.014 * EXTENT
"""World units of the dot of a token that is selected, or near it."""

BEAD = 0.007 * EXTENT
"""World units of a position."""

LINE = 0.0016 * EXTENT
"""World units of the width of a line to a neighbour."""

FLAT = 1.6
"""Times as wide as in 3-D lines are in 2-D: the whole cloud lies behind them there."""

PATH = 0.004 * EXTENT
"""World units of the width of the path of the positions."""

DIMMED = 0.4
"""Opacity of the cloud behind a token and its neighbours."""

LETTERS = 11
"""Points of the labels of what is near."""


class Cloud:
    """Layers in one viewer; each is made when it is first needed.

    Parameters
    ----------
    viewer
        The viewer model; not kept alive.
    name
        What the model is called in the layers' names.
    metadata
        Of every layer.
    """

    def __init__(self, viewer: Any, name: str, metadata: dict[str, Any]) -> None:
        self._viewer = ref(viewer)
        self._name = name
        self._metadata = metadata
        self._layers: dict[str, Any] = {}
        self._points: F32 | None = None
        self._axes: tuple[str, ...] = ("PC 3", "PC 2", "PC 1")

    def layer(self, kind: str) -> Any:
        """The layer ``"tokens"``, ``"positions"``, ``"path"``, ``"marks"`` or ``"lines"``."""
        return self._layers.get(kind)

    @property
    def layers(self) -> list[Any]:
        """All layers that are there."""
        return list(self._layers.values())

    def owns(self, layer: Any) -> bool:
        """Whether a layer is one of these."""
        return any(layer is own for own in self._layers.values())

    def set_axes(self, labels: Sequence[str]) -> None:
        """Titles of the axes, depth first."""
        self._axes = tuple(labels)
        for layer in self.layers:
            layer.axis_labels = self._axes

    def show_tokens(self, points: F32, colours: F32, ids: Ints, labels: Sequence[str]) -> None:
        """Draw tokens.

        Parameters
        ----------
        points, colours, ids
            ``(point, 3)`` world coordinates, ``(point, 4)``, and the token of each point.
        labels
            Of all tokens, by id.
        """
        layer = self._layers.get("tokens")
        if layer is not None and np.array_equal(layer.features["id"], ids):
            if points is not self._points:
                layer.data = points
            layer.face_color = colours
            self._points = points
            return
        self._points = points
        self._put(
            "tokens",
            "points",
            points,
            name=f"{self._name} · tokens",
            features={"id": ids, "token": [labels[i] for i in ids.tolist()]},
            face_color=colours,
            size=POINT * min(LARGEST, max(1.0, (CROWD / max(len(ids), 1)) ** (1 / 3))),
            canvas_size_limits=PIXELS,
            blending="translucent",
            **_PLAIN,
        )

    def recolour(self, colours: F32) -> None:
        """Give the tokens that are drawn other colours."""
        layer = self._layers.get("tokens")
        if layer is not None:
            layer.face_color = colours

    def show_positions(self, points: F32, colours: F32) -> None:
        """Draw the positions as beads on a path."""
        n = len(points)
        name = f"{self._name} · path of the positions"
        self._segments("path", name, points[:-1], points[1:], colours[:-1], PATH)
        layer = self._layers.get("positions")
        if layer is not None and len(layer.data) == n:
            layer.data = points
            return
        self._put(
            "positions",
            "points",
            points,
            name=f"{self._name} · positions",
            features={"position": np.arange(n)},
            face_color=colours,
            size=BEAD,
            canvas_size_limits=PIXELS,
            blending="translucent",
            **_PLAIN,
        )

    def dim(self, dimmed: bool) -> None:
        """Let the tokens stand back behind what is marked."""
        layer = self._layers.get("tokens")
        opacity = DIMMED if dimmed else 1.0
        if layer is not None and layer.opacity != opacity:
            layer.opacity = opacity

    def mark(self, points: F32, labels: Sequence[str], theme: Theme, lines: bool) -> None:
        """Mark points with their labels, the first as the selected one; none hides the marks."""
        n = len(points)
        self.dim(lines and n > 0)
        self._show("lines", lines and n > 1)
        self._show("marks", n > 0)
        if not n:
            return
        if lines and n > 1:
            self._segments(
                "lines",
                f"{self._name} · to the neighbours",
                np.repeat(points[:1], n - 1, axis=0),
                points[1:],
                np.tile(np.array(rgba(theme.text, 0.75), np.float32), (n - 1, 1)),
                LINE,
                blending="translucent_no_depth",
            )
        colours = np.tile(np.array(rgba(theme.text), np.float32), (n, 1))
        colours[0] = rgba(theme.accent)
        # Anchors count in 2-D only; an empty second line lifts the label above its dot.
        features = {"token": [f"{label}\n " for label in labels]}
        letters = {"array": np.array(colours), "default": theme.text}
        layer = self._layers.get("marks")
        if layer is not None:
            # Changed in place: another layer would cost a third of a second.
            layer.data = points
            layer.features = features
            layer.face_color = colours
            layer.text.color = letters
            return
        self._put(
            "marks",
            "points",
            points,
            name=f"{self._name} · nearest",
            features=features,
            face_color=colours,
            size=MARK,
            canvas_size_limits=PIXELS,
            blending="translucent_no_depth",
            text={
                "string": {"feature": "token"},
                "size": LETTERS,
                "color": letters,
                "blending": "translucent_no_depth",
            },
            **_PLAIN,
        )

    def _show(self, kind: str, shown: bool) -> None:
        layer = self._layers.get(kind)
        if layer is not None and layer.visible != shown:
            layer.visible = shown

    def remove(self, kind: str) -> None:
        """Take a layer away, if it is there."""
        viewer, layer = self._viewer(), self._layers.pop(kind, None)
        if viewer is not None and layer is not None and layer in viewer.layers:
            compat.keep_context(viewer)
            viewer.layers.remove(layer)

    def forget(self, layer: Any) -> None:
        """Somebody else removed a layer."""
        for kind, own in list(self._layers.items()):
            if own is layer:
                del self._layers[kind]

    def close(self) -> None:
        """Take all layers away."""
        for kind in list(self._layers):
            self.remove(kind)

    def _segments(
        self,
        kind: str,
        name: str,
        starts: F32,
        ends: F32,
        colours: F32,
        width: float,
        **state: Any,
    ) -> None:
        """Lines between points: prisms in 3-D, where flat ones vanish when seen from the side."""
        viewer = self._viewer()
        if viewer is None or not len(starts):
            return
        former: Any = self._layers.get(kind)
        if viewer.dims.ndisplay == 3:
            vertices, faces = tubes(starts, ends, width / 2)
            shades = np.repeat(colours, len(vertices) // len(starts), axis=0)
            mesh = (vertices, faces, np.ones(len(vertices), np.float32))
            if hasattr(former, "vertex_colors"):
                former.vertex_colors = None
                former.data = mesh
                former.vertex_colors = shades
                return
            state |= {"vertex_colors": shades, "shading": "none"}
            self._put(kind, "surface", mesh, name=name, **state)
            return
        ways = np.stack([starts, ends - starts], axis=1)
        if hasattr(former, "edge_width"):
            former.data = ways
            former.edge_color = colours
            return
        state |= {
            "edge_color": colours,
            "edge_width": FLAT * width,
            "vector_style": "line",
            "length": 1,
        }
        self._put(kind, "vectors", ways, name=name, **state)

    def _put(self, kind: str, sort: str, data: Any, **state: Any) -> None:
        """Add a layer, or another in its place; the selection of layers stays as it is."""
        from napari.layers import Layer

        viewer = self._viewer()
        if viewer is None:
            return
        former = self._layers.get(kind)
        layers = viewer.layers
        active = layers.selection.active
        place = layers.index(former) if former in layers else len(layers)
        if former is not None:
            state["visible"] = former.visible
            self.remove(kind)
        shared: dict[str, Any] = {
            "axis_labels": self._axes,
            "units": ("dimensionless",) * 3,
            "metadata": dict(self._metadata),
        }
        if sort != "surface":
            # In 2-D the whole depth is seen, not a slice of it.
            shared["projection_mode"] = "all"
        layer = Layer.create(data, {**shared, **state}, sort)
        self._layers[kind] = layer
        layers.insert(place, layer)
        keep = active if active in layers else self._layers.get("tokens", layer)
        layers.selection.active = keep


_PLAIN = {
    # What fifty thousand dots need to be drawn fast: no outlines, no shading, no smoothing.
    "symbol": "disc",
    "border_width": 0,
    "antialiasing": 0,
    "shading": "none",
}
