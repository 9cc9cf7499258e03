"""Paths in three dimensions as napari layers, animated by a slider over their steps."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import compat
from ...panes.mouse import click
from .layers import add_layers, inks, redraw_chosen
from .picture import Picture
from .stage import stage_of
from .strip import StepStrip

__all__ = ["PathScene", "Picture"]

PLAIN = (0.35, 0.38, 0.44, 1.0)
"""Colour of the strip where colours are those of tokens."""

VIEW, UP = (-0.35, -0.80, -0.48), (1.0, 0.0, 0.0)
"""Where the camera looks, and what is up, in the order third, second, first axis.

The corner in which the axes meet is behind, the first axis leads to the right.
"""

ROOM = 0.74
"""Share of the canvas that the paths fill: labels and the strip need the rest."""

FOOT = 40
"""Pixels by which the picture is moved up to make room for the strip."""


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
        self.layers = add_layers(self.viewer, picture, token)
        # A thick slice: the steps behind the present one stay, in the layers that ask for them.
        stage.thicken(len(picture.names))
        self._strip = self._add_strip()
        self.viewer.dims.events.current_step.connect(self._slid)
        self.viewer.layers.events.removed.connect(self._removed)
        self.viewer.events.theme.connect(self._write_labels)
        self._clicks = click(self._pick)
        self.viewer.mouse_drag_callbacks.append(self._clicks)
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
            redraw_chosen(self.layers["chosen"], self.picture, token)
            self._write_labels()

    def look(self) -> None:
        """Point the camera at the paths, from a corner."""
        camera = self.viewer.scene.camera
        camera.set_view_direction(VIEW, UP)
        seen = [
            self.picture.points[:, list(self.picture.near)].reshape(-1, 3),
            self.picture.corner(),
        ]
        world = np.concatenate([*seen, *self.picture.wires])[:, ::-1] * self.picture.scale
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
        viewer.events.theme.disconnect(self._write_labels)
        if self._clicks in viewer.mouse_drag_callbacks:
            viewer.mouse_drag_callbacks.remove(self._clicks)
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

    def _write_labels(self, event: Any = None) -> None:
        """Colour the labels for the canvas as it is, that of the chosen token apart."""
        self.layers["tokens"].text.color = inks(self.viewer, self.picture, self._token)

    def _removed(self, event: Any) -> None:
        if self._open and event.value in self.layers.values():
            self.close()

    def _pick(self, event: Any) -> None:
        """Go to the point under a click."""
        for layer in (self.layers[key] for key in ("tokens", "beads") if key in self.layers):
            if not layer.visible:
                continue
            index = layer.get_value(
                event.position,
                view_direction=event.view_direction,
                dims_displayed=event.dims_displayed,
                world=True,
            )
            if index is not None:
                step, token = divmod(int(index), len(self.picture.labels))
                self.go(step)
                if self._on_pick is not None:
                    self._on_pick(step, token)
                return
