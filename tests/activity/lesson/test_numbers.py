"""The numbers of a lesson are the model's, and its formulas are those of the family."""

import numpy as np
import pytest
import torch

from activity.lesson.conftest import IDS
from activity.running.families import CAUSAL, CONFIGS, ENCODERS, MIXTURES
from napari_gpt2_tomo.activity.lesson.facts import ACTIVATIONS, activation_of
from napari_gpt2_tomo.activity.lesson.gather_gradient import choose_rate
from napari_gpt2_tomo.activity.lesson.gather_neuron import gated
from napari_gpt2_tomo.activity.lesson.heads import find_rule
from napari_gpt2_tomo.activity.lesson.rotary import find_rotary
from napari_gpt2_tomo.activity.lesson.write import tell
from napari_gpt2_tomo.base import TomoError

FAMILIES = pytest.mark.parametrize("family", CONFIGS)

OWN_SCORES = ("gemma2",)
"""Families that bend their scores, for which the page gives no formula and says so."""

OWN_ACTIVATION = ("gpt_oss",)
OWN_ROTARY = ("gpt_oss",)

BY_LAYER = ("gpt2 upcast",)
"""Families that also divide by the number of the layer."""

SCALES = {"gpt_neo": 1.0, "gemma3_text": 5**-0.5}
"""Scales of scores that are not one over the root of the head's size."""


@FAMILIES
def test_scores_follow_from_queries_and_keys_by_the_rule_that_is_told(family, told):
    story = told(family).story
    heads = story.heads
    assert heads.layers == (0, 1)
    for at, rule in enumerate(heads.rules):
        assert rule.exact == (family not in OWN_SCORES)
        if not rule.exact:
            continue
        scale = SCALES.get(family, story.d_head**-0.5)
        assert rule.scale == pytest.approx(scale / (at + 1 if family in BY_LAYER else 1))
        keys = heads.k[at].repeat(heads.shared, 0)
        scores = rule.scale * np.einsum("hid,hjd->hij", heads.q[at], keys)
        if rule.slopes is not None:
            scores = scores + rule.slopes[:, None, None] * np.arange(len(IDS))
        seen = heads.scores[at] > -1e4
        np.testing.assert_allclose(scores[seen], heads.scores[at][seen], atol=2e-3)
        powers = np.where(seen, np.exp(scores), 0)
        if family != "gpt_oss":  # Its sinks take a share.
            shares = powers / powers.sum(-1, keepdims=True)
            np.testing.assert_allclose(shares, heads.pattern[at], atol=1e-4)


@FAMILIES
def test_norms_neurons_and_sums_are_explained(family, told):
    story = told(family).story
    for norm in (story.attention_norm, story.final_norm, story.block.norm):
        assert norm is None or norm.exact
    neuron = story.neuron
    assert neuron.exact
    assert (neuron.activation is None) == (family in OWN_ACTIVATION)
    assert (neuron.expert is not None) == (family in MIXTURES)
    if neuron.activation is not None:
        value = neuron.activation.apply(np.array(neuron.before))
        if neuron.gated:
            value = value * neuron.linear
        assert value == pytest.approx(neuron.after, abs=1e-4)
    assert story.block.adds == (story.scheme != "post-norm")


@pytest.mark.parametrize("family", CAUSAL)
def test_loss_and_gradient_are_those_of_torch(family, told):
    case = told(family)
    story, network = case.story, case.network
    ids = torch.tensor([IDS])
    weights = {name: one.clone().requires_grad_() for name, one in network.named_parameters()}
    with torch.enable_grad():
        logits = torch.func.functional_call(network, weights, (ids,)).logits[0]
        each = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:], reduction="none")
        slopes = torch.autograd.grad(each.mean(), list(weights.values()), allow_unused=True)
    np.testing.assert_allclose(story.loss.losses, each.detach().numpy(), rtol=1e-3, atol=1e-4)
    assert story.loss.mean == pytest.approx(float(each.detach().mean()), rel=1e-4)
    squares = sum(float(one.square().sum()) for one in slopes if one is not None)
    gradient = story.gradient
    assert gradient.norm == pytest.approx(squares**0.5, rel=1e-3)
    # A small step: what the straight line foretells is nearly what happens.
    rate, loss = min(gradient.tried)
    assert loss - gradient.before == pytest.approx(-rate * gradient.norm**2, rel=0.35)
    assert gradient.after < gradient.before


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_slope_along_the_logits_is_probability_less_truth(family, told):
    case = told(family)
    focus = case.story.choice.focus
    assert focus == len(IDS) - 2
    logits = torch.tensor(case.activity.read("logits", focus), requires_grad=True)
    with torch.enable_grad():
        torch.nn.functional.cross_entropy(logits, torch.tensor(IDS[-1])).backward()
    for number, _, share, slope in case.story.gradient.error:
        assert slope == pytest.approx(float(logits.grad[number]), abs=1e-6)
        assert slope == pytest.approx(share - (number == IDS[-1]), abs=1e-12)


def test_the_neuron_is_that_of_the_network(told):
    case = told("gpt2")
    neuron, focus = case.story.neuron, case.story.choice.focus
    block = case.network.transformer.h[neuron.layer]
    entry = block.ln_2(torch.tensor(case.activity.read("resid_mid", neuron.layer, focus)))
    before = block.mlp.c_fc(entry)
    after = block.mlp.act(before)
    assert neuron.before == pytest.approx(float(before[neuron.number]), abs=1e-5)
    assert neuron.after == pytest.approx(float(after[neuron.number]), abs=1e-5)
    added = block.mlp.c_proj.weight.norm(dim=1) * after.abs()
    assert neuron.number == int(added.argmax())


def test_lengths_of_heads_are_those_of_their_outputs(told):
    case = told("llama")
    heads = case.story.heads
    out = case.model.run(list(IDS), ["head_out"]).read("head_out")
    np.testing.assert_allclose(heads.adds, np.linalg.norm(out, axis=-1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ENCODERS)
def test_an_encoder_has_no_next_token_and_the_reason_is_told(family, told):
    story = told(family).story
    assert story.prediction is story.loss is story.gradient is None
    assert set(story.absent) == {"prediction", "loss", "gradient"}
    assert "encoder" in story.absent["loss"]


@pytest.mark.parametrize(
    ("family", "interleaved", "dims"),
    [("llama", False, 4), ("gptj", True, 2), ("qwen3", False, 6), ("olmo3", False, 4)],
)
def test_rotary_positions_are_read_off_the_vectors(family, interleaved, dims, told):
    positions = told(family).story.positions
    rotary = positions.rotary
    assert (rotary.interleaved, rotary.dims) == (interleaved, dims)
    turned = rotary.turn(positions.q, np.arange(len(IDS), dtype=float))
    np.testing.assert_allclose(turned, positions.turned, atol=1e-4)


def test_scaled_rotary_positions_are_not_explained_by_the_published_angles():
    rng = np.random.default_rng(0)
    before = rng.normal(size=(6, 8))
    angles = np.array([0.9, 0.3, 0.05, 0.002])
    place = np.arange(6)[:, None] * angles
    after = before.copy()
    after[:, :4] = before[:, :4] * np.cos(place) - before[:, 4:] * np.sin(place)
    after[:, 4:] = before[:, :4] * np.sin(place) + before[:, 4:] * np.cos(place)
    found = find_rotary(before, after, 10000.0)
    assert found.base is None
    np.testing.assert_allclose(found.angles, angles, atol=1e-12)
    assert find_rotary(before, before[::-1], 10000.0) is None
    assert find_rotary(before[:1], after[:1], 10000.0) is None


def test_a_price_for_distance_is_found_whichever_way_it_is_counted():
    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(2, 3, 7, 4))
    plain = np.einsum("hid,hjd->hij", q, k) / 2
    place = np.arange(7.0)
    slopes = np.array([0.5, 0.25, 0.125])
    for absolute, steps in ((False, place - place[:, None]), (True, np.tile(place, (7, 1)))):
        scores = plain + slopes[:, None, None] * steps
        scores[:, ~np.tri(7, dtype=bool)] = -np.inf
        rule = find_rule(q, k, scores, 0)
        assert rule.exact
        assert rule.absolute == absolute
        np.testing.assert_allclose(rule.slopes, slopes, atol=1e-9)
    rule = find_rule(q, k, np.tanh(plain) * 3, 0)
    assert not rule.exact
    assert rule.slopes is None


@pytest.mark.parametrize(("loss", "norm"), [(4.2, 2.0), (0.01, 30.0), (1e-9, 1e-6), (2.0, 0.0)])
def test_the_rate_has_one_digit_and_is_of_the_size_of_the_loss(loss, norm):
    rate = choose_rate(loss, norm)
    assert rate > 0
    assert float(f"{rate:.0e}") == pytest.approx(rate)
    if norm:
        assert 0.02 < rate * norm**2 / loss < 0.1


def test_what_is_chosen_must_exist(told):
    activity = told("gpt2").activity
    for wrong in ({"layer": 2}, {"head": 4}, {"token": 8}):
        with pytest.raises(TomoError, match="there is no"):
            tell(activity, training=False, **wrong)
    story = tell(activity, layer=1, head=3, token=4, training=False)
    choice = story.choice
    assert (choice.layer, choice.head, choice.focus) == (1, 3, 4)
    assert story.loss.target[0] == IDS[5]
    assert "gradient" in story.absent
    last = tell(activity, token=7)
    assert last.loss is None
    assert "last of the text" in last.absent["loss"]


def test_a_changed_run_is_explained_as_the_model_is(told):
    from dataclasses import replace

    from napari_gpt2_tomo.activity.record import Activity

    case = told("gpt2")
    source = replace(case.activity.source, changes=("head 1 of layer 0 set to zero",))
    changed = Activity(case.activity.tokens, {}, source, model=case.model)
    story = tell(changed, training=False)
    assert story.loss.mean == pytest.approx(case.story.loss.mean)
    assert "as it is, without: head 1 of layer 0" in story.notes[-1]


def test_a_model_too_large_for_its_gradient_is_told(told, monkeypatch):
    from napari_gpt2_tomo.activity.lesson import gather_gradient

    monkeypatch.setattr(gather_gradient, "MOST", 100)
    story = tell(told("gpt2").activity)
    assert story.gradient is None
    assert "more than this page computes" in story.absent["gradient"]


def test_a_stored_activity_asks_for_its_model(told):
    from napari_gpt2_tomo.activity.record import Activity

    activity = told("gpt2").activity
    stored = Activity(activity.tokens, dict(activity), activity.source)
    with pytest.raises(TomoError, match="needs the model"):
        tell(stored)


def test_a_gate_times_nearly_nothing_does_not_hide_the_activation_function():
    before = np.linspace(-3.0, 3.0, 13)
    linear = np.where(np.arange(13) % 3, 0.7, 1e-7)
    after = before / (1 + np.exp(-before)) * linear
    found = activation_of(None, *gated(before, after, linear))
    assert found is ACTIVATIONS["silu"]
