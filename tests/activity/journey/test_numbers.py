"""Cosines, norms and spreads of states, beside direct computations."""

import numpy as np
import pytest

from activity.journey.planted import LAYERS, planted
from napari_gpt2_tomo.activity.journey.numbers import cosine, journey, updates
from napari_gpt2_tomo.activity.record import Activity


def angle(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return a @ b / np.sqrt((a @ a) * (b @ b))


@pytest.fixture(scope="module")
def activity():
    return planted()


@pytest.fixture(scope="module")
def found(activity):
    return journey(activity)


def test_cosines_to_own_following_and_predicted_tokens(activity, found):
    values, table = np.asarray(found.states.values), activity.model.weight("unembedding")
    best = activity["logits"].argmax(axis=1)
    np.testing.assert_array_equal(found.predicted_ids, best)
    for state in range(len(values)):
        for token in range(6):
            own = angle(values[state, token], activity["embed"][token])
            np.testing.assert_allclose(found.own[state, token], own, atol=1e-6)
            predicted = angle(values[state, token], table[:, best[token]])
            np.testing.assert_allclose(found.predicted[state, token], predicted, atol=1e-6)
        np.testing.assert_allclose(
            found.following[state, 2], angle(values[state, 2], activity["embed"][3]), atol=1e-6
        )


def test_nothing_follows_the_last_token(found):
    assert np.isnan(found.following[:, -1]).all()
    assert np.isfinite(found.following[:, :-1]).all()


def test_the_last_state_is_the_one_before_the_final_norm(found):
    at = found.states.names.index(f"after L{LAYERS - 1} MLP")
    np.testing.assert_allclose(found.last[at], 1, atol=1e-6)
    # The planted norm scales only, so it does not turn the state.
    np.testing.assert_allclose(found.last[at + 1], 1, atol=1e-6)


def test_the_spread_is_the_trace_of_the_covariance(found):
    values = np.asarray(found.states.values, np.float64)
    for state, rows in enumerate(values):
        trace = np.trace(np.cov(rows.T, bias=True))
        np.testing.assert_allclose(found.spread[state], trace, rtol=1e-5)
        distance = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
        np.testing.assert_allclose(found.distance[state], distance, rtol=1e-5)
    np.testing.assert_allclose(found.norm, np.linalg.norm(values, axis=-1), rtol=1e-6)


def test_updates_are_held_against_the_stream_that_they_are_added_to(activity):
    found = updates(activity)
    layer, token = 1, 3
    before, middle = activity["resid_pre"][layer, token], activity["resid_mid"][layer, token]
    attention, mlp = activity["attn_out"][layer, token], activity["mlp_out"][layer, token]
    at = layer, token
    np.testing.assert_allclose(found.attention_cosine[at], angle(attention, before), atol=1e-6)
    np.testing.assert_allclose(found.mlp_cosine[at], angle(mlp, middle), atol=1e-6)
    share = np.linalg.norm(mlp) / np.linalg.norm(middle)
    np.testing.assert_allclose(found.mlp_share[at], share, rtol=1e-6)
    np.testing.assert_allclose(found.attention[at], np.linalg.norm(attention), rtol=1e-6)


def test_in_parallel_blocks_both_are_held_against_the_same_stream(activity):
    arrays = {name: activity[name] for name in activity if name != "resid_mid"}
    parallel = updates(Activity(activity.tokens, arrays, activity.source))
    expected = cosine(activity["mlp_out"], activity["resid_pre"])
    np.testing.assert_array_equal(parallel.mlp_cosine, expected)


def test_what_was_not_recorded_is_left_out(activity):
    few = Activity(activity.tokens, {"resid_post": activity["resid_post"]}, activity.source)
    found = journey(few)
    assert found.own is None
    assert found.predicted is None
    assert updates(few) is None
    np.testing.assert_allclose(found.last[-1], 1, atol=1e-6)


def test_a_zero_vector_has_no_angle():
    assert np.isnan(cosine(np.zeros(3, np.float32), np.ones(3, np.float32)))
