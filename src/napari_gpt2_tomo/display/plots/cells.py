"""What the plots share: heat maps with words in their cells, labels that fit, one bar a line."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "cut",
    "heat_map",
    "label_lines",
    "label_tokens",
    "percent",
    "row_bars",
    "upright_bars",
    "write_cells",
]

POINTS = 72.0
"""Points in an inch."""

SMALLEST = 5.0
"""Points below which letters cannot be read."""

LETTER = 0.62
"""Mean width of a letter as a share of its size."""

UPRIGHT = 1.15
"""Room that a label needs which stands on end, as a share of the letters' size."""

FILLING = 0.62
"""Share of a cell's height that its letters may take."""

EDGE = 0.12
"""Inches between axes and the edge of the figure."""

BELOW = 0.85
"""Inches below a heat map: labels, and the bar of its colours with its own."""

MOST_CELLS = 2000
"""Words that are drawn at most: more take seconds, and nobody reads them."""

FEWEST = 3
"""Letters that must fit: fewer tell no token from another."""

LONGEST = 14
"""Letters of a token's label on an axis."""


def cut(label: str, length: int = LONGEST) -> str:
    """A label in at most so many letters."""
    return label if len(label) <= length else f"{label[: max(length - 1, 1)]}…"


def percent(chance: float) -> str:
    """A probability in two digits or more."""
    if chance >= 0.001:
        return f"{chance:.1%}"
    return f"{100 * chance:.1g}%" if chance >= 1e-6 else "< 0.0001%"


def heat_map(
    figure: "Figure",
    axes: "Axes",
    values: NDArray[Any],
    theme: Theme,
    limits: tuple[float, float],
    colour_label: str,
    colours: str | None = None,
) -> Any:
    """A picture of a matrix with its first row at the top, and a bar that explains its colours."""
    image = axes.imshow(
        values,
        cmap=colours or theme.sequential,
        vmin=limits[0],
        vmax=limits[1],
        aspect="auto",
        interpolation="nearest",
    )
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, orientation="horizontal", aspect=40, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(colour_label)
    return image


def label_tokens(axes: "Axes", labels: Sequence[str], theme: Theme, first: int = 0) -> None:
    """Tokens along the horizontal axis: upright where they are short, thinned where they are many.

    Parameters
    ----------
    axes
        With a unit for each token.
    labels
        One for each token.
    theme
        Of the plot.
    first
        Position of the first token; unused places say which one they are when thinned.
    """
    width = _inches(axes, theme)[0] * POINTS
    step = max(1, int(np.ceil(len(labels) * UPRIGHT * theme.size / width)))
    places = np.arange(0, len(labels), step)
    shown = [cut(labels[int(place)]) for place in places]
    longest = max((len(one) for one in shown), default=0)
    fits = longest * LETTER * theme.size < width / max(1, len(places))
    axes.set_xticks(places, shown, rotation=0 if fits else 90)
    if step > 1:
        axes.set_xlabel(f"token {first} to {first + len(labels) - 1}, one in {step} is named")


def label_lines(axes: "Axes", labels: Sequence[str], theme: Theme) -> None:
    """Names along the vertical axis, as many as fit."""
    room = _inches(axes, theme)[1] * POINTS / max(1, len(labels))
    step = max(1, int(np.ceil(theme.size * 1.15 / max(room, 0.1))))
    # The last line is the one that matters most: thinning keeps it.
    places = np.arange(len(labels) - 1, -1, -step)[::-1]
    axes.set_yticks(places, [labels[int(place)] for place in places])


def write_cells(axes: "Axes", image: Any, words: NDArray[Any], theme: Theme) -> None:
    """Words in the cells of a heat map, where they can be read.

    Parameters
    ----------
    axes
        With its labels, so that only words are missing.
    image
        What `heat_map` gave.
    words
        ``(row, column)`` of str.
    theme
        Of the plot.
    """
    if words.size > MOST_CELLS or not words.size:
        return
    width, height = _inches(axes, theme)
    cell = width / words.shape[1] * POINTS, height / words.shape[0] * POINTS
    size = min(theme.size - 0.5, cell[1] * FILLING)
    letters = int(cell[0] * 0.94 / (LETTER * size)) if size >= SMALLEST else 0
    if letters < FEWEST:
        return
    shades = image.cmap(image.norm(image.get_array()))
    dark = shades[..., :3] @ np.array([0.299, 0.587, 0.114]) < 0.5
    for (row, column), word in np.ndenumerate(words):
        axes.text(
            column,
            row,
            cut(str(word), letters),
            ha="center",
            va="center",
            fontsize=size,
            color="#ffffff" if dark[row, column] else "#101010",
            clip_on=True,
        )


def upright_bars(axes: "Axes", values: NDArray[Any], colours: Any) -> None:
    """Upright bars, one at each whole number: one artist, so that hundreds are drawn at once."""
    from matplotlib.collections import PolyCollection

    tops = np.nan_to_num(np.asarray(values, float))
    corners = [
        [(at - 0.4, 0), (at + 0.4, 0), (at + 0.4, top), (at - 0.4, top)]
        for at, top in enumerate(tops.tolist())
    ]
    axes.add_collection(PolyCollection(corners, facecolors=colours))
    axes.autoscale_view()


def row_bars(
    axes: "Axes",
    labels: Sequence[str],
    values: Sequence[float] | NDArray[Any],
    colours: Any,
    theme: Theme,
    texts: Sequence[str] = (),
    left: Any = 0.0,
) -> None:
    """Horizontal bars, the first at the top, with numbers at their ends."""
    places = np.arange(len(labels))
    axes.barh(places, values, left=left, color=colours, height=0.72)
    axes.set_yticks(places, [cut(label, 22) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    ends = np.asarray(values, float) + np.asarray(left, float)
    for place, (end, value, text) in enumerate(zip(ends, values, texts, strict=False)):
        side = -1 if value < 0 else 1
        axes.annotate(
            text,
            (end, place),
            (3 * side, 0),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=theme.size - 0.5,
            color=theme.text,
        )


def _inches(axes: "Axes", theme: Theme) -> tuple[float, float]:
    """Width and height that axes will have, near enough to choose what to write.

    To know them exactly the figure would have to be laid out, which takes longer than drawing it.
    """
    figure: Any = axes.figure
    place = axes.get_subplotspec()
    grid = (1, 1) if place is None else place.get_gridspec().get_geometry()
    names = max((len(one.get_text()) for one in axes.get_yticklabels()), default=0)
    left = (names * LETTER + 1.5) * theme.size / POINTS
    width = figure.get_figwidth() / grid[1] - left - EDGE
    height = figure.get_figheight() / grid[0] - BELOW
    return max(width, 0.1), max(height, 0.1)
