"""Figures of tokens and positions together: components, variance, planes, shares."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...display.plots import Plot, Table, Theme, log_scale
from ..projection import Projection
from .drawing import (
    CENTRED_MAP,
    Column,
    bar_place,
    is_tall,
    path,
    position_map,
    positions_bar,
    spread,
)
from .properties import Property
from .space import NAMES, EmbeddingSpace, Which
from .subspace import position_subspace, shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "explained_plot",
    "joint_pca_plot",
    "plane_plot",
    "position_share_plot",
    "token_pca_plot",
]

DRAWN = 6000
"""Points of a scatter; more would lie over each other and take a second to draw."""

SIZES = (2.5, 16.0)
"""Square points of the smallest and the largest dot."""

MILESTONES = (0.5, 0.9)
"""Shares of the variance for which a table of explained variance is read."""


def token_pca_plot(
    space: EmbeddingSpace, colours: Property | None = None, which: Which = "tokens"
) -> Plot:
    """Tokens on their first principal components, coloured by a property."""
    rows, pca = space.rows(which), space.pca(which)
    at = spread(len(rows), DRAWN)
    k = min(3, len(pca.axes))
    points = (rows[at] - pca.mean) @ pca.axes[:k].T
    labels = [space.label(int(i)) for i in at]

    def draw(figure: "Figure", theme: Theme) -> None:
        every = _sides(figure, pca)
        for axes, i, j in every:
            _scatter(axes, points[:, i], points[:, j], colours, at, theme)
        if colours is not None and colours.kinds:
            figure.legend(
                *every[0][0].get_legend_handles_labels(),
                loc="outside lower center" if is_tall(figure) else "outside right center",
                ncols=3 if is_tall(figure) else 1,
                markerscale=3,
            )
        elif colours is not None:
            shown = every[0][0].collections[0]
            both = [axes for axes, _, _ in every]
            bar = figure.colorbar(shown, ax=both, label=colours.title, **bar_place(figure))
            bar.outline.set_visible(False)

    columns = {f"PC {i + 1}": points[:, i] for i in range(k)}
    if colours is not None:
        columns[colours.title] = [colours.text(int(i)) for i in at]  # type: ignore[assignment]
    table = Table({"id": at, "token": labels, **columns})
    caption = f"Principal components of {pca.stated}."
    if len(at) < len(rows):
        caption += f" Drawn: {len(at):,} of them, evenly spread by id."
    return Plot(f"pca-{which}", f"PCA of the {NAMES[which]}", draw, table, caption, (8.0, 4.2))


def joint_pca_plot(space: EmbeddingSpace) -> Plot | None:
    """Tokens and positions on components that were fitted on both; None if they share no space."""
    if not space.can_join:
        return None
    pca = space.pca("joint")
    tokens, positions = space.rows("tokens"), space.rows("positions")
    at = spread(len(tokens), DRAWN)
    k = min(3, len(pca.axes))
    points = (tokens[at] - pca.mean) @ pca.axes[:k].T
    line = (positions - pca.mean) @ pca.axes[:k].T

    def draw(figure: "Figure", theme: Theme) -> None:
        every = _sides(figure, pca)
        for axes, i, j in every:
            _dots(axes, points[:, i], points[:, j], theme)
            path(axes, line[:, i], line[:, j], theme, 1.2)
        positions_bar(figure, len(positions), [axes for axes, _, _ in every], theme)

    ids = np.concatenate([at, np.arange(len(positions))])
    kinds = ["token"] * len(at) + ["position"] * len(positions)
    both = np.concatenate([points, line])
    columns = {f"PC {i + 1}": both[:, i] for i in range(k)}
    caption = f"Principal components of {pca.stated}. Grey: tokens; coloured line: positions."
    table = Table({"kind": kinds, "id": ids, **columns})
    return Plot("pca-joint", "Tokens and positions in one space", draw, table, caption, (8.0, 4.2))


def explained_plot(space: EmbeddingSpace) -> Plot:
    """Cumulative explained variance of every table."""
    names: list[Which | Literal["joint"]] = [
        which for which in ("tokens", "positions", "unembedding") if space.has(which)
    ]
    if space.can_join:
        names.append("joint")
    curves = {name: np.cumsum(space.pca(name).explained) for name in names}
    words = {name: "tokens and positions" if name == "joint" else NAMES[name] for name in names}

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        for name, colour in zip(names, theme.cycle, strict=False):
            curve = curves[name]
            places = [int(np.searchsorted(curve, share)) for share in MILESTONES]
            places = [place for place in places if place < len(curve)]
            taken = ", ".join(f"{place + 1} for {curve[place]:.0%}" for place in places)
            axes.plot(
                np.arange(1, len(curve) + 1), curve, color=colour, label=f"{words[name]}: {taken}"
            )
            # Their numbers stand in the legend: beside each other's dots they would overlap.
            axes.plot([place + 1 for place in places], curve[places], "o", color=colour, ms=4)
        log_scale(axes, "x")
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_xlabel("principal components")
        axes.set_ylabel("variance explained")
        axes.grid(visible=True, axis="y")
        axes.legend(loc="lower right")

    table = Table(
        {
            "table": [words[name] for name in names for _ in curves[name]],
            "components": [i + 1 for name in names for i in range(len(curves[name]))],
            "explained": np.concatenate([curves[name] for name in names]),
        }
    )
    caption = (
        "Cumulative share of the variance about the mean; the dots are the numbers of components "
        "that half and nine tenths of it take at least."
    )
    return Plot("explained-variance", "Explained variance", draw, table, caption)


def plane_plot(space: EmbeddingSpace, first: int, second: int) -> Plot:
    """Tokens and positions in the plane of two dimensions of the stream, as they are stored."""
    drawn: dict[str, NDArray[Any]] = {}
    ids: dict[str, NDArray[Any]] = {}
    tables: tuple[Which, ...] = ("tokens", "positions")
    for name in tables:
        if space.has(name):
            rows = space.rows(name)
            at = spread(len(rows), DRAWN) if name == "tokens" else np.arange(len(rows))
            drawn[name], ids[name] = rows[at][:, [first, second]], at

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        if "tokens" in drawn:
            _dots(axes, drawn["tokens"][:, 0], drawn["tokens"][:, 1], theme)
        if "positions" in drawn:
            path(axes, drawn["positions"][:, 0], drawn["positions"][:, 1], theme, 1.2)
            positions_bar(figure, len(drawn["positions"]), axes, theme)
        axes.axhline(0, color=theme.faint, linewidth=0.5)
        axes.axvline(0, color=theme.faint, linewidth=0.5)
        axes.set_xlabel(f"dimension {first}")
        axes.set_ylabel(f"dimension {second}")

    table = Table(
        {
            "kind": [name[:-1] for name in drawn for _ in ids[name]],
            "id": np.concatenate([ids[name] for name in drawn]),
            f"dimension {first}": np.concatenate([drawn[name][:, 0] for name in drawn]),
            f"dimension {second} (y)": np.concatenate([drawn[name][:, 1] for name in drawn]),
        }
    )
    caption = "Grey: tokens; coloured line: positions. Values as they are stored."
    return Plot(
        "token-position-plane", f"Dimensions {first} and {second}", draw, table, caption, (6.0, 4.8)
    )


def position_share_plot(space: EmbeddingSpace, which: Which = "tokens") -> Plot | None:
    """How much of each token lies where positions differ, against random directions."""
    if not (space.has("positions") and space.can_join):
        return None
    rows = space.rows(which)
    subspace = position_subspace(space)
    values = shares(rows, subspace.basis, rows.mean(axis=0))
    expected = subspace.expected

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        # From 0 to what is to be compared, so that a bar is seen where all tokens have one share.
        top = max(float(values.max(initial=0.0)), expected)
        bins = min(100, max(10, len(values) // 20))
        axes.hist(values, bins=bins, range=(0.0, top), color=theme.cycle[0])
        for at, colour, words in (
            (expected, theme.accent, f"random direction {expected:.1%}"),
            (float(np.median(values)), theme.text, f"median token {np.median(values):.1%}"),
        ):
            axes.axvline(at, color=colour, linewidth=1.2, label=words)
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.set_xlim(-0.01 * top, 1.04 * top)
        axes.set_xlabel("share of the squared length")
        axes.set_ylabel("tokens")
        axes.legend()

    labels = [space.label(token) for token in range(len(values))]
    table = Table({"id": np.arange(len(values)), "token": labels, "share": values})
    caption = (
        f"Share of the squared length of each token, less the mean token, in {subspace.rule}. "
        f"A random direction has {len(subspace.basis)}/{subspace.basis.shape[1]} = {expected:.1%}."
    )
    return Plot("position-share", "Tokens in the position subspace", draw, table, caption)


def _sides(figure: "Figure", pca: Projection) -> "list[tuple[Axes, int, int]]":
    """Axes for the plane of the first two components, and for that of another and one of them."""
    k = len(pca.axes)
    sides = [(0, min(1, k - 1))] if k < 3 else [(0, 1), (2, 1)]
    tall = is_tall(figure)
    if tall and k >= 3:
        sides = [(0, 1), (0, 2)]
    shape = (len(sides), 1) if tall else (1, len(sides))
    drawn = figure.subplots(*shape, sharex=tall, sharey=not tall, squeeze=False).ravel()
    for number, (axes, (i, j)) in enumerate(zip(drawn, sides, strict=True)):
        if not tall or number == len(sides) - 1:
            axes.set_xlabel(pca.labels[i])
        if tall or number == 0:
            axes.set_ylabel(pca.labels[j])
    return [(axes, i, j) for axes, (i, j) in zip(drawn, sides, strict=True)]


def _scatter(
    axes: "Axes",
    x: Column,
    y: Column,
    colours: Property | None,
    at: NDArray[np.int64],
    theme: Theme,
) -> None:
    if colours is None:
        _dots(axes, x, y, theme)
        return
    values = colours.values[at]
    options: dict[str, Any] = {"s": _size(len(at)), "linewidths": 0, "rasterized": True}
    if not colours.kinds:
        low, high = colours.limits
        chosen = CENTRED_MAP if colours.centred else position_map(theme)
        axes.scatter(x, y, c=values, cmap=chosen, vmin=low, vmax=high, **options)
        return
    for number, kind in enumerate(colours.kinds):
        chosen = values == number
        if chosen.any():
            colour = theme.cycle[number] if number < len(theme.cycle) else theme.faint
            axes.scatter(x[chosen], y[chosen], color=colour, label=kind, **options)


def _dots(axes: "Axes", x: Column, y: Column, theme: Theme) -> None:
    axes.scatter(x, y, s=_size(len(x)), linewidths=0, color=theme.faint, alpha=0.6, rasterized=True)


def _size(n: int) -> float:
    """Square points of a dot: few are larger."""
    return float(np.clip(2e4 / max(n, 1), *SIZES))
