"""Shares of parts in a logit: they sum to it, in every architecture."""

import numpy as np
import pytest

from activity.running.families import CAUSAL
from napari_gpt2_tomo.activity.lens import logit_attribution, source_attribution
from napari_gpt2_tomo.activity.lens.directions import directions
from napari_gpt2_tomo.base import TomoError

CLOSE = {"rtol": 1e-4, "atol": 1e-4}
TOKEN, OTHER, POSITION = 7, 21, 5


def uncapped(activity):
    """The recorded logits before a soft cap."""
    logits = activity.read("logits", POSITION).astype(np.float64)
    cap = getattr(activity.model.circuit.network.config, "final_logit_softcapping", None)
    return logits if cap is None else cap * np.arctanh(logits / cap)


@pytest.mark.parametrize("family", CAUSAL)
def test_shares_sum_to_the_logit_without_a_rest(family, activity_of):
    activity = activity_of(family)
    found = logit_attribution(activity, TOKEN, position=POSITION)
    np.testing.assert_allclose(found.total, uncapped(activity)[TOKEN], **CLOSE)
    assert "rest" not in found.kinds
    assert found.kinds.count("head") == activity["z"].shape[0] * activity["z"].shape[1]


@pytest.mark.parametrize("family", CAUSAL)
def test_shares_sum_to_a_difference_of_logits(family, activity_of):
    activity = activity_of(family)
    logits = uncapped(activity)
    between = logit_attribution(activity, TOKEN, OTHER, POSITION)
    np.testing.assert_allclose(between.total, logits[TOKEN] - logits[OTHER], **CLOSE)
    over_mean = logit_attribution(activity, TOKEN, "mean", POSITION)
    np.testing.assert_allclose(over_mean.total, logits[TOKEN] - logits.mean(), **CLOSE)


@pytest.mark.parametrize("family", CAUSAL)
def test_what_comes_from_each_token_sums_to_the_head(family, activity_of):
    activity = activity_of(family)
    found = logit_attribution(activity, TOKEN, position=POSITION)
    sources = source_attribution(activity, TOKEN, position=POSITION)
    np.testing.assert_allclose(sources.sum(axis=-1), found.by_head(), **CLOSE)
    assert not sources[:, :, POSITION + 1 :].any()


def test_heads_alone_are_what_ablating_them_takes_from_a_frozen_stream(activity_of):
    activity = activity_of("gpt2")
    model = activity.model
    found = logit_attribution(activity, TOKEN, position=POSITION)
    end = activity.read("resid_post", -1, POSITION)
    scale = model.norm_scale("final_norm", end)
    head = activity.read("z", 1, 2, POSITION) @ model.weight("o", layer=1, head=2).T
    without = end - head
    normed = (without - without.mean()) / scale * model.weight("final_norm")
    normed = normed + model.weight("final_norm_bias")
    change = found.total - float(normed @ model.weight("unembedding")[:, TOKEN])
    np.testing.assert_allclose(found.by_head()[1, 2], change, **CLOSE)


def test_a_step_is_the_sum_of_its_parts_and_the_steps_build_up_the_logit(activity_of):
    found = logit_attribution(activity_of("gpt2"), TOKEN, position=POSITION)
    names, shares = found.steps()
    assert names == (
        "embedding",
        "L0 attention",
        "L0 MLP",
        "L1 attention",
        "L1 MLP",
        "biases",
    )
    np.testing.assert_allclose(shares.sum(), found.total, **CLOSE)
    at = found.names.index("L1 attention bias")
    np.testing.assert_allclose(shares[3], found.by_head()[1].sum() + found.values[at], **CLOSE)


def test_what_an_intervention_added_is_not_accounted_for(activity_of):
    activity = activity_of("gpt2")
    arrays = dict(activity.items()) | {"mlp_out": activity.read("mlp_out") * 0.5}
    changed = type(activity)(activity.tokens, arrays, activity.source, model=activity.model)
    found = logit_attribution(changed, TOKEN, position=POSITION)
    assert found.names[-1] == "not accounted for"
    np.testing.assert_allclose(found.total, uncapped(activity)[TOKEN], **CLOSE)


def test_both_embeddings_have_a_share_where_their_sum_begins_the_stream(activity_of):
    assert logit_attribution(activity_of("gpt2"), 0).names[:2] == (
        "token embedding",
        "position embedding",
    )
    assert logit_attribution(activity_of("bloom"), 0).names[0] == "embedding"


def test_without_a_token_the_prediction_is_explained(stories):
    found = logit_attribution(stories, against="mean")
    assert found.target == "logit of ·Lily − mean logit"
    assert found.token == int(stories["logits"][-1].argmax())
    assert found.names[found.strongest(1)[0]] == "L4 MLP"


def test_tokens_and_positions_that_are_not_there_are_named(stories):
    with pytest.raises(TomoError, match="no single token"):
        logit_attribution(stories, "elephant")
    with pytest.raises(TomoError, match="no token 512"):
        logit_attribution(stories, 512)
    with pytest.raises(TomoError, match="no position 14"):
        logit_attribution(stories, position=14)
    assert logit_attribution(stories, "Lily").token == logit_attribution(stories, " Lily").token


def test_an_encoder_is_refused_for_its_head_is_no_matrix(activity_of):
    with pytest.raises(TomoError, match="encoder"):
        logit_attribution(activity_of("bert"))


def test_directions_of_a_post_norm_model_differ_from_layer_to_layer(activity_of):
    activity = activity_of("openai-gpt")
    target = activity.model.weight("unembedding")[:, TOKEN].astype(np.float64)
    found = directions(activity, activity.model, target, 0.0, POSITION)
    np.testing.assert_array_equal(found.stream, target)
    assert not np.allclose(found.mlp[0], found.mlp[1])
