"""What the figures of embeddings draw in the same way."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...display.plots import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = [
    "CENTRED_MAP",
    "LONGEST",
    "Column",
    "apart",
    "bar_place",
    "is_tall",
    "path",
    "position_map",
    "positions_bar",
    "spread",
]

Column = NDArray[np.floating]
"""One coordinate of many points."""

POSITION_MAP = "viridis"
"""Colours of positions, first to last; not those of values, so that none is taken for the other."""

CENTRED_MAP = "coolwarm"
"""Colours of values on both sides of 0 as points: its middle is seen on black and on white."""

ENDS = {"dark": (0.2, 1.0), "light": (0.0, 0.88)}
"""Part of `POSITION_MAP` that is seen on a dark and on a light ground."""

LONGEST = 18
"""Characters of a token on an axis."""

NAME = 0.05
"""Share of an axis that the name of a dimension takes."""


def spread(n: int, most: int) -> NDArray[np.int64]:
    """At most so many indices below n, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def apart(places: NDArray[np.int64], n: int, most: int) -> list[int]:
    """At most so many of the places on an axis of n whose names do not touch, the first first."""
    chosen: list[int] = []
    for place in places.tolist():
        if all(abs(place - other) > NAME * n for other in chosen):
            chosen.append(place)
        if len(chosen) == most:
            break
    return chosen


def is_tall(figure: "Figure") -> bool:
    """Whether a figure is higher than wide, as in a dock: what stood side by side is stacked."""
    return bool(figure.get_figheight() > figure.get_figwidth())


def bar_place(figure: "Figure") -> dict[str, Any]:
    """Where a bar of colours takes the least room."""
    tall = is_tall(figure)
    return {"location": "bottom" if tall else "right", "pad": 0.02, "aspect": 40 if tall else 25}


def position_map(theme: Theme) -> "Colormap":
    """Colours of positions that are seen on a theme's ground."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, to_rgb

    low, high = ENDS["light" if sum(to_rgb(theme.ground)) > 1.5 else "dark"]
    return ListedColormap(colormaps[POSITION_MAP](np.linspace(low, high, 256)))


def path(axes: "Axes", x: Column, y: Column, theme: Theme, width: float = 1.5) -> None:
    """A line whose colour tells how far along it is, its first point marked."""
    from matplotlib.collections import LineCollection

    points = np.column_stack([x, y]).astype(float)
    lines = LineCollection(
        np.stack([points[:-1], points[1:]], axis=1).tolist(),
        cmap=position_map(theme),
        linewidth=width,
    )
    lines.set_array(np.arange(max(len(points) - 1, 0)))
    axes.add_collection(lines)
    axes.autoscale_view()
    axes.plot(*points[0], "o", color=position_map(theme)(0.0), markersize=4)


def positions_bar(figure: "Figure", n: int, axes: Any, theme: Theme) -> None:
    """A bar that tells which colour is which position."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(0, max(n - 1, 1)), position_map(theme))
    bar = figure.colorbar(scale, ax=axes, label="position", shrink=0.8, **bar_place(figure))
    bar.outline.set_visible(False)
    bar.ax.tick_params(color=theme.faint)
