"""Growth as plots: one line for each part or group of parts over the training."""

import colorsys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..display.plots import Plot, Table, Theme, log_scale
from .growth import Growth, metric_named
from .lines import Line
from .losses import Losses

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .find import Step

__all__ = ["growth_plot", "places_are_numbers", "places_of", "wants_log", "wants_log_y"]

EARLY = 0.25
"""Share of the training up to which half of the checkpoints lie where a logarithmic axis shows
the beginning better.
"""

MOST_NAMED = 14
"""Lines that a legend names; of more the first, some between and the last are named."""

LABELS = 12
"""Checkpoints that are named on the axis each; of more matplotlib chooses round numbers."""

BESIDE = 6.0
"""Inches of width from which the legend stands beside the plot, and not below it."""

COLUMN = 1.35
"""Inches that a column of a legend below the plot takes."""

DECADE = 10.0
"""Largest over smallest value from which a logarithmic axis shows all of the lines."""

DARKEST, LIGHTEST = 0.42, 0.62
"""Lightness of lines on a light ground at most, on a dark one at least."""


def places_of(steps: "Sequence[Step]") -> NDArray[np.float64]:
    """Where the steps lie on the axis: their numbers, or their order where one is not known or
    does not grow.
    """
    numbers = [step.number for step in steps]
    known = [number for number in numbers if number is not None]
    same = len({step.unit for step in steps}) == 1
    if len(known) == len(numbers) and same and all(np.diff(known) > 0):
        return np.array(known, float)
    return np.arange(len(numbers), dtype=float)


def wants_log(places: NDArray[np.float64]) -> bool:
    """Whether an axis with these places is better logarithmic."""
    return len(places) > 3 and bool(np.median(places) <= EARLY * places[-1])


def wants_log_y(growth: Growth, lines: Sequence[Line], metric: str) -> bool:
    """Whether a metric of some lines is better drawn on a logarithmic axis."""
    if not metric_named(metric).log:
        return False
    values = np.concatenate([growth.of(metric, line.parts) for line in lines])
    positive = values[values > 0]
    return bool(positive.size) and bool(positive.max() / positive.min() >= DECADE)


def growth_plot(
    growth: Growth,
    steps: "Sequence[Step]",
    lines: Sequence[Line],
    metric: str = "norm",
    *,
    log_x: bool = False,
    log_y: bool = False,
    losses: Losses | None = None,
    subject: str = "",
) -> Plot:
    """A metric over the steps, one line for each of `lines`.

    Parameters
    ----------
    growth
        What was measured.
    steps
        Of the series, for the axis.
    lines
        Which parts are taken together, see `lines.lines_of`.
    metric
        Name of one of `growth.METRICS`.
    log_x
        Whether the axis of the steps is logarithmic; a step 0 stands at its left end.
    log_y
        Whether that of the metric is; what is 0 is not seen then.
    losses
        Drawn as dotted lines with an axis of their own, as far as the series reaches.
    subject
        What the lines are of, for the title.

    Raises
    ------
    DisplayError
        There is no such metric.
    """
    chosen = metric_named(metric)
    places = places_of(steps)
    values = np.array([growth.of(metric, line.parts) for line in lines]).reshape(-1, len(steps))
    unit = steps[0].unit if places_are_numbers(steps, places) else ""

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.add_subplot()
        # A logarithmic axis would draw a fall to its lower end where a value is 0.
        shown = np.where(values > 0, values, np.nan) if log_y else values
        _draw_lines(axes, theme, places, lines, shown)
        axes.set_ylabel(chosen.symbol)
        axes.set_xlabel(unit or "checkpoint")
        _scale(axes, steps, places, log_x)
        if log_y and (values > 0).any():
            log_scale(axes, "y")
        if losses:
            _draw_losses(axes, theme, places, losses)
        if len(lines) > 1 or losses:
            wide = figure.get_figwidth() >= BESIDE
            figure.legend(
                *_legend(axes, lines),
                loc="outside right upper" if wide else "outside lower center",
                ncols=1 if wide else max(1, int(figure.get_figwidth() / COLUMN)),
                fontsize=theme.size - 1,
                columnspacing=1.0,
                handlelength=1.4,
            )

    table = Table(
        {
            "step": [step.title for step in steps for _ in lines],
            "line": [line.label for _ in steps for line in lines],
            metric: values.T.ravel(),
        }
    )
    caption = f"{chosen.about} Weights of a line are taken together as one vector."
    if losses:
        caption += f" Losses from {losses.source}."
    title = chosen.title[0].upper() + chosen.title[1:] + (f" · {subject}" if subject else "")
    return Plot(f"growth-{metric.replace('_', '-')}", title, draw, table, caption)


def places_are_numbers(steps: "Sequence[Step]", places: NDArray[np.float64]) -> bool:
    """Whether the places on the axis are the numbers of the steps and not their order."""
    return all(step.number == place for step, place in zip(steps, places, strict=True))


def _draw_lines(
    axes: "Axes",
    theme: Theme,
    places: NDArray[np.float64],
    lines: Sequence[Line],
    values: NDArray[np.float64],
) -> None:
    import matplotlib as mpl

    depth = mpl.colormaps["viridis"]
    dark = int(theme.ground[1:3], 16) < 0x80
    for line, curve in zip(lines, values, strict=True):
        colour: Any = theme.text
        if line.colour is not None:
            colour = _readable(line.colour, dark)
        elif line.shade is not None:
            # The ends of the map are lost on a dark and on a light ground.
            colour = depth(0.15 + 0.85 * line.shade if dark else 0.85 * line.shade)
        axes.plot(places, curve, color=colour, marker="o", markersize=3, label=line.label)


def _readable(colour: tuple[float, float, float], dark: bool) -> tuple[float, float, float]:
    hue, light, saturation = colorsys.rgb_to_hls(*colour)
    light = max(light, LIGHTEST) if dark else min(light, DARKEST)
    return colorsys.hls_to_rgb(hue, light, saturation)


def _scale(axes: "Axes", steps: "Sequence[Step]", places: NDArray[np.float64], log_x: bool) -> None:
    positive = places[places > 0]
    if log_x and len(positive):
        if places[0] > 0:
            log_scale(axes, "x")
        else:
            axes.set_xscale("symlog", linthresh=float(positive[0]), linscale=0.4)
    if not places_are_numbers(steps, places):
        shown = np.unique(np.linspace(0, len(steps) - 1, LABELS).round().astype(int))
        names = [steps[i].name for i in shown]
        axes.set_xticks(places[shown], names, rotation=40, ha="right")
    elif log_x and len(steps) <= LABELS:
        axes.set_xticks(places, [f"{place:,.0f}" for place in places])
        axes.set_xticks([], minor=True)
    else:
        # Round numbers, and a small tick for every checkpoint.
        axes.xaxis.set_major_formatter(lambda place, _: f"{place:,.0f}")
        axes.set_xticks(places, [""] * len(places), minor=True)


def _draw_losses(axes: "Axes", theme: Theme, places: NDArray[np.float64], losses: Losses) -> None:
    other = axes.twinx()
    other.set_ylabel("loss", color=theme.text)
    other.spines["right"].set_visible(True)
    for (name, (at, values)), style in zip(losses.curves.items(), (":", "--"), strict=False):
        inside = (at >= places[0]) & (at <= places[-1])
        other.plot(
            at[inside],
            values[inside],
            style,
            color=theme.text,
            alpha=0.75,
            linewidth=1.2,
            label=name,
        )


def _legend(axes: "Axes", lines: Sequence[Line]) -> tuple[list[Any], list[str]]:
    """Handles and labels: all lines, or some of many, and what is drawn on the second axis."""
    handles, labels = axes.get_legend_handles_labels()
    if len(lines) > MOST_NAMED:
        chosen = np.unique(np.linspace(0, len(lines) - 1, MOST_NAMED).round().astype(int))
        handles, labels = [handles[i] for i in chosen], [labels[i] for i in chosen]
    for other in axes.figure.axes:
        if other is not axes:
            more = other.get_legend_handles_labels()
            handles, labels = [*handles, *more[0]], [*labels, *more[1]]
    return handles, labels
