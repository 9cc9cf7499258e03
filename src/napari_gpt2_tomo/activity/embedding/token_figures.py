"""Figures of token embeddings: rows, dimensions, lengths, neighbours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...display.plots import Plot, Table, Theme
from ...display.plots.cells import cut
from .drawing import LONGEST, apart, bar_place, is_tall, spread
from .neighbours import Measure, local_pca, nearest
from .space import NAMES, EmbeddingSpace, Which
from .statistics import extreme_rows, offset_dimensions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "dimensions_plot",
    "local_pca_plot",
    "neighbours_plot",
    "norms_plot",
    "token_rows_plot",
    "usual_tokens",
]

WORDS = (
    *("the", "of", "and", "is", "not", "one", "two", "three", "man", "woman", "king", "queen"),
    *("Paris", "France", "London", "red", "blue", "happy", "sad", "run", "running", "dog", "cat"),
)
"""Words that a reader knows how to compare; those that a vocabulary has are shown first."""

ROWS = 24
"""Rows of a heat map whose labels can be read."""

NAMED = 8
"""Dimensions that are named in a plot; more would lie over each other."""

ENDS = 8
"""Tokens that are named at each end of a histogram."""

LIMIT = 0.995
"""Quantile of |value| where the colours of a heat map end: one dimension must not dim the rest."""

MEASURE_WORDS = {
    "cosine": "cosine",
    "euclid": "Euclidean distance",
    "inner": "inner product",
}


def usual_tokens(space: EmbeddingSpace, most: int = ROWS) -> list[int]:
    """Tokens to begin with: common words that the vocabulary has, else evenly spread ones."""
    texts = space.texts or ()
    by_text = {text: token for token, text in reversed(list(enumerate(texts)))}
    found = [
        next((by_text[t] for t in (f" {w}", w, w.lower()) if t in by_text), None) for w in WORDS
    ]
    known = list(dict.fromkeys(token for token in found if token is not None))[:most]
    if len(known) >= most // 2:
        return known
    whole = [i for i, text in enumerate(texts) if len(text) > 2 and text.strip().isalpha()]
    ids = np.array(whole if len(whole) >= most else range(len(space.labels)), np.int64)
    return [int(i) for i in ids[spread(len(ids), most)]]


def token_rows_plot(space: EmbeddingSpace, tokens: Sequence[int], which: Which = "tokens") -> Plot:
    """Values of chosen tokens in every dimension, as a heat map."""
    rows = space.rows(which)[list(tokens)]
    labels = [space.label(token) for token in tokens]
    limit = float(np.quantile(np.abs(rows), LIMIT)) if rows.size else 1.0

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        image = axes.imshow(
            rows, cmap=theme.diverging, vmin=-(limit or 1), vmax=limit or 1, aspect="auto"
        )
        axes.set_yticks(range(len(labels)), [cut(label, LONGEST) for label in labels])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("dimension")
        bar = figure.colorbar(image, ax=axes, label="value", extend="both", **bar_place(figure))
        bar.outline.set_visible(False)

    table = Table.of_grid(rows, token=labels, dimension=range(rows.shape[1]))
    caption = (
        f"Rows of the {NAMES[which]} of {space.name} as they are stored. Colours end at the "
        f"{LIMIT:.1%} quantile of |value|, {limit:.3g}; what is beyond has the last colour."
    )
    return Plot("token-rows", f"Tokens by dimensions: {NAMES[which]}", draw, table, caption)


def dimensions_plot(space: EmbeddingSpace, which: Which = "tokens") -> Plot:
    """Mean and σ of every dimension over all rows; systematic offsets are named."""
    found = offset_dimensions(space.rows(which))
    d = len(found.mean)
    offset = np.isin(np.arange(d), found.chosen)

    def draw(figure: "Figure", theme: Theme) -> None:
        above, below = figure.subplots(2, 1, sharex=True)
        above.vlines(np.arange(d), 0, found.mean, color=theme.cycle[0], linewidth=0.8)
        above.plot(found.chosen, found.mean[found.chosen], "o", color=theme.accent, markersize=4)
        _name(above, apart(found.chosen, d, NAMED), found.mean, theme)
        above.axhline(0, color=theme.faint, linewidth=0.6)
        above.set_ylabel("mean")
        below.plot(found.sigma, color=theme.cycle[0], linewidth=0.8)
        below.axhline(found.typical, color=theme.faint, linestyle="--", linewidth=1)
        below.set_ylabel("σ")
        below.set_xlabel(f"dimension (dashed: median σ, {found.typical:.3g})")
        below.set_ylim(bottom=0)
        above.margins(x=0.01)

    named = ", ".join(str(dim) for dim in found.chosen[:NAMED]) or "none"
    if len(found.chosen) > NAMED:
        named += f" and {len(found.chosen) - NAMED} more"
    strongest = int(np.abs(found.mean).argmax())
    caption = (
        f"{found.rule} Here: {named}. The strongest is dimension {strongest}, with "
        f"{found.mean[strongest]:.3g}."
    )
    table = Table(
        {"dimension": np.arange(d), "mean": found.mean, "sigma": found.sigma, "offset": offset}
    )
    title = f"Mean and σ per dimension: {NAMES[which]}, {len(found.chosen)} with an offset"
    return Plot(f"dimensions-{which}", title, draw, table, caption)


def norms_plot(space: EmbeddingSpace, which: Which = "tokens") -> Plot:
    """Lengths of all rows as a histogram, the tokens at its ends beside it."""
    norms = space.norms(which)
    low, high = extreme_rows(norms, min(ENDS, len(norms) // 2))
    shown = [*high.tolist(), *low[::-1].tolist()]
    labels = [space.label(token) for token in range(len(norms))]

    def draw(figure: "Figure", theme: Theme) -> None:
        if is_tall(figure):
            left, right = figure.subplots(2, 1)
        else:
            left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        left.hist(norms, bins=min(100, max(20, len(norms) // 20)), color=theme.cycle[0])
        left.axvline(float(np.median(norms)), color=theme.accent, linewidth=1)
        left.set_xlabel(f"norm (median {np.median(norms):.3g})")
        left.set_ylabel("tokens")
        places = np.arange(len(shown))
        colours = [theme.cycle[1]] * len(high) + [theme.cycle[0]] * len(low)
        right.barh(places, norms[shown], color=colours)
        right.set_yticks(places, [cut(labels[token], LONGEST) for token in shown])
        right.invert_yaxis()
        right.tick_params(axis="y", length=0)
        right.set_xlabel("norm")
        right.set_title("longest and shortest")

    table = Table({"id": np.arange(len(norms)), "token": labels, "norm": norms})
    caption = f"Euclidean length of each of the {NAMES[which]}; the line is their median."
    return Plot(f"norms-{which}", f"Norms: {NAMES[which]}", draw, table, caption)


def neighbours_plot(
    space: EmbeddingSpace,
    token: int,
    k: int = 15,
    measure: Measure = "cosine",
    which: Which = "tokens",
) -> Plot:
    """The nearest tokens of a token, as bars."""
    rows = space.rows(which)
    found = nearest(rows, rows[token], k, measure, [token], space.norms(which))
    labels = [space.label(int(i)) for i in found.ids]

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        places = np.arange(len(labels))
        axes.barh(places, found.values, color=theme.cycle[0])
        axes.set_yticks(places, [cut(label, LONGEST) for label in labels])
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(MEASURE_WORDS[measure])

    table = Table({"id": found.ids, "token": labels, measure: found.values})
    title = f"Nearest to “{space.label(token)}” by {MEASURE_WORDS[measure]}"
    caption = f"Exact, among all {len(rows):,} {NAMES[which]}; the token itself is left out."
    return Plot("neighbours", title, draw, table, caption, (5.0, 4.5))


def local_pca_plot(space: EmbeddingSpace, token: int, k: int = 30, which: Which = "tokens") -> Plot:
    """A token and its k nearest on their own principal components."""
    rows = space.rows(which)
    near = nearest(rows, rows[token], k, "cosine", [token], space.norms(which))
    ids = np.concatenate([[token], near.ids]).astype(np.int64)
    stated = f"{space.label(token)} and its {len(near.ids)} nearest by cosine"
    pca = local_pca(rows, ids, min(3, rows.shape[1]), stated)
    points = pca.project(rows[ids])
    labels = [space.label(int(i)) for i in ids]

    def draw(figure: "Figure", theme: Theme) -> None:
        axes = figure.subplots()
        axes.scatter(points[:, 0], points[:, 1], s=8, color=theme.cycle[0])
        axes.plot(*points[0, :2], "o", color=theme.accent, markersize=6)
        for number, (label, at) in enumerate(zip(labels, points[:, :2], strict=True)):
            axes.annotate(
                cut(label, LONGEST),
                at,
                xytext=(3, 2),
                textcoords="offset points",
                color=theme.text if number else theme.accent,
                fontsize=theme.size if number else theme.size + 1,
            )
        axes.set_xlabel(pca.labels[0])
        axes.set_ylabel(pca.labels[1])
        axes.margins(0.08)

    columns = {f"PC {i + 1}": points[:, i] for i in range(points.shape[1])}
    table = Table({"id": ids, "token": labels, **columns})
    caption = f"Principal components of {stated}: what tells them apart from each other."
    return Plot("local-pca", f"Around “{space.label(token)}”", draw, table, caption, (6.5, 5.0))


def _name(axes: "Axes", dims: list[int], values: NDArray[np.float64], theme: Theme) -> None:
    for dim in dims:
        up = values[dim] >= 0
        axes.annotate(
            str(dim),
            (dim, values[dim]),
            xytext=(0, 4 if up else -4),
            textcoords="offset points",
            ha="center",
            va="bottom" if up else "top",
            color=theme.accent,
        )
