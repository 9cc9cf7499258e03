"""The picture of the paths in three dimensions, and how states are named and coloured."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...display.plots import Plot, Table, Theme
from ..record.states import States
from .panels import thinned
from .paths import Paths

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MOST_LABELS", "MOST_TICKS", "path_plot", "state_colours", "state_ticks"]

MOST_TICKS = 14
"""States that are named on an axis; more names would run into each other."""

MOST_LABELS = 40
"""Tokens that are named in a plot."""

SHADES = "plasma"
"""matplotlib colormap of the states, from the embedding on."""

SHADE_ENDS = (0.14, 0.95)
"""Part of it that is used: its ends vanish in a dark and in a light ground."""


def state_ticks(found: States) -> tuple[str, ...]:
    """Short names of states: ``emb``, ``L0 a`` after attention, ``L0`` after a block, ``norm``."""
    short = {"embedding": "emb", "final": "norm"}
    return tuple(
        short.get(kind) or f"L{layer}{' a' if kind == 'attention' else ''}"
        for kind, layer in zip(found.kind, found.layer, strict=True)
    )


def state_colours(count: int) -> NDArray[np.float64]:
    """``(state, 4)``: a colour for each state in forward order, RGBA from 0 to 1."""
    import matplotlib as mpl

    return np.asarray(mpl.colormaps[SHADES](np.linspace(*SHADE_ENDS, count)))


def path_plot(found: Paths, labels: Sequence[str], token: int | None = None) -> Plot:
    """The paths in three dimensions, seen from a fixed side.

    Parameters
    ----------
    found
        The paths.
    labels
        Of the tokens.
    token
        The token whose path is drawn thick.
    """
    points = found.points
    count = len(points)

    def draw(figure: "Figure", theme: Theme) -> None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import BoundaryNorm, ListedColormap
        from mpl_toolkits.mplot3d.art3d import Line3DCollection

        axes: Any = figure.add_subplot(projection="3d")
        colours = state_colours(count)
        for one in found.near:
            path = points[:, one]
            segments = np.stack([path[:-1], path[1:]], axis=1)
            strong = one == token
            axes.add_collection3d(
                Line3DCollection(
                    segments,
                    colors=colours[1:],
                    linewidths=2.6 if strong else 1.0,
                    alpha=1.0 if strong or token is None else 0.65,
                )
            )
        near = points[:, list(found.near)]
        axes.scatter(*near[-1].T, c=[colours[-1]], s=14, depthshade=False)
        for one in found.near[:MOST_LABELS]:
            ink = theme.accent if one == token else theme.text
            axes.text(*points[-1, one], f" {labels[one]}", color=ink, fontsize=theme.size)
        low, high = near.min(axis=(0, 1)), near.max(axis=(0, 1))
        room = 0.05 * np.maximum(high - low, 1e-6)
        for set_limits, a, b in zip(
            (axes.set_xlim, axes.set_ylim, axes.set_zlim), low - room, high + room, strict=True
        ):
            set_limits(a, b)
        _dress(axes, theme, found.axes)
        norm = BoundaryNorm(np.arange(count + 1) - 0.5, count)
        bar = figure.colorbar(
            ScalarMappable(norm, ListedColormap(colours)), ax=axes, shrink=0.7, pad=0.1
        )
        places = thinned(count, MOST_TICKS)
        bar.set_ticks(places, labels=[state_ticks(found.states)[place] for place in places])
        bar.outline.set_visible(False)

    names = found.states.names
    states, tokens = np.indices(points.shape[:2]).reshape(2, -1)
    flat = points.reshape(-1, 3)
    table = Table(
        {
            "state": [names[state] for state in states],
            "position": tokens,
            "token": [labels[one] for one in tokens],
            **{title: flat[:, axis] for axis, title in enumerate(found.axes)},
        }
    )
    caption = (
        f"{found.stated} Each line is a token, from its embedding to its last state, where its "
        "name stands; “L0 a” is the state after the attention of layer 0, “L0” after its MLP."
    )
    if found.far:
        hidden = ", ".join(f"{one} “{labels[one]}”" for one in found.far)
        caption += f" Too far off to be drawn here: {hidden}."
    return Plot("journey-paths", "Paths of the tokens", draw, table, caption, (7.0, 5.6))


def _dress(axes: Any, theme: Theme, titles: Sequence[str]) -> None:
    """Walls and grid of a 3-D plot that stand back, and titles of its axes."""
    axes.set_xlabel(titles[0])
    axes.set_ylabel(titles[1])
    axes.set_zlabel(titles[2])
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((0, 0, 0, 0))
        axis.line.set_color(theme.faint)
        axis.set_tick_params(labelsize=theme.size - 2, colors=theme.faint)
        axis._axinfo["grid"].update(color=theme.faint, linewidth=0.3)
