"""The numbers of experts: norms, spreads, and how alike the router's columns are."""

import csv
import io

import numpy as np
import pytest

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.base import LayoutError
from napari_gpt2_tomo.display.expert_plots import expert_map, measures, router_map
from napari_gpt2_tomo.volume.statistics.exact import exact_statistics
from napari_gpt2_tomo.volume.statistics.experts import expert_table, router_weights
from volume.architectures import Sizes, gpt_oss, llama, mixtral
from volume.fakes import checkpoint_of

SIZES = Sizes(12, 3, 2, 1, 6, 8, 9, 4, 5, 10, True)


@pytest.fixture(scope="module", params=[mixtral, gpt_oss])
def made(request):
    found = request.param(SIZES)
    checkpoint = checkpoint_of(found.shapes, found.config, seed=3)
    anatomy = recognise(found.shapes, found.config)
    statistics = exact_statistics(checkpoint, anatomy)
    return checkpoint, anatomy, expert_table(checkpoint, anatomy, statistics)


def values_of(checkpoint, anatomy, name: str) -> np.ndarray:
    part = anatomy.by_name[name]
    out = np.empty(part.shape, np.float64)
    for target, split, region in part.view.pieces([(0, n) for n in part.shape]):
        out[target].reshape(split)[...] = checkpoint[part.tensor].read(region)
    return out


def test_norms_and_spreads_are_those_of_all_matrices_of_an_expert(made):
    checkpoint, anatomy, table = made
    assert len(table) == 3 * 5
    assert table.roles == ("gate", "up", "down")
    for row in table:
        own = [
            values_of(checkpoint, anatomy, f"L{row.layer}.E{row.expert}.{role}").ravel()
            for role in table.roles
        ]
        np.testing.assert_allclose(row.norms, [np.linalg.norm(w) for w in own], rtol=1e-6)
        everything = np.concatenate(own)
        assert row.parameters == everything.size
        assert row.norm == pytest.approx(np.linalg.norm(everything), rel=1e-6)
        assert row.sigma == pytest.approx(everything.std(), rel=1e-6)


def test_cosines_are_those_of_the_columns_of_the_router(made):
    checkpoint, anatomy, table = made
    router = values_of(checkpoint, anatomy, "L1.router")
    np.testing.assert_array_equal(router_weights(checkpoint, anatomy, 1), router)
    units = router / np.linalg.norm(router, axis=0)
    np.testing.assert_allclose(table.cosines[1], units.T @ units, atol=1e-12)
    row = next(row for row in table if (row.layer, row.expert) == (1, 2))
    others = units.T @ units[:, 2]
    others[2] = -2
    assert (row.nearest, row.cosine) == (int(others.argmax()), pytest.approx(others.max()))
    assert row.router_norm == pytest.approx(np.linalg.norm(router[:, 2]))


def test_grids_and_text_hold_every_expert(made):
    _, _, table = made
    assert table.grid("norm").shape == (3, 5)
    assert table.grid("down")[2, 4] == table[-1].norms[2]
    rows = list(csv.DictReader(io.StringIO(table.csv())))
    assert [float(row["norm"]) for row in rows] == [row.norm for row in table]
    assert rows[0]["nearest expert"] == str(table[0].nearest)


def test_plots_show_the_grid_and_the_cosines(made):
    _, _, table = made
    assert {"norm", "sigma", "gate", "up", "down", "router_norm"} <= set(measures(table))
    plot = expert_map(table, "up")
    np.testing.assert_array_equal(plot.table.columns["value"], table.grid("up").ravel())
    image = plot.figure().axes[0].images[0]
    assert image.get_array().shape == (3, 5)
    cosines = router_map(table, 1)
    np.testing.assert_array_equal(cosines.table.columns["value"], table.cosines[1].ravel())
    assert cosines.figure().axes[0].get_xlabel() == "expert"


def test_a_dense_model_has_no_table(made):
    _, _, table = made
    found = llama(SIZES)
    checkpoint = checkpoint_of(found.shapes, found.config)
    with pytest.raises(LayoutError, match="no experts"):
        expert_table(checkpoint, recognise(found.shapes, found.config), None)
    assert "15 experts in 3 layers" in repr(table)
