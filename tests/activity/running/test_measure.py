"""Seeing and changing what flows."""

import copy

import numpy as np
import pytest

from activity.running.families import CONFIGS, network
from napari_gpt2_tomo.activity.running.hooks import Hook
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.base import TomoError

IDS = [3, 1, 4, 1, 5]
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return LanguageModel(network("llama"), tmp_path_factory.mktemp("llama"))


def test_a_model_that_writes_over_what_was_seen_is_run_again_with_copies(tmp_path):
    import torch

    class Over(torch.nn.Module):
        def forward(self, values):
            return values.relu_()

    inner = copy.deepcopy(network("gpt2"))
    for block in inner.transformer.h:
        block.mlp.act = Over()
    model = LanguageModel(inner, tmp_path)
    activity = model.run(IDS)
    normed = model.norm("mlp_norm", activity["resid_mid"][1], 1)
    by_hand = normed @ model.weight("up", 1) + model.weight("up_bias", 1)
    assert by_hand.min() < 0
    np.testing.assert_allclose(activity["mlp_pre"][1], by_hand, **CLOSE)
    np.testing.assert_allclose(activity["mlp_post"][1], by_hand.clip(0), **CLOSE)


def test_what_only_some_layers_have_is_not_recorded_and_told(tmp_path):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    options = CONFIGS["qwen3_moe"] | {"mlp_only_layers": [1]}
    config = AutoConfig.for_model("qwen3_moe", **options)
    torch.manual_seed(0)
    inner = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    model = LanguageModel(inner, tmp_path)
    activity = model.run(IDS)
    assert not {"mlp_pre", "mlp_post", "router"} & set(activity)
    assert any("layers differ" in note and "mlp_post" in note for note in activity.notes)
    truth = inner(torch.tensor([IDS])).logits[0].detach().numpy()
    np.testing.assert_allclose(activity["logits"], truth, **CLOSE)


@pytest.mark.parametrize("family", ["gpt2", "gptj", "opt", "openai-gpt", "gemma2", "mixtral"])
def test_giving_back_the_same_changes_nothing(family, tmp_path):
    model = LanguageModel(network(family), tmp_path)
    plain = model.run(IDS)
    hooks = [
        Hook(tap.site, lambda values: values.clone(), tap.layer)
        for tap in model.circuit.taps
        if not tap.computed
    ]
    assert len(hooks) > 20
    changed = model.run(IDS, hooks=hooks)
    for name in plain:
        np.testing.assert_allclose(changed[name], plain[name], **CLOSE)


@pytest.mark.parametrize(
    ("site", "layer"),
    [
        ("embed", None),
        ("resid_pre", 1),
        ("q", 0),
        ("k", 0),
        ("v", 1),
        ("rot_q", 0),
        ("rot_k", 1),
        ("pattern", 0),
        ("z", 1),
        ("attn_out", 0),
        ("resid_mid", 1),
        ("mlp_pre", 0),
        ("mlp_linear", 0),
        ("mlp_post", 1),
        ("mlp_out", 0),
        ("resid_post", 0),
        ("final", None),
        ("logits", None),
    ],
)
def test_a_change_flows_on_and_what_flows_is_recorded(model, site, layer):
    plain = model.run(IDS)
    changed = model.run(IDS, hooks=[Hook(site, lambda values: values * 0.5, layer)])
    at = ... if layer is None else layer
    np.testing.assert_allclose(changed[site][at], plain[site][at] * 0.5, **CLOSE)
    assert np.abs(changed["logits"] - plain["logits"]).max() > 1e-3
    if layer is not None and site != "resid_pre":
        np.testing.assert_array_equal(changed["resid_pre"][0], plain["resid_pre"][0])
    again = model.run(IDS)
    np.testing.assert_array_equal(again["logits"], plain["logits"])


def test_a_changed_middle_state_changes_the_stream_itself(model):
    changed = model.run(IDS, hooks=[Hook("resid_mid", lambda values: values * 0, 0)])
    np.testing.assert_allclose(changed["resid_post"][0], changed["mlp_out"][0], **CLOSE)


def test_a_changed_pattern_gathers_otherwise(model):
    import torch

    def first(values):
        found = torch.zeros_like(values)
        found[..., 0] = 1
        return found

    changed = model.run(IDS, hooks=[Hook("pattern", first, 1)])
    shared = changed["q"].shape[1] // changed["v"].shape[1]
    expected = changed["v"][1].repeat(shared, axis=0)[:, :1]
    np.testing.assert_allclose(changed["z"][1], np.broadcast_to(expected, changed["z"][1].shape))


@pytest.mark.parametrize("place", [("scores", 0), ("head_out", 1), ("z", 7), ("pos_embed", None)])
def test_what_cannot_be_changed(model, place):
    site, layer = place
    with pytest.raises(TomoError, match=f"{site!r}.*cannot be changed"):
        model.run(IDS, hooks=[Hook(site, lambda values: values, layer)])
