"""Pictures of interventions: the next token before and after, and sweeps."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...display.plots import Plot, Table, Theme
from ...display.plots.cells import cut, heat_map, label_lines, label_tokens, percent
from ..record import Activity, site
from .composition import composition
from .composition_figures import overview_plot
from .effect import Candidate, Effect, Sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "change_plot", "effect_plot", "sweep_plot"]

WORK = 2e12
"""Multiplications that a figure of the report may cost: seconds to a minute on a processor."""

MOST_SHARE = 2.0
"""Shares of the way to the other prompt beyond which the way is too short to measure by."""

HALF = 0.38
"""Height of one of the two bars of a token, in rows."""

MOST_HEADS = 2048
"""Heads of a model whose composition is drawn for a report: beyond, it takes minutes."""


def effect_plot(effect: Effect, count: int = 8, also: Sequence[int] = ()) -> Plot:
    """The most probable next tokens before and after, as pairs of bars.

    Parameters
    ----------
    effect
        What is drawn.
    count
        Tokens of each side.
    also
        Tokens to show in any case.
    """
    rows = effect.candidates(count, also)
    after_label = f"after token {effect.position}"

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        places = np.arange(len(rows))
        for side, name, colour in ((-1, "before", theme.faint), (1, "after", theme.cycle[0])):
            values = [getattr(row, name) for row in rows]
            axes.barh(places + side * HALF / 2, values, HALF, color=colour, label=name)
            for place, value in zip(places, values, strict=True):
                axes.annotate(
                    percent(value),
                    (value, place + side * HALF / 2),
                    (3, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=theme.size - 1.5,
                    color=theme.text,
                )
        axes.set_yticks(places, _names(rows))
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 1.16 * max(max(row.before, row.after) for row in rows))
        axes.set_xlabel(f"probability of the next token, {after_label}")
        figure.legend(loc="outside lower left", ncols=2)

    return Plot(
        "intervention-next-token",
        f"Next token before and after; KL(before ‖ after) {effect.kl:.3g} nats",
        draw,
        _table(rows),
        "; ".join(effect.changes) + ".",
        (6.4, 1.3 + 0.3 * len(rows)),
    )


def change_plot(effect: Effect, count: int = 8, also: Sequence[int] = ()) -> Plot:
    """By how much the logits of the most probable tokens changed.

    Parameters
    ----------
    effect, count, also
        See `effect_plot`.
    """
    rows = effect.candidates(count, also)

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        changes = np.array([row.logit_change for row in rows])
        places = np.arange(len(rows))
        up, down = theme.cycle[2], theme.cycle[3]
        axes.barh(places, changes, 0.72, color=[up if one >= 0 else down for one in changes])
        for place, change in zip(places, changes, strict=True):
            axes.annotate(
                f"{change:+.2f}",
                (change, place),
                (3 if change >= 0 else -3, 0),
                textcoords="offset points",
                ha="left" if change >= 0 else "right",
                va="center",
                fontsize=theme.size - 1,
                color=theme.text,
            )
        axes.axvline(0, color=theme.text, linewidth=0.6)
        axes.margins(x=0.2)
        axes.set_yticks(places, _names(rows))
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel("logit after − before")

    return Plot(
        "intervention-logits",
        "Change of the logits",
        draw,
        _table(rows),
        "; ".join(effect.changes) + ". Only differences between tokens matter: softmax does not "
        "see what is added to all logits alike.",
        (6.4, 1.0 + 0.24 * len(rows)),
    )


def sweep_plot(sweep: Sweep, place: tuple[int, int] | None = None) -> Plot:
    """The effect of each component alone, as a heat map.

    Parameters
    ----------
    sweep
        What is drawn: by patching with a known way to go, the share of it; else the change.
    place
        A cell to mark: layer, and head or token.
    """
    restored = sweep.restored
    if restored is not None and np.abs(restored).max() > MOST_SHARE:
        restored = None
    values = sweep.effects if restored is None else restored
    is_kl = restored is None and sweep.metric.kind == "kl"
    label = sweep.metric_title
    if restored is not None:
        label = f"{sweep.metric_title}: share of the way to the other prompt"
    elif not is_kl:
        label = f"{sweep.metric_title}: after − before"
    n_layers, width = values.shape
    of_heads = sweep.over == "heads"

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        finite = values[np.isfinite(values)]
        top = float(np.abs(finite).max(initial=0)) or 1.0
        low = 0.0 if is_kl else -top
        colours = theme.sequential if is_kl else theme.diverging
        heat_map(figure, axes, values, theme, (low, top), label, colours)
        label_lines(axes, [f"L{layer}" for layer in range(n_layers)], theme)
        if of_heads:
            axes.set_xticks(range(0, width, max(1, -(-width // 16))))
            axes.set_xlabel("head")
        else:
            label_tokens(axes, sweep.tokens.labels, theme)
        if place is not None:
            from matplotlib.patches import Rectangle

            corner = (place[1] - 0.5, place[0] - 0.5)
            axes.add_patch(
                Rectangle(corner, 1, 1, fill=False, edgecolor=theme.accent, linewidth=1.8)
            )

    columns: Sequence[object] = range(width)
    axis = "head" if of_heads else "position"
    return Plot(
        f"intervention-sweep-{sweep.over.replace('_', '-')}",
        _sweep_title(sweep),
        draw,
        Table.of_grid(values, layer=list(range(n_layers)), **{axis: list(columns)}),
        _sweep_caption(sweep, label),
        (6.4, max(2.8, 1.7 + 0.24 * n_layers)),
    )


def _sweep_caption(sweep: Sweep, label: str) -> str:
    where = f"{sweep.position} “{sweep.tokens.labels[sweep.position]}”"
    text = f"{sweep.changes}. Colour: {label}, of the next token after {where}."
    if sweep.metric.kind != "kl":
        text += f" Without a change it is {sweep.unchanged:.4g}"
        text += f", for the other prompt {sweep.source:.4g}." if sweep.source is not None else "."
    return text


def _sweep_title(sweep: Sweep) -> str:
    if sweep.over == "heads":
        return "Each head changed alone"
    what = {"attention": "attention", "mlp": "MLP"}.get(sweep.over)
    return f"{what or site(sweep.over).title} changed at one position alone".capitalize().replace(
        "Mlp", "MLP"
    )


def _names(rows: Sequence[Candidate]) -> list[str]:
    from ..record.tokens import visible

    return [cut(visible(row.string), 18) for row in rows]


def _table(rows: Sequence[Candidate]) -> Table:
    return Table(
        {
            "token": [row.string for row in rows],
            "id": [row.id for row in rows],
            "probability before": [row.before for row in rows],
            "probability after": [row.after for row in rows],
            "rank before": [row.rank_before for row in rows],
            "rank after": [row.rank_after for row in rows],
            "logit after - before": [row.logit_change for row in rows],
        }
    )


def _work(activity: Activity, variants: int) -> float:
    """Multiplications of so many runs of the activity's model on its text, roughly."""
    sizes = activity.source.sizes
    d_model, n_layers = sizes.d_model or 0, sizes.n_layers or 0
    block = 4 * d_model * d_model + 3 * d_model * (sizes.d_mlp or 4 * d_model)
    vocabulary = d_model * (sizes.vocab or 0)
    return variants * len(activity.tokens) * float(n_layers * block + vocabulary)


def heads_figure(activity: Activity) -> Plot | None:
    """Every head at zero alone; None without a model that predicts, or where it takes long."""
    sizes = activity.source.sizes
    variants = (sizes.n_layers or 0) * (sizes.n_heads or 0)
    if activity.model is None or "logits" not in activity or _work(activity, variants) > WORK:
        return None
    from ..running.sweeps import sweep

    return sweep_plot(sweep(activity.model, activity.tokens, "heads", "zero"))


def positions_figure(activity: Activity) -> Plot | None:
    """The MLP of every layer at zero, at one position after the other; None as `heads_figure`."""
    variants = (activity.source.sizes.n_layers or 0) * len(activity.tokens)
    if activity.model is None or "logits" not in activity or _work(activity, variants) > WORK:
        return None
    from ..running.sweeps import sweep

    return sweep_plot(sweep(activity.model, activity.tokens, "mlp", "zero"))


def composition_figure(kind: str) -> Callable[[Activity], Plot | None]:
    """A figure of composition scores of one kind; None without a model, or for a large one."""

    def figure(activity: Activity) -> Plot | None:
        sizes = activity.source.sizes
        heads = (sizes.n_layers or 0) * (sizes.n_heads or 0)
        if activity.model is None or (sizes.n_layers or 0) < 2 or heads > MOST_HEADS:
            return None
        return overview_plot(composition(activity.model, kind))

    return figure


FIGURES: tuple[Callable[[Activity], Plot | None], ...] = (
    heads_figure,
    positions_figure,
    composition_figure("q"),
    composition_figure("k"),
    composition_figure("v"),
)
"""Figures of a report, each from an activity; None where one does not apply."""
