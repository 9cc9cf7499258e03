"""Plots of two prompts or two models side by side."""

from typing import TYPE_CHECKING

import numpy as np

from ....display.plots import Plot, Table, Theme
from ....display.plots.cells import cut, heat_map, label_lines, label_tokens, percent
from ..chances import NATS_PER_BIT
from ..comparison import NextComparison, StreamComparison
from ..projection import Lens
from .lens_plots import Colour, draw_lens, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["compare_lens_plot", "compare_next_plot", "compare_streams_plot"]

MOST_ROWS = 16
"""Tokens that are drawn; the table has all that were compared."""


def compare_next_plot(found: NextComparison) -> Plot:
    """Two predictions back to back: the first to the left, the second to the right."""
    rows = slice(0, MOST_ROWS)

    def draw(figure: "Figure", theme: Theme) -> None:
        from matplotlib.ticker import MaxNLocator

        left, right = figure.subplots(1, 2, sharey=True)
        places = np.arange(len(found.labels[rows]))
        top = float(np.nanmax([found.first[rows], found.second[rows]])) * 1.3
        top = min(top, 1.25)
        sides = (
            (left, found.first, theme.cycle[0], f"left: {found.titles[0]}"),
            (right, found.second, theme.cycle[1], f"right: {found.titles[1]}"),
        )
        for axes, values, colour, title in sides:
            axes.barh(places, np.nan_to_num(values[rows]), color=colour, height=0.72, label=title)
            for place, value in zip(places, values[rows], strict=True):
                axes.annotate(
                    "not in its vocabulary" if np.isnan(value) else percent(value),
                    (np.nan_to_num(value), place),
                    (3 if axes is right else -3, 0),
                    textcoords="offset points",
                    ha="left" if axes is right else "right",
                    va="center",
                    fontsize=theme.size - 0.5,
                    color=theme.faint if np.isnan(value) else theme.text,
                )
            axes.set_xlim((top, 0) if axes is left else (0, top))
            axes.xaxis.set_major_locator(MaxNLocator(3))
            axes.set_xlabel("probability")
            axes.tick_params(axis="y", length=0)
        left.spines["left"].set_visible(False)
        left.spines["right"].set_visible(True)
        left.set_ylim(len(places) - 0.4, -0.6)
        right.set_yticks(places, [cut(label) for label in found.labels[rows]])
        left.tick_params(axis="y", labelleft=False)
        figure.legend(loc="outside lower left")
        right.tick_params(axis="y", labelleft=True)

    sentences = [
        f"KL(left‖right) {_bits(found.kl_first)}, KL(right‖left) {_bits(found.kl_second)}, "
        f"Jensen–Shannon {_bits(found.jensen_shannon)}.",
        *found.notes,
    ]
    return Plot(
        "compare-next-token",
        f"Next token: Jensen–Shannon {found.jensen_shannon / NATS_PER_BIT:.3f} bits apart",
        draw,
        Table(
            {
                "token": found.labels,
                found.titles[0]: found.first,
                f"{found.titles[1]} ": found.second,
                "difference": found.difference,
            }
        ),
        " ".join(sentences),
        (6.4, 1.4 + 0.25 * len(found.labels[rows])),
    )


def compare_lens_plot(
    first: Lens, second: Lens, titles: tuple[str, str], colour: Colour = "probability"
) -> Plot:
    """Two logit lenses: side by side in a wide figure, one above the other in a tall one."""

    def draw(figure: "Figure", theme: Theme) -> None:
        wide = figure.get_figwidth() > 1.2 * figure.get_figheight()
        panels = figure.subplots(*((1, 2) if wide else (2, 1)))
        for axes, lens, title in zip(panels, (first, second), titles, strict=True):
            axes.set_title(title)
            draw_lens(figure, axes, lens, theme, colour)

    columns: dict[str, list[object]] = {
        name: [] for name in ("of", "state", "position", "context", "token", "probability")
    }
    for lens, title in zip((first, second), titles, strict=True):
        strings, labels = lens.strings(), lens.activity.tokens.labels
        for state, position in np.ndindex(strings.shape):
            row = (
                title,
                lens.names[state],
                position,
                labels[position],
                strings[state, position],
                float(lens.probability[state, position, 0]),
            )
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
    return Plot(
        "compare-logit-lens",
        "Two logit lenses",
        draw,
        Table(columns),
        "Each cell names the likeliest next token of a state; its colour is read on the bars.",
        (11.0, 4.6),
    )


def compare_streams_plot(found: StreamComparison) -> Plot:
    """Cosine of two residual streams: a map where positions correspond, else a line."""

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        if found.cosine.shape[1] > 1:
            signed = bool((found.cosine < 0).any())
            limits, colours = ((-1.0, 1.0), theme.diverging) if signed else ((0.0, 1.0), None)
            heat_map(figure, axes, found.cosine, theme, limits, "cosine", colours)
            label_lines(axes, short(found.names), theme)
            label_tokens(axes, found.labels, theme)
            return
        places = np.arange(len(found.names))
        axes.plot(found.cosine[:, 0], places, color=theme.accent, marker="o", markersize=3)
        axes.set_xlim(-1.05, 1.05)
        axes.set_ylim(len(places) - 0.4, -0.6)
        axes.axvline(0, color=theme.faint, linewidth=0.6)
        axes.grid(axis="x")
        axes.set_xlabel(f"cosine at {found.labels[0]}")
        label_lines(axes, short(found.names), theme)

    return Plot(
        "compare-residual",
        f"Residual streams: {found.titles[0]} and {found.titles[1]}",
        draw,
        Table.of_grid(
            found.cosine,
            state=found.names,
            position=[f"{at} {label}" for at, label in enumerate(found.labels)],
        ),
        " ".join(("Cosine between the two streams, state by state.", *found.notes)),
        (7.0, max(3.0, 1.5 + 0.22 * len(found.names))),
    )


def _bits(nats: float) -> str:
    if not np.isfinite(nats):
        return "infinite"
    return f"{nats:.3f} nats = {nats / NATS_PER_BIT:.3f} bits"
