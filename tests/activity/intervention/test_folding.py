import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from activity.intervention.tiny import VOCABULARY, build
from napari_gpt2_tomo.activity.intervention.folding import Folded
from napari_gpt2_tomo.activity.intervention.weights import ScanWeights
from napari_gpt2_tomo.activity.running.model import LanguageModel
from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.facade import Scan

IDS = torch.tensor([[3, 14, 15, 9, 2, 6, 5]])


def put(state, part, values):
    """Write a part's values where the checkpoint stores them."""
    flat = state[part.tensor].numpy().reshape(-1)
    for target, split, region in part.view.pieces([(0, n) for n in part.shape]):
        steps = [4 * stride for stride in region.strides]
        place = np.lib.stride_tricks.as_strided(flat[region.offset :], region.shape, steps)
        place[...] = values[(*target, ...)].reshape(split).reshape(region.shape) - part.shift


def stored_less(scan, folded, part):
    """What the file keeps is the used value less this: gemma's norms keep the gain minus 1."""
    if part.group != "norm":
        return 0
    used = folded.base.weight(part.role, part.layer)
    return used - scan.part(part.role, part.layer)


def folded_model(folder, model, folded):
    """The same architecture with folded weights, without its unembedding."""
    with Scan(folder) as scan:
        state = {
            name: torch.from_numpy(np.array(tensor[...]).astype(np.float32))
            for name, tensor in scan.checkpoint.items()
        }
        for part in scan.anatomy.parts:
            if not part.role.startswith("unembedding"):
                values = folded.weight(part.role, part.layer, expert=part.expert)
                put(state, part, values - stored_less(scan, folded, part))
    other = folder.parent / f"{folder.name}-folded"
    model.config.save_pretrained(other)
    from safetensors.torch import save_file

    save_file({k: v.contiguous() for k, v in state.items()}, other / "model.safetensors")
    return AutoModelForCausalLM.from_pretrained(other, attn_implementation="eager").eval()


@pytest.mark.parametrize(
    "family", ["gpt2", "gpt_neox", "phi", "llama", "gemma2", "olmo", "mixtral"]
)
@torch.no_grad()
def test_logits_stay_the_same_up_to_a_constant_per_position(tmp_path, family):
    folder = tmp_path / family
    # A softcap would bend the difference.
    changes = {"final_logit_softcapping": None} if family == "gemma2" else {}
    model = build(family, folder, **changes)
    expected = model(IDS).logits[0].numpy()
    with Scan(folder) as scan:
        folded = Folded(ScanWeights(scan))
        other = folded_model(folder, model, folded)
        final = other.base_model(IDS).last_hidden_state[0].numpy()
        logits = final @ folded.weight("unembedding")
        try:
            logits = logits + folded.weight("unembedding_bias")
        except TomoError:
            assert folded.norm_kind == "rms" or family == "olmo"
    shift = expected - logits
    assert np.ptp(shift, axis=1).max() < 2e-4 * np.abs(expected).max()
    # It is not the weights that stayed the same.
    assert np.abs(shift).max() > 1e-3


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpt2")
    build("gpt2", folder)
    with Scan(folder) as scan:
        yield ScanWeights(scan)


def test_what_layernorm_models_write_and_read_has_no_mean(gpt2):
    folded = Folded(gpt2)
    for role, layer in [("token_embedding", None), ("position_embedding", None), ("o", 1)]:
        assert np.abs(folded.weight(role, layer).mean(0)).max() < 1e-6
        assert np.abs(gpt2.weight(role, layer).mean(0)).max() > 1e-2
    assert abs(folded.weight("down_bias", 2).mean()) < 1e-6
    assert np.abs(folded.weight("k", 2, 3).mean(0)).max() < 1e-6
    assert np.abs(folded.weight("unembedding").mean(1)).max() < 1e-6


def test_heads_are_those_of_the_folded_layer(gpt2):
    folded = Folded(gpt2)
    whole = folded.weight("v", 1)
    assert np.allclose(folded.weight("v", 1, 2), whole[:, 8:12], atol=1e-7)
    assert np.allclose(folded.weight("v_bias", 1, 2), folded.weight("v_bias", 1)[8:12], atol=1e-7)


def test_norms_have_neither_gain_nor_bias_any_more(gpt2):
    folded = Folded(gpt2)
    assert np.array_equal(folded.weight("attn_norm", 0), np.ones(16))
    assert np.array_equal(folded.weight("final_norm_bias"), np.zeros(16))


def test_rms_models_keep_the_mean_of_what_they_write(tmp_path):
    build("llama", tmp_path)
    with Scan(tmp_path) as scan:
        weights = ScanWeights(scan)
        folded = Folded(weights)
        assert np.array_equal(folded.weight("o", 1), weights.weight("o", 1))
        gain = weights.weight("mlp_norm", 1)[:, None]
        assert np.allclose(folded.weight("gate", 1), gain * weights.weight("gate", 1))
        assert folded.weight("unembedding").shape == (16, VOCABULARY)


def test_a_softcap_sees_the_difference_so_the_unembedding_keeps_its_mean(tmp_path, gpt2):
    build("gemma2", tmp_path)
    with Scan(tmp_path) as scan:
        weights = ScanWeights(scan)
        assert weights.softcap == 30
        assert np.abs(Folded(weights).weight("unembedding").mean(1)).max() > 1e-3
    assert gpt2.softcap is None


def test_a_loaded_model_and_its_file_fold_to_the_same(tmp_path):
    build("gpt_neox", tmp_path)
    model = LanguageModel.load(tmp_path, device="cpu")
    with Scan(tmp_path) as scan:
        ours, theirs = Folded(model), Folded(ScanWeights(scan))
        for place in [("q", 1, 2), ("q_bias", 1, 2), ("o", 0, 3), ("up", 2), ("up_bias", 2)]:
            assert np.allclose(ours.weight(*place), theirs.weight(*place), atol=1e-6)
        for role in ("token_embedding", "unembedding", "unembedding_bias"):
            assert np.allclose(ours.weight(role), theirs.weight(role), atol=1e-6)


def test_post_norm_models_cannot_be_folded(tmp_path):
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    BertModel(config).save_pretrained(tmp_path)
    with Scan(tmp_path) as scan, pytest.raises(TomoError, match="normalise the stream itself"):
        Folded(ScanWeights(scan))


def test_a_weight_that_is_not_there_is_named(gpt2):
    with pytest.raises(TomoError, match="gate"):
        Folded(gpt2).weight("gate", 0)
