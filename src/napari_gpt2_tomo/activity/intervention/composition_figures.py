"""Pictures of composition scores: between two layers, between all heads, the strongest as lines."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...display.plots import Plot, Table, Theme
from ...display.plots.cells import heat_map, label_lines
from .composition import Composition

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["KIND_TITLES", "graph_plot", "layers_plot", "overview_plot"]

KIND_TITLES = {
    "q": "Q-composition: what a head looks for",
    "k": "K-composition: where a head finds it",
    "v": "V-composition: what a head moves on",
}
"""Kind → title of its plots."""

MOST_NAMES = 24
"""Heads in all that are named one by one."""

MOST_LINES = 60
"""Lines of the graph: more hide each other."""


def overview_plot(found: Composition, place: tuple[int, int] | None = None) -> Plot:
    """Scores between all heads: a row for each later head, a column for each earlier one.

    Parameters
    ----------
    found
        The scores.
    place
        Layers (earlier, later) to mark.
    """
    n_layers, n_heads = found.values.shape[:2]
    size = n_layers * n_heads
    values = found.values.reshape(size, size)

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        _scores(figure, axes, values, found, theme)
        middles = np.arange(n_layers) * n_heads + (n_heads - 1) / 2
        step = max(1, -(-n_layers // 16))
        names = [f"L{layer}" for layer in range(n_layers)]
        if size <= MOST_NAMES:
            # Few heads: each has its own name, and its layer's.
            middles, step = np.arange(size), 1
            names = [f"L{place // n_heads}H{place % n_heads}" for place in range(size)]
        axes.set_xticks(middles[::step], names[::step], rotation=90 if size <= MOST_NAMES else 0)
        axes.set_yticks(middles[::step], names[::step])
        edges = np.arange(1, n_layers) * n_heads - 0.5
        for lines in (axes.hlines(edges, -0.5, edges), axes.vlines(edges, edges, size)):
            lines.set(color=theme.faint, linewidth=0.5, alpha=0.7)
        # Nothing is lost above the diagonal.
        axes.set_ylim(size - 0.5, n_heads - 0.5)
        axes.set_xlim(-0.5, size - n_heads - 0.5)
        axes.set_xlabel("head that writes")
        axes.set_ylabel("head that reads")
        if place is not None:
            from matplotlib.patches import Rectangle

            corner = (place[0] * n_heads - 0.5, place[1] * n_heads - 0.5)
            axes.add_patch(
                Rectangle(
                    corner, n_heads, n_heads, fill=False, edgecolor=theme.accent, linewidth=1.6
                )
            )

    return Plot(
        f"composition-{found.kind}",
        KIND_TITLES[found.kind],
        draw,
        _table(found),
        how(found),
        (6.0, 6.2),
    )


def layers_plot(found: Composition, earlier: int, later: int) -> Plot:
    """Scores between the heads of two layers.

    Parameters
    ----------
    found
        The scores.
    earlier, later
        Layer that writes, and layer that reads.
    """
    values = found.values[later, :, earlier, :]
    n_heads = values.shape[0]

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        _scores(figure, axes, values, found, theme)
        label_lines(axes, [f"L{later}H{head}" for head in range(n_heads)], theme)
        step = max(1, -(-n_heads // 16))
        axes.set_xticks(range(0, n_heads, step))
        axes.set_xlabel(f"head of layer {earlier} that writes")

    heads = list(range(n_heads))
    return Plot(
        f"composition-{found.kind}-l{earlier}-l{later}",
        f"{KIND_TITLES[found.kind]}, from layer {earlier} to layer {later}",
        draw,
        Table.of_grid(values, **{"reading head": heads, "writing head": heads}),
        how(found),
        (5.6, max(3.0, 1.6 + 0.22 * n_heads)),
    )


def graph_plot(found: Composition, count: int = 24) -> Plot:
    """The strongest scores as lines between the heads, the first layer at the bottom.

    Parameters
    ----------
    found
        The scores.
    count
        Lines, at most 60.
    """
    n_layers, n_heads = found.values.shape[:2]
    best = found.strongest(min(count, MOST_LINES))

    def draw(figure: "Figure", theme: Theme) -> None:
        from matplotlib.collections import LineCollection

        axes = figure.add_subplot()
        layers, heads = np.indices((n_layers, n_heads))
        axes.scatter(heads, layers, s=10, color=theme.faint, linewidths=0, zorder=2)
        if best:
            scores = np.array([score for score, *_ in best])
            shares = (scores - scores.min()) / (np.ptp(scores) or 1.0)
            ends = [((a[1], a[0]), (b[1], b[0])) for _, a, b in best]
            lines = LineCollection(
                ends,
                colors=theme.cycle[0],
                linewidths=0.6 + 2.6 * shares,
                alpha=0.75,
                capstyle="round",
                zorder=3,
            )
            axes.add_collection(lines)
            used = sorted({end for pair in ends for end in pair})
            xs, ys = zip(*used, strict=True)
            axes.scatter(xs, ys, s=22, color=theme.accent, linewidths=0, zorder=4)
            for head, layer in used:
                axes.annotate(
                    f"{layer}.{head}",
                    (head, layer),
                    (4, 3),
                    textcoords="offset points",
                    fontsize=theme.size - 1,
                    color=theme.text,
                    zorder=5,
                )
        axes.set_xlim(-0.6, n_heads - 0.2)
        axes.set_ylim(-0.5, n_layers - 0.4)
        axes.set_xticks(range(0, n_heads, max(1, -(-n_heads // 16))))
        axes.set_yticks(range(0, n_layers, max(1, -(-n_layers // 16))))
        axes.set_xlabel("head")
        axes.set_ylabel("layer")

    return Plot(
        f"composition-{found.kind}-strongest",
        f"The {len(best)} strongest of {KIND_TITLES[found.kind].partition(':')[0]}",
        draw,
        Table(
            {
                "score": [score for score, *_ in best],
                "writing head": [f"L{a}H{h}" for _, (a, h), _ in best],
                "reading head": [f"L{b}H{h}" for *_, (b, h) in best],
            }
        ),
        f"Thicker lines are higher scores; a point is named layer.head. {how(found)}",
        (6.0, max(3.0, 1.0 + 0.42 * n_layers)),
    )


def how(found: Composition) -> str:
    """How the scores were computed, in sentences."""
    formula = {
        "q": "‖W_QKᵀ W_OV‖ / (‖W_QK‖ ‖W_OV‖)",
        "k": "‖W_QK W_OV‖ / (‖W_QK‖ ‖W_OV‖)",
        "v": "‖W_OV′ W_OV‖ / (‖W_OV′‖ ‖W_OV‖)",
    }[found.kind]
    norms = (
        "The gains of norms are in the weights and what is written is centred"
        if found.folded
        else "Norms are left out"
    )
    return (
        f"{found.name}: {formula}, Frobenius norms, from the weights alone (Elhage et al., 2021). "
        f"{norms}; biases and rotary positions are left out. With a random rotation between two "
        f"heads the root mean square is 1/√d_model = {found.baseline:.3f}, which is drawn neutral."
    )


def _scores(
    figure: "Figure", axes: "Axes", values: NDArray[np.float32], found: Composition, theme: Theme
) -> None:
    """A heat map of scores whose neutral colour is that of the baseline."""
    finite = values[np.isfinite(values)]
    # One pair in a thousand may be clipped: a single huge one would hide all others.
    spread = np.abs(finite - found.baseline)
    top = float(np.quantile(spread, 0.999)) if finite.size else found.baseline
    limits = found.baseline - top, found.baseline + top
    label = f"score; {found.baseline:.3f} is random"
    image = heat_map(figure, axes, values, theme, limits, label, theme.diverging)
    # A score cannot be negative, though the colours go as far on both sides.
    image.colorbar.ax.set_xlim(max(0.0, limits[0]), limits[1])
    if finite.size and float(finite.max()) > 1.02 * limits[1]:
        image.colorbar.set_label(f"{label}; the darkest red goes up to {finite.max():.3g}")


def _table(found: Composition) -> Table:
    later, head, earlier, source = np.nonzero(np.isfinite(found.values))
    return Table(
        {
            "reading layer": later,
            "reading head": head,
            "writing layer": earlier,
            "writing head": source,
            "score": found.values[later, head, earlier, source],
        }
    )
