"""What the page needs to name a voxel's parameters: tensors, parts, and where they lie.

The page repeats in JavaScript what `Layout.place` does, on columns of plain numbers.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...anatomy.view import View
from ...display.places import Places, middle
from ...display.roles import role_colour
from ...volume.layouts.blocks import TensorLayout
from ...volume.layouts.body import BodyLayout
from ...volume.layouts.cube import CubeLayout
from ...volume.layouts.experts import ExpertsLayout
from ...volume.layouts.layout import BlockLayout
from ...volume.volume import Volume
from .resolution import Resolution

__all__ = ["make_tables"]

DIGITS = 6
"""Significant digits of the statistics of a part."""

Table = dict[str, Any]


def make_tables(
    volume: Volume,
    shapes: Mapping[str, tuple[int, ...]],
    resolution: Resolution,
    labels: NDArray[np.unsignedinteger],
) -> Table:
    """Tables for `page.in_script`: plain lists, numbers and text.

    Parameters
    ----------
    volume
        What is shown.
    shapes
        Shape of every stored tensor.
    resolution
        The level that is shown.
    labels
        Part of every shown voxel.

    Returns
    -------
    tables
        ``tensors`` (names, shapes), ``parts`` (columns, one entry per part, see `_parts`),
        ``blocks`` for layouts made of boxes or ``cube`` for the cube, and ``captions`` of
        the sections of a body or of experts.
    """
    parts = volume.anatomy.parts
    sizes = {part.tensor: part.shape for part in parts} | dict(shapes)
    names = list(dict.fromkeys(part.tensor for part in parts))
    numbers = {name: i for i, name in enumerate(names)}
    tables: Table = {
        "tensors": {"names": names, "shapes": [sizes[name] for name in names]},
        "parts": _parts(volume, shapes, resolution, labels, numbers),
    }
    layout = volume.layout
    if isinstance(layout, CubeLayout):
        starts = np.cumsum([0, *(int(np.prod(sizes[name])) for name in layout.tensors)]).tolist()
        tables["cube"] = {
            "order": layout.order,
            "tensors": [numbers[name] for name in layout.tensors],
            "starts": starts,
        }
    elif isinstance(layout, BlockLayout):
        tables["blocks"] = _blocks(layout, resolution, numbers)
    if isinstance(layout, BodyLayout | ExpertsLayout):
        tables["captions"] = [volume.caption(i) for i in range(len(layout.sections))]
    return tables


def _parts(
    volume: Volume,
    shapes: Mapping[str, tuple[int, ...]],
    resolution: Resolution,
    labels: NDArray[np.unsignedinteger],
    numbers: Mapping[str, int],
) -> Table:
    """Columns of the parts.

    ``at`` is the voxel of the page to jump to, None for a part that the page does not
    show (margins); ``voxels`` counts a part's voxels; ``views`` are offset and digits.
    """
    parts = volume.anatomy.parts
    regions = volume.atlas.regions
    counts = np.bincount(labels.reshape(-1), minlength=len(parts) + 1)
    statistics = volume.statistics
    columns = (statistics.mean, statistics.sigma, statistics.low, statistics.high)
    return {
        "names": [region.name for region in regions],
        "titles": [region.title for region in regions],
        "roles": [region.role for region in regions],
        "groups": [region.group for region in regions],
        "layers": [region.layer for region in regions],
        "colours": [_hex(role_colour(r.role, r.group, r.layer)) for r in regions],
        "tensors": [numbers[region.tensor] for region in regions],
        "shapes": [part.shape for part in parts],
        "axes": [part.axes for part in parts],
        "units": [part.unit for part in parts],
        "heads": [part.d_head if part.unit == "head" else None for part in parts],
        "views": [_view(part.view) for part in parts],
        "at": _places(volume, shapes, resolution),
        "voxels": counts[1:].tolist(),
        "nonfinite": statistics.nonfinite.tolist(),
        "statistics": [[_rounded(x) for x in row] for row in zip(*columns, strict=True)],
    }


def _places(
    volume: Volume, shapes: Mapping[str, tuple[int, ...]], resolution: Resolution
) -> list[list[int] | None]:
    """For every part the page's voxel in the middle of its first plane; None in the margins."""
    stops = [piece.stop * f for piece, f in zip(resolution.index, resolution.factors, strict=True)]
    places = Places(volume, shapes)
    layout = volume.layout
    middles: dict[int, tuple[int, ...]] = {}
    if isinstance(layout, BlockLayout) and not isinstance(layout, TensorLayout):
        for block in layout.blocks:
            *leading, rows, columns = block.view.shape
            inside = (*(0 for _ in leading), rows // 2, columns // 2)
            at = tuple(a + i for a, i in zip(block.start, inside, strict=True))
            middles.setdefault(block.part, at)
    else:
        for number, part in enumerate(volume.anatomy.parts):
            if part.size and places.shows(part):
                middles[number] = middle(places.extent(part, [(0, n) for n in part.shape]))
    return [
        resolution.voxel(middles[number])
        if number in middles
        and all(v < stop for v, stop in zip(middles[number], stops, strict=True))
        else None
        for number in range(len(volume.anatomy.parts))
    ]


def _blocks(layout: BlockLayout, resolution: Resolution, numbers: Mapping[str, int]) -> Table:
    """Columns of the boxes of the layout that the page shows at least a part of."""
    stops = [piece.stop * f for piece, f in zip(resolution.index, resolution.factors, strict=True)]
    shown = [
        block
        for block in layout.blocks
        if all(a < stop for a, stop in zip(block.start, stops, strict=True))
    ]
    return {
        "starts": [block.start for block in shown],
        "views": [_view(block.view) for block in shown],
        "tensors": [numbers[block.tensor] for block in shown],
        "parts": [block.part for block in shown],
    }


def _view(view: View) -> list[Any]:
    return [view.offset, [[list(digit) for digit in digits] for digits in view.axes]]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _hex(colour: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in colour)
