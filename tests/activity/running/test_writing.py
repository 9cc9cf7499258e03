"""Continuations, losses and gradients."""

import numpy as np
import pytest

import napari_gpt2_tomo as tomo
from activity.running.families import network
from napari_gpt2_tomo.activity.running.generation import Sampling
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.base import Cancelled, SilentProgress, TomoError
from real_data import real_data

TEXT = [3, 1, 4, 1, 5, 9]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return LanguageModel(network("gpt2"), tmp_path_factory.mktemp("gpt2"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return LanguageModel(network("bert"), tmp_path_factory.mktemp("bert"), causal=False)


def test_the_story_is_the_published_one():
    # README of karpathy/tinyllamas, stories260K, greedy.
    model = tomo.language_model(real_data("stories260K"))
    text = "".join(step.string for step in model.generate("", 40))
    assert text.startswith(" Once upon a time, there was a little girl named Lily.")


def test_the_sorter_sorts():
    model = tomo.language_model(real_data("nano-gpt-sort"))
    assert "".join(step.string for step in model.generate("CABBAC", 20)) == "AABBCC"


def test_a_seed_repeats_a_sample_and_another_does_not(model):
    def sample(seed):
        return [s.id for s in model.generate(TEXT, 12, temperature=2.0, top_k=20, seed=seed)]

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


def test_probabilities_are_those_before_the_temperature(model):
    for step in model.generate(TEXT, 3, temperature=3.0, seed=5):
        weights = np.exp(step.logits.astype(float) - step.logits.max())
        np.testing.assert_allclose(step.probability, weights[step.id] / weights.sum())


def test_cuts_leave_only_the_most_probable():
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))

    def drawn(**options):
        choose = Sampling(temperature=1.0, **options).chooser()
        return {choose(logits) for _ in range(400)}

    assert drawn() == {0, 1, 2, 3}
    assert drawn(top_k=2) == {0, 1}
    assert drawn(top_p=0.6) == {0, 1}
    assert drawn(top_p=0.5) == {0}
    assert drawn(top_k=99, top_p=1.0) == {0, 1, 2, 3}


def test_draws_follow_the_probabilities():
    chances = np.array([0.5, 0.3, 0.15, 0.05])
    choose = Sampling(temperature=2.0, seed=3).chooser()
    counts = np.bincount([choose(np.log(chances).astype(np.float32)) for _ in range(4000)])
    expected = np.sqrt(chances) / np.sqrt(chances).sum()
    np.testing.assert_allclose(counts / 4000, expected, atol=0.03)


@pytest.mark.parametrize(
    "options", [{"temperature": -1}, {"temperature": 1, "top_k": 0}, {"top_p": 0.0}, {"top_p": 2}]
)
def test_numbers_out_of_range(model, options):
    with pytest.raises(TomoError, match="must be"):
        model.generate(TEXT, 3, **options)


def test_a_continuation_ends_with_the_context(model):
    assert len(list(model.generate([3] * 30, 50))) <= 3
    assert len(model.continued([3] * 30, 50)) <= 32
    with pytest.raises(TomoError, match="more than"):
        model.generate([3] * 40)


def test_a_continuation_ends_where_the_model_ends_the_text(model):
    free = [step.id for step in model.generate(TEXT, 10)]
    settings = model.circuit.network.generation_config
    before = settings.eos_token_id
    settings.eos_token_id = free[2]
    try:
        ended = [step.id for step in model.generate(TEXT, 10)]
    finally:
        settings.eos_token_id = before
    assert ended == free[: free.index(free[2]) + 1]


def test_a_continuation_can_be_cancelled(model):
    progress = SilentProgress()
    steps = model.generate(TEXT, 10, progress=progress)
    next(steps)
    progress.cancel()
    with pytest.raises(Cancelled):
        next(steps)


def test_run_measures_the_continued_text_and_says_so(model):
    activity = model.run(model.continued(TEXT, 4))
    assert len(activity.tokens) == len(TEXT) + 4
    several = tomo.run(model, ["3 1 4", "1 5"], max_new_tokens=3)
    assert [len(one.tokens) for one in several] == [6, 5]
    assert "last 3 tokens were written" in several[0].notes[0]
    full = tomo.run(model, " ".join(["3"] * 32), max_new_tokens=3)
    assert "added no token" in full.notes[0]


def test_losses_are_those_of_transformers(model):
    import torch

    ids = torch.tensor([TEXT])
    truth = float(model.circuit.network(ids, labels=ids).loss)
    losses = model.loss(TEXT)
    assert losses.shape == (len(TEXT) - 1,)
    np.testing.assert_allclose(losses.mean(), truth, rtol=1e-5)


def test_gradients_are_those_of_a_backward_pass(model):
    import copy

    import torch

    other = copy.deepcopy(model.circuit.network).requires_grad_(True)
    ids = torch.tensor([TEXT])
    other(ids, labels=ids).loss.backward()
    fused = other.transformer.h[1].attn.c_attn
    names = ["L1.q", "L1.k_bias", "L0.down", "L1.mlp_norm", "token_embedding", "final_norm_bias"]
    parameter = "transformer.h.1.attn.c_attn.weight"
    found = model.gradient(TEXT, [*names, parameter])
    close = {"rtol": 1e-4, "atol": 1e-6}
    np.testing.assert_allclose(found[parameter], fused.weight.grad, **close)
    np.testing.assert_allclose(found["L1.q"], fused.weight.grad[:, :16], **close)
    np.testing.assert_allclose(found["L1.k_bias"], fused.bias.grad[16:32], **close)
    blocks = other.transformer.h
    np.testing.assert_allclose(found["L0.down"], blocks[0].mlp.c_proj.weight.grad.T, **close)
    np.testing.assert_allclose(found["L1.mlp_norm"], blocks[1].ln_2.weight.grad, **close)
    np.testing.assert_allclose(
        found["token_embedding"], other.transformer.wte.weight.grad.T, **close
    )
    np.testing.assert_allclose(found["final_norm_bias"], other.transformer.ln_f.bias.grad, **close)


@pytest.mark.parametrize("name", ["nothing", "L9.q", "x.y", "L0.router"])
def test_a_gradient_of_something_that_is_not_there(model, name):
    with pytest.raises(TomoError):
        model.gradient(TEXT, [name])


def test_a_step_lowers_the_loss_and_leaves_the_weights_alone(model):
    parameters = {n: p.clone() for n, p in model.circuit.network.named_parameters()}
    before, after, norm = model.stepped_loss(TEXT, 1e-3)
    np.testing.assert_allclose(before, model.loss(TEXT).mean(), rtol=1e-5)
    assert after < before
    # For a small rate the loss falls by rate · |gradient|².
    np.testing.assert_allclose((before - after) / 1e-3, norm**2, rtol=0.1)
    for name, parameter in model.circuit.network.named_parameters():
        assert parameter.grad is None
        assert not parameter.requires_grad
        np.testing.assert_array_equal(parameter.numpy(), parameters[name].numpy())


def test_one_token_has_no_loss(model):
    for function in (model.loss, lambda text: model.stepped_loss(text, 0.1)):
        with pytest.raises(TomoError, match="One token alone has no loss"):
            function([3])


def test_an_encoder_has_no_next_token(encoder):
    for function in (encoder.generate, encoder.loss):
        with pytest.raises(TomoError, match="is an encoder"):
            function([3, 1])
