"""Colours of points by a property of their tokens, and what a legend says of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....activity.embedding.drawing import CENTRED_MAP
from ....activity.embedding.properties import Property
from ....display.plots import Theme

__all__ = ["Coloured", "coloured", "rgba"]

F32 = NDArray[np.float32]

SEQUENTIAL = "viridis"
"""matplotlib's colormap of numbers."""


@dataclass(frozen=True, eq=False)
class Coloured:
    """A property as colours.

    Attributes
    ----------
    property
        What is shown.
    colours
        ``(token, 4)`` float32, 0 to 1.
    limits
        Values of the first and last colour, for a number.
    colormap
        Name of matplotlib's colormap, empty for kinds.
    kinds
        Colour and number of tokens of each kind.
    """

    property: Property
    colours: F32
    limits: tuple[float, float] = (0.0, 1.0)
    colormap: str = ""
    kinds: tuple[tuple[str, int], ...] = ()


def rgba(colour: str, alpha: float = 1.0) -> tuple[float, float, float, float]:
    """``#rrggbb`` as numbers from 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue, alpha


def coloured(shown: Property, theme: Theme) -> Coloured:
    """The colours of a property on the ground of a theme; tokens without a value stand back."""
    from matplotlib import colormaps

    values = shown.values
    known = np.isfinite(values)
    found = np.tile(np.array(rgba(theme.faint), np.float32), (len(values), 1))
    if shown.kinds:
        palette = [*theme.cycle, theme.faint]
        chosen = [palette[min(number, len(palette) - 1)] for number in range(len(shown.kinds))]
        codes = values[known].astype(np.int64)
        found[known] = np.array([rgba(colour) for colour in chosen], np.float32)[codes]
        counts = np.bincount(codes, minlength=len(chosen)).tolist()
        return Coloured(shown, found, kinds=tuple(zip(chosen, counts, strict=True)))
    low, high = shown.limits
    name = CENTRED_MAP if shown.centred else SEQUENTIAL
    scaled = (values[known] - low) / (high - low)
    found[known] = colormaps[name](np.clip(scaled, 0, 1))
    return Coloured(shown, found, (low, high), name)
