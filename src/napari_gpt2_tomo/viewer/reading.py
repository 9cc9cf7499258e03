"""What a layer of a scan shows at a position of the world or along a view ray."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import compat
from .link import ScanLink
from .pick import Look, Ray, choose, trace
from .volume3d.focus import drawn_block

__all__ = ["Reading", "read_2d", "read_3d", "voxel_at"]


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
        found = ["air"] if self.address is None else list(self.address.lines)
        if self.block is not None and self.reduced is not None:
            size = "×".join(str(b - a) for a, b in self.block)
            name = self.link.volume.reduction
            found.append(f"drawn at level {self.level}: block {size}, {name} {self.reduced:.4g}")
        return found


def read_2d(layer: Any, link: ScanLink, position: Sequence[float]) -> Reading | None:
    """The level-0 parameter at a world position; None outside the volume."""
    voxel = voxel_at(layer, position)
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


def voxel_at(layer: Any, position: Sequence[float]) -> tuple[int, ...]:
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
