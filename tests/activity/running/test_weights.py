"""Weights by role, beside what the anatomy finds in the file by other means."""

import numpy as np
import pytest

import napari_gpt2_tomo as tomo
from activity.running.families import network
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.base import TomoError

FUSED = ("gpt2", "gpt_bigcode", "gpt_neox", "bloom", "phi3")
MIXED = ("mixtral", "qwen3_moe", "gpt_oss")
OTHERS = ("openai-gpt", "phi", "bert")
OUTSIDE = ("other", "pooler", "head_transform", "head_norm", "router_bias")
"""Roles that `weight` does not give; ``router_bias`` of the anatomy is a correction."""


@pytest.mark.parametrize("family", [*FUSED, *MIXED, *OTHERS])
def test_each_weight_is_the_part_of_its_name(family, tmp_path):
    network(family).save_pretrained(tmp_path / family)
    model = LanguageModel.load(tmp_path / family)
    with tomo.scan(tmp_path / family) as scan:
        parts = [part for part in scan.anatomy.parts if not part.role.startswith(OUTSIDE)]
        assert len(parts) > 20
        for part in parts:
            weight = model.weight(part.role, part.layer, expert=part.expert)
            np.testing.assert_array_equal(weight, scan.values(part), err_msg=part.name)
        for name, size in scan.anatomy.hyper.known().items():
            assert getattr(model.sizes, name) == size, name


@pytest.fixture(scope="module")
def gemma(tmp_path_factory):
    return LanguageModel(network("gemma"), tmp_path_factory.mktemp("gemma"))


def test_weights_are_given_as_they_are_used(gemma):
    inner = gemma.circuit.network
    stored = inner.model.norm.weight.numpy()
    np.testing.assert_allclose(gemma.weight("final_norm"), stored + 1, rtol=1e-6)
    table = inner.model.embed_tokens.weight.numpy()
    np.testing.assert_allclose(gemma.weight("token_embedding"), 4 * table.T, rtol=1e-5)
    np.testing.assert_array_equal(gemma.weight("unembedding"), inner.lm_head.weight.numpy().T)


def test_a_norm_divides_by_its_scale(gemma):
    values = np.random.default_rng(0).normal(size=(3, 2, 16)).astype(np.float32)
    scale = gemma.norm_scale("final_norm", values)
    assert gemma.norm_kind == "rms"
    np.testing.assert_allclose(scale[..., 0], np.sqrt((values**2).mean(-1) + 1e-6), rtol=1e-5)
    by_hand = values / scale * gemma.weight("final_norm")
    np.testing.assert_allclose(gemma.norm("final_norm", values), by_hand, rtol=1e-5)


def test_a_layer_norm_takes_the_mean_away(tmp_path):
    model = LanguageModel(network("gpt2"), tmp_path)
    values = np.random.default_rng(0).normal(3, 2, size=(4, 16)).astype(np.float32)
    assert model.norm_kind == "layer"
    scale = model.norm_scale("mlp_norm", values, layer=1)
    np.testing.assert_allclose(scale[:, 0], np.sqrt(values.var(-1) + 1e-5), rtol=1e-5)
    centred = values - values.mean(-1, keepdims=True)
    by_hand = centred / scale * model.weight("mlp_norm", 1) + model.weight("mlp_norm_bias", 1)
    np.testing.assert_allclose(model.norm("mlp_norm", values, 1), by_hand, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("frob",), "no weight 'frob'"),
        (("q",), "layer=0 to 1"),
        (("q", 2), "layers 0 to 1, there is no 2"),
        (("q", 0, 4), "heads 0 to 3, there is no 4"),
        (("k", 0, 2), "heads 0 to 1, there is no 2"),
        (("up", 0, 1), "has no heads"),
        (("final_norm", 0), "belongs to no layer"),
        (("position_embedding",), "has no 'position_embedding'"),
        (("q_bias", 0), "has no 'q_bias' in layer 0"),
        (("router", 0), "has no 'router'"),
        (("up", 0, None, 1), "has no 'up' in layer 0"),
    ],
)
def test_weights_that_are_not_there(gemma, arguments, said):
    with pytest.raises(TomoError, match=said):
        gemma.weight(*arguments)


def test_norms_that_are_not_there(gemma):
    with pytest.raises(TomoError, match="no norm 'q'"):
        gemma.norm("q", np.zeros((1, 16), np.float32), 0)
    with pytest.raises(TomoError, match="has no 'attn_post_norm'"):
        gemma.norm("attn_post_norm", np.zeros((1, 16), np.float32), 0)


def test_experts_that_are_not_there(tmp_path):
    model = LanguageModel(network("mixtral"), tmp_path)
    with pytest.raises(TomoError, match="experts 0 to 2, there is no 3"):
        model.weight("up", 0, expert=3)
    assert model.weight("router", 1).shape == (16, 3)
    assert model.sizes.n_experts == 3
