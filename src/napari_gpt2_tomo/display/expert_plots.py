"""Plots of a mixture of experts: how large its experts are, and how alike their routers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..volume.statistics.experts import ExpertTable
from .plots import Plot, Table, Theme
from .plots.cells import heat_map

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MEASURES", "expert_map", "measures", "router_map"]

MEASURES: Mapping[str, str] = {
    "norm": "norm of all matrices",
    "sigma": "standard deviation",
    "router_norm": "norm of the router's column",
    "cosine": "cosine to the most similar router column",
}
"""What a map of the experts can show, and what its colours then mean."""


def measures(table: ExpertTable) -> dict[str, str]:
    """The measures that a table has: those of `MEASURES`, and the norm of each matrix."""
    found = {name: words for name, words in MEASURES.items() if np.isfinite(table.grid(name)).any()}
    return found | {role: f"norm of {role}" for role in table.roles}


def expert_map(table: ExpertTable, measure: str = "norm") -> Plot:
    """A heat map, a row for each layer and a column for each expert.

    Parameters
    ----------
    table
        The experts.
    measure
        A key of `MEASURES`, or a role: the norm of that matrix.
    """
    values = table.grid(measure)
    words = MEASURES.get(measure, f"norm of {measure}")
    layers = [f"L{layer}" for layer in table.layers]

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        heat_map(figure, axes, values, theme, _limits(values), words)
        axes.set_yticks(*_thinned(layers, 16))
        _number_experts(axes, table.n_experts)

    estimated = " Estimated from samples." if table.estimate else ""
    return Plot(
        f"experts-{measure.replace('_', '-')}",
        f"Experts: {words}",
        draw,
        Table.of_grid(values, layer=table.layers, expert=range(table.n_experts)),
        f"Each cell is one expert of one layer: {words}. A click goes there.{estimated}",
    )


def router_map(table: ExpertTable, layer: int) -> Plot:
    """A heat map of the cosines between the router's columns of a layer.

    Raises
    ------
    KeyError
        The layer has no router.
    """
    values = table.cosines[layer]
    count = len(values)
    apart = np.where(np.eye(count, dtype=bool), np.nan, values)
    reach = float(np.nanmax(np.abs(apart))) if np.isfinite(apart).any() else 1.0

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        # Colours up to the largest cosine of two: the diagonal is 1 and would drown all others.
        words = "cosine between the router's columns"
        heat_map(figure, axes, apart, theme, (-reach, reach), words, theme.diverging)
        axes.set_yticks(*_thinned([str(i) for i in range(count)], 16))
        axes.set_ylabel("expert")
        _number_experts(axes, count)

    return Plot(
        f"experts-router-l{layer}",
        f"Router of layer {layer}: how alike the columns of its experts are",
        draw,
        Table.of_grid(values, expert=range(count), other=range(count)),
        "Cosine between the columns of the router of two experts: near 1 both are chosen for the "
        "same states of the stream, near 0 for unrelated ones.",
    )


def _number_experts(axes: Any, count: int) -> None:
    axes.set_xticks(*_thinned([str(i) for i in range(count)], 17))
    axes.set_xlabel("expert")
    axes.xaxis.set_label_position("top")
    axes.xaxis.tick_top()


def _thinned(labels: list[str], most: int) -> tuple[list[int], list[str]]:
    """Places and labels, at most so many, a power of two apart."""
    step = 1
    while len(labels) > most * step:
        step *= 2
    places = list(range(0, len(labels), step))
    return places, [labels[place] for place in places]


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """From the smallest to the largest: experts differ by a few percent."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if low < high else (low - 1.0, high + 1.0)
