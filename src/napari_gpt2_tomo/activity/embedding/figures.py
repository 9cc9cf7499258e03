"""Every figure of an embedding space, for a report: from an open checkpoint, without a prompt."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...display.plots import Plot
from .pca_figures import (
    explained_plot,
    joint_pca_plot,
    plane_plot,
    position_share_plot,
    token_pca_plot,
)
from .position_figures import (
    position_components_plot,
    position_cosines_plot,
    position_curves_plot,
    position_pca_plot,
    position_sigma_plot,
    rotary_plot,
    usual_dimensions,
)
from .properties import property_of
from .space import EmbeddingSpace, Which, embedding_space
from .token_figures import dimensions_plot, norms_plot, token_rows_plot, usual_tokens

if TYPE_CHECKING:
    from ...facade import Scan

__all__ = ["FIGURES"]


def _of(
    draw: Callable[[EmbeddingSpace], Plot | None], *needs: Which
) -> "Callable[[Scan], Plot | None]":
    """A figure of a scan; None where a table that it needs is absent."""

    def figure(scan: "Scan") -> Plot | None:
        space = embedding_space(scan)
        return draw(space) if all(space.has(which) for which in needs) else None

    return figure


def _plane(space: EmbeddingSpace) -> Plot:
    first, second = usual_dimensions(space, 2)
    return plane_plot(space, first, second)


def _colours(space: EmbeddingSpace) -> Plot:
    return token_pca_plot(space, property_of(space, "kind" if space.texts else "norm"))


FIGURES: "tuple[Callable[[Scan], Plot | None], ...]" = (
    _of(lambda space: token_rows_plot(space, usual_tokens(space)), "tokens"),
    _of(dimensions_plot, "tokens"),
    _of(norms_plot, "tokens"),
    _of(_colours, "tokens"),
    _of(explained_plot),
    _of(position_curves_plot, "positions"),
    _of(position_sigma_plot, "positions"),
    _of(position_pca_plot, "positions"),
    _of(position_components_plot, "positions"),
    _of(position_cosines_plot, "positions"),
    _of(joint_pca_plot, "tokens", "positions"),
    _of(_plane, "tokens", "positions"),
    _of(position_share_plot, "tokens", "positions"),
    _of(rotary_plot),
)
"""Each gives a plot of a scan, or None where it does not apply. The tables are read once."""
