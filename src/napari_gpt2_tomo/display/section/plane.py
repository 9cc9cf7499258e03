"""The weights of one plane, with what of it is air."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...anatomy.part import Part
from ...base import DisplayError
from ...checkpoint.tensor import Checkpoint
from ...volume.layouts.layout import Box
from ...volume.volume import Volume

__all__ = ["MOST", "Plane", "part_plane", "section_plane"]

MOST = 2**25
"""Weights that a plane may have: its transform takes 8 bytes for each, 256 MB."""

BAND = 2**22
"""Weights that are read at once: 16 MB of float32."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Weights in a plane.

    Attributes
    ----------
    values
        ``(row, column)``, float32; 0 in air and where a weight is not finite.
    held
        Where there is a finite weight.
    axes
        What the rows and the columns count.
    title
        What it shows.
    box
        The voxels of the volume that it is; None for a part in its own shape.
    """

    values: NDArray[np.float32]
    held: NDArray[np.bool_]
    axes: tuple[str, str]
    title: str
    box: Box | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.values.shape
        return rows, columns

    def magnitudes(self) -> "Plane":
        """The plane with the magnitudes of its weights: bands of strong weights show in those."""
        return replace(self, values=np.abs(self.values), title=f"|{self.title}|")


def section_plane(volume: Volume, at: Sequence[int], axes: tuple[int, int] | None = None) -> Plane:
    """The weights of a plane of a volume, without margins and without air all around.

    Parameters
    ----------
    volume
        What is cut, whatever signal it shows.
    at
        A voxel in the plane.
    axes
        The two axes that run along the plane, rows first; by default the last two.

    Raises
    ------
    DisplayError
        The plane is air, or too large.
    """
    rows, columns = axes or (volume.ndim - 2, volume.ndim - 1)
    core = volume.core or (slice(None),) * volume.ndim
    box = [
        (0, core[i].indices(n)[1]) if i in (rows, columns) else (int(at[i]), int(at[i]) + 1)
        for i, n in enumerate(volume.shape)
    ]
    _check(box[rows][1], box[columns][1])
    values, held = _read(volume.weights(), box, rows, columns)
    found = [np.flatnonzero(held.any(axis=axis)) for axis in (1, 0)]
    if not len(found[0]):
        raise DisplayError("This plane is air: there is nothing to look at. Move the slider.")
    (top, bottom), (left, right) = ((int(at[0]), int(at[-1]) + 1) for at in found)
    box[rows], box[columns] = (top, bottom), (left, right)
    return Plane(
        np.ascontiguousarray(values[top:bottom, left:right]),
        np.ascontiguousarray(held[top:bottom, left:right]),
        (volume.axes[rows], volume.axes[columns]),
        _title(volume, box, rows, columns),
        tuple(box),
    )


def part_plane(checkpoint: Checkpoint, part: Part) -> Plane:
    """The weights of a matrix in its own shape, ``(channel, unit)``; a vector as one row.

    Raises
    ------
    DisplayError
        The part is empty, too large or has more than two axes.
    """
    if not part.size or len(part.shape) > 2:
        shape = " × ".join(map(str, part.shape)) or "a single number"
        raise DisplayError(f"{part.name} is {shape}; a matrix is needed.")
    ahead = (1,) * (2 - len(part.shape))
    rows, columns = (*ahead, *part.shape)
    _check(rows, columns)
    out: NDArray[np.float32] = np.empty(part.shape, np.float32)
    lines = max(1, BAND * part.shape[0] // part.size)
    with np.errstate(over="ignore", invalid="ignore"):
        for first in range(0, part.shape[0], lines):
            stop = min(first + lines, part.shape[0])
            band = out[first:stop]
            for target, split, region in part.view.pieces(
                [(first, stop), *((0, n) for n in part.shape[1:])]
            ):
                checkpoint[part.tensor].read_into(region, band[target].reshape(split))
    if part.shift:
        np.add(out, np.float32(part.shift), out=out)
    axes = part.axes if len(part.axes) == 2 else ("", part.axes[0])
    values, held = _finite(out.reshape(rows, columns))
    return Plane(values, held, (axes[0], axes[1]), part.name)


def _read(
    volume: Volume, box: Sequence[tuple[int, int]], rows: int, columns: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values and where they are, in bands of rows."""
    height, width = box[rows][1], box[columns][1]
    values = np.empty((height, width), np.float32)
    held = np.empty((height, width), bool)
    lines = max(1, BAND // max(width, 1))
    for first in range(0, height, lines):
        cut = list(box)
        cut[rows] = (first, min(first + lines, height))
        shape = (cut[rows][1] - first, width)
        band = slice(first, cut[rows][1])
        read = volume.reader.read(tuple(cut), 0)
        labels = volume.reader.labels(tuple(cut), 0)
        values[band], finite = _finite(np.moveaxis(read, (rows, columns), (-2, -1)).reshape(shape))
        labels = np.moveaxis(labels, (rows, columns), (-2, -1)).reshape(shape)
        held[band] = finite & (labels > 0)
    return values, held


def _finite(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The values with 0 for what is not finite, and where they are finite."""
    finite = np.isfinite(values)
    return np.where(finite, values, np.float32(0)), finite


def _check(rows: int, columns: int) -> None:
    if rows * columns > MOST:
        raise DisplayError(
            f"This plane has {rows:,} × {columns:,} weights, more than the {MOST:,} that are "
            "transformed at once: take a part, or a layout with smaller sections."
        )


def _title(volume: Volume, box: Sequence[tuple[int, int]], rows: int, columns: int) -> str:
    if (rows, columns) == (volume.ndim - 2, volume.ndim - 1):
        caption = volume.caption(box[0][0]).removesuffix(" 1/1")
        if volume.ndim == 3 and caption:
            return caption
    fixed = [i for i in range(volume.ndim) if i not in (rows, columns)]
    return " · ".join(f"{volume.axes[i]} {box[i][0]}" for i in fixed) or volume.layout.name
