"""Plots of the logit lens."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ....display.plots import Plot, Table, Theme, log_scale
from ....display.plots.cells import cut, heat_map, label_lines, label_tokens, write_cells
from ..chances import NATS_PER_BIT
from ..projection import Lens, Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "Colour", "certainty_plot", "draw_lens", "lens_plot", "short", "trace_plot"]

Colour = Literal["probability", "entropy", "to_final"]

COLOURS: Mapping[Colour, str] = {
    "probability": "probability of the likeliest token",
    "entropy": "entropy (bits)",
    "to_final": "KL to the final prediction (bits)",
}
"""What the colour of a cell can say, as the colour bar says it."""

READ = (
    "Each state of the residual stream goes through the final norm and the unembedding as if it "
    "were the last; the state after the final norm through the unembedding alone."
)


def lens_plot(
    lens: Lens,
    colour: Colour = "probability",
    start: int = 0,
    stop: int | None = None,
    mark: tuple[int, int] | None = None,
) -> Plot:
    """States × positions: the likeliest token, and by colour how sure the state is.

    Parameters
    ----------
    lens
        What to draw.
    colour
        What colours say, see `COLOURS`.
    start, stop
        Positions that are drawn; None is the end of the text.
    mark
        State and position to draw a frame around.
    """
    stop = len(lens.activity.tokens) if stop is None else stop

    def draw(figure: "Figure", theme: Theme) -> None:
        draw_lens(figure, figure.add_subplot(), lens, theme, colour, start, stop, mark)

    wide = min(14.0, max(6.0, 2.2 + 0.62 * (stop - start)))
    return Plot(
        "logit-lens",
        "Logit lens: the likeliest next token in each state",
        draw,
        _table(lens, start, stop),
        " ".join(
            (
                "A column is a position of the text, a cell what would come after it.",
                READ,
                "The state at the bottom is the model's own prediction.",
                *lens.notes,
            )
        ),
        (wide, max(3.4, 1.6 + 0.22 * len(lens.names))),
    )


def draw_lens(
    figure: "Figure",
    axes: "Axes",
    lens: Lens,
    theme: Theme,
    colour: Colour = "probability",
    start: int = 0,
    stop: int | None = None,
    mark: tuple[int, int] | None = None,
) -> None:
    """The heat map of `lens_plot` into axes of a figure."""
    from matplotlib.patches import Rectangle

    stop = len(lens.activity.tokens) if stop is None else stop
    values = _values(lens, colour)
    finite = values[np.isfinite(values)]
    top = 1.0 if colour == "probability" else float(finite.max(initial=0.0)) or 1.0
    image = heat_map(figure, axes, values[:, start:stop], theme, (0.0, top), COLOURS[colour])
    label_lines(axes, short(lens.names), theme)
    label_tokens(axes, lens.activity.tokens.labels[start:stop], theme, start)
    write_cells(axes, image, lens.strings()[:, start:stop], theme)
    if mark is not None and start <= mark[1] < stop:
        corner = mark[1] - start - 0.5, mark[0] - 0.5
        # Dark under bright: seen on every colour of the map.
        for edge, width in (("#101010", 3.6), (theme.accent, 1.8)):
            frame = Rectangle(corner, 1, 1, fill=False, edgecolor=edge, linewidth=width, zorder=4)
            axes.add_patch(frame)


def trace_plot(trace: Trace, layer: int | None = None) -> Plot:
    """How likely chosen tokens are from state to state, and at which rank.

    Parameters
    ----------
    trace
        What to draw.
    layer
        Block to mark.
    """

    def draw(figure: "Figure", theme: Theme) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True)
        places = np.arange(len(trace.names))
        labels = trace.labels
        for choice, label in enumerate(labels):
            style: dict[str, Any] = {
                "marker": "o",
                "markersize": 3,
                "color": theme.cycle[choice % 8],
            }
            upper.plot(places, trace.probability[:, choice], label=cut(label), **style)
            lower.plot(places, trace.rank[:, choice], **style)
        upper.set_ylim(-0.03, 1.03)
        upper.set_ylabel("probability")
        log_scale(lower, "y")
        lower.set_ylim(max(10, trace.rank.max(initial=1)) * 1.5, 0.8)
        lower.minorticks_off()
        lower.set_ylabel("rank (1 = likeliest)")
        for axes in (upper, lower):
            axes.grid(axis="y")
            for at in np.flatnonzero(trace.layers == layer) if layer is not None else ():
                axes.axvspan(at - 0.5, at + 0.5, color=theme.accent, alpha=0.15, linewidth=0)
        step = max(1, -(-len(places) // 16))
        shown = places[::-1][::step][::-1]
        lower.set_xticks(
            shown,
            [short(trace.names)[at] for at in shown],
            rotation=55,
            ha="right",
            rotation_mode="anchor",
        )
        figure.legend(
            *upper.get_legend_handles_labels(), loc="outside lower left", ncols=min(6, len(labels))
        )

    place = trace.activity.tokens.labels[trace.position]
    grid = Table.of_grid(
        trace.probability, state=trace.names, token=[f"{one}" for one in trace.strings]
    )
    return Plot(
        "token-across-layers",
        f"Chosen tokens after {place} (token {trace.position}), state by state",
        draw,
        Table({**grid.columns, "rank": trace.rank.ravel()}),
        f"Above the probability of each token, below its rank among all. {READ}",
        (7.0, 5.0),
    )


def certainty_plot(lens: Lens) -> Plot:
    """How sure each state is, and how far from the final prediction: each position and the mean."""

    def draw(figure: "Figure", theme: Theme) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True)
        places = np.arange(len(lens.names))
        for axes, values, label in (
            (upper, lens.entropy, "entropy (bits)"),
            (lower, lens.to_final, "KL to the final\nprediction (bits)"),
        ):
            bits = values / NATS_PER_BIT
            axes.plot(places, bits, color=theme.faint, linewidth=0.6, alpha=0.7)
            axes.plot(places, bits.mean(axis=1), color=theme.accent, marker="o", markersize=3)
            axes.set_ylabel(label)
            axes.set_ylim(0, 1.06 * float(np.nanmax(bits, initial=0.0)) or 1.0)
            axes.grid(axis="y")
        step = max(1, -(-len(places) // 16))
        shown = places[::-1][::step][::-1]
        lower.set_xticks(
            shown,
            [short(lens.names)[at] for at in shown],
            rotation=55,
            ha="right",
            rotation_mode="anchor",
        )

    positions = [str(place) for place in range(len(lens.activity.tokens))]
    grid = Table.of_grid(lens.entropy, state=lens.names, position=positions)
    columns: dict[str, Any] = dict(grid.columns)
    columns["entropy (nats)"] = columns.pop("value")
    columns["KL to final (nats)"] = lens.to_final.ravel()
    return Plot(
        "logit-lens-certainty",
        "Logit lens: how sure each state is",
        draw,
        Table(columns),
        f"A thin line for each position, a thick one for their mean. {READ}",
        (7.0, 4.6),
    )


def short(names: Sequence[str]) -> list[str]:
    """Names of states without the word that most of them begin with."""
    return [name.removeprefix("after ") for name in names]


def _values(lens: Lens, colour: Colour) -> NDArray[Any]:
    if colour == "probability":
        return lens.probability[:, :, 0]
    return (lens.entropy if colour == "entropy" else lens.to_final) / NATS_PER_BIT


def _table(lens: Lens, start: int, stop: int) -> Table:
    """A row for each state, position and kept token."""
    ids = lens.top[:, start:stop]
    strings = lens.strings_of_top()[:, start:stop]
    labels = [f"{at} {lens.activity.tokens.labels[at]}" for at in range(start, stop)]
    ranks = list(range(1, ids.shape[2] + 1))
    grid = Table.of_grid(ids, state=lens.names, position=labels, rank=ranks)
    columns: dict[str, Any] = dict(grid.columns)
    columns["id"] = columns.pop("value")
    columns["token"] = strings.ravel()
    columns["probability"] = lens.probability[:, start:stop].ravel()
    for name, values in (("entropy (nats)", lens.entropy), ("KL to final (nats)", lens.to_final)):
        columns[name] = np.repeat(values[:, start:stop].ravel(), ids.shape[2])
    return Table(columns)
