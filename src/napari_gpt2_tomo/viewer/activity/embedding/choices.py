"""The figures that the tabs offer, and what may be typed to them."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from ....activity.embedding.neighbours import Measure
from ....activity.embedding.pca_figures import (
    explained_plot,
    joint_pca_plot,
    plane_plot,
    position_share_plot,
    token_pca_plot,
)
from ....activity.embedding.position_figures import (
    position_components_plot,
    position_cosines_plot,
    position_curves_plot,
    position_pca_plot,
    position_sigma_plot,
    rotary_plot,
    usual_dimensions,
)
from ....activity.embedding.properties import available, property_of
from ....activity.embedding.search import TokenIndex
from ....activity.embedding.space import EmbeddingSpace, Which
from ....activity.embedding.statistics import offset_dimensions
from ....activity.embedding.token_figures import (
    dimensions_plot,
    local_pca_plot,
    neighbours_plot,
    norms_plot,
    token_rows_plot,
    usual_tokens,
)
from ....base import TomoError
from ....display.plots import Plot

__all__ = ["DIMENSIONS", "PCA", "POSITIONS", "Asked", "Choice"]

MOST_CURVES = 8
"""Curves as there are colours."""

MOST_ROWS = 60
"""Rows of a heat map whose labels can still be read in a dock."""

SELECT = "Select a token in the explorer first."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a figure is asked for.

    Attributes
    ----------
    text
        What was typed.
    token
        The token that is selected in the explorer, None if none is.
    which, colour, measure, k
        As in the explorer.
    """

    text: str = ""
    token: int | None = None
    which: Which = "tokens"
    colour: str = "kind"
    measure: Measure = "cosine"
    k: int = 15


@dataclass(frozen=True, slots=True)
class Choice:
    """One figure.

    Attributes
    ----------
    title
        What a person chooses.
    make
        Makes it; raises `TomoError` where it cannot, None where it does not apply.
    needs
        Tables without which it is not offered.
    field
        What may be typed, as a placeholder; empty if nothing.
    follows
        Whether it depends on what the explorer is set to.
    """

    title: str
    make: Callable[[EmbeddingSpace, Asked], Plot | None]
    needs: tuple[Which, ...] = ()
    field: str = ""
    follows: bool = False


def _rows(space: EmbeddingSpace, asked: Asked) -> Plot:
    index = TokenIndex(space.texts or space.labels)
    words = [word for word in asked.text.split(",") if word.strip()]
    tokens = [index.one(word if word.startswith("  ") else word.strip()) for word in words]
    return token_rows_plot(space, tokens[:MOST_ROWS] or usual_tokens(space), asked.which)


def _plane(space: EmbeddingSpace, asked: Asked) -> Plot:
    dims = _dimensions(space, asked.text)
    if not dims and space.has("positions"):
        dims = usual_dimensions(space, 2)
    elif not dims:
        dims = _widest(space)
    if len(dims) != 2:
        raise TomoError("Write two dimensions, e.g. 138, 378.")
    return plane_plot(space, *dims)


def _widest(space: EmbeddingSpace) -> list[int]:
    found = offset_dimensions(space.rows("tokens"))
    return [int(dim) for dim in found.sigma.argsort()[::-1][:2]]


def _curves(space: EmbeddingSpace, asked: Asked) -> Plot:
    return position_curves_plot(space, _dimensions(space, asked.text)[:MOST_CURVES] or None)


def _dimensions(space: EmbeddingSpace, text: str) -> list[int]:
    words = [word for word in re.split(r"[,;\s]+", text) if word]
    d = next(iter(space.tables.values())).shape[1]
    wrong = [word for word in words if not word.isdecimal() or int(word) >= d]
    if wrong:
        raise TomoError(f"{wrong[0]!r} is no dimension: there are 0 to {d - 1}.")
    return [int(word) for word in words]


def _tokens(space: EmbeddingSpace, asked: Asked) -> Plot:
    colour = asked.colour if asked.colour in available(space, asked.which) else "norm"
    return token_pca_plot(space, property_of(space, colour, asked.which, asked.token), asked.which)


def _near(space: EmbeddingSpace, asked: Asked) -> Plot:
    if asked.token is None:
        raise TomoError(SELECT)
    return neighbours_plot(space, asked.token, asked.k, asked.measure, asked.which)


def _around(space: EmbeddingSpace, asked: Asked) -> Plot:
    if asked.token is None:
        raise TomoError(SELECT)
    return local_pca_plot(space, asked.token, which=asked.which)


DIMENSIONS = (
    Choice("Tokens by dimensions", _rows, ("tokens",), "Tokens, e.g. Paris, London, #42"),
    Choice("Mean and σ", lambda space, asked: dimensions_plot(space, asked.which), ("tokens",)),
    Choice("Norms", lambda space, asked: norms_plot(space, asked.which), ("tokens",)),
    Choice("Plane of two dimensions", _plane, (), "Two dimensions, e.g. 138, 378"),
)
"""Figures of single dimensions."""

POSITIONS = (
    Choice("Path in 3-D", lambda space, _: position_pca_plot(space), ("positions",)),
    Choice("Curves", _curves, ("positions",), "Dimensions, e.g. 12, 300"),
    Choice("σ per dimension", lambda space, _: position_sigma_plot(space), ("positions",)),
    Choice("Components", lambda space, _: position_components_plot(space), ("positions",)),
    Choice("Cosines", lambda space, _: position_cosines_plot(space), ("positions",)),
    Choice("Rotary pairs", lambda space, _: rotary_plot(space)),
)
"""Figures of positions."""

PCA = (
    Choice("Tokens", _tokens, ("tokens",), follows=True),
    Choice("Tokens and positions", lambda space, _: joint_pca_plot(space), ("tokens", "positions")),
    Choice("Explained variance", lambda space, _: explained_plot(space)),
    Choice(
        "Share in the position subspace",
        lambda space, asked: position_share_plot(space, asked.which),
        ("tokens", "positions"),
    ),
    Choice("Nearest to the selected", _near, ("tokens",), follows=True),
    Choice("Around the selected", _around, ("tokens",), follows=True),
)
"""Figures of components and neighbours."""
