"""What the page reads first: all that is not one entry per voxel or per part."""

import base64
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...display.presets import PRESETS, Preset
from ...display.proportions import proportions
from ...display.transfer import TRANSFERS, TransferFunction
from ...display.window import SIGNED, Scale
from ...volume.layouts.body import BodyLayout
from ...volume.volume import Volume
from .card import SIGNALS, card
from .coding import AIR, NOT_FINITE
from .niivue import niivue_notice
from .resolution import Resolution
from .voxels import Voxels

if TYPE_CHECKING:
    from ...facade import Scan

__all__ = ["make_header"]

UNITS = {"signed": "weight", "magnitude": "weight", "rank": "share"}
"""What a value of a signal counts; the others count σ of the weights."""

LAYER_SHARE = 3
"""A page of a body opens a third of the way up, in the keys: there heads are seen."""


def make_header(
    scan: "Scan",
    volume: Volume,
    resolution: Resolution,
    voxels: Voxels,
    colours: TransferFunction,
    limits: tuple[float, float],
) -> dict[str, Any]:
    """The header of a page as plain data for JSON; see `scanner/main.js` for its reader.

    Parameters
    ----------
    scan, volume, resolution, voxels
        What is shown.
    colours, limits
        The transfer function and the window that the page opens with.
    """
    coding = voxels.coding
    functions = {function.name: function for function in TRANSFERS.values()}
    functions.setdefault(colours.name, colours)
    return {
        "name": scan.name,
        "subtitle": _subtitle(scan, volume, resolution),
        "card": card(scan, volume, resolution, voxels),
        "licence": niivue_notice(),
        "layout": volume.layout.name,
        "signal": volume.signal,
        "signalWords": SIGNALS[volume.signal],
        "reductionWords": volume.reduction,
        "unit": UNITS.get(volume.signal, "value"),
        "signed": volume.signal in SIGNED,
        "fromZero": volume.signal == "magnitude",
        "shape": resolution.shape,
        "spacing": _spacing(volume, resolution),
        "axes": _axes(volume, resolution),
        "merged": _merged(volume, resolution),
        "codes": {
            "air": AIR,
            "notFinite": NOT_FINITE,
            "values": _numbers(coding.values),
            "errors": _numbers(coding.errors),
        },
        "scale": {"mean": voxels.scale.mean, "sigma": voxels.scale.sigma},
        "labelBytes": voxels.labels.itemsize,
        "presets": [_preset(row, voxels.scale) for row in PRESETS],
        "transfers": [_function(function) for function in functions.values()],
        "transfer": colours.name,
        "window": limits,
        "start": _start(volume, resolution, voxels),
    }


def _subtitle(scan: "Scan", volume: Volume, resolution: Resolution) -> str:
    words = [f"{scan.anatomy.n_parameters:,} parameters", volume.layout.name]
    block = math.prod(resolution.factors)
    if block == 1:
        words.append(f"{volume.signal}, every parameter")
    else:
        words.append(f"{volume.signal}, {volume.reduction} of {block:,} parameters a voxel")
    return " · ".join(words)


def _names(volume: Volume) -> tuple[str, ...]:
    """Names of the axes, at least three."""
    return ("plane",) * (3 - volume.ndim) + volume.axes


def _axes(volume: Volume, resolution: Resolution) -> list[dict[str, Any]]:
    """The page's three axes: name, and level-0 voxels per voxel (of the last merged one)."""
    names = _names(volume)
    factors = (1,) * (3 - volume.ndim) + resolution.factors
    leading = " · ".join(names[:-2])
    return [
        {"name": name, "factor": factor}
        for name, factor in zip((leading, *names[-2:]), factors[-3:], strict=True)
    ]


def _merged(volume: Volume, resolution: Resolution) -> list[dict[str, Any]]:
    """The axes of the volume that the page's first axis stands for, slowest first."""
    return [
        {"name": volume.axes[i], "count": resolution.index[i].stop, "factor": resolution.factors[i]}
        for i in range(volume.ndim - 2)
    ]


def _spacing(volume: Volume, resolution: Resolution) -> list[float]:
    """How long a voxel is drawn along each axis, in any unit."""
    stops = [piece.stop * f for piece, f in zip(resolution.index, resolution.factors, strict=True)]
    scale = proportions(volume.layout.name, stops)
    *leading, rows, columns = (s * f for s, f in zip(scale, resolution.factors, strict=True))
    if len(leading) <= 1:
        return [*(leading or [1.0]), rows, columns]
    # Several axes on one: together about as long as the longest of the others.
    longest = max(resolution.shape[1] * rows, resolution.shape[2] * columns)
    return [longest / resolution.shape[0], rows, columns]


def _start(volume: Volume, resolution: Resolution, voxels: Voxels) -> list[int]:
    """Where the crosshair is at first: in a body where there is something to see."""
    at = [n // 2 for n in resolution.shape]
    layout = volume.layout
    layer = (volume.anatomy.hyper.n_layers or 0) // LAYER_SHARE
    keys = volume.anatomy.by_name.get(f"L{layer}.k")
    if not isinstance(layout, BodyLayout) or keys is None:
        return at
    number = volume.anatomy.parts.index(keys)
    sections = [i for i, section in enumerate(layout.sections) if number in section.parts]
    if sections:
        at[0] = sections[0] // resolution.factors[0]
        # The loudest channel and unit there: bytes rise with the value, signed or not.
        codes = voxels.codes[at[0]].astype(np.int64)
        loud = np.abs(codes - int(np.median(codes)))
        at[1:] = [int(loud.sum(axis=1).argmax()), int(loud.sum(axis=0).argmax())]
    return at


def _numbers(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _preset(row: Preset, scale: Scale) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "key": row.key,
        "title": row.title,
        "about": row.about,
        "group": row.group,
        "part": row.per_part,
    }
    if not row.per_part:
        entry["low"], entry["high"] = row.window(scale).limits
    return entry


def _function(function: TransferFunction) -> dict[str, Any]:
    table = np.round(255 * function.lut(256)).astype(np.uint8)
    return {
        "name": function.name,
        "group": function.group,
        "signed": function.signed,
        "safe": function.safe,
        "table": base64.b64encode(table.tobytes()).decode("ascii"),
    }
