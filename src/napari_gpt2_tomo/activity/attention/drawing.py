"""Drawing patterns with matplotlib: colours, and names of tokens along axes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...display.plots import Table, Theme
from ...display.plots.cells import cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["colours", "matrix", "pairs", "token_axes", "token_ticks", "whole_ticks"]

F32 = NDArray[np.float32]

LEGIBLE = 4.5
"""Points of the smallest letters that are read on paper."""

USUAL = 5.0
"""Inches of a figure that does not say how large it is."""

MOST_LABELS = 60
"""Names along an axis at most; more are thinned out."""

MOST_ROWS = 200_000
"""Rows of a table at most: the numbers of a long text are in the stored activity."""

INK = 0.5
"""Exponent of the colours: the square root of a share, so that a tenth is seen beside a whole."""


def matrix(
    axes: "Axes",
    values: F32,
    theme: Theme,
    most: float | None = None,
    aspect: Literal["equal", "auto"] = "equal",
) -> Any:
    """A pattern as a picture, NaN transparent; `most` is the end of its scale."""
    from matplotlib.colors import PowerNorm

    if most is None:
        most = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    return axes.imshow(
        np.ma.masked_invalid(values),
        cmap=colours(theme),
        norm=PowerNorm(INK, vmin=0, vmax=most or 1.0),
        interpolation="nearest",
        aspect=aspect,
    )


def colours(theme: Theme) -> str:
    """The theme's colormap, from near the ground upwards."""
    red, green, blue = (int(theme.ground[i : i + 2], 16) for i in (1, 3, 5))
    return f"{theme.sequential}_r" if red + green + blue > 3 * 128 else theme.sequential


def token_axes(
    axes: "Axes",
    labels: Sequence[str],
    theme: Theme,
    across: bool = True,
    down: bool = True,
) -> None:
    """Names of tokens below and beside a matrix, or nothing there."""
    for axis, wanted in (("x", across), ("y", down)):
        if wanted:
            token_ticks(axes, labels, theme, axis)
        else:
            axes.set(**{f"{axis}ticks": []})
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(False)


def token_ticks(axes: "Axes", labels: Sequence[str], theme: Theme, axis: str) -> None:
    """Names of tokens along an axis, as large as there is room for."""
    n = len(labels)
    figure = axes.get_figure(root=True)
    inches = float(figure.get_size_inches()[0 if axis == "x" else 1]) if figure else USUAL
    share = axes.get_position().width if axis == "x" else axes.get_position().height
    points = 72 * inches * share * 0.85 / max(n, 1)
    size = float(np.clip(points, LEGIBLE, theme.size))
    every = max(1, int(np.ceil(LEGIBLE / points)), -(-n // MOST_LABELS))
    places = list(range(0, n, every))
    names = [cut(labels[i]) for i in places]
    if axis == "x":
        axes.set_xticks(places, names, rotation=90, fontsize=size)
    else:
        axes.set_yticks(places, names, fontsize=size)


def whole_ticks(axes: "Axes", n: int) -> None:
    """Whole numbers below an axis, a dozen at most."""
    axes.set_xticks(range(0, n, max(1, n // 12)))


def pairs(values: F32, labels: Sequence[str], names: Sequence[str]) -> Table:
    """The pairs of some heads, the strongest ones where there are too many.

    Parameters
    ----------
    values
        ``(head, query, key)``, NaN where there is nothing.
    labels
        Names of the tokens.
    names
        Names of the heads.
    """
    heads, queries, keys = np.nonzero(np.isfinite(values))
    weights = values[heads, queries, keys]
    if len(weights) > MOST_ROWS:
        kept = np.sort(np.argsort(-weights, kind="stable")[:MOST_ROWS])
        heads, queries, keys, weights = heads[kept], queries[kept], keys[kept], weights[kept]
    return Table(
        {
            "head": [names[i] for i in heads.tolist()],
            "query": queries,
            "key": keys,
            "query token": [labels[i] for i in queries.tolist()],
            "key token": [labels[i] for i in keys.tolist()],
            "value": weights,
        }
    )
