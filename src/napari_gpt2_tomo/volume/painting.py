"""Strengths of units and channels painted on a body: what a prompt used lights up.

A voxel of a matrix has the strength of its unit (a neuron, a dimension of a head, a token id),
weighed with the strength of its channel. Both are known as vectors, and a body is made of whole
matrices, so that a coarse voxel, the largest of those in it, is computed from vectors too: no
level is ever held in memory.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..anatomy.part import Part
from ..base import LayoutError
from .layouts.body import BodyLayout
from .layouts.layout import Box, Layout
from .reading.virtual import VirtualVolume

if TYPE_CHECKING:
    import dask.array as da

__all__ = ["BLENDS", "Blend", "Paint", "Painting"]

F32 = NDArray[np.float32]

Blend = Literal["product", "max"]
"""How the strength of a unit and that of a channel become one: a voxel is bright where both
are, or where either is."""

BLENDS: tuple[Blend, ...] = get_args(Blend)

BARE = np.float32(-1.0)
"""Stands for voxels that no painted matrix covers, in vectors of strengths, which are ≥ 0."""


@dataclass(frozen=True, eq=False)
class Paint:
    """How strongly a matrix was used.

    Attributes
    ----------
    units
        ``(unit,)``, finite and not negative. Of a matrix with more units, the others are 0: the
        positions beyond the end of a text.
    channels
        ``(channel,)`` likewise; None where all channels count alike.
    """

    units: ArrayLike
    channels: ArrayLike | None = None


class Painting:
    """Strengths over the voxels of a body, computed where they are looked at.

    Margins (norms and biases), tensors of another shape and matrices without a paint are 0.

    Parameters
    ----------
    layout
        A body.
    paints
        By name of a part, e.g. ``{"L3.up": Paint(neurons)}``.
    blend
        How unit and channel combine where a paint has both.

    Raises
    ------
    LayoutError
        The layout is no body, a part is none of its matrices on the residual stream, or
        strengths have another length than it or are negative or not finite.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self, layout: Layout, paints: Mapping[str, Paint], blend: Blend = "product"
    ) -> None:
        if not isinstance(layout, BodyLayout):
            raise LayoutError(
                f"Only a body can be painted on, not a {layout.name}: show the scan as a body."
            )
        if blend not in BLENDS:
            raise LayoutError(f"There is no blend {blend!r}; choose one of {', '.join(BLENDS)}.")
        self.layout = layout
        self.blend = blend
        self._made: dict[tuple[str, int], F32] = {}
        self._vectors(paints)

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels of level 0 per axis: those of the body."""
        return self.layout.shape

    @cached_property
    def token(self) -> str:
        """Hex digest of everything that decides the value of a voxel."""
        digest = hashlib.sha256(f"{self.layout.token} {self.blend}".encode())
        for array in (self._units, self._unit_of, self._channels, self._channel_of):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def most(self) -> float:
        """The largest strength; 0 where nothing is painted."""
        level = len(self.layout.factors) - 1
        return float(self.level(level)[...].max(initial=0.0))

    def level(self, level: int) -> VirtualVolume:
        """One level as an array-like, float32: a coarse voxel is the largest of those in it."""
        shape = self.layout.level_shape(level)
        return VirtualVolume(shape, np.float32, lambda box: self._read(box, level))

    @cached_property
    def levels(self) -> "list[da.Array]":
        """Every level as a lazy dask array, finest first."""
        from .reading.lazy import dask_level

        return [
            dask_level(self.level(i), f"tomo-painting-{self.token[:24]}-{i}")
            for i in range(len(self.layout.factors))
        ]

    def _vectors(self, paints: Mapping[str, Paint]) -> None:
        """Strengths per column and per row, and which of them each section has.

        Row 0 of both is bare. Parts that share a section, whole experts, have columns of their
        own in it; its rows are those of the first of them that is painted.
        """
        layout = self.layout
        depth, height, across = layout.shape
        parts = layout.anatomy.parts
        width = layout.anatomy.hyper.d_model or 0
        neutral = np.full(width, self.blend == "product", np.float32)
        checked = _checked(paints, {part.name: part for part in parts}, neutral)
        rows = {name: i for i, name in enumerate(checked, 1)}
        self._channels = np.full((1 + len(checked), height), BARE, np.float32)
        for i, (_, channels) in enumerate(checked.values(), 1):
            self._channels[i, :width] = channels
        self._channel_of = np.zeros(depth, np.int64)
        self._unit_of = np.zeros(depth, np.int64)
        lines = [np.full(across, BARE, np.float32)]
        for number, section in enumerate(layout.sections):
            names = [parts[i].name for i in section.parts]
            painted = [name for name in names if name in checked]
            if not painted:
                continue
            line, column = lines[0].copy(), 0
            first = (section.number - 1) * width
            for position, name in zip(section.parts, names, strict=True):
                taken = min(parts[position].shape[1] - first, width)
                if name in checked:
                    line[column : column + taken] = checked[name][0][first : first + taken]
                column += taken
            self._channel_of[number] = rows[painted[0]]
            self._unit_of[number] = len(lines)
            lines.append(line)
        self._units = np.stack(lines)

    def _read(self, box: Box, level: int) -> F32:
        thick, *plane = self.layout.factors[level]
        (first, stop), rows, columns = box
        across = self._coarse(self._units, "units", plane[1])[:, slice(*columns)]
        along = self._coarse(self._channels, "channels", plane[0])[:, slice(*rows)]
        out = np.zeros([b - a for a, b in box], np.float32)
        for section in range(first * thick, stop * thick):
            if self._unit_of[section]:
                units = across[self._unit_of[section]]
                channels = along[self._channel_of[section], :, None]
                met = units * channels if self.blend == "product" else np.maximum(units, channels)
                target = out[section // thick - first]
                np.maximum(target, met, out=target, where=(units >= 0) & (channels >= 0))
        return out

    def _coarse(self, vectors: F32, name: str, factor: int) -> F32:
        """The largest of each run of `factor` strengths."""
        if (name, factor) not in self._made:
            whole = vectors.reshape(len(vectors), -1, factor)
            self._made[name, factor] = whole.max(axis=2)
        return self._made[name, factor]


def _checked(
    paints: Mapping[str, Paint], parts: Mapping[str, Part], neutral: F32
) -> dict[str, tuple[F32, F32]]:
    """Strengths of units and of channels by name of a part.

    `neutral` are the channels of a paint that has none.
    """
    found, width = {}, len(neutral)
    for name, paint in paints.items():
        part = parts.get(name)
        if part is None or part.axes != ("channel", "unit") or part.shape[0] != width:
            raise LayoutError(f"{name!r} is no matrix of this body that can be painted.")
        channels = neutral if paint.channels is None else paint.channels
        given = _strengths(paint.units, f"the units of {name}", part.shape[1], shorter=True)
        units = np.zeros(part.shape[1], np.float32)
        units[: len(given)] = given
        found[name] = units, _strengths(channels, f"the channels of {name}", width)
    return found


def _strengths(values: ArrayLike, of: str, most: int, *, shorter: bool = False) -> F32:
    array = np.asarray(values, np.float32)
    if array.ndim != 1 or len(array) > most or (len(array) < most and not shorter):
        raise LayoutError(f"Strengths of {of} have a shape of {array.shape}, not ({most},).")
    if not (np.isfinite(array) & (array >= 0)).all():
        raise LayoutError(f"Strengths of {of} must be finite and not negative.")
    return array
