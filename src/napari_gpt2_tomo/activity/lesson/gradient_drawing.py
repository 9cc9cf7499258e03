"""The gradient's length, part by part and layer by layer."""

from collections.abc import Sequence

from .drawing import rectangle, svg, text
from .markup import significant

__all__ = ["grid"]

NAMES = (
    ("q", "Q"),
    ("k", "K"),
    ("v", "V"),
    ("qkv", "QKV"),
    ("o", "O"),
    ("router", "router"),
    ("gate", "gate"),
    ("up", "up"),
    ("down", "down"),
    ("norm", "norms"),
    ("bias", "biases"),
    ("other", "other"),
)
"""Columns, in the order of the computation: role, heading."""

STRONGEST = 0.5
"""Opacity of the largest number's cell: the number stays readable on it, in the dark too."""

WIDE, HIGH = 66.0, 22.0
"""Pixels of a cell."""


def grid(norms: Sequence[tuple[str, int | None, float]]) -> str:
    """A cell for each layer and part, with its number; what lies outside the blocks below.

    Parameters
    ----------
    norms
        Role, layer (None outside the blocks) and length; several of one place are joined.
    """
    joined: dict[tuple[str, int | None], float] = {}
    for role, layer, length in norms:
        joined[role, layer] = (joined.get((role, layer), 0.0) ** 2 + length**2) ** 0.5
    layers = sorted({layer for _, layer in joined if layer is not None})
    columns = [(role, name) for role, name in NAMES if any((role, one) in joined for one in layers)]
    largest = max(joined.values(), default=0.0) or 1.0
    left, top = 74.0, 20.0
    parts = [
        text(left + (j + 0.5) * WIDE, 13, name, "tick", "middle")
        for j, (_, name) in enumerate(columns)
    ]

    def cell(x: float, y: float, value: float, wide: float = WIDE) -> None:
        parts.append(
            rectangle(x, y, wide - 2, HIGH - 2, "cell", STRONGEST * (value / largest) ** 0.5)
        )
        parts.append(text(x + wide / 2, y + 14, significant(value, 3), "value", "middle"))

    for i, layer in enumerate(layers):
        y = top + i * HIGH
        parts.append(text(left - 8, y + 14, f"layer {layer}", "label", "end"))
        for j, (role, _) in enumerate(columns):
            if (role, layer) in joined:
                cell(left + j * WIDE, y, joined[role, layer])
    outside = [(role, value) for (role, layer), value in joined.items() if layer is None]
    y = top + len(layers) * HIGH + 10
    for i, (role, value) in enumerate(sorted(outside, key=lambda one: -one[1])):
        parts.append(text(left + WIDE + 6, y + i * HIGH + 14, role.replace("_", " "), "label"))
        cell(left, y + i * HIGH, value)
    height = y + len(outside) * HIGH
    width = left + max(len(columns), 5) * WIDE + 6
    label = (
        f"Length of the gradient by part, {len(layers)} layers; the numbers are written in the "
        "cells"
    )
    return svg(width, height, label, "".join(parts), "grid")
