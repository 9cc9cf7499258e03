"""The parameter under the cursor, written on the canvas."""

from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from ..base import CheckpointError
from ..checkpoint.remote.traffic import NotHere, without_waiting
from ..display.planes import BODY_PLANES, position_caption, section_caption
from .activity.array_link import ArrayLink
from .activity.pictures import PictureReading, read_picture
from .link import Link, ScanLink, shown_by
from .reading import Reading, read_2d, read_3d, voxel_at

__all__ = ["FONT_SIZE", "Probe"]

BOX = (0.04, 0.04, 0.06, 0.8)
"""Colour behind the text: dark and nearly opaque, so that it reads over a bright picture."""

INK = (0.93, 0.94, 0.96, 1.0)
"""Colour of the text."""

FONT_SIZE = 9.0
"""Points."""

Shown = tuple[Any, Link]
"""A layer, and what it shows."""


class Probe:
    """Shows in a viewer what is under its cursor.

    One probe serves all scans of a viewer: the topmost visible layer of a scan
    under the cursor is read.

    Parameters
    ----------
    viewer
        The viewer model; not kept alive.

    Attributes
    ----------
    words
        Gives all lines for a reading, or for where there is none (None); by default
        they say where the slice lies and what was read.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = ref(viewer)
        self.words: Callable[[Reading | None], Sequence[str]] | None = None
        self._away = False
        self._direction: NDArray[np.float64] | None = None
        self._pending = False
        self._open = True
        overlay = viewer.canvas.overlays.text
        self._before = {
            name: getattr(overlay, name)
            for name in ("visible", "text", "color", "font_size", "position", "box", "box_color")
        }
        overlay.color, overlay.font_size = INK, FONT_SIZE
        overlay.box, overlay.box_color = True, BOX
        overlay.position = "top_left"
        viewer.mouse_move_callbacks.append(self._moved)
        viewer.dims.events.connect(self.update_soon)
        self.update()
        overlay.visible = True

    def close(self) -> None:
        """Give the canvas text back as it was."""
        self._open = False
        viewer = self._viewer()
        if viewer is None:
            return
        if self._moved in viewer.mouse_move_callbacks:
            viewer.mouse_move_callbacks.remove(self._moved)
        viewer.dims.events.disconnect(self.update_soon)
        overlay = viewer.canvas.overlays.text
        for name, value in self._before.items():
            setattr(overlay, name, value)

    @property
    def text(self) -> str:
        """What is on the canvas."""
        viewer = self._viewer()
        return "" if viewer is None else str(viewer.canvas.overlays.text.text)

    def update(self) -> None:
        """Read again at the last position of the cursor."""
        viewer = self._viewer()
        if viewer is None:
            return
        layers = self._layers(viewer)
        found = self._find(viewer, layers)
        reading = None if found is None or not isinstance(found[1], Reading) else found[1]
        lines: Sequence[str] = ()
        if self.words is not None:
            lines = self.words(reading)
        elif found is not None and isinstance(found[1], PictureReading):
            lines = found[1].lines()
        elif layers:
            layer, link = found[0] if found is not None else layers[0]
            lines = [_title(viewer, layer, link, reading), *(reading.lines() if reading else ())]
        self._write(viewer, "\n".join(lines))

    def read(self) -> Reading | None:
        """What is under the cursor; None off the canvas, and where no scan shows anything."""
        viewer = self._viewer()
        found = None if viewer is None else self._find(viewer, self._layers(viewer))
        return found[1] if found is not None and isinstance(found[1], Reading) else None

    def leave(self) -> None:
        """Forget the position of the cursor until it moves: it has left the canvas."""
        self._away = True
        self.update_soon()

    def update_soon(self, event: Any = None) -> None:
        """Read again when the events of the moment have run.

        One change of a slider makes many events, and the level that is drawn is
        known after the last.
        """
        if self._pending:
            return
        from qtpy.QtCore import QTimer

        self._pending = True
        QTimer.singleShot(0, self._catch_up)

    def _catch_up(self) -> None:
        self._pending = False
        if self._open:
            self.update()

    def _layers(self, viewer: Any) -> list[Shown]:
        """The visible layers that can be read, topmost first."""
        return [
            (layer, link)
            for layer in reversed(viewer.layers)
            if layer.visible and isinstance(link := shown_by(layer), ScanLink | ArrayLink)
        ]

    def _find(
        self, viewer: Any, layers: Sequence[Shown]
    ) -> tuple[Shown, Reading | PictureReading] | None:
        if self._away:
            return None
        position = list(viewer.cursor.position)
        position = [*viewer.dims.point[: viewer.dims.ndim - len(position)], *position]
        for axis in viewer.dims.not_displayed:
            position[axis] = viewer.dims.point[axis]
        for layer, link in layers:
            reading = self._read(viewer, layer, link, position)
            if reading is not None:
                return (layer, link), reading
        return None

    def _read(
        self, viewer: Any, layer: Any, link: Link, position: Sequence[float]
    ) -> Reading | PictureReading | None:
        displayed = _displayed(viewer, layer)
        if isinstance(link, ArrayLink):
            return read_picture(layer, link, position) if viewer.dims.ndisplay == 2 else None
        if not isinstance(link, ScanLink):
            return None
        try:
            with without_waiting():
                if viewer.dims.ndisplay == 2:
                    return read_2d(layer, link, position)
                if self._direction is None or len(displayed) != 3:
                    return None
                return read_3d(layer, link, position, self._direction.tolist(), displayed)
        except NotHere:
            # On a server: what is drawn arrives by itself, what is under the cursor is fetched.
            link.arrivals.bring(voxel_at(layer, position), self.update_soon)
            return None
        except CheckpointError:
            # A script closed the scan, or its file changed: slices and docks tell it, once.
            return None

    def _moved(self, viewer: Any, event: Any) -> None:
        direction = event.view_direction
        self._direction = None if direction is None else np.asarray(direction, float)
        self._away = False
        self.update()

    def _write(self, viewer: Any, text: str) -> None:
        overlay = viewer.canvas.overlays.text
        if overlay.text != text:
            # Every change draws the canvas again, in 3-D the whole volume.
            overlay.text = text


def _title(viewer: Any, layer: Any, link: Link, reading: Reading | None) -> str:
    """What is shown, where nothing more can be said of it."""
    if not isinstance(link, ScanLink):
        return link.name
    voxel = voxel_at(layer, viewer.dims.point) if reading is None else reading.voxel
    return _caption(viewer, layer, link, voxel, reading is not None) or link.name


def _displayed(viewer: Any, layer: Any) -> list[int]:
    shift = viewer.dims.ndim - layer.ndim
    return [axis - shift for axis in viewer.dims.displayed if axis >= shift]


def _caption(viewer: Any, layer: Any, link: ScanLink, voxel: Sequence[int], hit: bool) -> str:
    """Where a slice lies, and what the section at `voxel` is.

    `hit` is whether the voxel is under the cursor; else only the axes of the
    sliders count.
    """
    volume = link.volume
    displayed = _displayed(viewer, layer)
    words: list[str] = []
    for axis, (name, at, length) in enumerate(zip(volume.axes, voxel, volume.shape, strict=True)):
        if axis in displayed or not 0 <= at < length:
            continue
        if volume.core is not None and name in BODY_PLANES:
            words.append(BODY_PLANES[name])
        words.append(position_caption(volume, axis, at))
    first = volume.lead
    if volume.axes[first] == "section" and (hit or first not in displayed):
        words.append(section_caption(volume, voxel[first]))
    return " · ".join(word for word in words if word)
