"""An anatomy as a table for a person and as plain data."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .notes import ranges
from .part import Part

if TYPE_CHECKING:
    from .anatomy import Anatomy

__all__ = ["Row", "describe", "rows", "to_json"]

Row = tuple[str, str, str, int, int]
"""Layers, role, shape, number of parts, number of parameters."""

# A file of thousands of unknown tensors would make a table that nobody reads.
_MOST_OTHERS = 12


def _shape(part: Part) -> str:
    return " × ".join(str(n) for n in part.shape) or "scalar"


def rows(anatomy: Anatomy) -> list[Row]:
    """Parts grouped by role and shape, in forward order; layers of one form share a row."""
    groups: dict[tuple[str, str, bool], list[Part]] = {}
    others: list[Part] = []
    for part in anatomy.parts:
        if part.role == "other":
            others.append(part)
        else:
            key = (part.role, _shape(part), part.layer is None)
            groups.setdefault(key, []).append(part)
    found: list[Row] = []
    for (role, shape, _), parts in groups.items():
        layers = ranges(part.layer for part in parts if part.layer is not None)
        found.append((layers, role, shape, len(parts), sum(part.size for part in parts)))
    found += [("", part.tensor, _shape(part), 1, part.size) for part in others[:_MOST_OTHERS]]
    rest = others[_MOST_OTHERS:]
    if rest:
        size = sum(part.size for part in rest)
        found.append(("", f"… {len(rest)} more", "", len(rest), size))
    return found


def describe(anatomy: Anatomy) -> str:
    """A readable table: sizes, parts grouped over layers, buffers and notes."""
    head = [f"{anatomy.family or 'no known family'} · {anatomy.n_parameters:,} parameters"]
    head += [
        f"  {name} {value}"
        + (f" ({anatomy.provenance[name]})" if name in anatomy.provenance else "")
        for name, value in anatomy.hyper.known().items()
    ]
    cells = [("layers", "part", "shape", "count", "parameters")]
    cells += [(a, b, c, str(n), f"{size:,}") for a, b, c, n, size in rows(anatomy)]
    widths = [max(len(row[i]) for row in cells) for i in range(5)]
    lines = [
        "  ".join(
            cell.rjust(width) if i >= 3 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    tail = [f"buffers: {len(anatomy.buffers)}"] if anatomy.buffers else []
    return "\n".join(
        [*head, "", *lines, *([""] if tail or anatomy.notes else []), *tail, *anatomy.notes]
    )


def to_json(anatomy: Anatomy) -> dict[str, Any]:
    """See `Anatomy.to_json`."""
    parts = []
    for part in anatomy.parts:
        entry: dict[str, Any] = {"name": part.name, "shape": list(part.shape)}
        entry.update((key, value) for key, value in asdict(part).items() if key != "view")
        entry["axes"] = list(part.axes)
        entry["view"] = {
            "offset": part.view.offset,
            "axes": [[list(digit) for digit in digits] for digits in part.view.axes],
        }
        parts.append(entry)
    return {
        "family": anatomy.family,
        "hyper": anatomy.hyper.known(),
        "provenance": dict(anatomy.provenance),
        "n_parameters": anatomy.n_parameters,
        "n_recognised": anatomy.n_recognised,
        "parts": parts,
        "buffers": list(anatomy.buffers),
        "notes": list(anatomy.notes),
    }
