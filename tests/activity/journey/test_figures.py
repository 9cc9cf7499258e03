"""Plots of paths: they draw for any prompt, in both themes, and know their numbers."""

import csv
import io

import numpy as np
import pytest

from activity.journey.planted import LAYERS, planted
from napari_gpt2_tomo.activity.journey.figures import (
    COSINES,
    FIGURES,
    cosine_map_plot,
)
from napari_gpt2_tomo.activity.journey.numbers import journey
from napari_gpt2_tomo.activity.journey.panels import panels, thinned
from napari_gpt2_tomo.activity.journey.path_figures import path_plot, state_ticks
from napari_gpt2_tomo.activity.journey.paths import paths
from napari_gpt2_tomo.activity.record import Activity
from napari_gpt2_tomo.display.plots import DARK, LIGHT

STATES = 2 * LAYERS + 2


@pytest.mark.parametrize("tokens", [1, 2, 45])
def test_every_figure_draws_and_has_a_number_for_each_state_or_layer_and_token(tokens):
    activity = planted(tokens)
    for make, theme in zip(FIGURES, (DARK, LIGHT, DARK, LIGHT), strict=True):
        plot = make(activity)
        plot.figure(theme).draw_without_rendering()
        assert len(plot.table) in (STATES * tokens, LAYERS * tokens)
        assert plot.caption


def test_the_table_of_cosines_holds_what_was_computed():
    activity = planted()
    plot = FIGURES[1](activity)
    rows = list(csv.DictReader(io.StringIO(plot.table.csv())))
    found = journey(activity)
    row = rows[2 * 6 + 3]
    assert row["state"] == found.states.names[2]
    assert row["token"] == "·word3"
    for name in COSINES:
        np.testing.assert_allclose(float(row[name]), getattr(found, name)[2, 3], rtol=1e-6)


def test_a_map_of_one_cosine_draws_with_nan_in_it():
    plot = cosine_map_plot(journey(planted()), planted().tokens.labels, "following")
    plot.figure(DARK).draw_without_rendering()
    assert len(plot.table) == STATES * 6


def test_what_was_not_recorded_makes_no_figure():
    activity = planted()
    nothing = Activity(activity.tokens, {}, activity.source)
    assert [make(nothing) for make in FIGURES] == [None] * len(FIGURES)


def test_short_names_tell_halves_of_blocks_apart():
    found = paths(planted()).states
    assert state_ticks(found)[:4] == ("emb", "L0 a", "L0", "L1 a")
    assert state_ticks(found)[-1] == "norm"


def test_a_token_that_is_too_far_off_is_named_in_the_caption():
    activity = planted()
    found = paths(activity)
    hidden = type(found)(found.points, found.states, found.axes, found.left_out, (2,), found.stated)
    plot = path_plot(hidden, activity.tokens.labels)
    assert "2 “·word2”" in plot.caption
    plot.figure(LIGHT).draw_without_rendering()


def test_a_narrow_figure_has_its_panels_below_each_other():
    from matplotlib.figure import Figure

    def columns(width, height, count):
        axes = panels(Figure(figsize=(width, height)), count)
        assert len(axes) == count
        return len({round(one.get_position().x0, 3) for one in axes})

    assert columns(9, 3, 4) == 4
    assert columns(4, 6, 4) == 2
    assert columns(3, 12, 3) == 1


def test_ticks_are_thinned_evenly_with_both_ends():
    assert thinned(5, 10) == [0, 1, 2, 3, 4]
    places = thinned(26, 10)
    assert places[0] == 0
    assert places[-1] == 25
    assert len(places) <= 10
    assert len(set(np.diff(places[:-1]))) == 1
    assert thinned(1, 10) == [0]
    assert thinned(0, 10) == []
