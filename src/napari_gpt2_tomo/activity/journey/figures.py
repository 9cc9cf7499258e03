"""Plots of the tokens' paths through the residual stream."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...display.plots import Plot, Table, Theme, log_scale
from ..record import Activity
from ..record.states import States
from .numbers import Journey, Updates, journey, updates
from .panels import over_layers, panels, thinned, whole_numbers
from .path_figures import MOST_LABELS, MOST_TICKS, path_plot, state_ticks
from .paths import paths

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "COSINES",
    "FIGURES",
    "cosine_map_plot",
    "cosine_plot",
    "size_plot",
    "update_plot",
]

F32 = NDArray[np.float32]

COSINES = {
    "own": "own embedding",
    "following": "next token's embedding",
    "predicted": "predicted token",
    "last": "last state",
}
"""What the states are compared with, by the name in `Journey`."""


def cosine_plot(found: Journey, labels: Sequence[str], token: int = 0) -> Plot:
    """Cosines of the states to what they come from and go to: a line for each token."""
    # After a single token none follows: that panel would be empty.
    single = found.norm.shape[1] == 1
    shown = {
        name: values
        for name, values in _cosines(found).items()
        if not (single and name == "following")
    }

    def draw(figure: "Figure", theme: Theme) -> None:
        grid = panels(figure, len(shown), sharey=True)
        for axes, (name, values) in zip(grid, shown.items(), strict=True):
            _lines(axes, theme, values, token)
            axes.set_title(COSINES[name])
            axes.axhline(0, color=theme.faint, linewidth=0.6)
            _state_axis(axes, found.states, MOST_TICKS)
        low = min(float(np.nanmin(values, initial=0.0)) for values in shown.values())
        grid[0].set_ylim(max(-1.05, min(low, 0.0) - 0.08), 1.05)
        figure.supylabel("cosine to the", fontsize=theme.size)
        _name_line(grid[0], theme, labels, token)

    return Plot(
        "journey-cosines",
        "What the states resemble",
        draw,
        _table(found.states, labels, shown),
        "Cosine of each state to its token's own embedding, to the embedding of the token that "
        "follows in the text, to the unembedding of the token that the model predicts there, and "
        "to the token's last state before the final norm. One line is one token.",
        (2.4 * len(shown) + 0.6, 3.0),
    )


def cosine_map_plot(found: Journey, labels: Sequence[str], name: str = "own") -> Plot:
    """One of the cosines of `COSINES` as a map of states and tokens."""
    values = _cosines(found)[name]

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        image = axes.imshow(
            values.T, cmap=theme.diverging, vmin=-1, vmax=1, aspect="auto", interpolation="nearest"
        )
        _state_axis(axes, found.states, MOST_TICKS)
        _token_axis(axes, labels)
        bar = figure.colorbar(image, ax=axes, label=f"cosine to {COSINES[name]}")
        bar.outline.set_visible(False)

    return Plot(
        f"journey-cosine-{name}",
        f"Cosine to the {COSINES[name]}",
        draw,
        _table(found.states, labels, {name: values}),
        f"Cosine of every state of every token to the {COSINES[name]}.",
        (7.0, max(2.4, 0.22 * min(len(labels), MOST_LABELS) + 1.2)),
    )


def size_plot(found: Journey, labels: Sequence[str], token: int = 0) -> Plot:
    """Norms, distances from the centroid of the tokens, and their spread per state."""
    shown = {"norm": found.norm, "distance from the centroid": found.distance}

    def draw(figure: "Figure", theme: Theme) -> None:
        grid = panels(figure, 3)
        for axes, (name, values) in zip(grid, shown.items(), strict=False):
            _lines(axes, theme, values, token)
            axes.set_title(name)
        spread = np.arange(len(found.spread)), found.spread
        grid[2].plot(*spread, color=theme.cycle[0], marker="o", markersize=2.5)
        grid[2].set_title("spread: trace of the covariance")
        for axes in grid:
            if _spans_decades(axes.dataLim.intervaly):
                log_scale(axes, "y")
            else:
                axes.set_ylim(bottom=0)
            _state_axis(axes, found.states, MOST_TICKS)
        _name_line(grid[0], theme, labels, token)

    table = _table(
        found.states,
        labels,
        {**shown, "spread": np.broadcast_to(found.spread[:, None], found.norm.shape)},
    )
    return Plot(
        "journey-sizes",
        "Lengths and distances",
        draw,
        table,
        "Euclidean norm of each state, its distance from the mean of the tokens' states, and the "
        "trace of the tokens' covariance (the mean square of that distance). One line is one "
        "token.",
        (9.0, 3.0),
    )


def update_plot(found: Updates, labels: Sequence[str], token: int = 0) -> Plot:
    """What attention and MLPs add in each layer: its share of the stream, and its cosine."""
    shares = {"attention": found.attention_share, "MLP": found.mlp_share}
    cosines = {"attention": found.attention_cosine, "MLP": found.mlp_cosine}

    def draw(figure: "Figure", theme: Theme) -> None:
        left, right = panels(figure, 2)
        for axes, group in ((left, shares), (right, cosines)):
            for colour, (name, values) in zip(theme.cycle, group.items(), strict=False):
                layers, shown = over_layers(values)
                low, middle, high = np.array([_quantiles(one) for one in shown]).T
                axes.fill_between(layers, low, high, color=colour, alpha=0.18, linewidth=0)
                axes.plot(layers, middle, color=colour, label=name)
                axes.plot(
                    layers, shown[:, token], color=colour, linestyle=(0, (2, 2)), linewidth=1.1
                )
            axes.set_xlabel("layer")
            whole_numbers(axes)
        left.set_title("norm, as a share of the stream")
        left.set_ylim(bottom=0)
        right.set_title("cosine with the stream")
        right.axhline(0, color=theme.faint, linewidth=0.6)
        left.plot(
            [], [], color=theme.faint, linestyle=(0, (2, 2)), label=f"{token} {labels[token]}"
        )
        left.legend(loc="best")

    layers, tokens = np.indices(found.attention.shape).reshape(2, -1)
    table = Table(
        {
            "layer": layers,
            "position": tokens,
            "token": [labels[one] for one in tokens],
            "attention norm": found.attention.ravel(),
            "MLP norm": found.mlp.ravel(),
            "attention share": found.attention_share.ravel(),
            "MLP share": found.mlp_share.ravel(),
            "attention cosine": found.attention_cosine.ravel(),
            "MLP cosine": found.mlp_cosine.ravel(),
        }
    )
    return Plot(
        "journey-updates",
        "What attention and MLPs add",
        draw,
        table,
        "Norm of what a half-block adds over the norm of the stream that it is added to, and the "
        "cosine between the two: above 0 it strengthens what is there, below 0 it takes away. "
        "Lines are medians over the tokens, bands hold 80 % of them, dashes are one token.",
        (7.5, 3.2),
    )


def _quantiles(values: F32) -> NDArray[np.float64]:
    """Of what is there; NaN where no token has a value (nothing was added)."""
    there = values[np.isfinite(values)]
    return np.quantile(there, [0.1, 0.5, 0.9]) if there.size else np.full(3, np.nan)


def _has_stream(activity: Activity) -> bool:
    return "resid_pre" in activity or "resid_post" in activity


def _paths(activity: Activity) -> Plot | None:
    if not _has_stream(activity):
        return None
    return path_plot(paths(activity), activity.tokens.labels, len(activity.tokens) - 1)


def _cosine(activity: Activity) -> Plot | None:
    if not _has_stream(activity):
        return None
    return cosine_plot(journey(activity), activity.tokens.labels, len(activity.tokens) - 1)


def _size(activity: Activity) -> Plot | None:
    if not _has_stream(activity):
        return None
    return size_plot(journey(activity), activity.tokens.labels, len(activity.tokens) - 1)


def _update(activity: Activity) -> Plot | None:
    found = updates(activity)
    if found is None:
        return None
    return update_plot(found, activity.tokens.labels, len(activity.tokens) - 1)


FIGURES: tuple[Callable[[Activity], Plot | None], ...] = (_paths, _cosine, _size, _update)
"""The plots of a report; None where one does not apply."""


def _cosines(found: Journey) -> dict[str, F32]:
    pairs = ((name, getattr(found, name)) for name in COSINES)
    return {name: values for name, values in pairs if values is not None}


def _table(found: States, labels: Sequence[str], columns: dict[str, F32]) -> Table:
    shape = next(iter(columns.values())).shape
    states, tokens = np.indices(shape).reshape(2, -1)
    return Table(
        {
            "state": [found.names[state] for state in states],
            "position": tokens,
            "token": [labels[one] for one in tokens],
            **{name: values.ravel() for name, values in columns.items()},
        }
    )


def _lines(axes: "Axes", theme: Theme, values: F32, token: int) -> None:
    """A faint line for each token, a strong one for the token that is looked at."""
    from matplotlib.collections import LineCollection

    states = np.arange(len(values))
    lines = [np.column_stack([states, column]) for column in values.T]
    axes.add_collection(
        LineCollection(lines, colors=theme.cycle[0], linewidths=0.7, alpha=_faintness(len(lines)))
    )
    axes.plot(states, values[:, token], color=theme.accent, linewidth=1.8)
    axes.autoscale_view()


def _faintness(lines: int) -> float:
    """Opacity of each of so many lines: many together must not hide the strong one."""
    return float(np.clip(4.0 / max(lines, 1), 0.08, 0.55))


def _name_line(axes: "Axes", theme: Theme, labels: Sequence[str], token: int) -> None:
    from matplotlib.lines import Line2D

    axes.legend(
        handles=[Line2D([], [], color=theme.accent, label=f"{token} {labels[token]}")],
        loc="best",
        handlelength=1.2,
    )


def _state_axis(axes: "Axes", found: States, most: int) -> None:
    ticks = state_ticks(found)
    places = thinned(len(ticks), most)
    axes.set_xticks(places, [ticks[place] for place in places], rotation=90)
    axes.tick_params(axis="x", labelsize="small")


def _token_axis(axes: "Axes", labels: Sequence[str]) -> None:
    places = thinned(len(labels), MOST_LABELS)
    axes.set_yticks(places, [f"{labels[place]} {place}" for place in places])


def _spans_decades(interval: Sequence[float]) -> bool:
    low, high = float(interval[0]), float(interval[1])
    return low > 0 and high > 30 * low
