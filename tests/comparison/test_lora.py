"""LoRA adapters in peft's format over their base, against the merging done in numpy."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import load_file, save_file

import napari_gpt2_tomo as tomo
from comparison.adapters import ALPHA, RANK, normal, pair, write_adapter
from comparison.models import MLP, VOCAB, D, gpt2, parts
from napari_gpt2_tomo.base import CheckpointError, TomoError
from napari_gpt2_tomo.checkpoint import open_checkpoint
from napari_gpt2_tomo.checkpoint.region import Region
from napari_gpt2_tomo.comparison import compare
from napari_gpt2_tomo.comparison.lora.factors import Factor, LowRank


def product(tensors, module):
    b, a = tensors[f"{module}.lora_B.weight"], tensors[f"{module}.lora_A.weight"]
    return b.astype(float) @ a.astype(float)


@pytest.fixture(scope="module")
def conv_base(tmp_path_factory):
    """A GPT-2, whose matrices are (in, out) and whose q, k, v are one tensor."""
    return gpt2(tmp_path_factory.mktemp("gpt2") / "base", parts(1))


@pytest.fixture(scope="module")
def llama_base(tmp_path_factory):
    """A LLaMA of one layer, whose matrices are (out, in), one tensor each."""
    folder = tmp_path_factory.mktemp("llama") / "base"
    folder.mkdir()
    root = "model.layers.0"
    tensors = {"model.embed_tokens.weight": normal(VOCAB, D), "model.norm.weight": normal(D)}
    tensors |= {
        f"{root}.self_attn.{x}_proj.weight": normal(D, D, seed=i) for i, x in enumerate("qkvo")
    }
    tensors |= {f"{root}.mlp.{x}_proj.weight": normal(MLP, D, seed=9) for x in ("gate", "up")}
    tensors[f"{root}.mlp.down_proj.weight"] = normal(D, MLP, seed=10)
    tensors |= {f"{root}.{x}_layernorm.weight": normal(D) for x in ("input", "post_attention")}
    tensors["lm_head.weight"] = normal(VOCAB, D, seed=4)
    save_file(tensors, folder / "model.safetensors")
    config = {"model_type": "llama", "hidden_size": D, "num_attention_heads": 3}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_fused_projections_of_a_gpt2_change_in_all_their_parts(conv_base, tmp_path):
    modules = {"transformer.h.0.attn.c_attn": (3 * D, D), "transformer.h.1.mlp.c_proj": (D, MLP)}
    tensors = {}
    for seed, (module, shape) in enumerate(modules.items()):
        tensors |= pair(module, *shape, seed=3 * seed)
    adapter = write_adapter(tmp_path / "adapter", tensors, fan_in_fan_out=True)
    with compare(conv_base, adapter) as comparison:
        scale = ALPHA / RANK
        stored = comparison.checkpoint["h.0.attn.c_attn.weight"][...]
        truth = scale * product(tensors, "transformer.h.0.attn.c_attn").T
        assert_allclose(stored, truth, rtol=1e-6)
        assert_allclose(comparison.part("k", 0), truth[:, D : 2 * D], rtol=1e-6)
        down = scale * product(tensors, "transformer.h.1.mlp.c_proj")
        assert_allclose(comparison.part("down", 1), down, rtol=1e-6)
        changed = {row.part for row in comparison.table() if row.relative}
        assert changed == {"L0.q", "L0.k", "L0.v", "L1.down"}
        others = [part for part in comparison.anatomy.parts if part.name not in changed]
        assert not any(comparison.values(part).any() for part in others)
        assert comparison.statement == "LoRA of 2 matrices · rank 3 · scale 4"


def test_unfused_targets_and_their_ranks(llama_base, tmp_path):
    root = "model.layers.0"
    tensors = pair(f"{root}.self_attn.q_proj", D, D) | pair(f"{root}.mlp.gate_proj", MLP, D, 5, 7)
    config = {"rank_pattern": {"gate_proj": 5}, "alpha_pattern": {"gate_proj": 20}}
    adapter = write_adapter(tmp_path / "adapter", tensors, **config)
    with compare(llama_base, adapter) as comparison:
        merged = comparison.b.part("q", 0)
        truth = load_file(llama_base / "model.safetensors")[f"{root}.self_attn.q_proj.weight"]
        change = ALPHA / RANK * product(tensors, f"{root}.self_attn.q_proj")
        assert_allclose(merged, (truth.astype(float) + change).T, rtol=1e-12)
        assert_allclose(
            comparison.part("gate", 0),
            20 / 5 * product(tensors, f"{root}.mlp.gate_proj").T,
            rtol=1e-6,
        )
        ranks = {row.part: row.rank for row in comparison.table(ranks=True) if row.rank}
        assert ranks == {"L0.q": 3, "L0.gate": 5}


def test_a_merge_that_was_saved_shows_the_rank_of_its_adapter(llama_base, tmp_path):
    module = "model.layers.0.mlp.up_proj"
    tensors = pair(module, MLP, D)
    merged = load_file(llama_base / "model.safetensors")
    merged[f"{module}.weight"] += (ALPHA / RANK * product(tensors, module)).astype(np.float32)
    folder = tmp_path / "merged"
    folder.mkdir()
    save_file(merged, folder / "model.safetensors")
    (folder / "config.json").write_bytes((llama_base / "config.json").read_bytes())
    with compare(llama_base, folder) as comparison:
        rows = {row.part: row for row in comparison.table(ranks=True)}
        assert rows["L0.up"].rank == RANK
        assert rows["L0.up"].energy == pytest.approx(1, abs=1e-6)
        assert rows["L0.down"].rank == 0


@pytest.mark.parametrize("stabilised", [False, True])
def test_scales_follow_peft(llama_base, tmp_path, stabilised):
    tensors = pair("model.layers.0.self_attn.q_proj", D, D)
    adapter = write_adapter(tmp_path / "adapter", tensors, use_rslora=stabilised)
    with compare(llama_base, adapter) as comparison:
        scale = ALPHA / np.sqrt(RANK) if stabilised else ALPHA / RANK
        truth = scale * product(tensors, "model.layers.0.self_attn.q_proj").T
        assert_allclose(comparison.part("q", 0), truth, rtol=1e-6)


@pytest.mark.parametrize(
    ("pattern", "alpha"),
    [
        ("q_proj", 30),
        ("self_attn.q_proj", 30),
        ("model.layers.0.self_attn.q_proj", 30),
        (r"^model\.layers\.[0-9]+\.self_attn\.q_proj", 30),
        (r"layers\.0\..*q_proj", 30),
        ("k_proj", ALPHA),
        ("attn.q_proj", ALPHA),
    ],
)
def test_patterns_mean_the_end_of_a_name(llama_base, tmp_path, pattern, alpha):
    tensors = pair("model.layers.0.self_attn.q_proj", D, D)
    adapter = write_adapter(tmp_path / "adapter", tensors, alpha_pattern={pattern: 30})
    with compare(llama_base, adapter) as comparison:
        truth = alpha / RANK * product(tensors, "model.layers.0.self_attn.q_proj").T
        assert_allclose(comparison.part("q", 0), truth, rtol=1e-6)


@pytest.mark.parametrize("pattern", ["(a+)+$", "a" * 300, ".*.*.*.*.*.*x", "[", "(?=x)"])
def test_patterns_that_could_take_forever_are_refused(llama_base, tmp_path, pattern):
    tensors = pair("model.layers.0.self_attn.q_proj", D, D)
    adapter = write_adapter(tmp_path / "adapter", tensors, alpha_pattern={pattern: 30})
    with pytest.raises(CheckpointError, match="alpha_pattern"):
        compare(llama_base, adapter)


@pytest.mark.parametrize("value", [10**400, "16", None, True, float("inf")], ids=type)
def test_an_alpha_that_is_no_number_is_refused(llama_base, tmp_path, value):
    tensors = pair("model.layers.0.self_attn.q_proj", D, D)
    adapter = write_adapter(tmp_path / "adapter", tensors, lora_alpha=value)
    with pytest.raises(CheckpointError, match="lora_alpha is no number"):
        compare(llama_base, adapter)


def test_embeddings_and_parts_that_were_trained_in_full(llama_base, tmp_path):
    a, b = normal(RANK, VOCAB, seed=1), normal(D, RANK, seed=2)
    head = normal(VOCAB, D, seed=3)
    tensors = {
        "model.embed_tokens.lora_embedding_A": a,
        "model.embed_tokens.lora_embedding_B": b,
        "lm_head.weight": head,
        "model.norm.modules_to_save.default.weight": normal(D, seed=8),
        "model.norm.original_module.weight": normal(D),
    }
    adapter = write_adapter(tmp_path / "adapter", tensors)
    with compare(llama_base, adapter) as comparison:
        truth = ALPHA / RANK * (b.astype(float) @ a)
        assert_allclose(comparison.part("token_embedding"), truth, rtol=1e-6)
        before = load_file(llama_base / "model.safetensors")
        assert_array_equal(comparison.part("unembedding"), (head - before["lm_head.weight"]).T)
        assert_array_equal(
            comparison.part("final_norm"), normal(D, seed=8) - before["model.norm.weight"]
        )
        assert "Trained in full: " in comparison.statement


def test_names_with_the_adapters_own_name_are_understood(llama_base, tmp_path):
    module = "model.layers.0.self_attn.v_proj"
    tensors = pair(module, D, D)
    named = {name.replace(".weight", ".default.weight"): v for name, v in tensors.items()}
    adapter = write_adapter(tmp_path / "adapter", named)
    with compare(llama_base, adapter / "adapter_model.safetensors") as comparison:
        assert_allclose(
            comparison.part("v", 0), ALPHA / RANK * product(tensors, module).T, rtol=1e-6
        )


def test_every_layout_shows_the_change(conv_base, tmp_path):
    tensors = pair("transformer.h.0.attn.c_attn", 3 * D, D)
    adapter = write_adapter(tmp_path / "adapter", tensors, fan_in_fan_out=True)
    truth = ALPHA / RANK * product(tensors, "transformer.h.0.attn.c_attn").T
    total = np.sqrt((truth**2).sum())
    with compare(conv_base, adapter) as comparison:
        for layout in ("body", "cube"):
            voxels = comparison.volume(layout)[:]
            assert np.sqrt((voxels.astype(float) ** 2).sum()) == pytest.approx(total, rel=1e-6)
        single = comparison.volume("tensor", tensor="h.0.attn.c_attn.weight")
        assert_allclose(single[:][:D, : 3 * D], truth, rtol=1e-6)
        volume = comparison.volume()
        address = volume.address(volume.voxel("h.0.attn.c_attn.weight", (2, 5)))
        assert address.value == np.float32(truth[2, 5])
        assert address.b == pytest.approx(address.a + truth[2, 5], rel=1e-12)


def test_an_adapted_model_can_be_sent_to_another_process(conv_base, tmp_path):
    tensors = pair("transformer.h.0.attn.c_attn", 3 * D, D)
    adapter = write_adapter(tmp_path / "adapter", tensors, fan_in_fan_out=True)
    with compare(conv_base, adapter) as comparison:
        arrived = pickle.loads(pickle.dumps(comparison.checkpoint))
        name = "h.0.attn.c_attn.weight"
        assert_array_equal(arrived[name][...], comparison.checkpoint[name][...])
        assert arrived.fingerprint == comparison.checkpoint.fingerprint
        arrived.a.close(), arrived.b.close(), arrived.b.base.close()


@pytest.mark.parametrize(
    ("config", "names", "words"),
    [
        ({"use_dora": True}, {}, "DoRA"),
        ({}, {"x.lora_magnitude_vector": 3}, "DoRA"),
        ({"peft_type": "IA3"}, {}, "IA3"),
        ({"lora_alpha": None}, {}, "lora_alpha"),
        ({}, {"model.layers.0.self_attn.k_proj.lora_A.weight": 3}, "no lora_B"),
        ({"layer_replication": [[0, 1]]}, {}, "replicated"),
    ],
)
def test_what_is_no_plain_lora_is_named(llama_base, tmp_path, config, names, words):
    tensors = pair("model.layers.0.self_attn.q_proj", D, D)
    tensors |= {name: normal(n, D) for name, n in names.items()}
    adapter = write_adapter(tmp_path / "adapter", tensors, **config)
    with pytest.raises(CheckpointError, match=words):
        compare(llama_base, adapter)


def test_an_adapter_of_another_model_is_refused(llama_base, tmp_path):
    strange = write_adapter(tmp_path / "strange", pair("encoder.block", D, D))
    with pytest.raises(CheckpointError, match="another model"):
        compare(llama_base, strange)
    wide = write_adapter(tmp_path / "wide", pair("model.layers.0.self_attn.q_proj", D + 1, D))
    with pytest.raises(CheckpointError, match="another model"):
        compare(llama_base, wide)


def test_the_base_comes_first(llama_base, tmp_path):
    adapter = write_adapter(tmp_path / "adapter", pair("model.layers.0.self_attn.q_proj", D, D))
    with pytest.raises(TomoError, match="base model first"):
        compare(adapter, llama_base)


def test_a_broken_config_is_said(llama_base, tmp_path):
    adapter = write_adapter(tmp_path / "adapter", pair("model.layers.0.self_attn.q_proj", D, D))
    (adapter / "adapter_config.json").write_text("{")
    with pytest.raises(CheckpointError, match="adapter_config"):
        compare(llama_base, adapter)


@pytest.fixture(scope="module")
def low_rank(tmp_path_factory):
    path = tmp_path_factory.mktemp("factors") / "factors.safetensors"
    save_file({"left": normal(7, 2), "right": normal(11, 2, seed=1)}, path)
    checkpoint = open_checkpoint(path)
    yield LowRank(Factor(checkpoint["left"]), Factor(checkpoint["right"], turned=True), 2.5)
    checkpoint.close()


@settings(max_examples=200)
@given(data=st.data())
def test_any_box_of_a_product_is_that_of_the_whole(low_rank, data):
    rows, columns = low_rank.shape
    whole = low_rank.read(Region.whole(low_rank.shape)).ravel()
    n_axes = data.draw(st.integers(0, 3))
    offset = data.draw(st.integers(0, rows * columns - 1))
    shape, strides, left = [], [], rows * columns - 1 - offset
    for _ in range(n_axes):
        stride = data.draw(st.sampled_from([1, 2, 3, columns, 2 * columns, columns + 1]))
        n = data.draw(st.integers(1, min(5, left // stride + 1)))
        left -= (n - 1) * stride
        shape.append(n), strides.append(stride)
    region = Region(offset, tuple(shape), tuple(strides))
    at = np.full(region.shape, offset)
    for axis, (n, s) in enumerate(zip(shape, strides, strict=True)):
        at += (np.arange(n) * s).reshape([-1 if i == axis else 1 for i in range(n_axes)])
    assert_allclose(low_rank.read(region), whole[at], rtol=1e-12, atol=1e-18)


def test_the_adapted_model_is_a_scan_like_any_other(conv_base, tmp_path):
    adapter = write_adapter(
        tmp_path / "adapter", pair("transformer.h.0.attn.c_attn", 3 * D, D), fan_in_fan_out=True
    )
    with tomo.scan(conv_base) as base, compare(base, adapter) as comparison:
        assert comparison.b.name == "adapter"
        assert comparison.b.volume("body").shape == base.volume("body").shape
