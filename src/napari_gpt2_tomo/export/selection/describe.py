"""The addresses of a selection, as plain data for a file beside it or inside it."""

import itertools
import math
from typing import Any

from ...volume.layouts.cube import CubeLayout
from ...volume.layouts.layout import Block, BlockLayout, Box
from .choosing import Selection

__all__ = ["FORMAT", "VERSION", "describe_selection"]

FORMAT = "napari-gpt2-tomo selection"
"""What a reader recognises the description by."""

VERSION = 1
"""Raised when the meaning of a key changes."""


def describe_selection(selection: Selection, element: str, air: float) -> dict[str, Any]:
    """Everything that traces the values of a selection back to the checkpoint.

    Parameters
    ----------
    selection
        What is saved.
    element
        Element type of the values in the file, in safetensors' names.
    air
        What stands where no parameter is.
    """
    checkpoint, layout = selection.checkpoint, selection.layout
    found: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "title": selection.title,
        "checkpoint": {"name": checkpoint.path.name, "fingerprint": checkpoint.fingerprint},
        "layout": layout.name,
        "axes": list(layout.axes),
        "box": [list(ends) for ends in selection.box],
        "shape": list(selection.shape),
        "values": selection.signal or "weights",
        "element": element,
        "stored": list(selection.kinds),
        "air": "NaN" if math.isnan(air) else air,
        "tensors": {
            name: {"number": number, "shape": list(checkpoint[name].shape)}
            for name, number in selection.numbers.items()
        },
    }
    if isinstance(layout, CubeLayout):
        found["curve"] = {
            "kind": "Hilbert",
            "order": layout.order,
            "stream": [[run.tensor, run.stream] for run in layout.runs(0, layout.n_parameters)],
        }
        return found
    used = sorted({block.part for block in layout.blocks_in(selection.box)})
    found["parts"] = {
        part.name: {
            "tensor": part.tensor,
            "role": part.role,
            "layer": part.layer,
            "expert": part.expert,
            "axes": list(part.axes),
            "shape": list(part.shape),
            "offset": part.view.offset,
            "digits": [[list(digit) for digit in digits] for digits in part.view.axes],
            "shift": part.shift,
        }
        for part in (selection.anatomy.parts[i] for i in used)
    }
    found["sections"] = [
        {"at": list(at), "regions": _regions(selection, layout, at)}
        for at in itertools.product(*(range(a, b) for a, b in selection.box[:-2]))
    ]
    held = sum(
        math.prod(b - a for a, b in region["voxels"])
        for section in found["sections"]
        for region in section["regions"]
    )
    found["n_air"] = selection.size - held
    return found


def _regions(
    selection: Selection, layout: BlockLayout, at: tuple[int, ...]
) -> list[dict[str, Any]]:
    plane = (*((i, i + 1) for i in at), *selection.box[-2:])
    return [_region(selection, layout, block, plane) for block in layout.blocks_in(plane)]


def _region(selection: Selection, layout: BlockLayout, block: Block, plane: Box) -> dict[str, Any]:
    """Where a block crosses a plane: voxels of the selection, and what of a part they are."""
    cut = [
        (max(a, first), min(b, stop))
        for (a, b), first, stop in zip(plane, block.start, block.stop, strict=True)
    ]
    corners = [
        block.view.flat([v - s for v, s in zip(ends, block.start, strict=True)])
        for ends in ([a for a, _ in cut], [b - 1 for _, b in cut])
    ]
    part = selection.anatomy.parts[block.part]
    shape = selection.checkpoint[block.tensor].shape
    inner = [part.view.index(flat) for flat in corners]
    size = math.prod(b - a for a, b in cut)
    ranges = None
    if inner[0] is not None and inner[1] is not None:
        pairs = [[a, b + 1] for a, b in zip(inner[0], inner[1], strict=True)]
        if all(a < b for a, b in pairs) and math.prod(b - a for a, b in pairs) == size:
            ranges = pairs
    shown = cut[-len(selection.box[-2:]) :]
    begin = selection.box[-2:]
    return {
        "voxels": [[a - c, b - c] for (a, b), (c, _) in zip(shown, begin, strict=True)],
        "part": part.name,
        "index": ranges,
        "along": _along(block, cut, corners[0], part.view.index, part.axes),
        "tensor": block.tensor,
        "first": _unravel(corners[0], shape),
        "last": _unravel(corners[1], shape),
    }


def _along(
    block: Block, cut: list[tuple[int, int]], first: int, index: Any, axes: tuple[str, ...]
) -> list[str | None]:
    """The axis of the part that runs along each of the last axes of the file."""
    found: list[str | None] = []
    origin = index(first)
    for axis in range(max(len(cut) - 2, 0), len(cut)):
        name = None
        if cut[axis][1] - cut[axis][0] > 1 and origin is not None:
            at = [a - s for (a, _), s in zip(cut, block.start, strict=True)]
            at[axis] += 1
            moved = index(block.view.flat(at))
            changed = [i for i, (x, y) in enumerate(zip(origin, moved or origin, strict=True))
                       if x != y]  # fmt: skip
            name = axes[changed[0]] if len(changed) == 1 and axes else None
        found.append(name)
    return found


def _unravel(flat: int, shape: tuple[int, ...]) -> list[int]:
    index: list[int] = []
    for n in reversed(shape):
        flat, digit = divmod(flat, n)
        index.append(digit)
    return index[::-1]
