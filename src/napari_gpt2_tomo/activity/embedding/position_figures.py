"""Figures of position embeddings, and of what stands in their place."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...display.plots import Plot, Table, Theme, log_scale
from .drawing import (
    Column,
    apart,
    bar_place,
    is_tall,
    path,
    position_map,
    positions_bar,
    spread,
)
from .positions import cosine_matrix, rotary_wavelengths
from .space import EmbeddingSpace
from .statistics import active_dimensions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "position_components_plot",
    "position_cosines_plot",
    "position_curves_plot",
    "position_pca_plot",
    "position_sigma_plot",
    "rotary_plot",
    "usual_dimensions",
]

CURVES = 6
"""Curves that can be told apart in one plot."""

MIDDLE = 0.96
"""Share of the positions whose range makes a dimension wide."""

NAMED = 6
"""Dimensions that are named in a plot."""

MATRIX = 1024
"""Positions a side of a picture of cosines; more would be finer than its pixels."""

COMPONENTS = 6


def usual_dimensions(space: EmbeddingSpace, most: int = CURVES) -> list[int]:
    """The dimensions of widest range, strongest first.

    The range is that of the middle `MIDDLE` of the positions: a single position, often the
    first, may lie far from all others in dimensions that tell nothing about the rest.
    """
    tail = (1 - MIDDLE) / 2
    low, high = np.quantile(space.rows("positions"), (tail, 1 - tail), axis=0)
    return [int(dim) for dim in np.argsort(low - high, kind="stable")[:most]]


def position_curves_plot(space: EmbeddingSpace, dimensions: Sequence[int] | None = None) -> Plot:
    """The value of chosen dimensions along the positions."""
    rows = space.rows("positions")
    dims = usual_dimensions(space) if dimensions is None else list(dimensions)

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        for number, dim in enumerate(dims):
            colour = theme.cycle[number % len(theme.cycle)]
            axes.plot(rows[:, dim], color=colour, label=str(dim), linewidth=1.2)
        axes.axhline(0, color=theme.faint, linewidth=0.6)
        axes.set_xlabel("position")
        axes.set_ylabel("value")
        axes.margins(x=0.01)
        if dims:
            figure.legend(
                title="dimension",
                loc="outside lower center" if is_tall(figure) else "outside right center",
                ncols=len(dims) if is_tall(figure) else 1,
                handlelength=1.2,
                columnspacing=1.0,
            )

    table = Table(
        {"position": np.arange(len(rows)), **{f"dimension {dim}": rows[:, dim] for dim in dims}}
    )
    caption = "Values as they are stored, of chosen dimensions."
    if dimensions is None:
        caption = (
            f"Values as they are stored, of the dimensions whose middle {MIDDLE:.0%} is widest."
        )
    return Plot("position-curves", "Position embeddings along the text", draw, table, caption)


def position_sigma_plot(space: EmbeddingSpace) -> Plot:
    """σ over the positions of every dimension; the active ones are marked."""
    rows = space.rows("positions")
    found = active_dimensions(rows)
    d = len(found.sigma)
    active = np.isin(np.arange(d), found.chosen)
    held = float(np.square(found.sigma[active]).sum() / max(np.square(found.sigma).sum(), 1e-300))

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        axes.plot(np.arange(d), found.sigma, color=theme.faint, linewidth=0.6)
        axes.plot(
            np.flatnonzero(~active), found.sigma[~active], ".", color=theme.cycle[0], markersize=3
        )
        axes.plot(found.chosen, found.sigma[found.chosen], "o", color=theme.accent, markersize=3.5)
        for dim in apart(found.chosen, d, NAMED):
            axes.annotate(
                str(dim),
                (dim, found.sigma[dim]),
                xytext=(0, 4),
                textcoords="offset points",
                ha="center",
                color=theme.accent,
            )
        axes.axhline(found.typical, color=theme.text, linestyle=":", linewidth=1)
        if found.sigma.min() > 0 and found.sigma.max() > 10 * found.sigma.min():
            log_scale(axes, "y")
        else:
            axes.set_ylim(bottom=0)
        axes.set_xlabel("dimension (dotted: median)")
        axes.set_ylabel("σ over positions")
        axes.margins(x=0.01, y=0.12)

    if len(found.chosen):
        words = f"{len(found.chosen)} of {d} are, and hold {held:.1%} of the variance."
    else:
        words = "None is: positions use all dimensions alike."
    table = Table({"dimension": np.arange(d), "sigma": found.sigma, "active": active})
    title = f"σ of position embeddings: {len(found.chosen)} of {d} dimensions active"
    return Plot("position-sigma", title, draw, table, f"{found.rule} {words}")


def position_pca_plot(space: EmbeddingSpace) -> Plot:
    """The path of the positions in 3-D on their principal components, and from three sides."""
    rows, pca = space.rows("positions"), space.pca("positions")
    k = min(3, len(pca.axes))
    points = (rows - pca.mean) @ pca.axes[:k].T

    def draw(figure: "Figure", theme: Theme) -> None:
        pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
        if k < 3:
            axes = figure.subplots()
            path(axes, points[:, 0], points[:, min(1, k - 1)], theme)
            positions_bar(figure, len(rows), axes, theme)
            return
        if is_tall(figure):
            grid = figure.add_gridspec(2, 3, height_ratios=(5, 2))
            places = [grid[1, number] for number in range(3)]
            space_axes = figure.add_subplot(grid[0, :], projection="3d")
        else:
            grid = figure.add_gridspec(3, 2, width_ratios=(5, 2))
            places = [grid[number, 1] for number in range(3)]
            space_axes = figure.add_subplot(grid[:, 0], projection="3d")
        _helix(space_axes, points, pca.labels, theme)
        sides = []
        for number, (i, j) in enumerate(pairs):
            axes = figure.add_subplot(places[number])
            path(axes, points[:, i], points[:, j], theme, 1.0)
            axes.set_xlabel(f"PC {i + 1}", labelpad=1)
            axes.set_ylabel(f"PC {j + 1}", labelpad=1)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_aspect("equal", adjustable="datalim")
            sides.append(axes)
        positions_bar(figure, len(rows), sides, theme)

    columns = {f"PC {i + 1}": points[:, i] for i in range(k)}
    table = Table({"position": np.arange(len(rows)), **columns})
    caption = (
        f"Principal components of {pca.stated}; three hold {pca.explained[:3].sum():.1%} of their "
        "variance. All axes have one scale."
    )
    return Plot("position-pca", "The path of the positions", draw, table, caption, (7.5, 4.8))


def position_components_plot(space: EmbeddingSpace) -> Plot:
    """Each of the first principal components along the positions."""
    rows, pca = space.rows("positions"), space.pca("positions")
    k = min(COMPONENTS, len(pca.axes))
    points = (rows - pca.mean) @ pca.axes[:k].T

    def draw(figure: "Figure", theme: Theme) -> None:
        every = np.atleast_1d(figure.subplots(k, 1, sharex=True))
        for number, axes in enumerate(every):
            axes.plot(points[:, number], color=theme.cycle[number % len(theme.cycle)])
            axes.axhline(0, color=theme.faint, linewidth=0.5)
            axes.set_ylabel(pca.labels[number], rotation=0, ha="right", va="center")
            axes.margins(x=0.01)
        every[-1].set_xlabel("position")

    columns = {f"PC {i + 1}": points[:, i] for i in range(k)}
    table = Table({"position": np.arange(len(rows)), **columns})
    caption = f"Coordinates on the principal components of {pca.stated}."
    return Plot("position-components", "Components along the text", draw, table, caption)


def position_cosines_plot(space: EmbeddingSpace, centred: bool = False) -> Plot:
    """Cosine between every two positions."""
    rows = space.rows("positions")
    if centred:
        rows = rows - rows.mean(axis=0)
    at = spread(len(rows), MATRIX)
    values = cosine_matrix(rows[at])

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        last = float(at[-1]) if len(at) else 0.0
        image = axes.imshow(
            values,
            cmap=theme.diverging,
            vmin=-1,
            vmax=1,
            extent=(-0.5, last + 0.5, last + 0.5, -0.5),
        )
        axes.set_xlabel("position")
        axes.set_ylabel("position")
        bar = figure.colorbar(image, ax=axes, label="cosine", **bar_place(figure))
        bar.outline.set_visible(False)

    columns = {"position": np.repeat(at, len(at)), "other": np.tile(at, len(at))}
    table = Table({**columns, "cosine": values.ravel()})
    caption = "Cosine of the angle between the embeddings of two positions"
    caption += ", less their mean." if centred else ", as they are stored."
    if len(at) < len(rows):
        caption += f" {len(at)} of {len(rows):,} positions, evenly spread."
    return Plot("position-cosines", "Similarity of positions", draw, table, caption, (5.8, 4.8))


def rotary_plot(space: EmbeddingSpace) -> Plot | None:
    """Wavelength of every rotary pair; None where the model has none or does not state them."""
    scheme = space.scheme
    if scheme.kind != "rotary" or scheme.theta is None or scheme.turned is None:
        return None
    waves = rotary_wavelengths(scheme.theta, scheme.turned)
    pairs = np.arange(len(waves))
    context = scheme.context

    def draw(figure: "Figure", theme: Theme) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        axes.vlines(pairs, 1, waves, color=theme.faint, linewidth=0.8)
        axes.plot(pairs, waves, "o", color=theme.cycle[0], markersize=4)
        log_scale(axes, "y")
        if context is not None:
            axes.axhline(context, color=theme.accent, linewidth=1)
            axes.annotate(
                f"context {context:,}",
                (1, context),
                xycoords=("axes fraction", "data"),
                xytext=(-2, 3),
                textcoords="offset points",
                ha="right",
                color=theme.accent,
            )
        axes.set_xlabel("pair of dimensions in a head")
        axes.set_ylabel("positions for one turn")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    table = Table({"pair": pairs, "wavelength": waves, "radians per position": 2 * np.pi / waves})
    caption = (
        f"Pair i of the {scheme.turned} dimensions that are turned in each head makes one turn in "
        f"2π · θ^(2i / {scheme.turned}) positions, θ = {scheme.theta:g}."
    )
    if scheme.scaling:
        caption += f" The config also asks for the scaling {scheme.scaling!r}, which is not in it."
    return Plot("rotary", "Rotary positions: one turn of each pair", draw, table, caption)


def _helix(axes: Any, points: Column, labels: Sequence[str], theme: Theme) -> None:
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    pieces = np.stack([points[:-1], points[1:]], axis=1)
    lines = Line3DCollection(pieces.tolist(), cmap=position_map(theme), linewidth=1.6)
    lines.set_array(np.arange(len(pieces)))
    axes.add_collection3d(lines)
    low, high = points.min(axis=0), points.max(axis=0)
    for name, a, b, label in zip("xyz", low, high, labels, strict=False):
        getattr(axes, f"set_{name}lim")(a, b)
        getattr(axes, f"set_{name}label")(label, labelpad=-8)
        axis = getattr(axes, f"{name}axis")
        axis.set_ticklabels([])
        axis.set_pane_color(theme.panel)
        axis.line.set_color(theme.faint)
        axis._axinfo["grid"]["color"] = theme.faint
        axis._axinfo["grid"]["linewidth"] = 0.3
    axes.set_box_aspect(np.maximum(high - low, 1e-9).tolist())
