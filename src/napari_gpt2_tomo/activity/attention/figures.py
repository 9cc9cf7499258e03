"""Pictures of attention: patterns, all heads, and what the heads are like."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...base import Cancelled, TomoError
from ...display.plots import Plot, Table, Theme
from ..record import Activity
from .drawing import matrix, pairs, token_axes, token_ticks, whole_ticks
from .looks import Look, all_small, is_causal, shown, shown_layer
from .metrics import HeadMetrics, head_metrics, head_name
from .mosaic import Mosaic
from .patterns import from_last, hide_future, thumbnails, to_first
from .probe import repeated_metrics
from .scatter import scatter_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FIGURES",
    "SERIES",
    "first_last_plot",
    "layer_plot",
    "layer_plots",
    "measured",
    "overview_plot",
    "pattern_plot",
]

F32 = NDArray[np.float32]

CELL = 40
"""Pixels of a head in the overview."""

COLUMNS = 4
"""Heads side by side in the picture of a layer."""


def measured(activity: Activity) -> HeadMetrics:
    """The metrics of an activity's patterns."""
    return head_metrics(
        activity["pattern"],
        activity.tokens.ids,
        causal=is_causal(activity),
        special=activity.tokens.special,
    )


def pattern_plot(
    activity: Activity, layer: int, head: int, look: Look | None = None, query: int | None = None
) -> Plot:
    """One head's pattern with the tokens on both sides.

    Parameters
    ----------
    activity
        With ``pattern``.
    layer, head
        Which.
    look
        Raw by default.
    query
        A row to mark.
    """
    look = look or Look()
    values, labels = shown(activity, layer, head, look), activity.tokens.labels

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        picture = matrix(axes, values, theme)
        token_axes(axes, labels, theme)
        axes.set_xlabel("key")
        axes.set_ylabel("query")
        if query is not None:
            axes.axhline(query - 0.5, color=theme.accent, linewidth=1)
            axes.axhline(query + 0.5, color=theme.accent, linewidth=1)
        bar = figure.colorbar(picture, ax=axes, shrink=0.7, label=look.title)
        bar.outline.set_visible(False)

    name = head_name(layer, head)
    return Plot(
        f"attention-{name.lower()}" + ("" if look == Look() else f"-{_slug(look)}"),
        f"{name}: what each token looks at",
        draw,
        pairs(values[None], labels, [name]),
        f"{name} of {activity.source.name}. A row is a query, a column a key; {look.title}. "
        "Colours go with its square root.",
        size=(6.0, 5.2),
    )


def layer_plot(activity: Activity, layer: int, look: Look | None = None) -> Plot:
    """The patterns of all heads of a layer, with the tokens' names at the margins."""
    heads = activity["pattern"].shape[1]
    labels = activity.tokens.labels
    columns = min(COLUMNS, heads)
    rows = -(-heads // columns)
    values = shown_layer(activity, layer, look)
    most = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0

    def draw(figure: "Figure", theme: Theme) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        for place, axes in enumerate(grid.ravel()):
            if place >= heads:
                axes.set_axis_off()
                continue
            picture = matrix(axes, values[place], theme, most)
            axes.set_title(f"H{place}", pad=3)
            below = place + columns >= heads
            token_axes(axes, labels, theme, across=below, down=place % columns == 0)
        bar = figure.colorbar(picture, ax=grid, shrink=0.4, label=(look or Look()).title)
        bar.outline.set_visible(False)

    names = [head_name(layer, head) for head in range(heads)]
    return Plot(
        f"attention-layer-{layer}",
        f"Attention of the heads of layer {layer}",
        draw,
        pairs(values, labels, names),
        f"Every head of layer {layer} of {activity.source.name}: rows are queries, columns keys. "
        "One scale for all; colours go with the square root of the attention.",
        size=(2.3 * columns + 1.4, 2.2 * rows + 0.9),
    )


def overview_plot(activity: Activity, look: Look | None = None) -> Plot:
    """The patterns of all heads of all layers in one picture."""
    pictures = (
        all_small(activity, look) if look is not None and look != Look() else _raw_small(activity)
    )
    layers, heads = pictures.shape[:2]
    mosaic = Mosaic(layers, heads, CELL)
    picture = mosaic.picture(pictures)

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        axes.set_facecolor(theme.ground)
        # What lies between the heads has the ground's colour, what they cannot see is grey.
        step = CELL + mosaic.gap
        cells = np.zeros((*picture.shape, 4), np.float32)
        from matplotlib.colors import to_rgb

        inside = np.arange(max(picture.shape)) % step < CELL
        cells[inside[: picture.shape[0], None] & inside[None, : picture.shape[1]]] = (
            *to_rgb(theme.faint),
            0.18,
        )
        axes.imshow(cells, interpolation="nearest")
        matrix(axes, picture, theme)
        middles = np.arange(max(layers, heads)) * step + (CELL - 1) / 2
        thin = max(1, heads // 24)
        axes.set_xticks(middles[:heads:thin], [f"H{head}" for head in range(0, heads, thin)])
        thin = max(1, layers // 48)
        axes.set_yticks(middles[:layers:thin], [f"L{layer}" for layer in range(0, layers, thin)])
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    names = [head_name(layer, head) for layer in range(layers) for head in range(heads)]
    flat = measured(activity)
    scale = max(0.25, min(0.55, 9 / max(heads, 1)))
    return Plot(
        "attention-overview" + ("" if look is None or look == Look() else f"-{_slug(look)}"),
        "Attention of every head",
        draw,
        Table({"name": names, **{k: v.ravel() for k, v in flat.items() if k in flat.defined}}),
        f"Every head of {activity.source.name} on this text: layers downwards, heads to the right, "
        f"each with queries downwards and keys to the right; {(look or Look()).title}. Colours go "
        "with its square root; where a head has more pairs than pixels, the largest is shown.",
        size=(max(4.0, heads * scale + 0.8), max(2.5, layers * scale + 0.8)),
    )


def first_last_plot(activity: Activity) -> Plot:
    """Attention to the first token by layer, and from the last token by layer and key."""
    causal = is_causal(activity)
    first, last = to_first(activity["pattern"], causal=causal), from_last(activity["pattern"])
    labels = activity.tokens.labels
    layers = np.arange(len(first))

    def draw(figure: "Figure", theme: Theme) -> None:
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.3))
        spread = np.linspace(-0.25, 0.25, first.shape[1]) if first.shape[1] > 1 else np.zeros(1)
        left.scatter(
            (layers[:, None] + spread).ravel(),
            first.ravel(),
            s=10,
            color=theme.cycle[0],
            alpha=0.55,
            linewidths=0,
            label="a head",
        )
        mean = np.array([row.mean() for row in first])
        left.plot(layers, mean, color=theme.accent, marker="o", markersize=3.5, label="mean")
        left.set(ylim=(-0.03, 1.03), xlabel="layer", title="To the first token")
        left.set_ylabel("attention")
        whole_ticks(left, len(layers))
        left.legend(loc="best")
        matrix(right, last.astype(np.float32), theme, aspect="auto")
        token_ticks(right, labels, theme, "x")
        step = max(1, len(layers) // 16)
        right.set_yticks(layers[::step])
        right.set(ylabel="layer", xlabel="key", title="From the last token, mean over heads")
        picture = right.images[0]
        figure.colorbar(picture, ax=right, label="attention").outline.set_visible(False)

    return Plot(
        "attention-first-last",
        "Attention to the first token and from the last",
        draw,
        Table.of_grid(last, layer=layers.tolist(), key=_numbered(labels)),
        "Left: mean attention of each head's queries to the first token"
        + (" (the first query apart)" if causal else "")
        + "; the heads of a layer stand side by side, the line is their mean. Right: what the "
        "last token looks at, mean over a layer's heads.",
        size=(9.0, 3.8),
    )


def _raw_small(activity: Activity) -> F32:
    pictures = thumbnails(activity["pattern"])
    return hide_future(pictures) if is_causal(activity) else pictures


def _numbered(labels: Sequence[str]) -> list[str]:
    return [f"{i} {label}" for i, label in enumerate(labels)]


def _slug(look: Look) -> str:
    words = ["values"] if look.weight == "values" else []
    return "-".join([*words, *([] if look.first else ["rest"])])


def _overview(activity: Activity) -> Plot | None:
    return overview_plot(activity) if "pattern" in activity else None


def _first_last(activity: Activity) -> Plot | None:
    several = len(activity.tokens) > 1
    return first_last_plot(activity) if "pattern" in activity and several else None


def _scatter(activity: Activity) -> Plot | None:
    if "pattern" not in activity:
        return None
    metrics = measured(activity)
    return scatter_plot(metrics, "first", "previous") if metrics.defined else None


def _induction(activity: Activity) -> Plot | None:
    """Reads random text with the model, if it is loaded and predicts the next token."""
    model = activity.model
    if "pattern" not in activity or model is None or not model.causal:
        return None
    try:
        probed = repeated_metrics(model, sequences=1)
    except Cancelled:
        raise
    except TomoError:
        # Too small a vocabulary or context: there is nothing to show.
        return None
    plot = scatter_plot(probed, "random_previous", "induction")
    return replace(plot, caption=f"{plot.caption} Of one such text, drawn with seed 0.")


def layer_plots(activity: Activity) -> Iterator[Plot]:
    """The patterns of all heads, a picture for each layer; none where they were not recorded.

    Nor of a single token, which looks at itself in all of them.
    """
    if "pattern" in activity and len(activity.tokens) > 1:
        for layer in range(len(activity["pattern"])):
            # Behind a weight that is NaN there is nothing to see.
            if np.isfinite(activity.read("pattern", layer)).any():
                yield layer_plot(activity, layer)


FIGURES: tuple[Callable[[Activity], Plot | None], ...] = (
    _overview,
    _first_last,
    _scatter,
    _induction,
)
"""Pictures for a report; None where one does not apply."""

SERIES: tuple[Callable[[Activity], Iterator[Plot]], ...] = (layer_plots,)
"""Pictures for a report of which there are as many as the model has layers."""
