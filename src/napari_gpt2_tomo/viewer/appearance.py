"""What a console says, in napari's words: colormaps, limits, arguments of a layer."""

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from ..display.console import Console
from ..display.transfer import (
    TRANSFERS,
    TransferFunction,
    register,
    transfer,
)

__all__ = [
    "NON_FINITE",
    "TRANSPARENT",
    "appearance",
    "colormap",
    "colormap_of",
    "slider_range",
    "threshold_of",
    "transfer_of",
]

TRANSPARENT = frozenset({"translucent", "additive"})
"""Renderings that add up what a ray meets, each voxel with its opacity.

The others draw one value of the ray, as a slice does: it has its colour alone.
"""

NON_FINITE = (0.0, 1.0, 1.0, 1.0)
"""Cyan: none of the usual functions comes near it."""

SLIDER = 2.0
"""Window widths that napari's slider reaches beyond the window.

A few weights are a hundred times larger than the rest: a slider over the whole
range of a model would move the window by its width at the slightest touch.
"""

_made: dict[str, tuple[str, bool]] = {}
"""Name and inversion of the transfer function of a colormap, by the colormap's name."""


def colormap(name: str, *, invert: bool = False, clear: bool = False) -> Any:
    """A transfer function as a napari colormap.

    Parameters
    ----------
    name
        Of the transfer function.
    invert
        Whether its colours are turned round.
    clear
        Whether its opacity counts, see `TRANSPARENT`.

    Returns
    -------
    napari.utils.Colormap
        The same object for the same arguments: napari keeps every colormap that
        a layer ever had.
    """
    return _colormap(transfer(name), invert, clear)


@cache
def _colormap(function: TransferFunction, invert: bool, clear: bool) -> Any:
    from napari.utils import Colormap

    places = function.positions(invert=invert)
    colours = function.at(np.array(places), invert=invert)
    if not clear:
        colours[:, 3] = 1
    title = function.name + (" inverted" if invert else "") + (" 3-D" if clear else "")
    # napari has maps of some of these names, with other colours.
    made = Colormap(
        colours,
        name=f"tomo {title}",
        display_name=title,
        controls=np.array(places, np.float32),
        nan_color=NON_FINITE,
    )
    _made[made.name] = function.name, invert
    return made


def transfer_of(chosen: Any) -> tuple[str, bool]:
    """Name and inversion of the transfer function that a layer's colormap stands for.

    One that is neither ours nor of the table becomes a function of its own.
    """
    name = str(chosen.name)
    if name in _made:
        return _made[name]
    if name in TRANSFERS:
        return name, False
    register(_adopted(name, chosen))
    return name, False


def _adopted(name: str, chosen: Any) -> TransferFunction:
    colours = np.asarray(chosen.colors, float)
    places = np.asarray(chosen.controls, float).tolist()
    if len(places) == len(colours) + 1:
        # A colour per bin: two stops at each edge.
        places = [edge for pair in pairwise(places) for edge in pair]
        colours = np.repeat(colours, 2, axis=0)
    if len(places) == 1:
        places, colours = [0.0, 1.0], np.repeat(colours, 2, axis=0)
    rows = list(zip(places, colours.tolist(), strict=True))
    opaque = bool((colours[:, 3] == 1).all())
    rising = TRANSFERS["gray"].opacity
    return TransferFunction(
        name,
        tuple((at, (r, g, b)) for at, (r, g, b, _) in rows),
        rising if opaque else tuple((at, alpha) for at, (*_, alpha) in rows),
    )


def appearance(console: Console, displayed: int = 2) -> dict[str, Any]:
    """What a new image layer needs to look as the console says, as napari's arguments.

    `displayed` is the number of axes that its viewer displays.
    """
    low, high = console.window.limits
    return {
        "contrast_limits": (low, high),
        "colormap": colormap_of(console, displayed),
        "gamma": console.gamma,
        "opacity": console.opacity,
        "rendering": console.rendering,
        "attenuation": console.attenuation,
        "iso_threshold": threshold_of(console),
    }


def slider_range(console: Console) -> tuple[float, float]:
    """How far napari's slider reaches: some widths beyond the window, inside the values."""
    low, high = console.window.limits
    reach = SLIDER * console.window.width
    scale = console.scale()
    return min(low, max(scale.low, low - reach)), max(high, min(scale.high, high + reach))


def colormap_of(console: Console, displayed: int) -> Any:
    """The colormap of a layer in a viewer that displays 2 or 3 axes."""
    clear = displayed == 3 and console.rendering in TRANSPARENT
    return colormap(console.transfer, invert=console.invert, clear=clear)


def threshold_of(console: Console) -> float:
    """The value of the iso-surface: napari wants it in units of the data."""
    return console.window.limits[0] + console.iso_threshold * console.window.width
