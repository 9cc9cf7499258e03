"""How neurons fire: planted ones are found, and sparsity has its known values."""

import numpy as np
import pytest

from activity.journey.planted import planted
from napari_gpt2_tomo.activity.geometry.firing import (
    histograms,
    hoyer,
    sparsity,
    strongest_neurons,
)
from napari_gpt2_tomo.activity.geometry.neuron_figures import (
    firing_plot,
    histogram_plot,
    sparsity_plot,
)
from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.display.plots import DARK

LAYERS, TOKENS, NEURONS = 3, 6, 20


@pytest.fixture
def post():
    values = np.random.default_rng(0).standard_normal((LAYERS, TOKENS, NEURONS))
    return values.astype(np.float32)


def test_the_strongest_neurons_are_those_of_largest_magnitude(post):
    post[1, 4, 7], post[2, 0, 3] = -50, 40
    found = strongest_neurons(planted(mlp_post=post), count=5)
    assert (found[0].layer, found[0].token, found[0].neuron) == (1, 4, 7)
    assert found[0].value == -50
    assert (found[1].layer, found[1].token, found[1].neuron) == (2, 0, 3)
    order = np.sort(np.abs(post).ravel())[::-1][:5]
    np.testing.assert_allclose([abs(one.value) for one in found], order)
    usual = np.sqrt(np.square(post[1]).mean())
    assert found[0].share == pytest.approx(50 / usual, rel=1e-5)


def test_a_layer_and_a_token_can_be_asked_for(post):
    activity = planted(mlp_post=post)
    found = strongest_neurons(activity, layer=2, token=4, count=3)
    expected = np.argsort(-np.abs(post[2, 4]))[:3]
    assert [one.neuron for one in found] == expected.tolist()
    assert {(one.layer, one.token) for one in found} == {(2, 4)}
    with pytest.raises(TomoError, match="no layer 3"):
        strongest_neurons(activity, layer=3)
    with pytest.raises(TomoError, match="no token 6"):
        strongest_neurons(activity, token=6)


def test_neurons_of_a_mixture_name_their_expert():
    values = np.zeros((LAYERS, TOKENS, 2, 5), np.float32)
    values[1, 2, 1, 4] = 3
    experts = np.zeros((LAYERS, TOKENS, 2), np.int64)
    experts[1, 2] = (6, 9)
    activity = planted(mlp_post=values, experts=experts)
    first = strongest_neurons(activity, count=1)[0]
    assert (first.layer, first.token, first.neuron, first.expert) == (1, 2, 4, 9)
    assert firing_plot(activity, 1) is None


def test_histograms_hold_every_value_once(post):
    post[0, 0, 0] = 1e4
    found = histograms(planted(mlp_post=post))
    np.testing.assert_allclose(found.share.sum(axis=1), 1)
    inside = (post[1] >= found.edges[40]) & (post[1] < found.edges[41])
    np.testing.assert_allclose(found.share[1, 40], inside.mean())


def test_histograms_of_constant_neurons_have_a_width():
    found = histograms(planted(mlp_post=np.zeros((LAYERS, TOKENS, NEURONS), np.float32)))
    np.testing.assert_allclose(found.share.max(axis=1), 1)
    assert found.edges[0] < 0 < found.edges[-1]


def test_hoyer_is_0_for_equal_and_1_for_single_values():
    single = np.eye(9, dtype=np.float32)[3]
    np.testing.assert_allclose(hoyer(np.stack([np.full(9, -2.0), single])), [0, 1], atol=1e-6)
    assert np.isnan(hoyer(np.zeros(4)))


def test_sparsity_of_normal_values_is_that_of_a_normal_distribution():
    values = np.random.default_rng(2).standard_normal((1, 50, 4000)).astype(np.float32)
    found = sparsity(planted(mlp_post=values))
    assert found.positive[0] == pytest.approx(0.5, abs=0.005)
    assert found.strong[0] == pytest.approx(0.0027, abs=0.0003)
    assert found.silent[0] == pytest.approx(0.008, abs=0.001)
    assert found.kurtosis[0] == pytest.approx(3, abs=0.05)
    # √n − √(2n/π) over √n − 1, for many neurons.
    assert found.hoyer[0] == pytest.approx(1 - np.sqrt(2 / np.pi), abs=0.02)


def test_the_plots_draw(post):
    activity = planted(mlp_post=post)
    for plot in (
        histogram_plot(histograms(activity)),
        sparsity_plot(sparsity(activity)),
        firing_plot(activity, 1, count=5),
    ):
        plot.figure(DARK).draw_without_rendering()
        assert len(plot.table)
    firing = firing_plot(activity, 1, count=5)
    peaks = np.abs(post[1]).max(axis=0)
    best = np.argsort(-peaks)[:5].tolist()
    assert list(dict.fromkeys(firing.table.columns["neuron"])) == best


def test_layers_of_nan_have_no_shares_and_leave_the_others_alone(post):
    whole = sparsity(planted(mlp_post=post))
    post[1] = np.nan
    found = sparsity(planted(mlp_post=post))
    assert np.isnan(found.positive[1])
    assert np.isnan(found.hoyer[1])
    assert found.positive[2] == whole.positive[2]
    shares = histograms(planted(mlp_post=post)).share
    assert shares[1].sum() == 0
    assert shares[2].sum() == pytest.approx(1)
    post[:] = np.nan
    with pytest.raises(TomoError, match="finite"):
        histograms(planted(mlp_post=post))
