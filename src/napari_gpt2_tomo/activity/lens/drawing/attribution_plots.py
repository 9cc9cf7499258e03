"""Plots of direct logit attribution."""

from typing import TYPE_CHECKING

import numpy as np

from ....display.plots import Plot, Table, Theme
from ....display.plots.cells import heat_map, label_lines, label_tokens, row_bars, upright_bars
from ..attribution import Attribution
from ..chances import F64

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STRONGEST", "heads_plot", "sources_plot", "steps_plot", "strongest_plot"]

KINDS = ("head", "mlp", "embedding", "bias", "rest")
"""Kinds of parts in the order of the theme's colours."""

NOTHING = 1e-3
"""Share of the largest part below which a part has no bar of its own."""

STRONGEST = 16
"""Parts that have a bar of their own."""

HOW = (
    "What a part wrote to the stream, times the direction in which the logit reads it. The scale "
    "of the norms is held at what it was in this text, so the shares sum to the logit; what a "
    "part does through later parts is not in its share."
)


def strongest_plot(attribution: Attribution, count: int = STRONGEST) -> Plot:
    """The parts with the largest shares of a logit, and the rest of them together."""
    chosen = attribution.strongest(count)
    # A bar of nothing tells nothing: those are among the others.
    sizes = np.abs(attribution.values[chosen])
    chosen = chosen[sizes > NOTHING * sizes.max(initial=0.0)]
    others = attribution.total - float(attribution.values[chosen].sum())
    others = 0.0 if _signed(others) == "0.00" else others
    n_others = len(attribution.values) - len(chosen)

    def draw(figure: "Figure", theme: Theme) -> None:
        from matplotlib.patches import Patch

        axes = figure.add_subplot()
        labels = [attribution.names[at] for at in chosen]
        values = [float(attribution.values[at]) for at in chosen]
        kinds = [attribution.kinds[at] for at in chosen]
        colours = [theme.cycle[KINDS.index(kind)] for kind in kinds]
        if n_others:
            labels.append(f"{n_others} {'others' if n_others > 1 else 'other'}")
            values.append(others)
            colours.append(theme.faint)
        row_bars(axes, labels, values, colours, theme, [_signed(value) for value in values])
        axes.axvline(0, color=theme.text, linewidth=0.6)
        # Room for the numbers at both ends.
        axes.margins(x=0.24 if min(values) < 0 else 0.16)
        axes.set_xlabel(f"share; all together {attribution.total:.2f}")
        names = {"head": "head", "mlp": "MLP", "rest": "not accounted for"}
        handles = [
            Patch(color=theme.cycle[KINDS.index(kind)], label=names.get(kind, kind))
            for kind in dict.fromkeys(kinds)
        ]
        figure.legend(handles=handles, loc="outside lower left", ncols=4)

    return Plot(
        "logit-attribution",
        f"What the {attribution.target} is made of",
        draw,
        _table(attribution),
        HOW,
        (6.4, 1.4 + 0.22 * (len(chosen) + 1)),
    )


def _signed(value: float) -> str:
    """Two digits after the point; a zero has no sign."""
    return "0.00" if abs(value) < 0.005 else f"{value:+.2f}"


def heads_plot(attribution: Attribution) -> Plot:
    """Shares of every head, and of every MLP beside them."""
    heads = attribution.by_head()
    mlps = np.zeros(len(heads))
    for kind, layer, value in zip(
        attribution.kinds, attribution.layers, attribution.values, strict=True
    ):
        if kind == "mlp":
            mlps[layer] = value

    def draw(figure: "Figure", theme: Theme) -> None:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 1])
        top = float(np.abs(heads).max(initial=0)) or 1.0
        label = f"share of the {attribution.target}"
        heat_map(figure, left, heads, theme, (-top, top), label, theme.diverging)
        left.set_title("heads")
        step = max(1, -(-heads.shape[1] // 12))
        left.set_xticks(range(0, heads.shape[1], step))
        layers = np.arange(len(heads))
        right.barh(layers, mlps, color=theme.cycle[1], height=0.72)
        right.axvline(0, color=theme.text, linewidth=0.6)
        right.set_title("MLP")
        right.tick_params(axis="y", length=0, labelleft=False)
        label_lines(left, [f"L{layer}" for layer in layers], theme)

    columns = [f"H{head}" for head in range(heads.shape[1])] + ["MLP"]
    return Plot(
        "logit-attribution-heads",
        f"Heads and MLPs that write the {attribution.target}",
        draw,
        Table.of_grid(
            np.concatenate([heads, mlps[:, None]], axis=1),
            layer=list(range(len(heads))),
            part=columns,
        ),
        HOW,
        (6.4, max(2.6, 1.5 + 0.24 * len(heads))),
    )


def steps_plot(attribution: Attribution) -> Plot:
    """How a logit builds up: embedding, then attention and MLP of each block, then biases."""
    names, shares = attribution.steps()
    begin = np.concatenate([[0.0], np.cumsum(shares)[:-1]])

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        up, down = theme.cycle[2], theme.cycle[3]
        colours = [up if share >= 0 else down for share in shares]
        places = np.arange(len(names))
        axes.barh(places, shares, left=begin, color=colours, height=0.72)
        ends = begin + shares
        axes.vlines(ends[:-1], places[:-1], places[1:], color=theme.faint, linewidth=0.8)
        axes.plot(attribution.total, len(names) - 0.2, "^", color=theme.accent, markersize=5)
        axes.axvline(0, color=theme.text, linewidth=0.6)
        # Bars of no width would hold the axes' end where they stand.
        axes.use_sticky_edges = False
        axes.margins(x=0.04)
        axes.set_ylim(len(names) - 0.1, -0.7)
        axes.set_xlabel(f"sum up to here; in the end {attribution.total:.2f}")
        axes.tick_params(axis="y", length=0)
        label_lines(axes, names, theme)

    return Plot(
        "logit-attribution-steps",
        f"How the {attribution.target} builds up",
        draw,
        Table({"step": names, "share": shares, "up to here": begin + shares}),
        f"From top to bottom, each bar begins where the one before ended; the triangle is the end. "
        f"{HOW}",
        (6.4, max(3.0, 1.2 + 0.2 * len(names))),
    )


def sources_plot(attribution: Attribution, sources: F64) -> Plot:
    """What the heads of each layer bring to a logit from each token.

    Parameters
    ----------
    attribution
        Of the logit.
    sources
        Of the same one, as `source_attribution` gives them, ``(layer, head, key)``.
    """
    tokens = attribution.activity.tokens
    by_layer = sources.sum(axis=1)[:, : attribution.position + 1]
    labels = tokens.labels[: attribution.position + 1]

    def draw(figure: "Figure", theme: Theme) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1, 3])
        total = by_layer.sum(axis=0)
        colours = [theme.cycle[2] if value >= 0 else theme.cycle[3] for value in total]
        upright_bars(upper, total, colours)
        upper.axhline(0, color=theme.text, linewidth=0.6)
        upper.set_ylabel("all layers")
        upper.tick_params(axis="x", length=0)
        top = float(np.abs(by_layer).max(initial=0)) or 1.0
        label = f"share of the {attribution.target}"
        heat_map(figure, lower, by_layer, theme, (-top, top), label, theme.diverging)
        label_lines(lower, [f"L{layer}" for layer in range(len(by_layer))], theme)
        label_tokens(lower, labels, theme)

    keys = [f"{place} {label}" for place, label in enumerate(labels)]
    return Plot(
        "logit-attribution-tokens",
        f"Tokens from which attention brings the {attribution.target}",
        draw,
        Table.of_grid(
            sources[:, :, : len(labels)],
            layer=list(range(len(sources))),
            head=list(range(sources.shape[1])),
            token=keys,
        ),
        f"Pattern × what the value of that token writes, over all heads of a layer. {HOW}",
        (7.0, max(3.6, 2.2 + 0.24 * len(by_layer))),
    )


def _table(attribution: Attribution) -> Table:
    order = attribution.strongest(len(attribution.values))
    return Table(
        {
            "part": [attribution.names[at] for at in order],
            "kind": [attribution.kinds[at] for at in order],
            "layer": attribution.layers[order],
            "head": attribution.heads[order],
            "share": attribution.values[order],
        }
    )
