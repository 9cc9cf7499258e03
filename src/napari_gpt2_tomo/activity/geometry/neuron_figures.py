"""Plots of neurons: how they fire, and whether they write what they read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...display.plots import Plot, Table, Theme, log_scale
from ...display.plots.cells import cut
from ..journey.panels import over_layers, panels, whole_numbers
from ..record import Activity, site
from .alignment import PAIRS, Alignment
from .firing import NEAR_ZERO, STRONG, Histograms, Sparsity, strongest_neurons

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["alignment_plot", "firing_plot", "histogram_plot", "sparsity_plot"]

F32 = NDArray[np.float32]

FAINTEST = 1e-6
"""Share of a layer's values that has the darkest colour of a histogram; less is empty."""

NEURONS = 24
"""Neurons of a layer that are drawn as rows."""

MOST_TOKENS = 40
"""Tokens that are named on an axis."""


def histogram_plot(found: Histograms) -> Plot:
    """Histograms of all layers as rows, the share of values as colour on a logarithmic scale."""
    title = site(found.where).title

    def draw(figure: "Figure", theme: Theme) -> None:
        from matplotlib.colors import LogNorm

        axes = figure.subplots()
        shares = np.ma.masked_less(found.share, FAINTEST)
        layers = len(shares)
        image = axes.imshow(
            shares,
            norm=LogNorm(FAINTEST, 1),
            cmap=theme.sequential,
            aspect="auto",
            interpolation="nearest",
            origin="lower",
            extent=(found.edges[0], found.edges[-1], -0.5, layers - 0.5),
        )
        axes.axvline(0, color=theme.text, linewidth=0.6, alpha=0.7)
        axes.set_xlabel(f"value of the {title}")
        _layers(axes, layers)
        bar = figure.colorbar(image, ax=axes, label="share of the layer's values", format="{x:.0e}")
        bar.outline.set_visible(False)

    middles = (found.edges[1:] + found.edges[:-1]) / 2
    return Plot(
        f"histogram-{found.where.replace('_', '-')}",
        f"Histograms of the {title}",
        draw,
        Table.of_grid(found.share, layer=range(len(found.share)), value_of_bin=list(middles)),
        "Share of the values of each layer, over all tokens and neurons, by value. What lies "
        "beyond either end is counted in the last bin there.",
        (6.5, max(2.4, 0.25 * len(found.share) + 1.3)),
    )


def sparsity_plot(found: Sparsity) -> Plot:
    """Shares of firing, strong and silent neurons; Hoyer's sparsity; kurtosis."""
    shares = {
        "above 0": found.positive,
        f"|x| > {STRONG:g} rms": found.strong,
        f"|x| ≤ {NEAR_ZERO:g} rms": found.silent,
    }

    def draw(figure: "Figure", theme: Theme) -> None:
        left, middle, right = panels(figure, 3)
        layers = np.arange(len(found.hoyer))
        for name, values in shares.items():
            left.plot(layers, values, marker="o", markersize=2.5, label=name)
        left.set_title("share of neurons")
        most = max(float(np.nanmax(one, initial=0.0)) for one in shares.values())
        left.set_ylim(0, max(0.6, 1.1 * most))
        left.legend(loc="best")
        middle.plot(layers, found.hoyer, marker="o", markersize=2.5)
        middle.set_title("Hoyer's sparsity")
        middle.set_ylim(0, 1)
        right.plot(layers, found.kurtosis, marker="o", markersize=2.5)
        right.axhline(3, color=theme.faint, linestyle="--", linewidth=0.9)
        right.set_title("kurtosis (normal: 3)")
        log_scale(right, "y")
        for axes in (left, middle, right):
            axes.set_xlim(-0.3, len(layers) - 0.7)
            axes.set_xlabel("layer")
            whole_numbers(axes)

    table = Table(
        {
            "layer": np.arange(len(found.hoyer)),
            "share above 0": found.positive,
            "share strong": found.strong,
            "share silent": found.silent,
            "hoyer": found.hoyer,
            "kurtosis": found.kurtosis,
        }
    )
    return Plot(
        "sparsity",
        "How few neurons fire",
        draw,
        table,
        "Share of a layer's values above 0, strong and silent (against the layer's root mean "
        "square); Hoyer's sparsity, 0 where all neurons fire alike and 1 where one does; and "
        "kurtosis.",
        (8.0, 2.8),
    )


def firing_plot(activity: Activity, layer: int, count: int = NEURONS) -> Plot | None:
    """The neurons of a layer that fire most strongly, over the tokens; None where experts differ.

    Raises
    ------
    TomoError
        The neurons were not recorded, or there is no such layer.
    """
    values = activity["mlp_post"]
    if values.ndim != 3:
        # Each token of a mixture has experts of its own: rows would mix them.
        return None
    strongest: list[int] = []
    for one in strongest_neurons(activity, layer=layer, count=count * values.shape[1]):
        if one.neuron not in strongest:
            strongest.append(one.neuron)
    neurons = strongest[:count]
    block = np.asarray(values[layer], np.float32)[:, neurons].T
    labels: Sequence[str] = activity.tokens.labels

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        reach = float(np.abs(block).max(initial=0.0)) or 1.0
        image = axes.imshow(
            block,
            cmap=theme.diverging,
            vmin=-reach,
            vmax=reach,
            aspect="auto",
            interpolation="nearest",
        )
        axes.set_yticks(range(len(neurons)), [str(one) for one in neurons])
        axes.set_ylabel(f"neuron of L{layer}")
        step = -(-len(labels) // MOST_TOKENS)
        places = range(0, len(labels), step)
        axes.set_xticks(places, [cut(labels[place]) for place in places], rotation=90)
        bar = figure.colorbar(image, ax=axes, label="activation")
        bar.outline.set_visible(False)

    return Plot(
        "strongest-neurons",
        f"Strongest neurons of L{layer}",
        draw,
        Table.of_grid(block, neuron=neurons, position=range(len(labels))),
        f"Activations of the {len(neurons)} neurons of layer {layer} that fire most strongly on "
        "any token of the prompt, the strongest on top.",
        (7.0, max(2.8, 0.17 * len(neurons) + 1.2)),
    )


def alignment_plot(found: Alignment) -> Plot:
    """Quantiles of the cosines of each layer against those of random directions."""

    def draw(figure: "Figure", theme: Theme) -> None:
        grid = panels(figure, len(found.cosines), sharey=True)
        for axes, (name, layers) in zip(grid, found.cosines.items(), strict=True):
            levels = [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0]
            places, quantiles = over_layers(np.array([_quantiles(one, levels) for one in layers]))
            low, five, quarter, middle, three, most, high = quantiles.T
            axes.axhspan(
                -2 * found.sigma,
                2 * found.sigma,
                color=theme.faint,
                alpha=0.35,
                linewidth=0,
                label="95 % of random pairs",
            )
            axes.fill_between(
                places,
                five,
                most,
                color=theme.cycle[0],
                alpha=0.22,
                linewidth=0,
                label="90 % of neurons",
            )
            axes.fill_between(
                places,
                quarter,
                three,
                color=theme.cycle[0],
                alpha=0.35,
                linewidth=0,
                label="half of neurons",
            )
            axes.plot(places, middle, color=theme.cycle[0], label="median")
            for ends in (low, high):
                axes.plot(places, ends, ".", color=theme.accent, markersize=4)
            axes.plot([], [], ".", color=theme.accent, markersize=4, label="extremes")
            axes.set_title(PAIRS[name])
            axes.set_xlabel("layer")
            axes.set_xlim(-0.3, len(layers) - 0.7)
            whole_numbers(axes)
        grid[0].set_ylabel("cosine")
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

    rows = [
        (layer, neuron, *(float(found.cosines[name][layer][neuron]) for name in found.cosines))
        for layer in range(len(next(iter(found.cosines.values()))))
        for neuron in range(len(next(iter(found.cosines.values()))[layer]))
    ]
    columns = list(zip(*rows, strict=True))
    headings = ["layer", "neuron", *(PAIRS[name] for name in found.cosines)]
    return Plot(
        "neuron-alignment",
        "Do neurons write what they read?",
        draw,
        Table(dict(zip(headings, columns, strict=True))),
        "Cosine between the directions of each neuron: what it reads (in), what its gate reads, "
        "and what it writes (out). Above 0 a neuron strengthens what it detects, below 0 it takes "
        f"it away. Random directions have a standard deviation of 1/√d = {found.sigma:.3f}.",
        (3.0 * len(found.cosines) + 1.0, 3.6),
    )


def _quantiles(values: F32, levels: list[float]) -> NDArray[np.float64]:
    """Quantiles of what is there; NaN where all neurons of a layer are 0."""
    there = values[np.isfinite(values)]
    return np.quantile(there, levels) if there.size else np.full(len(levels), np.nan)


def _layers(axes: "Axes", count: int) -> None:
    axes.set_ylabel("layer")
    step = -(-count // 16)
    axes.set_yticks(range(0, count, step))
