"""A text as it reads, each token on a ground that says how surprising it was."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ....display.plots import Plot, Table, Theme
from ....display.plots.cells import POINTS, cut
from ..chances import F64, NATS_PER_BIT
from ..prediction import Reading

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MOST", "text_plot", "token_at"]

MOST = 400
"""Tokens that are drawn at most; of a longer text the last ones."""

CEILING = 12.0
"""Bits of surprisal from which on the ground is as bright as it gets: one in 4096."""

LINE = 1.9
"""Height of a line as a share of the letters' size."""

MARGIN = 12.0
"""Points left free on the right."""

NOTHING = (0.5, 0.5, 0.5, 0.25)
"""Ground of a token that had nothing before it."""

BOXES = "tokens"
"""Group id of the boxes, by which `token_at` knows them."""


def text_plot(read: Reading, mark: int | None = None) -> Plot:
    """The text with each token on a ground that is brighter the more surprising it was.

    Parameters
    ----------
    read
        What to draw.
    mark
        Position to draw a frame around.
    """
    start = max(0, len(read.tokens) - MOST)
    labels = [cut(label, 24) for label in read.tokens.labels[start:]]
    bits = read.surprisal[start:] / NATS_PER_BIT

    def draw(figure: "Figure", theme: Theme) -> None:
        import matplotlib as mpl
        from matplotlib.collections import PolyCollection
        from matplotlib.transforms import Affine2D, ScaledTranslation

        size = theme.size + 1
        axes = figure.add_subplot()
        axes.set_axis_off()
        boxes = _boxes(labels, figure.get_figwidth() * POINTS - MARGIN, size)
        corner: Any = axes.transAxes
        # In points from the upper left corner, so that words and grounds keep their sizes.
        points = (
            Affine2D().scale(1 / POINTS, -1 / POINTS)
            + figure.dpi_scale_trans
            + ScaledTranslation(0, 1, corner)
        )
        shades = mpl.colormaps[theme.sequential](_brightness(bits))
        shades[np.isnan(bits)] = NOTHING
        edges = [theme.accent if start + at == mark else "none" for at in range(len(labels))]
        corners = [
            [(left, top), (right, top), (right, bottom), (left, bottom)]
            for left, top, right, bottom in boxes
        ]
        grounds = PolyCollection(
            corners,
            facecolors=shades,
            edgecolors=edges,
            linewidths=1.6,
            transform=points,
            clip_on=False,
            gid=BOXES,
        )
        axes.add_collection(grounds, autolim=False)
        dark = shades[:, :3] @ np.array([0.299, 0.587, 0.114]) < 0.5
        colours = np.where(dark, "#ffffff", "#101010")
        colours[np.isnan(bits)] = theme.text
        for label, (left, top, right, bottom), colour in zip(labels, boxes, colours, strict=True):
            axes.text(
                (left + right) / 2,
                (top + bottom) / 2,
                label,
                ha="center",
                va="center",
                fontsize=size,
                color=str(colour),
                family="monospace",
                transform=points,
            ).set_in_layout(False)

    lines = len({top for _, top, _, _ in _boxes(labels, 6.0 * POINTS, 9.0)})
    note = f" Only the last {MOST} tokens are shown." if start else ""
    return Plot(
        "surprisal-text",
        "The text as the model read it"
        + (f": perplexity {read.perplexity:.3g}" if len(read.tokens) > 1 else ""),
        draw,
        Table(
            {
                "position": np.arange(start, len(read.tokens)),
                "token": read.tokens.labels[start:],
                "surprisal (bits)": bits,
            }
        ),
        f"The brighter a token's ground, the more it surprised the model: black for 0, brightest "
        f"from {CEILING:.0f} bits on (one in {2**CEILING:,.0f}). Grey is the first token.{note}",
        (6.0, 0.55 + lines * 9.0 * LINE / POINTS),
    )


def token_at(read: Reading, event: Any) -> int | None:
    """The position of the token under the mouse in a drawn `text_plot`, None for none."""
    for boxes in event.inaxes.collections:
        if boxes.get_gid() == BOXES:
            hit, found = boxes.contains(event)
            return int(found["ind"][0]) + max(0, len(read.tokens) - MOST) if hit else None
    return None


def _brightness(bits: F64) -> F64:
    """Places in a colormap, without its black and its white."""
    found: F64 = 0.12 + 0.78 * np.clip(np.nan_to_num(bits) / CEILING, 0, 1)
    return found


def _boxes(labels: list[str], width: float, size: float) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of each token in points, in lines of a width."""
    letter, gap, height = size * 0.602, 2.0, size * LINE
    found, x, y = [], 0.0, 0.0
    for label in labels:
        wide = len(label) * letter + 4
        if x and x + wide > width:
            x, y = 0.0, y + height
        found.append((x, y, x + wide, y + height - 3))
        x += wide + gap
    return found
