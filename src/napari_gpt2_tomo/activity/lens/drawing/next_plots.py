"""Plots of what comes next, and of how well a prompt was foreseen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....display.plots import Plot, Table, Theme
from ....display.plots.cells import (
    cut,
    heat_map,
    label_tokens,
    percent,
    row_bars,
    upright_bars,
    write_cells,
)
from ..chances import NATS_PER_BIT
from ..prediction import NextToken, Reading, StepTaken
from ..survivors import Sampling

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["continuation_plot", "next_plot", "surprisal_plot"]

CONTEXT = 24
"""Letters of the text before the next token that a title shows."""


def next_plot(prediction: NextToken, drawn: Sampling | None = None) -> Plot:
    """The likeliest next tokens.

    Parameters
    ----------
    prediction
        What the model predicts.
    drawn
        What sampling settings make of it: shown beside the model's own probabilities, tokens that
        they cut off stand back.
    """
    entropy = prediction.chances.entropy
    own = prediction.probability
    after = own if drawn is None else drawn.after[prediction.ids]
    changed = drawn is not None and bool(drawn.rules)

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        true = prediction.ids == (-1 if prediction.true is None else prediction.true)
        colours: list[Any] = [theme.accent if one else theme.cycle[0] for one in true]
        labels = [*prediction.labels]
        if changed:
            places = np.arange(len(own))
            axes.barh(places, own, color=theme.faint, height=0.72, label="the model's own")
            axes.barh(places, after, color=colours, height=0.4, label="drawn with")
            texts = [percent(value) if value else "cut off" for value in after]
            row_bars(axes, labels, np.maximum(own, after), "none", theme, texts)
        else:
            texts = [percent(value) for value in own]
            row_bars(axes, labels, own, colours, theme, texts)
        axes.set_xlim(0, min(1.0, float(max(own.max(), after.max())) * 1.25))
        axes.set_xlabel("probability")
        if true.any():
            axes.get_yticklabels()[int(np.flatnonzero(true)[0])].set_color(theme.accent)

    text = "".join(prediction.tokens.labels)
    text = text if len(text) <= CONTEXT else f"…{text[1 - CONTEXT :]}"
    columns: dict[str, Any] = {
        "rank": np.arange(1, len(own) + 1),
        "id": prediction.ids,
        "token": prediction.labels,
        "probability": own,
        "logit": prediction.chances.logits[prediction.ids],
    }
    rules = "" if drawn is None or not changed else f", {', '.join(drawn.rules)}"
    if drawn is not None and changed:
        columns["probability when drawn"] = after
    sentences = [
        f"Entropy {entropy:.2f} nats = {entropy / NATS_PER_BIT:.2f} bits over all "
        f"{len(prediction.chances.logits):,} tokens; those that are not shown have "
        f"{prediction.rest:.1%} together."
    ]
    if drawn is not None and changed:
        sentences.append(
            f"With {', '.join(drawn.rules)} a token is drawn from {int(drawn.kept.sum()):,}, which "
            f"have {drawn.mass:.1%} of the model's own probability (wide bars)."
        )
    if prediction.true is not None:
        sentences.append("The token that does come next in the text has a colour of its own.")
    return Plot(
        "next-token",
        f"Next token after “{text}”{rules}",
        draw,
        Table(columns),
        " ".join(sentences),
        (5.6, 1.1 + 0.25 * len(own)),
    )


def surprisal_plot(read: Reading, mark: int | None = None) -> Plot | None:
    """Surprisal of each token of a text, and the uncertainty before it came.

    Parameters
    ----------
    read
        What to draw.
    mark
        Position to mark.

    Returns
    -------
    Plot
        None for a single token, before which there is nothing.
    """
    if len(read.tokens) < 2:
        return None
    bits = read.surprisal / NATS_PER_BIT

    def draw(figure: "Figure", theme: Theme) -> None:
        from matplotlib.patches import Patch

        axes = figure.add_subplot()
        places = np.arange(len(bits))
        colours = [theme.accent if place == mark else theme.cycle[0] for place in places]
        upright_bars(axes, bits, colours)
        bars = Patch(color=theme.cycle[0], label="surprisal")
        uncertain = read.entropy / NATS_PER_BIT
        axes.step(
            places,
            uncertain,
            where="mid",
            color=theme.text,
            linewidth=1.0,
            label="entropy before it",
        )
        axes.set_ylabel("bits")
        axes.set_xlim(-0.6, len(bits) - 0.4)
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        label_tokens(axes, read.tokens.labels, theme)
        lines, _ = axes.get_legend_handles_labels()
        figure.legend(handles=[bars, *lines], loc="outside lower left", ncols=2)

    return Plot(
        "surprisal",
        f"Surprisal of each token: perplexity {read.perplexity:.3g}",
        draw,
        Table(
            {
                "position": np.arange(len(bits)),
                "token": read.tokens.labels,
                "surprisal (nats)": read.surprisal,
                "surprisal (bits)": bits,
                "probability": np.exp(-read.surprisal),
                "rank": read.rank,
                "entropy before (nats)": read.entropy,
            }
        ),
        f"Mean {read.mean:.3f} nats = {read.mean / NATS_PER_BIT:.3f} bits for each token; "
        f"perplexity is e to the power of the mean in nats. The first token has nothing before it.",
        (max(5.0, min(12.0, 1.0 + 0.28 * len(bits))), 3.4),
    )


def continuation_plot(steps: Sequence[StepTaken], count: int = 5) -> Plot:
    """A continuation token by token: what was taken, and what could have come instead."""
    count = min(count, min(len(step.alternatives) for step in steps))
    chances = np.array(
        [np.exp(step.chances.log_probability[step.alternatives[:count]]) for step in steps]
    )

    def draw(figure: "Figure", theme: Theme) -> None:
        from matplotlib.patches import Rectangle

        axes = figure.add_subplot()
        image = heat_map(figure, axes, chances, theme, (0.0, 1.0), "probability")
        labels = [f"{cut(step.label, 10)}  {percent(step.probability)}" for step in steps]
        axes.set_yticks(np.arange(len(steps)), labels)
        axes.set_xticks(np.arange(count), [str(rank) for rank in range(1, count + 1)])
        axes.set_xlabel("rank")
        axes.xaxis.set_label_position("top")
        axes.xaxis.tick_top()
        words = np.array([step.labels[:count] for step in steps], object)
        write_cells(axes, image, words, theme)
        for row, step in enumerate(steps):
            if step.rank <= count:
                corner = step.rank - 1.5, row - 0.5
                axes.add_patch(
                    Rectangle(corner, 1, 1, fill=False, edgecolor=theme.accent, linewidth=1.6)
                )

    grid = Table.of_grid(
        chances, step=list(range(1, len(steps) + 1)), rank=list(range(1, count + 1))
    )
    columns: dict[str, Any] = dict(grid.columns)
    columns["probability"] = columns.pop("value")
    columns["token"] = [label for step in steps for label in step.labels[:count]]
    columns["taken"] = np.repeat([step.label for step in steps], count)
    return Plot(
        "continuation",
        "Continuation: what was taken at each step, and what could have been",
        draw,
        Table(columns),
        "On the left the token that was taken, with its probability as the model gives it.",
        (6.0, 1.4 + 0.26 * len(steps)),
    )
