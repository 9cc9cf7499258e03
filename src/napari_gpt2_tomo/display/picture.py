"""One section of a volume as a picture, without a viewer."""

import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..volume.volume import Volume
from .png import check_png, write_png
from .transfer import DEFAULTS, transfer

__all__ = ["NON_FINITE", "render", "save_section"]

NON_FINITE = (0, 255, 255)
"""Cyan: none of the usual transfer functions comes near it."""


def render(
    values: NDArray[np.floating], limits: tuple[float, float], colormap: str
) -> NDArray[np.uint8]:
    """Colours of a plane of values, shape ``(rows, columns, 3)``.

    `limits` are the values shown in the first and the last colour of the transfer function
    `colormap`; those that are not finite are cyan.

    Raises
    ------
    DisplayError
        There is no such transfer function.
    """
    lut = transfer(colormap).lut()[:, :3]
    low, high = limits
    finite = np.isfinite(values)
    share = (np.where(finite, values, low) - low) / (high - low)
    colours = np.round(lut * 255).astype(np.uint8)[(np.clip(share, 0, 1) * 255).astype(np.uint8)]
    colours[~finite] = NON_FINITE
    return colours


def save_section(
    volume: Volume,
    at: Mapping[int, int],
    path: str | os.PathLike[str],
    colormap: str | None = None,
    limits: tuple[float, float] | None = None,
) -> str:
    """Write a section as a PNG, a pixel per voxel of level 0.

    Parameters
    ----------
    volume
        What to cut.
    at
        Axis → index for all axes but the two that the picture shows.
    path
        The PNG.
    colormap
        Name of a transfer function, see `transfer.transfer`; the signal's own by default.
    limits
        Values shown in the first and the last colour; the volume's window by default.

    Returns
    -------
    caption
        What the picture shows, also stored in it as its title.

    Raises
    ------
    TomoError
        There is no such colormap, or the file cannot be written.
    """
    check_png(path)
    index = tuple(at.get(axis, slice(None)) for axis in range(volume.ndim))
    limits = limits or volume.window()
    colours = render(volume[index], limits, colormap or DEFAULTS[volume.signal])
    caption = _caption(volume, at, limits)
    write_png(colours, path, caption)
    return caption


def _caption(volume: Volume, at: Mapping[int, int], limits: tuple[float, float]) -> str:
    cuts = ", ".join(f"{volume.axes[axis]} {place}" for axis, place in at.items())
    first = volume.lead
    told = volume.layout.name in ("body", "experts") and first in at
    named = volume.caption(at[first]) if told else ""
    rows, columns = (axis for i, axis in enumerate(volume.axes) if i not in at)
    shown = f"{volume.signal} from {limits[0]:.4g} to {limits[1]:.4g}"
    where = f"{cuts} ({named})" if named else cuts
    return f"{where}, {rows} down, {columns} to the right, {shown}"
