"""The fourth pane: what the views add to the main viewer, and take away again."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer

from ..link import ScanLink
from ..probe import Reading
from ..session import session_of
from . import mouse
from .bar import Buttons
from .crosshair import Crosshair

__all__ = ["VolumePane"]

REST = 0.03
"""Seconds at least between two drawings of the volume while the cursor moves."""

SHARE = 3.0
"""A volume that takes long to draw is drawn again after that many times as long, so that most
of the time is the slices'."""


class VolumePane:
    """Lines, clicks, captions and buttons in the main viewer while four views are open.

    Parameters
    ----------
    home
        The widget of the main viewer.
    heading
        Gives what is written on the canvas.
    move
        Called with the voxel that was clicked, or the indices that a slider chose.
    toggle
        Called to enlarge the pane, or to show all.
    """

    name = "volume"

    def __init__(
        self,
        home: Any,
        heading: Callable[[Reading | None], list[str]],
        move: Callable[[dict[int, int]], None],
        toggle: Callable[[str], None],
    ) -> None:
        self.qt_viewer = home
        self.viewer: Any = home.viewer
        self._heading = heading
        self._move = move
        self._link: ScanLink | None = None
        self._layer: Any = None
        self._busy = False
        self._cost = 0.0
        self._started = 0.0
        self._side = self._shorter_side()
        self.crosshair = Crosshair(home)
        self.buttons = Buttons(home.canvas.native, lambda: toggle(self.name))
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._draw)
        self._click = mouse.click(self._pick)
        self._double = lambda *_: toggle(self.name)
        self._replaced = list(self.viewer.mouse_double_click_callbacks)
        self.viewer.mouse_double_click_callbacks[:] = [self._double]
        self.viewer.mouse_drag_callbacks.append(self._click)
        self.viewer.dims.events.point.connect(self._stepped)
        self.viewer.dims.events.order.connect(self.follow_soon)
        self.viewer.dims.events.ndisplay.connect(self.follow_soon)
        self.viewer.canvas.events.size.connect(self._resized)
        self.viewer.events.mouse_over_canvas.connect(self._entered_or_left)

    @property
    def caption(self) -> str:
        """What is written on the canvas."""
        return str(self.viewer.canvas.overlays.text.text)

    def show_scan(self, link: ScanLink, layer: Any) -> None:
        """Mark the cursor of a volume that the viewer shows in a layer."""
        self._link, self._layer = link, layer
        session = session_of(self.viewer)
        if session is not None and session.probe is not None:
            session.probe.heading = self._heading
            session.probe.leave()

    def clear(self) -> None:
        """Mark nothing."""
        self._link = self._layer = None
        self._timer.stop()
        self.crosshair.hide()
        session = session_of(self.viewer)
        if session is not None and session.probe is not None:
            session.probe.heading = None
            session.probe.update_soon()

    def follow(self, position: Sequence[int]) -> None:
        """Go with the cursor: sliders at once, lines as often as the volume can be drawn.

        Axes that are displayed are left alone: moving them would read and upload
        the volume again.
        """
        if self._layer is None:
            return
        dims = self.viewer.dims
        shift = dims.ndim - self._layer.ndim
        world = self._layer.data_to_world(position)
        fixed = [axis for axis in dims.not_displayed if axis >= shift]
        if any(dims.point[axis] != world[axis - shift] for axis in fixed):
            self._busy = True
            try:
                dims.set_point(fixed, [float(world[axis - shift]) for axis in fixed])
            finally:
                self._busy = False
        self.follow_soon()

    def follow_soon(self, event: Any = None) -> None:
        """Draw the lines again as soon as that does not hold up the slices."""
        if self._link is not None and not self._timer.isActive():
            self._timer.start(int(1000 * max(REST, SHARE * self._cost)))

    def close(self) -> None:
        """Leave the viewer as it was."""
        self.clear()
        self.crosshair.close()
        viewer = self.viewer
        viewer.mouse_double_click_callbacks[:] = self._replaced
        if self._click in viewer.mouse_drag_callbacks:
            viewer.mouse_drag_callbacks.remove(self._click)
        viewer.dims.events.point.disconnect(self._stepped)
        viewer.dims.events.order.disconnect(self.follow_soon)
        viewer.dims.events.ndisplay.disconnect(self.follow_soon)
        viewer.canvas.events.size.disconnect(self._resized)
        viewer.events.mouse_over_canvas.disconnect(self._entered_or_left)
        self.buttons.setParent(None)
        self.buttons.deleteLater()

    def _draw(self) -> None:
        link, layer = self._link, self._layer
        if link is None:
            return
        dims = self.viewer.dims
        shift = dims.ndim - layer.ndim
        axes = list(dims.displayed)
        if min(axes) < shift:
            self.crosshair.hide()
            return
        point, low, high = (
            np.concatenate([np.zeros(shift), layer.data_to_world(at)])
            for at in (
                link.cursor.position,
                [-0.5] * layer.ndim,
                [n - 0.5 for n in self._shown(link)],
            )
        )
        self._started = time.perf_counter()
        self.crosshair.place(point, low, high, axes)
        session = session_of(self.viewer)
        if session is not None and session.probe is not None:
            session.probe.update()
        # Comes after the drawing that the lines asked for.
        QTimer.singleShot(0, self._drawn)

    def _shown(self, link: ScanLink) -> list[int]:
        """Voxels per axis that the viewer draws: 3-D leaves the margins out."""
        shape = list(link.volume.shape)
        core = link.volume.core
        if core is None or link.margins or self.viewer.dims.ndisplay == 2:
            return shape
        return [piece.stop or n for piece, n in zip(core, shape, strict=True)]

    def _drawn(self) -> None:
        self._cost = time.perf_counter() - self._started

    def _pick(self, event: Any) -> None:
        session = session_of(self.viewer)
        reading = None if session is None or session.probe is None else session.probe.read()
        if reading is not None and self._link is not None and reading.link is self._link:
            self._move(dict(enumerate(reading.voxel)))

    def _stepped(self, event: Any = None) -> None:
        """The user moved a slider of the main viewer: the cursor goes with it."""
        if self._busy or self._layer is None:
            return
        dims = self.viewer.dims
        shift = dims.ndim - self._layer.ndim
        voxel = np.rint(np.asarray(self._layer.world_to_data(dims.point[shift:]), float))
        self._move({a - shift: int(voxel[a - shift]) for a in dims.not_displayed if a >= shift})

    def _shorter_side(self) -> float:
        return float(min(self.viewer.canvas.size))

    def _resized(self, event: Any = None) -> None:
        before, self._side = self._side, self._shorter_side()
        if before > 0 and self._side > 0:
            self.viewer.scene.camera.zoom *= self._side / before
        self.buttons.rise()

    def _entered_or_left(self, event: Any = None) -> None:
        session = session_of(self.viewer)
        if not self.viewer.mouse_over_canvas and session is not None and session.probe is not None:
            session.probe.leave()
