"""Figures of an embedding space: which apply, and that their numbers are those of the tables."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_gpt2_tomo.activity.embedding.figures import FIGURES
from napari_gpt2_tomo.activity.embedding.pca_figures import (
    explained_plot,
    plane_plot,
    position_share_plot,
    token_pca_plot,
)
from napari_gpt2_tomo.activity.embedding.position_figures import (
    position_curves_plot,
    position_pca_plot,
    position_sigma_plot,
    usual_dimensions,
)
from napari_gpt2_tomo.activity.embedding.properties import property_of
from napari_gpt2_tomo.activity.embedding.space import EmbeddingSpace, embedding_space
from napari_gpt2_tomo.activity.embedding.token_figures import (
    dimensions_plot,
    local_pca_plot,
    neighbours_plot,
    norms_plot,
    token_rows_plot,
    usual_tokens,
)
from napari_gpt2_tomo.display.plots import DARK, Plot
from napari_gpt2_tomo.facade import Scan
from real_data import real_data

LOOKS = ("norm", "cosine", "cluster")
"""Properties of each sort: numbers, numbers about 0, kinds."""


@pytest.fixture(scope="module")
def scan(tiny_phantom: Path) -> Scan:
    return Scan(tiny_phantom)


@pytest.fixture(scope="module")
def space(scan: Scan) -> EmbeddingSpace:
    return embedding_space(scan)


def names(scan: Scan) -> list[str]:
    return [plot.name for figure in FIGURES if (plot := figure(scan)) is not None]


def test_all_figures_of_a_whole_model_are_drawn(scan: Scan) -> None:
    plots = [plot for figure in FIGURES if (plot := figure(scan)) is not None]
    assert len({plot.name for plot in plots}) == len(plots) == 13
    for plot in plots:
        assert plot.picture()[:4] == b"\x89PNG"
        assert len(plot.table) > 0
        assert plot.caption


def test_what_a_model_lacks_is_left_out() -> None:
    partial = names(Scan(real_data("gpt2-attention-fp16")))
    assert "position-pca" in partial
    assert not {"token-rows", "pca-joint", "position-share", "rotary"} & set(partial)
    rotary = names(Scan(real_data("stories260K")))
    assert "rotary" in rotary
    assert not [name for name in rotary if name.startswith("position")]


def test_a_vocabulary_of_three_tokens_is_drawn() -> None:
    for figure in FIGURES:
        plot = figure(Scan(real_data("nano-gpt-sort")))
        assert plot is None or plot.picture("svg").startswith(b"<?xml")


def test_the_heat_map_holds_the_rows(space: EmbeddingSpace) -> None:
    table = token_rows_plot(space, [5, 9]).table
    np.testing.assert_array_equal(table.columns["value"], space.rows("tokens")[[5, 9]].ravel())
    assert len(usual_tokens(space)) == 24


def test_common_words_come_first() -> None:
    texts = (
        "x",
        " the",
        " of",
        "and",
        " is",
        " one",
        " two",
        " man",
        " king",
        "Paris",
        " red",
        "z",
    )
    rows = np.eye(12, dtype=np.float32)
    some = EmbeddingSpace("m", {"tokens": rows}, texts)
    assert usual_tokens(some, 12) == list(range(1, 11))


def test_offsets_are_named_in_the_caption() -> None:
    rows = np.random.default_rng(0).standard_normal((500, 20)).astype(np.float32)
    rows[:, 13] += 3
    plot = dimensions_plot(EmbeddingSpace("m", {"tokens": rows}))
    assert "Here: 13." in plot.caption
    assert np.flatnonzero(plot.table.columns["offset"]).tolist() == [13]


def test_norms_and_neighbours_are_exact(space: EmbeddingSpace) -> None:
    rows = space.rows("tokens")
    expected = np.linalg.norm(rows.astype(np.float64), axis=1)
    np.testing.assert_allclose(norms_plot(space).table.columns["norm"], expected, rtol=1e-6)
    near = neighbours_plot(space, 4, 7).table
    cosine = rows @ rows[4] / expected / expected[4]
    cosine[4] = -1
    assert list(near.columns["id"]) == np.argsort(-cosine)[:7].tolist()
    assert local_pca_plot(space, 4, 7).table.columns["id"][0] == 4


def test_curves_are_the_stored_values(space: EmbeddingSpace) -> None:
    table = position_curves_plot(space, [3]).table
    np.testing.assert_array_equal(table.columns["dimension 3"], space.rows("positions")[:, 3])


def test_one_far_position_does_not_choose_the_dimensions() -> None:
    rows = np.tile(np.linspace(-1, 1, 100, dtype=np.float32)[:, None], (1, 4)) * [1, 2, 3, 4]
    rows[0, 0] = 500
    space = EmbeddingSpace("m", {"positions": rows.astype(np.float32)})
    assert usual_dimensions(space, 3) == [3, 2, 1]
    assert position_sigma_plot(space).table.columns["sigma"][0] > 40


def test_the_path_of_positions_is_their_projection(space: EmbeddingSpace) -> None:
    table = position_pca_plot(space).table
    expected = space.pca("positions").project(space.rows("positions"))
    np.testing.assert_allclose(table.columns["PC 2"], expected[:, 1], atol=1e-5)


def test_explained_variance_ends_at_one(space: EmbeddingSpace) -> None:
    columns = explained_plot(space).table.columns
    tokens = [
        v for v, t in zip(columns["explained"], columns["table"], strict=True) if "token " in t
    ]
    assert tokens[-1] == pytest.approx(1, abs=1e-6)
    assert np.all(np.diff(tokens) >= 0)


def test_shares_are_told_against_chance(space: EmbeddingSpace) -> None:
    plot = position_share_plot(space)
    assert plot is not None
    assert "A random direction has" in plot.caption


def test_figures_are_drawn_tall_and_dark(space: EmbeddingSpace) -> None:
    plots: list[Plot] = [
        *(token_pca_plot(space, property_of(space, name, selected=1)) for name in LOOKS),
        plane_plot(space, 0, 1),
        position_pca_plot(space),
        position_curves_plot(space),
        norms_plot(space),
    ]
    for plot in plots:
        figure = replace(plot, size=(3.0, 6.0)).figure(DARK)
        figure.canvas.draw()
        assert figure.axes
