"""Axes of a figure that is wide on paper and may be narrow in a dock."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["over_layers", "panels", "thinned", "whole_numbers"]

ALONE = 0.25
"""Layers to either side that a line has which stands for one layer alone."""

NARROW = 0.5
"""Width over height of a panel below which panels stand below each other."""


def panels(figure: "Figure", count: int, sharey: bool = False) -> "list[Axes]":
    """Axes beside each other in a wide figure, in fewer columns in a tall one.

    Parameters
    ----------
    figure
        An empty figure.
    count
        How many; at most four stand in a row.
    sharey
        Whether they have one vertical axis; the horizontal one is always shared.
    """
    shape = figure.get_figwidth() / figure.get_figheight()
    columns = min(count, 4)
    while columns > 1 and shape / columns * -(-count // columns) < NARROW:
        columns -= 1
    if columns == 3 and count == 4:
        columns = 2
    rows = -(-count // columns)
    grid = figure.subplots(rows, columns, sharex=True, sharey=sharey, squeeze=False).ravel()
    for axes in grid[count:]:
        # The one above has the labels of the shared axis then.
        grid[count - 1 - (len(grid) - count) % columns].tick_params(labelbottom=True)
        axes.remove()
    return list(grid[:count])


def thinned(count: int, most: int) -> list[int]:
    """At most so many evenly spaced places of an axis, the first and the last among them."""
    if count < 1:
        return []
    step = max(-(-(count - 1) // max(most - 1, 1)), 1)
    places = list(range(0, count, step))
    if places[-1] != count - 1:
        # The last one is named, the one before it only where there is room between them.
        if count - 1 - places[-1] < step:
            places.pop()
        places.append(count - 1)
    return places


def over_layers(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Places and values of lines and bands over layers; of one layer a short piece that is seen.

    Parameters
    ----------
    values
        ``(layer, ...)``.
    """
    if len(values) == 1:
        return np.array([-ALONE, ALONE]), np.repeat(values, 2, axis=0)
    return np.arange(len(values), dtype=np.float64), values


def whole_numbers(axes: "Axes") -> None:
    """Ticks of the horizontal axis only at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
