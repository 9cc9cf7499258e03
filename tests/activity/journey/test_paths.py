"""Paths: which states they go through, what their axes were fitted on, and outliers."""

import numpy as np
import pytest

from activity.journey.planted import CHANNELS, LAYERS, VOCABULARY, planted
from napari_gpt2_tomo.activity.journey.outliers import outliers
from napari_gpt2_tomo.activity.journey.paths import paths
from napari_gpt2_tomo.activity.record import Activity
from napari_gpt2_tomo.base import TomoError


def with_giant(tokens: int = 7, factor: float = 200.0) -> Activity:
    """The first token is as large as first tokens are in many models, from the first MLP on."""
    plain = planted(tokens)
    arrays = {name: np.array(plain[name]) for name in plain}
    for name in ("resid_post", "resid_pre", "resid_mid"):
        first = 0 if name == "resid_post" else 1
        arrays[name][first:, 0] *= factor
    return Activity(plain.tokens, arrays, plain.source, model=plain.model)


def test_a_path_goes_from_the_embedding_to_before_and_after_the_final_norm():
    found = paths(planted())
    assert found.points.shape == (2 * LAYERS + 2, 6, 3)
    names = found.states.names
    assert names[0] == "embedding"
    assert names[-2:] == (f"after L{LAYERS - 1} MLP", "after final norm")
    assert len(paths(planted(), halves=False).states.names) == LAYERS + 2


def test_projected_paths_are_the_states_on_orthonormal_axes():
    activity = planted()
    found = paths(activity, scale="raw", leave_out="nothing")
    states = np.asarray(found.states.values)
    middle = states[:-1].mean(axis=(0, 1))
    # Distances in the picture are at most those among the states.
    seen = np.linalg.norm(found.points, axis=-1)
    assert (seen <= np.linalg.norm(states - middle, axis=-1) + 1e-4).all()
    shares = [float(title.split("(")[1].split(" %")[0]) for title in found.axes]
    variance = found.points[:-1].var(axis=(0, 1)) / states[:-1].var(axis=(0, 1)).sum()
    np.testing.assert_allclose(shares, 100 * variance, atol=0.6)


def test_directions_do_not_depend_on_lengths():
    activity = planted()
    arrays = {name: np.array(activity[name]) for name in activity}
    arrays["resid_post"] = arrays["resid_post"] * 7
    longer = Activity(activity.tokens, arrays, activity.source, model=activity.model)
    np.testing.assert_allclose(paths(longer).points, paths(activity).points, atol=1e-5)
    raw = paths(longer, scale="raw").points
    assert not np.allclose(raw, paths(activity, scale="raw").points, atol=0.1)


def test_a_giant_token_does_not_decide_the_axes_and_is_named():
    activity = with_giant()
    assert outliers(np.asarray(paths(activity).states.values)) == (0,)
    found = paths(activity, scale="raw")
    assert found.left_out == (0,)
    assert "without token 0 “·word0”" in found.stated
    assert found.far == (0,)
    assert 0 not in found.near
    others = found.points[:-1, 1:].var(axis=(0, 1))
    naive = paths(activity, scale="raw", leave_out="nothing")
    assert naive.left_out == ()
    # With it in the fit the other tokens shrink to a point on the first axis.
    assert others[0] > 2 * naive.points[:-1, 1:].var(axis=(0, 1))[0]


def test_the_first_token_can_be_left_out_but_not_the_only_one():
    assert paths(planted(), leave_out="first").left_out == (0,)
    assert paths(planted(1), leave_out="first").left_out == ()


def test_what_the_axes_were_fitted_on_is_stated():
    activity = planted()
    assert "all states of this prompt before the final norm" in paths(activity).stated
    last = paths(activity, "last")
    assert "the 6 tokens' states after L2 MLP" in last.stated
    at = last.states.names.index("after L2 MLP")
    np.testing.assert_allclose(last.points[at].mean(axis=0), 0, atol=1e-5)
    assert f"the {VOCABULARY} token embeddings" in paths(activity, "embeddings").stated


def test_axes_of_the_embeddings_need_the_model():
    activity = planted()
    alone = Activity(activity.tokens, dict(activity), activity.source)
    with pytest.raises(TomoError, match="need the model"):
        paths(alone, "embeddings")


@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_short_prompts_have_paths(tokens):
    found = paths(planted(tokens))
    assert found.points.shape == (2 * LAYERS + 2, tokens, 3)
    assert np.isfinite(found.points).all()
    assert found.near == tuple(range(tokens))


def test_a_stream_that_was_not_recorded_is_said():
    activity = planted()
    bare = Activity(activity.tokens, {"embed": activity["embed"]}, activity.source)
    with pytest.raises(TomoError, match="residual stream"):
        paths(bare)


def test_states_of_length_zero_stay_at_the_origin():
    activity = planted(final=np.zeros((6, CHANNELS), np.float32))
    assert np.isfinite(paths(activity).points).all()
