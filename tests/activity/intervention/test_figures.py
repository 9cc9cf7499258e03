"""Pictures of interventions hold the numbers that they show, and draw in both themes."""

import warnings

import numpy as np
import pytest

from activity.intervention.tiny import build
from napari_gpt2_tomo.activity.intervention import Component, Metric, Zero, composition
from napari_gpt2_tomo.activity.intervention.composition_figures import (
    graph_plot,
    layers_plot,
    overview_plot,
)
from napari_gpt2_tomo.activity.intervention.figures import (
    FIGURES,
    change_plot,
    effect_plot,
    sweep_plot,
)
from napari_gpt2_tomo.activity.running.changes import effect
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.activity.running.sweeps import sweep
from napari_gpt2_tomo.display.plots import THEMES

A, B = (3, 14, 15, 9, 2), (3, 8, 15, 1, 2)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpt2")
    build("gpt2", folder)
    return LanguageModel.load(folder, device="cpu")


@pytest.fixture(scope="module")
def found(model):
    return composition(model, "k")


def draw(plot):
    for theme in THEMES.values():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            plot.figure(theme).canvas.draw()
    return plot


def test_bars_of_an_effect_hold_its_candidates(model):
    done = effect(model, A, [Zero(Component.mlp(1))])
    for plot in (draw(effect_plot(done, 4, also=[11])), draw(change_plot(done, 4, also=[11]))):
        rows = done.candidates(4, [11])
        assert plot.table.columns["id"] == [row.id for row in rows]
        assert plot.table.columns["logit after - before"] == [row.logit_change for row in rows]
        assert "Zero ablation of L1 MLP" in plot.caption


def test_a_sweep_is_drawn_as_shares_where_there_is_a_way(model):
    metric = Metric("logit", token=4)
    done = sweep(model, A, "resid_post", "patch", metric, source=B)
    plot = draw(sweep_plot(done, (1, 2)))
    assert np.allclose(plot.table.columns["value"], done.restored.ravel())
    assert "share of the way" in plot.caption
    plain = draw(sweep_plot(sweep(model, A, "heads", "zero", metric)))
    assert "after − before" in plain.caption
    assert len(plain.table) == 12


def test_a_way_that_is_too_short_is_no_measure(model):
    from dataclasses import replace

    done = sweep(model, A, "resid_post", "patch", Metric("logit", token=4), source=B)
    short = replace(done, source=done.unchanged + 1e-6)
    plot = draw(sweep_plot(short))
    assert np.allclose(plot.table.columns["value"], done.effects.ravel())
    assert "share" not in plot.caption
    assert replace(done, source=done.unchanged).restored is None


@pytest.mark.parametrize("ids", [(7,), tuple(range(3, 33))], ids=["one token", "thirty"])
def test_short_and_long_texts_are_drawn(model, ids):
    plot = draw(sweep_plot(sweep(model, ids, "mlp")))
    assert len(plot.table) == 3 * len(ids)
    assert (np.asarray(plot.table.columns["value"]) >= 0).all()


def test_compositions_hold_their_scores(found):
    plot = draw(overview_plot(found, (0, 1)))
    table = plot.table.columns
    assert len(plot.table) == 3 * 16
    place = table["reading layer"], table["reading head"]
    place = (*place, table["writing layer"], table["writing head"])
    assert np.array_equal(table["score"], found.values[place])
    pair = draw(layers_plot(found, 0, 2))
    assert np.array_equal(pair.table.columns["value"], found.values[2, :, 0, :].ravel())
    graph = draw(graph_plot(found, 5))
    assert graph.table.columns["score"] == [score for score, *_ in found.strongest(5)]
    assert "1/√d_model = 0.250" in graph.caption


def test_figures_of_a_report_are_there_where_they_apply(model):
    activity = model.run(A)
    plots = [figure(activity) for figure in FIGURES]
    names = [plot.name for plot in plots if plot is not None]
    assert len(names) == len(set(names)) == len(FIGURES)
    for plot in plots:
        draw(plot)
    activity.model = None
    assert [figure(activity) for figure in FIGURES] == [None] * len(FIGURES)


def test_figures_that_would_take_long_are_left_out(model, monkeypatch):
    monkeypatch.setattr("napari_gpt2_tomo.activity.intervention.figures.WORK", 10)
    monkeypatch.setattr("napari_gpt2_tomo.activity.intervention.figures.MOST_HEADS", 2)
    assert [figure(model.run(A)) for figure in FIGURES] == [None] * len(FIGURES)
