"""Distributions, sampling settings and how well a text was foreseen, beside torch's."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_gpt2_tomo.activity.lens import (
    Chances,
    Continuing,
    Drawing,
    continuation,
    next_token,
    reading,
    sampling,
)
from napari_gpt2_tomo.activity.lens.chances import divergence, log_chances, ranks, strongest
from napari_gpt2_tomo.base import TomoError

LOGITS = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=40)


@given(LOGITS)
def test_probabilities_and_entropy_are_those_of_torch(logits):
    found = Chances.of_logits(logits)
    truth = torch.tensor(logits, dtype=torch.float64).softmax(-1)
    np.testing.assert_allclose(found.probability, truth, rtol=1e-4, atol=1e-7)
    entropy = torch.distributions.Categorical(probs=truth).entropy()
    np.testing.assert_allclose(found.entropy, entropy, rtol=1e-3, atol=1e-4)


@given(LOGITS, st.integers(1, 50))
def test_the_strongest_are_the_first_of_a_stable_sort(logits, count):
    values = np.array(logits, np.float32)
    found = strongest(values, count)
    np.testing.assert_array_equal(values[found], np.sort(values)[::-1][:count])
    assert len(set(found.tolist())) == min(count, len(logits))


def test_ranks_begin_with_one_and_equals_share_the_better():
    values = np.array([[3.0, 1.0, 3.0, 2.0]], np.float32)
    assert ranks(values, np.array([[0, 1, 2, 3]])).tolist() == [[1, 4, 1, 3]]


def test_divergence_counts_what_is_impossible_as_nothing_or_as_infinite():
    sure, open_ = log_chances([0.0, -np.inf]), log_chances([0.0, 0.0])
    assert divergence(sure, open_) == pytest.approx(np.log(2))
    assert divergence(open_, sure) == np.inf
    assert divergence(sure, sure) == 0


def test_logits_that_overflowed_are_said():
    with pytest.raises(TomoError, match="float32"):
        Chances.of_logits([1.0, np.nan])
    with pytest.raises(TomoError, match="float32"):
        Chances.of_logits([1.0, np.inf])


@given(
    st.lists(st.integers(-80, 80).map(lambda n: n / 10), min_size=2, max_size=30, unique=True),
    st.floats(0.3, 3),
    st.integers(0, 12),
    st.floats(0.1, 1.0),
)
def test_what_survives_is_what_transformers_keeps(logits, temperature, top_k, top_p):
    from transformers.generation.logits_process import (
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    scores = torch.tensor([logits], dtype=torch.float32)
    scores = TemperatureLogitsWarper(float(temperature))(None, scores)
    if top_k:
        scores = TopKLogitsWarper(top_k)(None, scores)
    before = scores.softmax(-1)[0].sort(descending=True).values.cumsum(0)
    if ((before - top_p).abs() < 1e-5).any():
        return  # Rounding decides which side of the edge a token is on.
    if top_p < 1:
        scores = TopPLogitsWarper(top_p)(None, scores)
    found = sampling(logits, temperature, top_k, top_p)
    np.testing.assert_array_equal(found.kept, torch.isfinite(scores)[0])
    np.testing.assert_allclose(found.after, scores.softmax(-1)[0], rtol=1e-3, atol=1e-6)


def test_temperature_zero_keeps_the_likeliest_alone():
    found = sampling([1.0, 3.0, 2.0], temperature=0, top_k=2)
    assert found.kept.tolist() == [False, True, False]
    assert found.after.tolist() == [0, 1, 0]
    assert found.mass == pytest.approx(float(found.before[1]))


def test_settings_out_of_range_are_named():
    for settings in ({"temperature": -1}, {"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.5}):
        with pytest.raises(TomoError):
            sampling([1.0, 2.0], **settings)


def test_perplexity_is_e_to_the_loss_of_transformers(activity_of, monkeypatch):
    activity = activity_of("gpt2")
    ids = torch.as_tensor(activity.tokens.ids)[None]
    with torch.no_grad():
        loss = activity.model.circuit.network(ids, labels=ids).loss
    monkeypatch.setattr("napari_gpt2_tomo.activity.lens.prediction.LOGITS", 3 * 37)
    found = reading(activity)
    assert found.mean == pytest.approx(float(loss), rel=1e-5)
    assert found.perplexity == pytest.approx(float(loss.exp()), rel=1e-4)
    chance = torch.as_tensor(activity["logits"]).log_softmax(-1)
    entropy = torch.distributions.Categorical(logits=chance).entropy()
    np.testing.assert_allclose(found.entropy[1:], entropy[:-1], rtol=1e-4)
    place = 3
    true = int(activity.tokens.ids[place])
    order = chance[place - 1].argsort(descending=True).tolist()
    assert found.rank[place] == order.index(true) + 1


def test_the_first_token_is_foreseen_by_nothing(activity_of):
    model = activity_of("gpt2").model
    found = reading(model.run([3]))
    assert np.isnan(found.surprisal).all()
    assert found.rank.tolist() == [0]
    assert np.isnan(found.perplexity)


def test_the_next_token_is_named_with_the_one_that_comes(stories):
    found = next_token(stories, k=5)
    assert found.labels[0] == "·Lily"
    assert found.probability.sum() + found.rest == pytest.approx(1, abs=1e-6)
    assert found.true is None
    assert next_token(stories, 0).true == stories.tokens.ids[1]


def test_encoders_do_not_predict(activity_of):
    for look in (next_token, reading):
        with pytest.raises(TomoError, match="encoder"):
            look(activity_of("bert"))


def test_a_continuation_is_that_of_the_model_with_its_alternatives(stories):
    steps = list(continuation(stories.model, stories.text, 6, k=4))
    model = [step.id for step in stories.model.generate(stories.text, 6)]
    assert [step.id for step in steps] == model
    assert steps[0].string == " Lily"
    for step in steps:
        assert step.rank == 1
        assert step.alternatives[0] == step.id
        assert len(step.strings) == 4


def test_a_growing_text_takes_what_the_model_or_a_person_chooses(stories):
    growing = Continuing(stories.model, stories.tokens)
    assert growing.known is None
    assert growing.take().string == " Lily"
    other = int(growing.pending().alternatives[3])
    assert growing.take(other).rank == 4
    assert growing.tokens.ids[-2:].tolist() == [growing.taken[0].id, other]
    growing.back()
    assert [step.string for step in growing.taken] == [" Lily"]
    assert growing.pending().id != other
    growing.back()
    growing.back()
    assert growing.ids == tuple(stories.tokens.ids.tolist())


def test_a_seed_draws_the_same_again_and_another_setting_draws_anew(stories):
    how = Drawing(1.5, seed=4)
    texts = []
    for _ in range(2):
        growing = Continuing(stories.model, stories.tokens, how)
        texts.append([growing.take().id for _ in range(4)])
    assert texts[0] == texts[1]
    truth = stories.model.generate(stories.tokens, 4, temperature=1.5, seed=4)
    assert texts[0] == [step.id for step in truth]
    pending = growing.pending()
    growing.drawing = Drawing()
    assert growing.known is None
    assert growing.pending().id == pending.alternatives[0]


def test_a_text_ends_where_the_context_is_full(activity_of):
    model = activity_of("gpt2").model
    growing = Continuing(model, model.tokens([3] * 31))
    while growing.take() is not None:
        pass
    assert growing.ended
    # The last one follows a full context, and is not read itself.
    assert len(growing.ids) == 33
