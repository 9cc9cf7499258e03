"""Paths in three dimensions as napari layers, animated by a slider over their steps."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import compat
from .stage import stage_of
from .strip import StepStrip

__all__ = ["PathScene", "Picture"]

F32 = NDArray[np.float32]

EXTENT = 100.0
"""World units that the paths are wide: the size of axes and points is made for it."""

TOKEN, BEAD = 2.2, 1.2
"""Diameter in world units of a token's point, and of the steps behind it."""

ABOVE = 1.5
"""Diameters of a token's point between its middle and that of its label."""

WIDTH, STRONG = 2.5, 7.0
"""Pixels of width of a path, and of the one that is looked at."""

WIRE = "#8a93a366"
UNSEEN = "#00000000"

PLAIN = (0.35, 0.38, 0.44, 1.0)
"""Colour of the strip where colours are those of tokens."""

CROWD, FAINTEST = 30, 0.3
"""Paths from which on they become more transparent, and the least opacity that they get to."""

TAIL = 6
"""Times the number of steps: a tail fades with time, and the first step is still to be seen."""

VIEW, UP = (-0.35, -0.80, -0.48), (1.0, 0.0, 0.0)
"""Where the camera looks, and what is up, in the order third, second, first axis.

The corner in which the axes meet is behind, the first axis leads to the right.
"""

ROOM = 0.78
"""Share of the canvas that the paths fill: labels and the strip need the rest."""

FOOT = 40
"""Pixels by which the picture is moved up to make room for the strip."""

FRAME = "#8a93a3"
"""Colour of axes and wires: it stands back on a dark and on a light canvas."""

MOST_LABELS = 60
"""Tokens that are named on the canvas; more names would cover each other and the paths."""


@dataclass(frozen=True, eq=False)
class Picture:
    """What is drawn.

    Attributes
    ----------
    points
        ``(step, token, 3)`` float32.
    title
        What is said on the canvas, before the name of the step.
    name
        A word for the layers.
    names, ticks
        Name of each step, and a short one.
    labels
        Of the tokens.
    axes
        Titles of the three axes.
    colours
        ``(step, 4)`` RGBA from 0 to 1.
    near
        Tokens that the camera is to show.
    wires
        Lines that stand still, ``(point, 3)`` each.
    by_token
        ``(token, 4)`` RGBA: each path in a colour of its own, in place of `colours`.
    """

    points: F32
    title: str
    name: str
    names: tuple[str, ...]
    ticks: tuple[str, ...]
    labels: tuple[str, ...]
    axes: tuple[str, ...]
    colours: NDArray[np.float64]
    near: tuple[int, ...]
    wires: tuple[F32, ...] = ()
    by_token: NDArray[np.float64] | None = None


class PathScene:
    """Layers of paths in a viewer: lines as Tracks, tokens and their former steps as Points.

    The first slider of these layers counts the steps. The other layers are hidden until `close`.

    Parameters
    ----------
    viewer
        The viewer, or its proxy.
    picture
        What is drawn.
    token
        The token whose path is drawn thick.
    on_step
        Called with a step when the slider is moved.
    on_pick
        Called with a step and a token when a point is clicked.
    on_close
        Called when the layers have gone, whoever took them away.
    step
        The step to begin with; the last one if None.
    """

    def __init__(
        self,
        viewer: Any,
        picture: Picture,
        token: int = 0,
        on_step: Callable[[int], None] | None = None,
        on_pick: Callable[[int, int], None] | None = None,
        on_close: Callable[[], None] | None = None,
        step: int | None = None,
    ) -> None:
        self.viewer = compat.real_viewer(viewer)
        self.picture = picture
        self._on_step, self._on_pick, self._on_close = on_step, on_pick, on_close
        self._token = token
        self._open = True
        count = len(picture.names)
        self.step = count - 1 if step is None else int(np.clip(step, 0, count - 1))
        stage = stage_of(self.viewer)
        stage.enter(self)
        self.layers = self._add()
        # A thick slice: the steps behind the present one stay, in the layers that ask for them.
        stage.thicken(len(picture.names))
        self._strip = self._add_strip()
        self.viewer.dims.events.current_step.connect(self._slid)
        self.viewer.layers.events.removed.connect(self._removed)
        self.viewer.mouse_drag_callbacks.append(self._click)
        self.go(self.step)
        self._show_step()
        self.look()

    @property
    def open(self) -> bool:
        """Whether the layers are there."""
        return self._open

    def go(self, step: int) -> None:
        """Move the slider to a step."""
        axis = self.viewer.dims.ndim - 4
        if axis >= 0:
            self.viewer.dims.set_current_step(axis, step)

    def set_token(self, token: int) -> None:
        """Draw another token's path thick."""
        if token != self._token and self._open:
            self._token = token
            self._redraw_chosen()
            self.layers["tokens"].text.color = self._inks()

    def look(self) -> None:
        """Point the camera at the paths, from a corner."""
        camera = self.viewer.scene.camera
        camera.set_view_direction(VIEW, UP)
        seen = [self.picture.points[:, list(self.picture.near)].reshape(-1, 3), self._corner()]
        world = np.concatenate([*seen, *self.picture.wires])[:, ::-1] * self._scale
        forward, up = np.array(camera.view_direction), np.array(camera.up_direction)
        flat = np.stack([world @ np.cross(forward, up), world @ up], axis=1)
        low, high = flat.min(axis=0), flat.max(axis=0)
        height, width = self.viewer.canvas.size
        span = np.maximum(high - low, 1e-6)
        camera.zoom = ROOM * min(width / span[0], height / span[1])
        right = np.cross(forward, up)
        middle = (low + high) / 2
        depth = float(np.mean(world @ forward)) * forward
        camera.center = tuple(middle[0] * right + (middle[1] - FOOT / camera.zoom) * up + depth)

    def close(self) -> None:
        """Take the layers away and give the viewer back."""
        if not self._open:
            return
        self._open = False
        viewer = self.viewer
        viewer.dims.events.current_step.disconnect(self._slid)
        viewer.layers.events.removed.disconnect(self._removed)
        if self._click in viewer.mouse_drag_callbacks:
            viewer.mouse_drag_callbacks.remove(self._click)
        if self._strip is not None:
            self._strip.setParent(None)
            self._strip.deleteLater()
            self._strip = None
        compat.keep_context(viewer)
        for layer in self.layers.values():
            if layer in viewer.layers:
                viewer.layers.remove(layer)
        stage_of(viewer).leave(self)
        if self._on_close is not None:
            self._on_close()

    def _corner(self) -> F32:
        """Where the three axes meet, and their ends: beside the paths, ``(4, 3)``."""
        near = self.picture.points[:, list(self.picture.near)].reshape(-1, 3)
        if self.picture.wires:
            near = np.concatenate([near, *self.picture.wires])
        low, high = near.min(axis=0), near.max(axis=0)
        room = 0.06 * float((high - low).max())
        origin = low - room
        ends = [origin]
        for axis in range(3):
            end = origin.copy()
            end[axis] = high[axis] + room
            ends.append(end)
        return np.stack(ends)

    @property
    def _scale(self) -> float:
        """World units per unit of the axes."""
        near = self.picture.points[:, list(self.picture.near)]
        seen = np.concatenate([near.reshape(-1, 3), *self.picture.wires])
        return EXTENT / max(float(np.ptp(seen, axis=0).max()), 1e-9)

    def _add(self) -> dict[str, Any]:
        from napari.utils import Colormap

        picture, viewer = self.picture, self.viewer
        count = len(picture.names)
        scale = (1.0, *(self._scale,) * 3)
        labels = ("step", *picture.axes[::-1])
        shown = picture.colours if picture.by_token is None else picture.by_token
        # Vertices lie on the stops, so that each has the very colour of its step or token.
        shades = Colormap(shown, name="paths")
        lines = {
            "tail_length": TAIL * count,
            "blending": "translucent",
            "colormaps_dict": {"shade": shades},
            "color_by": "shade",
            "scale": scale,
            "axis_labels": labels,
        }
        found: dict[str, Any] = {}
        corner = self._corner()[:, ::-1]
        axes = [corner[[0, end]] for end in (1, 2, 3)]
        # A title stands in the middle of its shape: a dash beyond the end of the axis.
        titles = [one[0] + np.outer([1.06, 1.07], one[1] - one[0]) for one in axes]
        found["frame"] = viewer.add_shapes(
            [*axes, *titles, *(wire[:, ::-1] for wire in picture.wires)],
            shape_type="path",
            edge_color=[
                *(FRAME for _ in axes),
                *(UNSEEN for _ in axes),
                *(WIRE for _ in picture.wires),
            ],
            edge_width=0.3 / scale[1],
            opacity=1.0,
            scale=scale[1:],
            text={
                "string": [*("" for _ in axes), *picture.axes, *("" for _ in picture.wires)],
                "size": 9,
                "color": FRAME,
            },
            name=f"{picture.name}: axes",
        )
        everyone = range(len(picture.labels))
        paths = len(picture.near)
        for key, name, tokens, width in (
            ("paths", "paths", everyone, WIDTH),
            ("chosen", "this token", [self._token], STRONG),
        ):
            data = self._tracks(tokens)
            found[key] = viewer.add_tracks(
                data,
                properties={"shade": self._shades(data)},
                tail_width=width,
                opacity=1.0 if key == "chosen" else max(min(1.0, CROWD / paths), FAINTEST),
                name=f"{picture.name}: {name}",
                **lines,
            )
        points = picture.points[..., ::-1].reshape(-1, 3)
        steps, tokens = np.indices(picture.points.shape[:2]).reshape(2, -1)
        features = {
            "token": [picture.labels[token] for token in tokens],
            "step": [picture.names[step] for step in steps],
        }
        placed = np.column_stack([steps, points])
        up = np.array([0, ABOVE * TOKEN, 0, 0]) / scale[1]
        for key, name, size, slices, extra in (
            ("beads", "steps", BEAD, "all", {"opacity": 0.8}),
            (
                "tokens",
                "tokens",
                TOKEN,
                "none",
                {
                    "text": {
                        "string": self._words(tokens),
                        "size": 10,
                        "color": self._inks(),
                        "translation": up,
                    }
                },
            ),
        ):
            found[key] = viewer.add_points(
                placed,
                size=size / scale[1],
                scale=scale,
                axis_labels=labels,
                border_width=0,
                face_color=self._faces(steps, tokens),
                features=features,
                shading="spherical",
                projection_mode=slices,
                name=f"{picture.name}: {name}",
                **extra,
            )
        return found

    def _tracks(self, tokens: Sequence[int]) -> NDArray[np.float64]:
        """``(vertex, 5)``: id, step and place, one token after the other."""
        steps = np.arange(len(self.picture.names))
        rows = [
            np.column_stack(
                [np.full(len(steps), token), steps, self.picture.points[:, token, ::-1]]
            )
            for token in tokens
        ]
        return np.concatenate(rows)

    def _faces(self, steps: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        picture = self.picture
        return picture.colours[steps] if picture.by_token is None else picture.by_token[tokens]

    def _shades(self, data: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where on its colormap each vertex lies, 0 to 1."""
        if self.picture.by_token is None:
            return data[:, 1] / max(len(self.picture.names) - 1, 1)
        return data[:, 0] / max(len(self.picture.labels) - 1, 1)

    def _redraw_chosen(self) -> None:
        layer = self.layers["chosen"]
        data = self._tracks([self._token])
        # New data have no properties at first, and napari warns if a colour needs one.
        layer.color_by = "track_id"
        layer.data = data
        layer.properties = {"shade": self._shades(data)}
        layer.color_by = "shade"

    def _words(self, tokens: NDArray[np.int64]) -> list[str]:
        labels = self.picture.labels
        named = set(np.linspace(0, len(labels) - 1, min(len(labels), MOST_LABELS)).astype(int))
        return [labels[token] if token in named else "" for token in tokens]

    def _inks(self) -> Any:
        """Colours of the labels, on the canvas as it is."""
        from napari.utils.theme import get_theme

        dark = get_theme(self.viewer.theme).canvas.as_hsl_tuple()[2] < 0.5
        plain, strong = ("#e8eaf0", "#ffb74d") if dark else ("#20242a", "#b25400")
        tokens = np.indices(self.picture.points.shape[:2]).reshape(2, -1)[1]
        return [strong if token == self._token else plain for token in tokens]

    def _add_strip(self) -> StepStrip | None:
        qt_viewer = compat.qt_viewer_of(self.viewer)
        if qt_viewer is None:
            return None
        picture = self.picture
        canvas = compat.canvas_of(qt_viewer)
        colours = picture.colours
        if picture.by_token is not None:
            colours = np.tile(PLAIN, (len(picture.names), 1))
        return StepStrip(canvas, picture.names, picture.ticks, colours, self.go)

    def _slid(self, event: Any = None) -> None:
        axis = self.viewer.dims.ndim - 4
        if axis < 0:
            return
        step = int(np.clip(self.viewer.dims.current_step[axis], 0, len(self.picture.names) - 1))
        if step != self.step:
            self.step = step
            self._show_step()
            if self._on_step is not None:
                self._on_step(step)

    def _show_step(self) -> None:
        picture = self.picture
        stage_of(self.viewer).write(f"{picture.title}: {picture.names[self.step]}")
        if self._strip is not None:
            self._strip.set_step(self.step)

    def _removed(self, event: Any) -> None:
        if self._open and event.value in self.layers.values():
            self.close()

    def _click(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        """A click without a drag picks the point under it."""
        if event.button != 1:
            return
        yield
        while event.type == "mouse_move":
            return
        if event.type != "mouse_release" or not self._open:
            return
        for key in ("tokens", "beads"):
            layer = self.layers[key]
            index = layer.get_value(
                event.position,
                view_direction=event.view_direction,
                dims_displayed=event.dims_displayed,
                world=True,
            )
            if layer.visible and index is not None:
                step, token = divmod(int(index), len(self.picture.labels))
                self.go(step)
                if self._on_pick is not None:
                    self._on_pick(step, token)
                return
