"""The logit lens: the states' own predictions, the last of which is the model's."""

import numpy as np
import pytest
import torch

from activity.running.families import CAUSAL
from napari_gpt2_tomo.activity.lens import logit_lens, token_trace
from napari_gpt2_tomo.activity.record.states import states
from napari_gpt2_tomo.base import Cancelled, TomoError
from real_data import real_data

CLOSE = {"rtol": 1e-3, "atol": 1e-4}
VOCABULARY = 37


def truth_of(activity, state, stream):
    """Log-probabilities of a state, by torch."""
    values = torch.as_tensor(stream.values[state])
    network = activity.model.circuit.network
    with torch.no_grad():
        if stream.kind[state] != "final":
            norm = getattr(network.base_model, "ln_f", None) or network.base_model.norm
            values = norm(values)
        return network.lm_head(values).log_softmax(-1).numpy()


@pytest.mark.parametrize("family", CAUSAL)
def test_the_last_state_gives_the_logits_of_the_model(family, activity_of):
    activity = activity_of(family)
    lens = logit_lens(activity, k=VOCABULARY)
    truth = torch.as_tensor(activity["logits"]).log_softmax(-1).numpy()
    found = np.zeros_like(truth)
    np.put_along_axis(found, lens.top[-1], lens.log_probability[-1], axis=-1)
    np.testing.assert_allclose(found, truth, **CLOSE)
    np.testing.assert_allclose(lens.to_final[-1], 0, atol=1e-6)
    assert (lens.predicted_rank[-1] == 1).all()


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_state_before_the_final_norm_and_the_one_after_it_predict_alike(family, activity_of):
    lens = logit_lens(activity_of(family), k=5)
    assert lens.names[-1] == "after final norm"
    np.testing.assert_array_equal(lens.top[-2], lens.top[-1])
    np.testing.assert_allclose(lens.log_probability[-2], lens.log_probability[-1], **CLOSE)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_every_state_is_read_through_the_norm_and_the_unembedding(family, activity_of):
    activity = activity_of(family)
    lens, stream = logit_lens(activity, k=VOCABULARY), states(activity)
    final = truth_of(activity, len(stream) - 1, stream)
    for state in range(len(stream)):
        truth = truth_of(activity, state, stream)
        found = np.take_along_axis(truth, lens.top[state], -1)
        np.testing.assert_allclose(lens.log_probability[state], found, **CLOSE)
        assert (np.diff(lens.log_probability[state]) <= 0).all()
        entropy = torch.distributions.Categorical(logits=torch.as_tensor(truth)).entropy()
        np.testing.assert_allclose(lens.entropy[state], entropy, **CLOSE)
        divergence = torch.nn.functional.kl_div(
            torch.as_tensor(truth), torch.as_tensor(final), log_target=True, reduction="none"
        ).sum(-1)
        np.testing.assert_allclose(lens.to_final[state], divergence, **CLOSE)


def test_pieces_of_the_text_give_what_the_whole_gives(activity_of, monkeypatch):
    activity = activity_of("gpt2")
    whole = logit_lens(activity)
    monkeypatch.setattr("napari_gpt2_tomo.activity.lens.projection.LOGITS", 3 * VOCABULARY)
    sizes = []
    unembed = type(activity.model).unembed

    def recorded(model, values, norm=True):
        sizes.append(len(values))
        return unembed(model, values, norm)

    monkeypatch.setattr(type(activity.model), "unembed", recorded)
    pieces = logit_lens(activity)
    assert max(sizes) == 3
    np.testing.assert_array_equal(pieces.top, whole.top)
    np.testing.assert_allclose(pieces.to_final, whole.to_final, rtol=1e-5, atol=1e-7)


def test_a_trace_agrees_with_the_lens_and_counts_ranks_from_one(activity_of):
    activity = activity_of("gpt2")
    lens = logit_lens(activity, k=VOCABULARY)
    tokens = [int(lens.top[0, 4, 0]), int(lens.top[0, 4, 9])]
    trace = token_trace(activity, tokens, position=4)
    assert trace.rank[0].tolist() == [1, 10]
    for state in range(len(lens.names)):
        places = [lens.top[state, 4].tolist().index(token) for token in tokens]
        np.testing.assert_allclose(
            trace.log_probability[state], lens.log_probability[state, 4, places], **CLOSE
        )


def test_halves_can_be_left_out(activity_of):
    assert logit_lens(activity_of("gpt2"), halves=False).names == (
        "embedding",
        "after L0",
        "after L1",
        "after final norm",
    )


def test_post_norm_models_and_encoders_have_a_caveat(activity_of):
    assert "Blocks of this model end in a norm" in logit_lens(activity_of("openai-gpt")).notes[0]
    lens = logit_lens(activity_of("bert"), k=VOCABULARY)
    assert "both directions" in lens.notes[-1]
    truth = torch.as_tensor(activity_of("bert")["logits"]).log_softmax(-1).numpy()
    found = np.take_along_axis(truth, lens.top[-1], -1)
    np.testing.assert_allclose(lens.log_probability[-1], found, **CLOSE)
    assert logit_lens(activity_of("gpt2")).notes == ()


def test_a_head_that_does_not_give_the_recorded_logits_is_not_read_through(activity_of):
    activity = activity_of("bert")
    arrays = dict(activity.items()) | {"logits": activity.read("logits") + 1}
    other = type(activity)(activity.tokens, arrays, activity.source, model=activity.model)
    with pytest.raises(TomoError, match="does more than unembed"):
        logit_lens(other)


def test_a_model_without_unembedding_is_refused():
    from napari_gpt2_tomo.activity.running.run import run

    activity = run(real_data("minilm-fp16"), "Hello world")
    with pytest.raises(TomoError, match="unembedding"):
        logit_lens(activity)


def test_without_its_model_an_activity_has_no_lens(activity_of):
    activity = activity_of("gpt2")
    stored = type(activity)(activity.tokens, dict(activity.items()), activity.source)
    with pytest.raises(TomoError, match="needs the model"):
        logit_lens(stored)


def test_it_stops_when_it_is_cancelled(activity_of):
    class Impatient:
        def start(self, total, description):
            self.total = total

        def advance(self, amount):
            raise Cancelled("The work was cancelled.")

    progress = Impatient()
    with pytest.raises(Cancelled):
        logit_lens(activity_of("gpt2"), progress=progress)
    assert progress.total == 8 * 6


def test_a_story_is_continued_with_a_name(stories):
    lens = logit_lens(stories)
    assert lens.strings()[-1, -1] == "·Lily"
    # The model unembeds with its embeddings: at first each token predicts itself.
    assert lens.strings()[0].tolist()[:4] == ["<s>", "·Once", "·upon", "·a"]
