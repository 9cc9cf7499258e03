"""Layers of what was computed from a plane of a scan, beside it or on it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...display.section import Plane, Spectrum
from ...display.transfer import DEFAULTS
from ..appearance import colormap
from ..layers import is_image
from ..link import OWNER, ScanLink, link_of

__all__ = ["GAP", "add_smoothed", "add_spectrum"]

GAP = 0.06
"""Air between a section and its spectrum, as a share of the section's longer side."""

CLEAR = (0.0, 0.0, 0.0, 0.0)

LIMITS = (0.5, 99.5)
"""Percentiles between which a smoothed plane has its colours."""

DYNAMICS = 10.0
"""Decibels below the middle of a spectrum that are told apart: noise spreads as far."""


def add_smoothed(
    viewer: Any, link: ScanLink, plane: Plane, values: NDArray[np.float32], sigma: float
) -> Any:
    """A smoothed plane as a layer that lies on the plane it was made of.

    Returns
    -------
    napari.layers.Image
        Of as many axes as the volume, one voxel thick; air is transparent.
    """
    image = _image(viewer, link)
    box = _box(plane, link)
    shown = np.where(plane.held, values, np.float32(np.nan))
    shape = [b - a for a, b in box]
    signed = bool((plane.values < 0).any())
    layer = viewer.add_image(
        shown.reshape(shape),
        name=f"{plane.title} · smoothed σ {sigma:g}",
        scale=image.scale,
        translate=image.data_to_world([a for a, _ in box]),
        axis_labels=image.axis_labels,
        units=image.units,
        colormap=_over_air(DEFAULTS["signed" if signed else "magnitude"]),
        contrast_limits=_limits(values[plane.held], signed),
        metadata={OWNER: link},
    )
    layer.contrast_limits_range = _range(values[plane.held])
    return layer


def add_spectrum(viewer: Any, link: ScanLink, spectrum: Spectrum) -> Any:
    """A spectrum as a layer at the right of the plane, as large as it; frequency 0 in the middle.

    Its metadata hold the frequencies of its ``rows`` and ``columns`` in cycles per parameter.
    """
    image = _image(viewer, link)
    plane = spectrum.plane
    box = _box(plane, link)
    decibels = spectrum.decibels()
    ends = [i for i, (a, b) in enumerate(box) if b - a > 1][-2:]
    start = np.array([a for a, _ in box], float)
    if ends:
        width = box[ends[-1]][1] - box[ends[-1]][0]
        start[ends[-1]] += width + max(plane.shape) * GAP
    middle = float(np.median(decibels))
    high = max(float(np.percentile(decibels, 99.9)), middle + DYNAMICS / 2)
    rows, columns = spectrum.frequencies
    layer = viewer.add_image(
        decibels.reshape([b - a for a, b in box]),
        name=f"{plane.title} · spectrum (dB)",
        scale=image.scale,
        translate=image.data_to_world(start),
        axis_labels=image.axis_labels,
        units=image.units,
        colormap="magma",
        contrast_limits=(middle - DYNAMICS, high),
        metadata={OWNER: link, "rows": rows, "columns": columns},
    )
    layer.contrast_limits_range = _range(decibels)
    return layer


def _over_air(name: str) -> Any:
    """A transfer function of the console, through which air is seen: it is NaN here."""
    from napari.utils import Colormap

    usual = colormap(name)
    return Colormap(
        usual.colors, name=f"{usual.name} over air", controls=usual.controls, nan_color=CLEAR
    )


def _image(viewer: Any, link: ScanLink) -> Any:
    return next(x for x in viewer.layers if link_of(x) is link and is_image(x))


def _box(plane: Plane, link: ScanLink) -> list[tuple[int, int]]:
    """The voxels of the plane in the volume that is shown, which may have a leading axis more."""
    own = list(plane.box or ())
    lead = link.volume.ndim - len(own)
    return [(at, at + 1) for at in link.cursor.position[:lead]] + own


def _limits(values: NDArray[np.float32], signed: bool) -> tuple[float, float]:
    low, high = (float(v) for v in np.percentile(values, LIMITS))
    if signed:
        high = max(-low, high)
        low = -high
    return (low, high) if low < high else (low - 1.0, high + 1.0)


def _range(values: NDArray[np.float32]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if low < high else (low - 1.0, high + 1.0)
