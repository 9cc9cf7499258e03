"""AWQ, FP8, int8, MXFP4, NVFP4, compressed-tensors and bitsandbytes."""

import json
from pathlib import Path
from typing import Any, ClassVar

import ml_dtypes
import numpy as np
import pytest

from checkpoint.quantised import packers
from checkpoint.quantised.packers import Packed, sample
from checkpoint.quantised.suite import QuantisedSuite, save
from checkpoint.writer import Sample, write_safetensors
from napari_gpt2_tomo.checkpoint import open_checkpoint

E4M3, E5M2 = ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2


def weight(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(0, 0.1, shape).astype(np.float32)


def ranks(inputs: int) -> list[int]:
    return np.random.default_rng(7).permutation(inputs).tolist()


class TestAwq(QuantisedSuite):
    scheme = "AWQ"
    words: ClassVar = {
        "grouped": "AWQ 4-bit, groups of 32",
        "one_group": "AWQ 4-bit, one scale per output",
        "remainder": "AWQ 4-bit, groups of 32",
    }

    @classmethod
    def make(cls) -> dict[str, Packed]:
        return {
            "grouped": packers.awq(weight(48, 96)),
            "one_group": packers.awq(weight(16, 72, seed=1), -1),
            "remainder": packers.awq(weight(16, 72, seed=2)),
        }


class TestAwqOfConv1D(QuantisedSuite):
    scheme = "AWQ"
    words: ClassVar = {"h.0.attn.c_attn": "AWQ 4-bit, groups of 32"}

    @classmethod
    def make(cls) -> dict[str, Packed]:
        return {"h.0.attn.c_attn": packers.awq(weight(64, 96), conv=True)}

    @classmethod
    def configuration(cls, cases: dict[str, Packed]) -> dict[str, Any]:
        return {"model_type": "gpt2"}


class TestFp8InBlocks(QuantisedSuite):
    scheme = "FP8"
    words: ClassVar = {
        "usual": "FP8 E4M3, blocks of 128 × 128",
        "one_row": "FP8 E4M3, blocks of 40 × 128",
        "small": "FP8 E4M3, blocks of 128 × 128",
    }

    @classmethod
    def make(cls) -> dict[str, Packed]:
        make = packers.elementwise
        return {
            "usual": make(weight(150, 300), E4M3, (128, 128), ".weight_scale_inv"),
            "one_row": make(weight(40, 256, seed=1), E4M3, (128, 128), ".weight_scale_inv"),
            "small": make(weight(256, 130, seed=2), E4M3, (128, 128), ".weight_scale_inv"),
        }

    @classmethod
    def configuration(cls, cases: dict[str, Packed]) -> dict[str, Any]:
        return {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}


class TestFp8AndInt8(QuantisedSuite):
    scheme = "FP8 int8"
    words: ClassVar = {
        "tensor": "FP8 E4M3, one scale",
        "number": "FP8 E5M2, one scale",
        "channel": "FP8 E4M3, one scale per output",
        "flat": "FP8 E4M3, one scale per output",
        "groups": "FP8 E4M3, groups of 16",
        "int8": "int8, one scale per output",
        "zeros": "int8, groups of 16",
        "experts": "FP8 E4M3, one scale per column",
        "expert_numbers": "FP8 E4M3, one scale per matrix",
    }

    @classmethod
    def make(cls) -> dict[str, Packed]:
        make = packers.elementwise
        all_ = (10**6, 10**6)
        found = {
            "tensor": make(weight(20, 48), E4M3, all_),
            "number": make(weight(20, 48, seed=1), E5M2, all_, flat_scales=True),
            "channel": make(weight(20, 48, seed=2), E4M3, (1, 10**6)),
            "flat": make(weight(20, 48, seed=3), E4M3, (1, 10**6), flat_scales=True),
            "groups": make(weight(20, 48, seed=4), E4M3, (1, 16)),
            "int8": make(weight(20, 48, seed=5), np.int8, (1, 10**6)),
            "zeros": make(weight(20, 48, seed=6), np.int8, (1, 16), zero=True),
            "experts": make(weight(3, 20, 48, seed=7), E4M3, (10**6, 1)),
            "expert_numbers": make(weight(3, 20, 48, seed=8), E4M3, all_, flat_scales=True),
        }
        found["tensor"].stored[".input_scale"] = np.ones(1, np.float32)
        return found


class TestMxfp4(QuantisedSuite):
    scheme = "MXFP4"
    ending = ""
    words: ClassVar = dict.fromkeys(
        ("experts.gate_up_proj", "experts.down_proj"), "MXFP4, blocks of 32"
    )

    @classmethod
    def make(cls) -> dict[str, Packed]:
        return {
            "experts.gate_up_proj": packers.mxfp4(weight(3, 64, 20)),
            "experts.down_proj": packers.mxfp4(weight(3, 32, 40, seed=1)),
        }


class TestNvfp4(QuantisedSuite):
    scheme = "NVFP4"
    words: ClassVar = dict.fromkeys(("compressed", "modelopt"), "NVFP4, groups of 16")

    @classmethod
    def make(cls) -> dict[str, Packed]:
        return {
            "compressed": packers.nvfp4(weight(24, 64)),
            "modelopt": packers.nvfp4(weight(24, 48, seed=1), divides=False),
        }


class TestPackedIntegers(QuantisedSuite):
    scheme = "compressed-tensors"
    words: ClassVar = {
        "four": "compressed-tensors int4, groups of 32",
        "eight": "compressed-tensors int8, one scale per output",
        "two": "compressed-tensors int2, groups of 32",
        "zeros": "compressed-tensors int4, groups of 32",
        "order": "compressed-tensors int4, groups of 32, act-order",
        "padded": "compressed-tensors int4, one scale per output",
    }

    @classmethod
    def make(cls) -> dict[str, Packed]:
        make = packers.packed_int
        return {
            "four": make(weight(16, 96)),
            "eight": make(weight(16, 44, seed=1), 8, -1),
            "two": make(weight(16, 64, seed=2), 2),
            "zeros": make(weight(20, 64, seed=3), symmetric=False),
            "order": make(weight(16, 96, seed=4), order=ranks(96)),
            "padded": make(weight(16, 43, seed=5), 4, -1),
        }


class TestBitsandbytes(QuantisedSuite):
    scheme = "bitsandbytes"
    exact = False
    words: ClassVar = {
        "nf4": "bitsandbytes NF4, blocks of 64",
        "fp4": "bitsandbytes FP4, blocks of 64",
        "nested": "bitsandbytes NF4, blocks of 64, scales quantised too",
        "over_rows": "bitsandbytes NF4, blocks of 64",
        "odd": "bitsandbytes NF4, blocks of 64, scales quantised too",
        "int8": "bitsandbytes int8, one scale per output",
    }

    @classmethod
    def make(cls) -> dict[str, Packed]:
        return {
            "nf4": packers.bnb4(weight(20, 128)),
            "fp4": packers.bnb4(weight(20, 64, seed=1), kind="fp4"),
            "nested": packers.bnb4(weight(300, 64, seed=2), nested=True),
            "over_rows": packers.bnb4(weight(20, 48, seed=3)),
            "odd": packers.bnb4(weight(21, 33, seed=4), nested=True),
            "int8": packers.bnb8(weight(20, 48, seed=5)),
        }


class TestBitsandbytesOfConv1D(QuantisedSuite):
    scheme = "bitsandbytes"
    exact = False
    words: ClassVar = {
        "h.0.attn.c_attn": "bitsandbytes NF4, blocks of 64, scales quantised too",
        "h.0.mlp.c_fc": "bitsandbytes NF4, blocks of 64",
        "h.0.mlp.c_proj": "bitsandbytes int8, one scale per output",
    }

    @classmethod
    def make(cls) -> dict[str, Packed]:
        return {
            "h.0.attn.c_attn": packers.bnb4(weight(64, 96), nested=True, conv=True),
            "h.0.mlp.c_fc": packers.bnb4(weight(24, 48, seed=1), conv=True),
            "h.0.mlp.c_proj": packers.bnb8(weight(48, 24, seed=2), conv=True),
        }

    @classmethod
    def configuration(cls, cases: dict[str, Packed]) -> dict[str, Any]:
        return {"model_type": "gpt2"}


def test_mxfp4_is_what_transformers_makes_of_it(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (2, 12, 3, 16), np.uint8)
    powers = rng.integers(100, 140, (2, 12, 3), np.uint8)
    expected = convert_moe_packed_tensors(
        torch.from_numpy(blocks), torch.from_numpy(powers), dtype=torch.float32
    )
    samples = {"w_blocks": sample(blocks), "w_scales": sample(powers)}
    with open_checkpoint(write_safetensors(tmp_path / "model.safetensors", samples)) as checkpoint:
        assert np.array_equal(checkpoint["w"][...], expected.numpy())


def test_mxfp4_in_openais_own_files_is_not_transposed(tmp_path: Path) -> None:
    packed = packers.mxfp4(weight(2, 32, 20))
    stored = {end.replace("_", "."): array for end, array in packed.stored.items()}
    samples = {"mlp1_weight" + end: sample(array) for end, array in stored.items()}
    with open_checkpoint(write_safetensors(tmp_path / "model.safetensors", samples)) as checkpoint:
        got = checkpoint["mlp1_weight"][...]
        assert np.array_equal(got, packed.values.transpose(0, 2, 1))


def test_fp8_as_transformers_dequantises_it(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    packed = packers.elementwise(weight(130, 300), E4M3, (128, 128), ".weight_scale_inv")
    stored = packed.stored
    matrix = torch.from_numpy(stored[".weight"].view(np.uint8)).view(torch.float8_e4m3fn)
    scales = torch.from_numpy(stored[".weight_scale_inv"])
    spread = scales.repeat_interleave(128, 0)[:130].repeat_interleave(128, 1)[:, :300]
    expected = matrix.float() * spread
    with open_checkpoint(save(tmp_path, {"m": packed})) as checkpoint:
        assert np.array_equal(checkpoint["m.weight"][...], expected.numpy())


def test_one_byte_floats_without_scales_stay_as_they_are(tmp_path: Path) -> None:
    samples = {"a.weight": Sample.random("F8_E4M3", (8, 8)), "k_scale": sample(np.ones(1, "f4"))}
    with open_checkpoint(write_safetensors(tmp_path / "model.safetensors", samples)) as checkpoint:
        assert list(checkpoint) == ["a.weight", "k_scale"]
        assert checkpoint["a.weight"].scheme is None
        assert checkpoint.format == "safetensors"


def test_scales_of_activations_and_caches_are_no_parameters(tmp_path: Path) -> None:
    packed = packers.elementwise(weight(16, 16), E4M3, (10**6, 10**6))
    samples = packed.samples("self_attn.q_proj") | {
        "self_attn.q_proj.input_scale": sample(np.ones(1, np.float32)),
        "self_attn.k_scale": sample(np.ones(1, np.float32)),
    }
    with open_checkpoint(write_safetensors(tmp_path / "model.safetensors", samples)) as checkpoint:
        assert list(checkpoint) == ["self_attn.q_proj.weight"]
        assert len(checkpoint.side_data) == 3


def _state(**changes: Any) -> Any:
    told = {"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": [20, 128]} | changes
    return np.frombuffer(json.dumps(told).encode(), np.uint8)


NF4_STATE = ".weight.quant_state.bitsandbytes__nf4"


@pytest.mark.parametrize(
    ("make", "end", "array", "words"),
    [
        ("awq", ".qzeros", np.zeros((1, 6), np.int32), "qzeros"),
        ("awq", ".scales", np.ones((95, 48), np.float16), "95"),
        ("fp8", ".weight_scale", np.ones((7, 7), np.float32), "7"),
        ("fp8", ".weight_scale", np.ones((3, 20, 1), np.float32), "do not fit"),
        ("fp8", ".weight_scale", np.ones((20, 1), np.int32), "scales are I32"),
        ("mxfp4", "_scales", np.ones((3, 20, 1), np.uint8), "do not fit"),
        ("mxfp4", "_scales", np.ones((3, 20, 2), np.float32), "scales are F32"),
        ("nvfp4", ".weight_global_scale", np.ones(3, np.float32), "scale of scales"),
        ("nvfp4", ".weight_scale", np.ones((24, 3), E4M3), "3 groups"),
        ("int4", ".weight_shape", np.array([16, 2**40]), "do not fill"),
        ("int4", ".weight_shape", np.array([17, 96]), "17"),
        ("int4", ".weight_shape", np.zeros(3, np.int64), "weight_shape is I64"),
        ("int4", ".weight_scale", np.ones((16, 95), np.float32), "95"),
        ("int4", ".weight_g_idx", np.zeros(5, np.int32), "g_idx"),
        ("nf4", NF4_STATE, np.frombuffer(b"{", np.uint8), "not readable"),
        ("nf4", NF4_STATE, np.frombuffer(b"[1]", np.uint8), "no JSON object"),
        ("nf4", NF4_STATE, _state(shape=[2**30, 2**30]), "do not hold"),
        ("nf4", NF4_STATE, _state(shape=[20, -1]), "shape"),
        ("nf4", NF4_STATE, _state(shape="big"), "shape"),
        ("nf4", NF4_STATE, _state(blocksize=0), "blocks of 0"),
        ("nf4", ".weight.absmax", np.ones(3, np.float32), "3 scales for 40 blocks"),
        ("nf4", ".weight.quant_map", np.ones(15, np.float32), "quant_map"),
        ("nf4", ".weight.nested_absmax", np.ones(1, np.float32), "quant"),
        ("int8", ".SCB", np.ones(19, np.float32), "do not fit"),
        ("int8", ".weight_format", np.array(2, np.uint8), "tiles"),
    ],
)
def test_tensors_that_do_not_fit_are_missing_with_the_reason(
    tmp_path: Path, make: str, end: str, array: Any, words: str
) -> None:
    packed = {
        "awq": lambda: packers.awq(weight(48, 96)),
        "fp8": lambda: packers.elementwise(weight(20, 48), E4M3, (1, 10**6)),
        "mxfp4": lambda: packers.mxfp4(weight(3, 64, 20)),
        "nvfp4": lambda: packers.nvfp4(weight(24, 64)),
        "int4": lambda: packers.packed_int(weight(16, 96)),
        "nf4": lambda: packers.bnb4(weight(20, 128)),
        "int8": lambda: packers.bnb8(weight(20, 48)),
    }[make]()
    packed.stored[end] = array
    with open_checkpoint(save(tmp_path, {"m": packed})) as checkpoint:
        assert set(checkpoint) == {"first", "m.bias"}
        (why,) = checkpoint.missing.values()
        assert why.startswith("quantised with ")
        assert words in why


@pytest.mark.parametrize("version", ["gemv", "gemv_fast", "marlin"])
def test_awq_for_other_kernels_is_named(tmp_path: Path, version: str) -> None:
    packed = packers.awq(weight(48, 96))
    config = {"quantization_config": packed.config | {"version": version}}
    with open_checkpoint(save(tmp_path, {"m": packed}, config)) as checkpoint:
        assert version in checkpoint.missing["m.weight"]


@pytest.mark.parametrize(
    ("scheme", "method", "stored"),
    [
        ("AQLM", "aqlm", {".codes": "I8", ".codebooks": "F16", ".scales": "F16"}),
        ("BitNet", "bitnet", {".weight": "U8", ".weight_scale": "F32"}),
        ("EETQ", "eetq", {".weight": "I8", ".weight_scales": "F16"}),
        ("HQQ", "hqq", {".W_q": "U8", ".scale": "F16", ".zero": "F16"}),
        ("Marlin", "gptq", {".B": "I32", ".s": "F16", ".workspace": "I32"}),
        ("Marlin 2:4", "gptq", {".B_24": "I32", ".B_meta": "I16", ".s": "F16"}),
        ("Quanto", "quanto", {".weight._data": "I8", ".weight._scale": "F16"}),
        ("QuIP#", "quip", {".Qidxs": "I64", ".SU": "F16", ".SV": "F16"}),
        ("SpQR", "spqr", {".dense_weights": "I64", ".row_offsets": "I32"}),
        ("torchao", "torchao", {"._weight_qdata": "I8", "._weight_scale": "F32"}),
        ("VPTQ", "vptq", {".centroids.weight": "F16", ".indices": "I16"}),
    ],
)
def test_schemes_that_are_not_read_are_named(
    tmp_path: Path, scheme: str, method: str, stored: dict[str, str]
) -> None:
    samples = {f"m{end}": Sample.random(kind, (4, 4)) for end, kind in stored.items()}
    samples["first"] = sample(np.ones(2, np.float32))
    config = {"quantization_config": {"quant_method": method}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with open_checkpoint(write_safetensors(tmp_path / "model.safetensors", samples)) as checkpoint:
        assert list(checkpoint) == ["first"]
        assert checkpoint.missing == {
            "m.weight": f"quantised with {scheme}, which this version does not read"
        }
        assert scheme in checkpoint.format
        assert set(checkpoint.side_data) == set(samples) - {"first"}


def test_a_scheme_that_is_not_known_is_named_in_a_note(tmp_path: Path) -> None:
    config = {"quantization_config": {"quant_method": "brandnew"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"m.packed": Sample.random("I32", (4, 4))})
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint) == ["m.packed"]
        assert any("brandnew" in note for note in checkpoint.notes)
    write_safetensors(path, {"m.weight": Sample.random("F16", (4, 4))})
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.notes == ()
