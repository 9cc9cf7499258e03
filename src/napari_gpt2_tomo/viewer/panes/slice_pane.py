"""One of the three planes: a viewer of its own on the same data, with a slider and a caption."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from qtpy.QtCore import QEvent, QObject
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ...base import TomoError
from ...display.planes import PLANES
from .. import compat, shortcuts
from ..link import ScanLink
from ..probe import FONT_SIZE
from ..reading import Reading
from ..session import session_of, watch
from ..work import show
from . import mouse
from .bar import AxisBar, Buttons
from .crosshair import Crosshair, axis_colour
from .places import probe_of, set_sliders, slider_indices

__all__ = ["ORDERS", "Hub", "SlicePane"]

ORDERS = ((0, 1, 2), (1, 0, 2), (2, 1, 0))
"""Order of the last three axes in the axial, coronal and sagittal pane: fixed, down, across."""

GAP = 8.0
"""Pixels around the cursor that the lines leave free."""

GAP_VOXELS = 0.75
"""The same in voxels, for large magnifications: the voxel itself is never crossed."""

ARROWS = {"Left": (-1, -1), "Right": (-1, 1), "Up": (-2, -1), "Down": (-2, 1)}
"""Keys that move the cursor in the plane: which axis of the pane's order, and the step."""


class Hub(Protocol):
    """What a pane asks of the views that it is one of."""

    def move(self, indices: Mapping[int, int]) -> None:
        """Move the cursor along some axes."""

    def step(self, axis: int, count: int) -> None:
        """Move the cursor along one axis."""

    def heading(self, pane: "SlicePane", reading: Reading | None) -> list[str]:
        """What is written on the canvas of a pane."""

    def toggle(self, name: str) -> None:
        """Enlarge a pane, or show all."""

    def close_soon(self) -> None:
        """Close the views when the events of the moment have run."""


class SlicePane:
    """The planes at a fixed index of one axis.

    Parameters
    ----------
    plane
        0, 1 or 2: axial, coronal or sagittal.
    home
        The widget of the main viewer; keys pressed and files dropped here are its.
    hub
        The views that the pane is one of.

    Attributes
    ----------
    name
        ``"axial"``, ``"coronal"`` or ``"sagittal"``.
    viewer, qt_viewer
        The pane's own viewer model, and the widget with its canvas.
    widget
        Canvas and slider together.
    """

    def __init__(self, plane: int, home: Any, hub: Hub) -> None:
        from napari.components import ViewerModel
        from napari.qt import QtViewer

        self.name = PLANES[plane]
        self._plane = plane
        self._hub = hub
        self._link: ScanLink | None = None
        self._busy = False
        self._said = ""
        self._order: tuple[int, ...] = ORDERS[plane]
        self._ends: tuple[Any, Any] = ((), ())
        self._voxel = np.ones(3)
        self.layers: list[Any] = []
        self.viewer: Any = ViewerModel(title=self.name, order=self._order)
        self.viewer.theme = home.viewer.theme
        # Nobody reads the status of a pane, and computing it slows every move of the mouse.
        self.viewer.cursor.events.position.disconnect(self.viewer.update_status_from_cursor)
        self.qt_viewer: Any = QtViewer(self.viewer)
        self.qt_viewer.setAcceptDrops(False)
        # The bar is there instead; hidden sliders would still cost time at every step.
        self.qt_viewer.dims.hide()
        self.viewer.dims.events.current_step.disconnect(self.qt_viewer.dims)
        compat.slice_once(self.viewer)
        self.bar = AxisBar(lambda index: hub.move({self.axis: index}))
        self.widget: QWidget = _Frame(home)
        column = QVBoxLayout(self.widget)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.qt_viewer, stretch=1)
        column.addWidget(self.bar)
        canvas = self.qt_viewer.canvas.native
        self.buttons = Buttons(canvas, lambda: hub.toggle(self.name), hub.close_soon)
        self._keys = _Keys(self, home)
        canvas.installEventFilter(self._keys)
        self.crosshair = Crosshair(self.qt_viewer)
        self._fitted = self._scale_of_fit()
        self._listen()

    @property
    def axis(self) -> int:
        """The axis of the volume that is fixed."""
        return self._order[-3]

    @property
    def caption(self) -> str:
        """What is written on the canvas."""
        return str(self.viewer.canvas.overlays.text.text)

    def add(self, layer: Any) -> None:
        """Show a layer above the others; the first is the one that places are about."""
        watch(self.viewer)
        with self._quietly():
            self.layers.append(self.viewer.add_layer(layer))
        self.viewer.layers.selection.active = self.layers[0]

    def remove(self, layer: Any) -> None:
        """Do not show a layer any more."""
        self.layers.remove(layer)
        with self._quietly():
            self.viewer.layers.remove(layer)

    def show_volume(self, link: ScanLink) -> None:
        """Be about a volume of at least three axes, whose layers were added."""
        volume = link.volume
        self._link = link
        first = volume.ndim - 3
        self._order = (*range(first), *(axis + first for axis in ORDERS[self._plane]))
        self.measure()
        with self._quietly():
            self.viewer.dims.order = self._order
        stop = volume.core[self.axis].stop if volume.core is not None else None
        self.bar.set_axis(
            volume.axes[self.axis],
            volume.shape[self.axis],
            stop or volume.shape[self.axis],
            axis_colour(self.axis, volume.ndim),
        )
        probe = probe_of(self.viewer)
        if probe is not None:
            probe.words = self._words
            probe.leave()
        self.fit()

    def measure(self) -> None:
        """Find out where the volume lies in the world; call it when its layers were moved."""
        if self._link is not None:
            layer, shape = self.layers[0], self._link.volume.shape
            self._ends = (
                layer.data_to_world([-0.5] * len(shape)),
                layer.data_to_world([n - 0.5 for n in shape]),
            )
            self._voxel = np.abs(np.asarray(layer.scale, float))

    def clear(self) -> None:
        """Be about nothing; the layers are removed by who added them."""
        self._link = None
        self.crosshair.hide()
        self.bar.clear()

    def say(self, text: str) -> None:
        """Write on an empty canvas."""
        self._said = text
        overlay = self.viewer.canvas.overlays.text
        overlay.font_size, overlay.position, overlay.visible = FONT_SIZE, "top_left", True
        overlay.text = "\n".join(self.buttons.beside(text.splitlines()))

    def fit(self) -> None:
        """Show the whole plane."""
        self.viewer.fit_to_view()
        self._fitted = self._scale_of_fit()

    def follow(self, position: Sequence[int]) -> None:
        """Show the plane through a voxel, and the lines that meet there."""
        if self._link is None:
            return
        layer = self.layers[0]
        world = layer.data_to_world(position)
        with self._quietly():
            set_sliders(self.viewer, layer, world)
        self.bar.show_index(position[self.axis])
        self._reveal(world)
        self._draw(world)
        self.write_soon()

    def write_soon(self) -> None:
        """Write the caption again when the events of the moment have run."""
        probe = probe_of(self.viewer)
        if probe is not None:
            probe.update_soon()

    def press(self, key: str) -> bool:
        """Do what a key means in a pane; False if it has no use for it.

        `key` is in Qt's words, e.g. ``"Shift+PgUp"``.
        """
        if self._link is None:
            return False
        if key in ARROWS:
            place, count = ARROWS[key]
            self._hub.step(self._order[place], count)
            return True
        shortcut = shortcuts.of_key(key)
        if shortcut is None:
            return False
        try:
            shortcut.act(self.viewer, self._link)
        except TomoError as error:
            show(error)
        return True

    def close(self) -> None:
        """Let go of everything; the widget is deleted, and the layers with it.

        They are not removed from the viewer: each time napari does that, it
        collects garbage for a fifth of a second.
        """
        self.clear()
        session = session_of(self.viewer)
        if session is not None:
            for layer in self.layers:
                session.release(layer)
        self.crosshair.close()
        self._listen(False)
        self.qt_viewer.canvas.native.removeEventFilter(self._keys)
        self.qt_viewer.close()
        self.widget.setParent(None)
        self.widget.deleteLater()

    def _listen(self, begin: bool = True) -> None:
        viewer = self.viewer
        for emitter, callback in (
            (viewer.dims.events.point, self._stepped),
            (viewer.dims.events.order, self._straighten),
            (viewer.dims.events.ndisplay, self._straighten),
            (viewer.scene.camera.events.zoom, self._zoomed),
            (viewer.canvas.events.size, self._resized),
            (viewer.events.mouse_over_canvas, self._entered_or_left),
        ):
            (emitter.connect if begin else emitter.disconnect)(callback)
        wheel, drag, double = (
            viewer.mouse_wheel_callbacks,
            viewer.mouse_drag_callbacks,
            viewer.mouse_double_click_callbacks,
        )
        for callbacks in (wheel, drag, double):
            # napari's own zoom at a double click and step with Ctrl, which mean other things here.
            callbacks.clear()
        if begin:
            wheel.append(mouse.scroll(lambda count: self._hub.step(self.axis, count)))
            drag.extend([mouse.click(self._point_at), mouse.drag_cursor(self._point_at)])
            double.append(lambda *_: self._hub.toggle(self.name))

    def _words(self, reading: Reading | None) -> list[str]:
        lines = [*self._hub.heading(self, reading), *(reading.lines() if reading else ())]
        return self.buttons.beside(lines)

    def _point_at(self, event: Any) -> None:
        """Move the cursor to where the mouse is; what lies outside the volume is its edge."""
        if self._link is None:
            return
        voxel = np.rint(np.asarray(self.layers[0].world_to_data(event.position), float))
        self._hub.move({axis: int(voxel[axis]) for axis in self._order[-2:]})

    def _stepped(self, event: Any = None) -> None:
        """Somebody else moved the pane's plane: the cursor goes with it."""
        if not self._busy and self._link is not None:
            self._hub.move(slider_indices(self.viewer, self.layers[0]))

    def _straighten(self, event: Any = None) -> None:
        """A pane stays what it is called, whatever a key or a script did to its axes."""
        if self._busy:
            return
        dims = self.viewer.dims
        with self._quietly():
            dims.ndisplay = 2
            dims.order = self._order

    def _zoomed(self, event: Any = None) -> None:
        if self._link is not None:
            self._draw(self.layers[0].data_to_world(self._link.cursor.position))

    def _draw(self, world: Any) -> None:
        if self._link is None:
            return
        gap = np.maximum(GAP / self.viewer.scene.camera.zoom, GAP_VOXELS * self._voxel)
        self.crosshair.place(world, *self._ends, self._order[-2:], gap)

    def _reveal(self, world: Any) -> None:
        """Bring the cursor back into the picture when it has left it."""
        camera = self.viewer.scene.camera
        centre = np.asarray(camera.center, float)
        at = np.asarray(world, float)[list(self.viewer.dims.displayed)]
        half = np.asarray(self.viewer.canvas.size, float) / 2 / camera.zoom
        if (np.abs(at - centre[-2:]) > half).any():
            centre[-2:] = at
            camera.center = tuple(centre)

    def _resized(self, event: Any = None) -> None:
        """Magnify with the canvas: what was in view stays in view."""
        before, self._fitted = self._fitted, self._scale_of_fit()
        if before > 0 and self._fitted > 0:
            self.viewer.scene.camera.zoom *= self._fitted / before
        self.buttons.rise()
        if self._link is None:
            self.say(self._said)
        else:
            self.write_soon()

    def _scale_of_fit(self) -> float:
        """Magnification that fits the plane to the canvas, up to a constant; 0 without a plane."""
        if not self.layers:
            return 0.0
        height, width = self.viewer.canvas.size
        extent = self.viewer.layers.extent.world
        rows, columns = (float(extent[1][a] - extent[0][a]) for a in self.viewer.dims.displayed)
        return min(float(height) / max(rows, 1.0), float(width) / max(columns, 1.0))

    def _entered_or_left(self, event: Any = None) -> None:
        probe = probe_of(self.viewer)
        if probe is not None and not self.viewer.mouse_over_canvas:
            probe.leave()

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Change the pane's own axes without anybody taking it for a wish of the user."""
        before, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = before


class _Frame(QWidget):  # type: ignore[misc]
    """Holds a pane, and hands files dropped on it to the main viewer."""

    def __init__(self, home: Any) -> None:
        super().__init__()
        self._home = home
        self.setAcceptDrops(True)

    def dragEnterEvent(self, event: Any) -> None:
        """Files may be dropped here."""
        self._home.dragEnterEvent(event)

    def dropEvent(self, event: Any) -> None:
        """The main viewer opens them."""
        self._home.dropEvent(event)


class _Keys(QObject):  # type: ignore[misc]
    """Keys on a pane's canvas: a few are the pane's, all others the main viewer's.

    napari would apply them to the pane's own viewer, whose copies nobody sees in
    a list: it would become three-dimensional, roll its axes or hide its layer.
    """

    def __init__(self, pane: SlicePane, home: Any) -> None:
        super().__init__()
        self._pane = pane
        self._home = home

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Take the keys before the canvas sees them."""
        kind = event.type()
        if kind == QEvent.Type.KeyPress:
            key = QKeySequence(event.keyCombination()).toString()
            if not self._pane.press(key.removeprefix("Num+")):
                self._home.keyPressEvent(event)
            return True
        if kind == QEvent.Type.KeyRelease:
            self._home.keyReleaseEvent(event)
            return True
        return False
