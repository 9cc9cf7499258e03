"""Families that the table does not have."""

import numpy as np
import pytest

from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.base import TomoError

SIZES = {
    "vocab_size": 37,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 32,
    "pad_token_id": None,
    "bos_token_id": 0,
    "eos_token_id": 1,
}


def build(family, **options):
    """A random network of a family."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **SIZES | options)
    network = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3)
    return network.requires_grad_(False)


@pytest.mark.parametrize("family", ["smollm3", "stablelm", "helium"])
def test_a_family_built_like_a_known_one_is_measured(family, tmp_path):
    import torch

    network = build(family)
    model = LanguageModel(network, tmp_path)
    activity = model.run([3, 1, 4, 1, 5])
    assert any(repr(family) in note for note in activity.notes)
    with torch.no_grad():
        truth = network(torch.tensor([[3, 1, 4, 1, 5]]), output_hidden_states=True)
    close = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(activity["resid_pre"][1], truth.hidden_states[1][0], **close)
    np.testing.assert_allclose(activity["logits"], truth.logits[0], **close)
    np.testing.assert_allclose(model.unembed(activity["resid_post"][-1]), truth.logits[0], **close)


@pytest.mark.parametrize("option", ["residual_multiplier", "logits_scaling"])
def test_one_that_does_not_add_up_is_refused(option, tmp_path):
    assert LanguageModel(build("granite"), tmp_path).scheme == "pre-norm"
    with pytest.raises(TomoError, match="'granite' is built is not known"):
        LanguageModel(build("granite", **{option: 0.5}), tmp_path)


def test_one_that_is_built_otherwise_is_refused(tmp_path):
    with pytest.raises(TomoError, match="'mamba' is built is not known"):
        LanguageModel(build("mamba", state_size=4), tmp_path)
