"""The parameter under the cursor, written on the canvas."""

from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from ..display.planes import BODY_PLANES, position_caption, section_caption
from . import compat
from .link import ScanLink, link_of
from .pick import Look, Ray, choose, trace
from .volume3d.focus import drawn_block

__all__ = ["Probe", "Reading", "read_2d", "read_3d"]

BOX = (0.04, 0.04, 0.06, 0.8)
"""Colour behind the text: dark and nearly opaque, so that it reads over a bright picture."""

INK = (0.93, 0.94, 0.96, 1.0)
"""Colour of the text."""

FONT_SIZE = 9.0
"""Points."""

Scanned = tuple[Any, ScanLink]
"""A layer of a scan, and its link."""


class Reading:
    """What the probe found.

    Attributes
    ----------
    voxel
        Level-0 voxel, one index per axis of the volume.
    address
        The parameter there; None in air.
    level
        Level that is drawn.
    block
        For a coarser level than the finest: the half-open interval of level-0 voxels per axis.
    reduced
        The drawn value of that block.
    """

    def __init__(
        self,
        link: ScanLink,
        voxel: tuple[int, ...],
        level: int,
        block: tuple[tuple[int, int], ...] | None = None,
        reduced: float | None = None,
    ) -> None:
        self.link = link
        self.voxel = voxel
        self.level = level
        self.block = block
        self.reduced = reduced
        self.address = link.volume.address(voxel)

    def lines(self) -> list[str]:
        """Text for a person, without the caption."""
        if self.address is None:
            found = ["air"]
        else:
            parameter, _, where = str(self.address).partition(" · ")
            found = [parameter, where] if where else [parameter]
        if self.block is not None and self.reduced is not None:
            size = "×".join(str(b - a) for a, b in self.block)
            name = self.link.volume.reduction
            found.append(f"drawn at level {self.level}: block {size}, {name} {self.reduced:.4g}")
        return found


def read_2d(layer: Any, link: ScanLink, position: Sequence[float]) -> Reading | None:
    """The level-0 parameter at a world position; None outside the volume."""
    voxel = _voxel(layer, position)
    shape = link.volume.shape
    if any(not 0 <= v < n for v, n in zip(voxel, shape, strict=True)):
        return None
    level = int(layer.data_level)
    if level == 0:
        return Reading(link, voxel, 0)
    block, reduced = _block(link, voxel, level)
    return Reading(link, voxel, level, block, reduced)


def read_3d(
    layer: Any,
    link: ScanLink,
    position: Sequence[float],
    direction: Sequence[float],
    displayed: Sequence[int],
) -> Reading | None:
    """The parameter that a view ray shows; None where it shows nothing.

    The ray meets the voxel of the drawn level that decides the pixel's colour;
    the reading is the parameter of largest magnitude in that voxel's block.

    Parameters
    ----------
    position, direction
        A world position on the ray, and its direction away from the eye.
    displayed
        The three axes of the volume that are drawn.
    """
    start = np.asarray(layer.world_to_data(position), float)
    toward = np.asarray(layer.world_to_data(np.add(position, direction)), float) - start
    if not link.console.solid:
        return _on_sheets(link, start, toward, displayed) if link.console.planes else None
    drawn = drawn_block(layer)
    level = int(layer.data_level) if drawn is None else drawn.level
    box = [(0, n) for n in link.levels[level].shape] if drawn is None else drawn.box
    source = link.levels[level] if drawn is None else drawn.values
    factors = np.asarray(link.volume.factors[level], float)
    axes = list(displayed)
    fixed = {axis: int(np.rint(start[axis])) for axis in range(len(start)) if axis not in axes}
    shape = link.volume.shape
    if any(
        not 0 <= at < shape[axis] or not box[axis][0] <= at // factors[axis] < box[axis][1]
        for axis, at in fixed.items()
    ):
        return None
    index = tuple(
        int(fixed[axis] // factors[axis]) - box[axis][0] if axis in fixed else slice(None)
        for axis in range(len(start))
    )
    origin = np.array([box[axis][0] for axis in axes], float)
    ray = Ray((start[axes] + 0.5) / factors[axes] - origin, toward[axes] / factors[axes])
    values = np.asarray(source[index])
    core = None if link.margins else link.volume.core
    high = np.array(values.shape, float)
    if core is not None:
        stops = [core[axis].stop or shape[axis] for axis in axes]
        high = np.minimum(high, np.asarray(stops) / factors[axes] - origin)
    if str(layer.depiction) == "plane":
        hit = _on_plane(layer, ray, axes, factors[axes], values.shape)
    else:
        voxels = trace(values, ray, (0.0, 0.0, 0.0), high.tolist())
        found = choose(values[tuple(voxels.T)], _look(layer))
        hit = None if found is None else voxels[found]
    if hit is None:
        return None
    reduced = float(values[tuple(hit)])
    hit = hit + origin.astype(int)
    coarse = dict(zip(axes, (int(v) for v in hit), strict=True))
    at = [
        int(coarse[axis] * factors[axis]) if axis in coarse else fixed[axis]
        for axis in range(len(start))
    ]
    if level == 0:
        return Reading(link, tuple(at), 0)
    block = tuple(
        (at[axis], at[axis] + int(factors[axis]))
        if axis in coarse
        else (
            int(fixed[axis] // factors[axis] * factors[axis]),
            int((fixed[axis] // factors[axis] + 1) * factors[axis]),
        )
        for axis in range(len(start))
    )
    return Reading(link, _largest(link, block), level, block, reduced)


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
        reading = None if found is None else found[1]
        lines: Sequence[str] = ()
        if self.words is not None:
            lines = self.words(reading)
        elif layers:
            layer, link = found[0] if found is not None else layers[0]
            voxel = _voxel(layer, viewer.dims.point) if reading is None else reading.voxel
            caption = _caption(viewer, layer, link, voxel, reading is not None) or link.name
            lines = [caption, *(reading.lines() if reading else ())]
        self._write(viewer, "\n".join(lines))

    def read(self) -> Reading | None:
        """What is under the cursor; None off the canvas, and where no scan shows anything."""
        viewer = self._viewer()
        found = None if viewer is None else self._find(viewer, self._layers(viewer))
        return None if found is None else found[1]

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

    def _layers(self, viewer: Any) -> list[Scanned]:
        """The visible layers of scans, topmost first."""
        return [
            (layer, link)
            for layer in reversed(viewer.layers)
            if layer.visible and (link := link_of(layer)) is not None
        ]

    def _find(self, viewer: Any, layers: Sequence[Scanned]) -> tuple[Scanned, Reading] | None:
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
        self, viewer: Any, layer: Any, link: ScanLink, position: Sequence[float]
    ) -> Reading | None:
        displayed = _displayed(viewer, layer)
        if viewer.dims.ndisplay == 2:
            return read_2d(layer, link, position)
        if self._direction is None or len(displayed) != 3:
            return None
        return read_3d(layer, link, position, self._direction.tolist(), displayed)

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


def _voxel(layer: Any, position: Sequence[float]) -> tuple[int, ...]:
    """The voxel at a world position, rounded as napari rounds the sliders: half to even."""
    return tuple(int(v) for v in np.rint(np.asarray(layer.world_to_data(position), float)))


def _block(
    link: ScanLink, voxel: Sequence[int], level: int
) -> tuple[tuple[tuple[int, int], ...], float]:
    factors = link.volume.factors[level]
    coarse = tuple(v // f for v, f in zip(voxel, factors, strict=True))
    block = tuple((c * f, (c + 1) * f) for c, f in zip(coarse, factors, strict=True))
    return block, float(np.asarray(link.levels[level][coarse]))


def _largest(link: ScanLink, block: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """The level-0 voxel of largest weight in a block; the block's first where all are air."""
    weights = np.abs(np.asarray(link.weights.level(0)[tuple(slice(a, b) for a, b in block)]))
    flat = 0 if np.isnan(weights).all() else int(np.nanargmax(weights))
    inner = np.unravel_index(flat, weights.shape)
    return tuple(a + int(i) for (a, _), i in zip(block, inner, strict=True))


def _on_plane(
    layer: Any, ray: Ray, axes: Sequence[int], factors: NDArray[np.float64], shape: Sequence[int]
) -> NDArray[np.int64] | None:
    normal = np.asarray(layer.plane.normal, float)
    point = (compat.plane_point(layer, axes) + 0.5) / factors
    slope = float(ray.direction @ normal)
    if slope == 0:
        return None
    at = ray.origin + ray.direction * (float((point - ray.origin) @ normal) / slope)
    # The sheet lies between two voxels where its position is a whole number.
    hit = np.floor(at + 1e-6).astype(np.int64)
    return hit if ((hit >= 0) & (hit < np.array(shape))).all() else None


def _on_sheets(
    link: ScanLink,
    start: NDArray[np.float64],
    toward: NDArray[np.float64],
    axes: Sequence[int],
) -> Reading | None:
    """What a ray, in data coordinates, meets first of the three slices at the cursor."""
    core = None if link.margins else link.volume.core
    stops = [c.stop or n for c, n in zip(core, link.volume.shape, strict=True)] if core else None
    high = np.asarray(stops or link.volume.shape)
    nearest: tuple[float, tuple[int, ...]] | None = None
    for axis in axes:
        if toward[axis] == 0:
            continue
        along = float((link.cursor.position[axis] - start[axis]) / toward[axis])
        at = np.rint(start + along * toward).astype(int)
        inside = all(0 <= at[other] < high[other] for other in axes if other != axis)
        if inside and (nearest is None or along < nearest[0]):
            at[axis] = link.cursor.position[axis]
            nearest = along, tuple(int(v) for v in at)
    return None if nearest is None else Reading(link, nearest[1], 0)


def _look(layer: Any) -> Look:
    if not hasattr(layer, "contrast_limits"):
        return Look("iso", (0.0, 1.0), threshold=0.5)
    colormap, gamma = layer.colormap, layer.gamma

    def opacity(shown: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(colormap.map(shown**gamma)[..., 3], float)

    low, high = layer.contrast_limits
    return Look(
        str(layer.rendering),
        (float(low), float(high)),
        float(layer.attenuation),
        float(layer.iso_threshold),
        opacity,
    )


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
        if volume.core is not None:
            words.append(BODY_PLANES[name])
        words.append(position_caption(volume, axis, at))
    if volume.axes[0] == "section" and (hit or 0 not in displayed):
        words.append(section_caption(volume, voxel[0]))
    return " · ".join(word for word in words if word)
