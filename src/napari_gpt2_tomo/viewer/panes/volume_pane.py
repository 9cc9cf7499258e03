"""The fourth pane: what the views add to the main viewer, and take away again."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer

from ..link import ScanLink
from ..reading import Reading
from ..throttle import Throttle
from . import mouse
from .bar import Buttons
from .crosshair import Crosshair
from .places import probe_of, set_sliders, slider_indices

__all__ = ["VolumePane"]

SHARE = 2.0
"""Of the time that the volume takes to be drawn: the pause before it is drawn again.

While the cursor moves, two thirds of the time are the slices'.
"""


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
        self._side = self._shorter_side()
        self.crosshair = Crosshair(home)
        self.buttons = Buttons(home.canvas.native, lambda: toggle(self.name))
        self._lines = Throttle(self._draw, share=SHARE)
        self._click = mouse.click(self._pick)
        self._double = lambda *_: toggle(self.name)
        self._replaced = list(self.viewer.mouse_double_click_callbacks)
        self.viewer.mouse_double_click_callbacks[:] = [self._double]
        self.viewer.mouse_drag_callbacks.append(self._click)
        self.viewer.dims.events.point.connect(self._stepped)
        self.viewer.dims.events.order.connect(self._turned)
        self.viewer.dims.events.ndisplay.connect(self._turned)
        self.viewer.canvas.events.size.connect(self._resized)
        self.viewer.events.mouse_over_canvas.connect(self._entered_or_left)

    @property
    def caption(self) -> str:
        """What is written on the canvas."""
        return str(self.viewer.canvas.overlays.text.text)

    def show_volume(self, link: ScanLink, layer: Any) -> None:
        """Mark the cursor of a volume that the viewer shows in a layer."""
        self._link, self._layer = link, layer
        probe = probe_of(self.viewer)
        if probe is not None:
            probe.words = self._words
            probe.leave()

    def clear(self) -> None:
        """Mark nothing."""
        self._link = self._layer = None
        self._lines.stop()
        self.crosshair.hide()
        probe = probe_of(self.viewer)
        if probe is not None:
            probe.words = None
            probe.update_soon()

    def follow(self, position: Sequence[int]) -> None:
        """Go with the cursor: sliders at once, lines as often as the volume can be drawn.

        Axes that are displayed are left alone: moving them would read and upload
        the volume again.
        """
        if self._layer is None:
            return
        self._busy = True
        try:
            set_sliders(self.viewer, self._layer, self._layer.data_to_world(position))
        finally:
            self._busy = False
        self.follow_soon()

    def follow_soon(self) -> None:
        """Draw the lines again as soon as that does not hold up the slices."""
        if self._link is not None:
            self._lines.call()

    def _turned(self, event: Any = None) -> None:
        """Other axes are displayed: follow when napari has done what comes of that."""
        QTimer.singleShot(0, self._follow_again)

    def _follow_again(self) -> None:
        if self._link is not None and self._layer in self.viewer.layers:
            self.follow(self._link.cursor.position)

    def close(self) -> None:
        """Leave the viewer as it was."""
        self.clear()
        self.crosshair.close()
        viewer = self.viewer
        viewer.mouse_double_click_callbacks[:] = self._replaced
        if self._click in viewer.mouse_drag_callbacks:
            viewer.mouse_drag_callbacks.remove(self._click)
        viewer.dims.events.point.disconnect(self._stepped)
        viewer.dims.events.order.disconnect(self._turned)
        viewer.dims.events.ndisplay.disconnect(self._turned)
        viewer.canvas.events.size.disconnect(self._resized)
        viewer.events.mouse_over_canvas.disconnect(self._entered_or_left)
        self.buttons.setParent(None)
        self.buttons.deleteLater()

    def _draw(self) -> None:
        link, layer = self._link, self._layer
        if link is None or layer not in self.viewer.layers:
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
        self.crosshair.place(point, low, high, axes)
        probe = probe_of(self.viewer)
        if probe is not None:
            probe.update()

    def _words(self, reading: Reading | None) -> list[str]:
        lines = [*self._heading(reading), *(reading.lines() if reading else ())]
        return self.buttons.beside(lines)

    def _shown(self, link: ScanLink) -> list[int]:
        """Voxels per axis that the viewer draws: 3-D leaves the margins out."""
        shape = list(link.volume.shape)
        core = link.volume.core
        if core is None or link.margins or self.viewer.dims.ndisplay == 2:
            return shape
        return [piece.stop or n for piece, n in zip(core, shape, strict=True)]

    def _pick(self, event: Any) -> None:
        probe = probe_of(self.viewer)
        reading = None if probe is None else probe.read()
        if reading is not None and self._link is not None and reading.link is self._link:
            self._move(dict(enumerate(reading.voxel)))

    def _stepped(self, event: Any = None) -> None:
        """The user moved a slider of the main viewer: the cursor goes with it."""
        if not self._busy and self._layer is not None:
            self._move(slider_indices(self.viewer, self._layer))

    def _shorter_side(self) -> float:
        return float(min(self.viewer.canvas.size))

    def _resized(self, event: Any = None) -> None:
        before, self._side = self._side, self._shorter_side()
        if before > 0 and self._side > 0:
            self.viewer.scene.camera.zoom *= self._side / before
        self.buttons.rise()
        self.follow_soon()

    def _entered_or_left(self, event: Any = None) -> None:
        probe = probe_of(self.viewer)
        if probe is not None and not self.viewer.mouse_over_canvas:
            probe.leave()
