"""What makes the layers of activity of one viewer live: labels, clicks, the desk."""

from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakSet, ref

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtGui import QColor

from .. import compat
from .array_link import ArrayLink, array_link_of
from .desk import Place, desk_of
from .ruler import Ruler
from .sites import Axis

__all__ = ["PictureReading", "Pictures", "fit", "read_picture"]

HEAD, LAYER, ROW, COLUMN = range(4)
"""The axes of a picture."""

ACCENT = "#ffb74d"
"""Of the row that is looked at; the canvas is dark or light as napari's theme is."""

SLACK = 3.0
"""Pixels that the mouse may move in a click."""

LEFT = 1
"""Number of the left mouse button in napari's events."""

AIR, CAPTION = 12.0, 40.0
"""Pixels between a picture and the edges of the canvas, and above it, where words stand."""

BRIGHT = 0.5


class PictureReading:
    """What lies under the mouse in a picture.

    Attributes
    ----------
    link, voxel
        Which voxel of which picture.
    """

    def __init__(self, link: ArrayLink, voxel: tuple[int, ...]) -> None:
        self.link = link
        self.voxel = voxel

    def lines(self) -> list[str]:
        """Text for a person."""
        return [self.link.picture.words(self.voxel, self.link.value(self.voxel))]


def read_picture(layer: Any, link: ArrayLink, position: Sequence[float]) -> PictureReading | None:
    """What lies at a position of the world in a picture; None outside."""
    voxel = link.voxel(layer, position[len(position) - layer.ndim :])
    return None if voxel is None else PictureReading(link, voxel)


class Pictures:
    """Keeps the layers of activity of a viewer in step with the desk, labels them, hears clicks.

    Parameters
    ----------
    viewer
        The viewer model; not kept alive.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self.layers: WeakSet[Any] = WeakSet()
        self._desk = desk_of(viewer)
        self._busy = False
        qt_viewer = compat.qt_viewer_of(viewer)
        self.ruler = None if qt_viewer is None else Ruler(qt_viewer)
        self._soon = QTimer()
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.label)
        self._desk.moved.connect(self._desk_moved)
        self._desk.changed.connect(self.label_soon)
        for events in self._events(viewer):
            events.connect(self.label_soon)
        viewer.dims.events.point.connect(self._slid)
        viewer.mouse_drag_callbacks.append(self._pressed)

    def _events(self, viewer: Any) -> list[Any]:
        """What moves or changes the labels."""
        camera, dims = viewer.scene.camera.events, viewer.dims.events
        return [
            camera.zoom,
            camera.center,
            viewer.canvas.events.size,
            dims.point,
            dims.order,
            dims.ndisplay,
            viewer.events.theme,
            viewer.layers.events.reordered,
            viewer.layers.selection.events.active,
        ]

    def add(self, layer: Any) -> None:
        """Make a layer live."""
        self.layers.add(layer)
        layer.events.visible.connect(self.label_soon)
        self.follow()

    def remove(self, layer: Any) -> None:
        """Let go of a layer."""
        self.layers.discard(layer)
        layer.events.visible.disconnect(self.label_soon)
        self.label_soon()

    def close(self) -> None:
        """Let go of everything."""
        self._soon.stop()
        self._desk.moved.disconnect(self._desk_moved, missing_ok=True)
        self._desk.changed.disconnect(self.label_soon, missing_ok=True)
        viewer = self._viewer()
        if viewer is not None:
            for events in self._events(viewer):
                events.disconnect(self.label_soon)
            viewer.dims.events.point.disconnect(self._slid)
            with suppress(ValueError):
                # Somebody may have cleared the list.
                viewer.mouse_drag_callbacks.remove(self._pressed)
        if self.ruler is not None:
            self.ruler.close()
            self.ruler = None

    def shown(self) -> tuple[Any, ArrayLink] | None:
        """The layer whose picture is labelled: the active one if it is seen, else the topmost."""
        viewer = self._viewer()
        if viewer is None:
            return None
        active = viewer.layers.selection.active
        for layer in (active, *reversed(viewer.layers)):
            link = None if layer is None else array_link_of(layer)
            if link is not None and layer.visible:
                return layer, link
        return None

    # Labels.

    def label_soon(self, event: Any = None) -> None:
        """Draw the labels anew when the events of the moment have run."""
        self._soon.start()

    def label(self) -> None:
        """Draw the labels anew."""
        viewer, ruler = self._viewer(), self.ruler
        if viewer is None or ruler is None:
            return
        found = self.shown()
        if found is None or viewer.dims.ndisplay != 2:
            ruler.hide()
            return
        layer, link = found
        shift = viewer.dims.ndim - layer.ndim
        down, across = (axis - shift for axis in viewer.dims.displayed)
        if down < 0 or across < 0:
            ruler.hide()
            return
        axes = link.picture.axes
        rows, columns = axes[down], axes[across]
        to_canvas = compat.scene_to_canvas(compat.qt_viewer_of(viewer))
        corners = [(columns.world(i), rows.world(i)) for i in (0, 1)]
        (left, top), (right, bottom) = (to_canvas.map(corner)[:2] for corner in corners)
        height, width = (float(side) for side in viewer.canvas.size)
        place = self._desk.place
        chosen = place.token if down == ROW and link.activity is self._desk.activity else None
        dark = _ground(viewer).lightnessF() < BRIGHT
        ruler.place(
            (rows, float(top), float(bottom - top)),
            (columns, float(left), float(right - left)),
            (width, height),
            chosen,
            QColor("#e8eaee" if dark else "#20242a"),
            _ground(viewer),
            QColor(ACCENT if dark else "#b25400"),
        )

    # The desk.

    def follow(self) -> None:
        """Show the layer and the head that the desk looks at."""
        self._desk_moved(self._desk.place)
        self.label_soon()

    def _desk_moved(self, place: Place) -> None:
        viewer, found = self._viewer(), self.shown()
        if viewer is None or found is None or self._busy:
            return
        shift = viewer.dims.ndim - found[0].ndim
        self._busy = True
        try:
            for axis, index in ((HEAD, place.head), (LAYER, place.layer)):
                at = shift + axis
                if at < 0 or at in viewer.dims.displayed:
                    continue
                if _index(viewer.dims.point[at]) != index:
                    viewer.dims.set_point(at, float(index))
        finally:
            self._busy = False
        self.label_soon()

    def _slid(self, event: Any = None) -> None:
        viewer, found = self._viewer(), self.shown()
        if viewer is None or found is None or self._busy:
            return
        layer, link = found
        if link.activity is not self._desk.activity:
            return
        self._busy = True
        try:
            self._desk.move(**self._sliders(viewer, layer, link))
        finally:
            self._busy = False

    def _sliders(self, viewer: Any, layer: Any, link: ArrayLink) -> dict[str, int]:
        shift = viewer.dims.ndim - layer.ndim
        names = {HEAD: "head", LAYER: "layer"}
        if link.picture.axes[HEAD].name == "expert slot":
            del names[HEAD]
        return {
            name: max(_index(viewer.dims.point[shift + axis]), 0)
            for axis, name in names.items()
            if shift + axis not in viewer.dims.displayed
        }

    # The mouse.

    def _pressed(self, viewer: Any, event: Any) -> Generator[None, None, None]:
        """A click, not a drag, moves the desk to what lies under it."""
        if event.button != LEFT or event.modifiers or viewer.dims.ndisplay != 2:
            return
        start = np.asarray(event.pos, float)
        yield
        while event.type == "mouse_move":
            if float(np.abs(np.asarray(event.pos, float) - start).max()) > SLACK:
                return
            yield
        found = self.shown()
        if found is None or found[1].activity is not self._desk.activity:
            return
        layer, link = found
        position = list(viewer.cursor.position)
        for axis in viewer.dims.not_displayed:
            position[axis] = viewer.dims.point[axis]
        voxel = link.voxel(layer, position[viewer.dims.ndim - layer.ndim :])
        if voxel is not None:
            self._desk.move(**place_of(link.picture.axes, voxel))


def place_of(axes: Sequence[Axis], voxel: Sequence[int]) -> dict[str, int]:
    """What the desk looks at when a voxel is chosen."""
    found: dict[str, int] = {}
    for axis, index in zip(axes, voxel, strict=True):
        if axis.size == 1 and axis.name in ("head", "layer"):
            continue
        if axis.name in ("query", "token"):
            found["token"] = index
        elif axis.name in ("head", "layer", "neuron", "channel"):
            found[axis.name] = index
        elif axis.name in ("state", "kv head"):
            name = "layer" if axis.name == "state" else "head"
            found[name] = max(_index(axis.world(index)), 0)
    return found


def fit(viewer: Any, layer: Any, pictures: Pictures) -> None:
    """Let a picture fill the canvas, with room for its labels."""
    link = array_link_of(layer)
    if link is None or viewer.dims.ndisplay != 2 or pictures.ruler is None:
        viewer.fit_to_view()
        return
    rows, columns = link.picture.axes[ROW], link.picture.axes[COLUMN]
    tall, wide = rows.size * rows.scale, columns.size * columns.scale
    height, width = (float(side) for side in viewer.canvas.size)
    cell = min(width / columns.size, height / tall * columns.scale)
    left, below = pictures.ruler.margins(rows, columns, cell)
    room = (max(width - left - 2 * AIR, 40.0), max(height - below - AIR - CAPTION, 40.0))
    zoom = min(room[0] / wide, room[1] / tall)
    middle = (rows.world((rows.size - 1) / 2), columns.world((columns.size - 1) / 2))
    viewer.scene.camera.center = (
        0.0,
        middle[0] + (below + AIR - CAPTION) / 2 / zoom,
        middle[1] - left / 2 / zoom,
    )
    viewer.scene.camera.zoom = zoom


def _index(point: float) -> int:
    return int(np.floor(point + 0.5))


def _ground(viewer: Any) -> QColor:
    from napari.utils.theme import get_theme

    return QColor(str(get_theme(viewer.theme).canvas.as_hex()))
