"""Heads as points: two of their metrics against each other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...display.plots import Plot, Table, Theme
from .catalogue import METRICS, metric
from .metrics import HeadMetrics, head_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["scatter_plot"]

SPAN = 0.1
"""Share at which the axis of a metric ends at least: what is nothing must not look like much."""

DOT = 0.004
"""Share of the axes within which two dots look like one."""

NAME = (0.16, 0.045)
"""Shares of the axes that the name of a head takes in a scatter."""


def scatter_plot(
    metrics: HeadMetrics,
    x: str,
    y: str,
    selected: tuple[int, int] | None = None,
    named: int = 5,
) -> Plot:
    """Two metrics of all heads against each other; a colour from the first layer to the last.

    Parameters
    ----------
    metrics
        With `x` and `y`.
    x, y
        Names of metrics.
    selected
        Layer and head of one to mark.
    named
        How many of the largest on each axis are named.
    """
    across, up = metrics[x].ravel(), metrics[y].ravel()
    layers, heads = np.indices(metrics.shape).reshape(2, -1)
    names = [head_name(*where) for where in zip(layers.tolist(), heads.tolist(), strict=True)]
    there = np.isfinite(across) & np.isfinite(up)
    marked = selected[0] * metrics.shape[1] + selected[1] if selected is not None else -1

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        axes.set(xlabel=_titled(x), ylabel=_titled(y))
        if not there.any():
            axes.set_axis_off()
            axes.text(0.5, 0.5, _undefined(metrics, (x, y)), ha="center", va="center", wrap=True)
            return
        axes.grid(True, alpha=0.35)
        axes.set_axisbelow(True)
        # The darkest and the lightest colours of a map vanish on a ground.
        points = axes.scatter(
            across[there],
            up[there],
            c=layers[there],
            cmap="viridis",
            vmin=0,
            vmax=max(1, metrics.shape[0] - 1),
            s=22,
            edgecolors=theme.faint,
            linewidths=0.5,
        )
        bar = figure.colorbar(points, ax=axes, label="layer", pad=0.02)
        bar.set_ticks(range(0, metrics.shape[0], max(1, metrics.shape[0] // 12)))
        bar.outline.set_visible(False)
        if 0 <= marked < len(names) and there[marked]:
            axes.scatter(
                across[marked], up[marked], s=80, facecolors="none", edgecolors=theme.accent
            )
        axes.margins(0.08)
        for name, (low, high), limit in (
            (x, axes.get_xlim(), axes.set_xlim),
            (y, axes.get_ylim(), axes.set_ylim),
        ):
            if METRICS[name].unit == "share" and high < SPAN:
                limit(min(low, -0.08 * SPAN), SPAN)
        spans = float(np.ptp(axes.get_xlim())), float(np.ptp(axes.get_ylim()))
        for i in _apart(_worth_naming(across, up, there, named, marked), across, up, spans):
            # Heads that do the same lie on one dot.
            off = np.hypot((across - across[i]) / spans[0], (up - up[i]) / spans[1])
            twins = int((off < DOT).sum())
            axes.annotate(
                f"{names[i]} and {twins - 1} more" if twins > 1 else names[i],
                (across[i], up[i]),
                xytext=(4, 3),
                textcoords="offset points",
                fontsize=theme.size - 1,
                color=theme.accent if i == marked else theme.text,
            )

    return Plot(
        f"heads-{x}-{y}".replace("_", "-"),
        f"{METRICS[y].title} and {METRICS[x].title} of every head".capitalize(),
        draw,
        Table({"name": names, "layer": layers, "head": heads, x: across, y: up}),
        f"{METRICS[x].title}: {METRICS[x].formula}. {METRICS[y].title}: {METRICS[y].formula}.",
        size=(6.5, 4.5),
    )


def _worth_naming(
    across: NDArray[Any], up: NDArray[Any], there: NDArray[Any], named: int, marked: int
) -> list[int]:
    """The largest on each axis and the one that is marked."""
    found: list[int] = [marked] if 0 <= marked < len(there) and there[marked] else []
    for values in (up, across):
        order = np.argsort(np.where(there, -values, np.inf), kind="stable")[:named]
        found += [int(i) for i in order if there[i] and int(i) not in found]
    return found


def _apart(
    points: list[int], across: NDArray[Any], up: NDArray[Any], spans: tuple[float, float]
) -> list[int]:
    """Those of some points whose names do not lie on the name of one before.

    Spans are those of the axes: what is far apart in a narrow range is drawn close in a wide one.
    """
    kept: list[int] = []
    for i in points:
        if not any(
            abs(across[i] - across[j]) < NAME[0] * spans[0]
            and abs(up[i] - up[j]) < NAME[1] * spans[1]
            for j in kept
        ):
            kept.append(i)
    return kept


def _undefined(metrics: HeadMetrics, names: Sequence[str]) -> str:
    lacking = [METRICS[name].title for name in dict.fromkeys(names) if name not in metrics.defined]
    return f"Undefined for this text: {', '.join(lacking)}."


def _titled(name: str) -> str:
    one = metric(name)
    return one.title if one.unit in ("share", "score") else f"{one.title} [{one.unit}]"
