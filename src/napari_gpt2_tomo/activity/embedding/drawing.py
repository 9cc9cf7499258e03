"""What the figures of embeddings draw in the same way."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...display.plots import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["POSITION_MAP", "Column", "path", "positions_bar", "short", "spread"]

Column = NDArray[np.floating]
"""One coordinate of many points."""

POSITION_MAP = "viridis"
"""Colours of positions, first to last; not those of values, so that none is taken for the other."""

LONGEST = 18
"""Characters of a token on an axis."""


def short(label: str, most: int = LONGEST) -> str:
    """A label that fits an axis; control characters show as their pictures (U+2400…)."""
    seen = "".join(chr(0x2400 + ord(c)) if ord(c) < 32 else c for c in label)
    return seen if len(seen) <= most else f"{seen[: most - 1]}…"


def spread(n: int, most: int) -> NDArray[np.int64]:
    """At most so many indices below n, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def path(axes: "Axes", x: Column, y: Column, width: float = 1.5) -> Any:
    """A line whose colour tells how far along it is, its first point marked."""
    from matplotlib.collections import LineCollection

    points = np.column_stack([x, y]).astype(float)
    lines = LineCollection(
        np.stack([points[:-1], points[1:]], axis=1).tolist(), cmap=POSITION_MAP, linewidth=width
    )
    lines.set_array(np.arange(max(len(points) - 1, 0)))
    axes.add_collection(lines)
    axes.autoscale_view()
    axes.plot(*points[0], "o", color=lines.get_cmap()(0.0), markersize=4)
    return lines


def positions_bar(figure: "Figure", n: int, axes: Any, theme: Theme) -> None:
    """A bar that tells which colour is which position."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(0, max(n - 1, 1)), POSITION_MAP)
    bar = figure.colorbar(scale, ax=axes, label="position", shrink=0.8, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(color=theme.faint)
