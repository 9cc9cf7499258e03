"""GPTQ: all bit widths, groups in any order, both versions of zero points."""

import hashlib
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from checkpoint.quantised.packers import Packed, gptq, sample
from checkpoint.quantised.suite import QuantisedSuite, save
from checkpoint.writer import Sample, write_safetensors
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint import open_checkpoint
from real_data import real_data


def weight(outputs: int, inputs: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(0, 0.1, (outputs, inputs)).astype(np.float32)


def ranks(inputs: int, seed: int = 7) -> list[int]:
    return np.random.default_rng(seed).permutation(inputs).tolist()


class TestGptq(QuantisedSuite):
    scheme = "GPTQ"
    words: ClassVar = {
        "two": "GPTQ 2-bit, groups of 32",
        "three": "GPTQ 3-bit, groups of 32",
        "four": "GPTQ 4-bit, groups of 32",
        "eight": "GPTQ 8-bit, groups of 32",
        "one_group": "GPTQ 4-bit, one scale per output",
        "symmetric": "GPTQ 4-bit, groups of 32",
        "plain": "GPTQ 4-bit, groups of 32",
        "remainder": "GPTQ 4-bit, groups of 32",
        "odd": "GPTQ 4-bit, groups of 24",
    }

    @classmethod
    def make(cls) -> dict[str, Packed]:
        return {
            "two": gptq(weight(32, 96), 2),
            "three": gptq(weight(32, 96, 1), 3),
            "four": gptq(weight(40, 64, 2), 4),
            "eight": gptq(weight(24, 64, 3), 8),
            "one_group": gptq(weight(16, 64, 4), 4, -1),
            "symmetric": gptq(weight(16, 64, 5), 4, symmetric=True),
            "plain": gptq(weight(16, 96, 6), 4, with_order=False),
            "remainder": gptq(weight(16, 72, 8), 4),
            "odd": gptq(weight(16, 96, 9), 4, 24),
        }

    @classmethod
    def configuration(cls, cases: dict[str, Packed]) -> dict[str, Any]:
        return {"quantization_config": {"quant_method": "gptq", "group_size": 32, "bits": 4}}


class TestGptqByActivationOrder(QuantisedSuite):
    scheme = "GPTQ"
    words: ClassVar = {
        "four": "GPTQ 4-bit, groups of 32, act-order",
        "three": "GPTQ 3-bit, groups of 32, act-order",
        "remainder": "GPTQ 4-bit, groups of 32, act-order",
    }

    @classmethod
    def make(cls) -> dict[str, Packed]:
        return {
            "four": gptq(weight(32, 96), 4, order=ranks(96)),
            "three": gptq(weight(32, 64, 1), 3, order=ranks(64)),
            "remainder": gptq(weight(16, 80, 2), 4, order=ranks(80)),
        }


class TestGptqVersionTwo(QuantisedSuite):
    scheme = "GPTQ"
    words: ClassVar = {
        "four": "GPTQ 4-bit, groups of 32",
        "two": "GPTQ 2-bit, groups of 32",
    }

    @classmethod
    def make(cls) -> dict[str, Packed]:
        return {
            "four": gptq(weight(16, 64), 4, version=2),
            "two": gptq(weight(16, 64), 2, version=2),
        }


class TestGptqOfConv1D(QuantisedSuite):
    scheme = "GPTQ"
    words: ClassVar = {
        "h.0.attn.c_attn": "GPTQ 4-bit, groups of 32, act-order",
        "h.0.mlp.c_fc": "GPTQ 3-bit, groups of 32, act-order",
    }

    @classmethod
    def make(cls) -> dict[str, Packed]:
        return {
            "h.0.attn.c_attn": gptq(weight(64, 96).copy(), 4, conv=True, order=ranks(64)),
            "h.0.mlp.c_fc": gptq(weight(64, 32, 1), 3, conv=True),
        }

    @classmethod
    def configuration(cls, cases: dict[str, Packed]) -> dict[str, Any]:
        return {"model_type": "gpt2", "quantization_config": cases["h.0.attn.c_attn"].config}


def opened(folder: Path, packed: Packed, config: dict[str, Any] | None = None) -> Any:
    return open_checkpoint(save(folder, {"m": packed}, config))


def test_everything_is_told_from_shapes_without_a_configuration(tmp_path: Path) -> None:
    for bits in (2, 3, 4, 8):
        packed = gptq(weight(32, 96, bits), bits)
        folder = tmp_path / str(bits)
        folder.mkdir()
        with opened(folder, packed) as checkpoint:
            assert np.array_equal(checkpoint["m.weight"][...], packed.values)
    packed = gptq(weight(32, 96), 3, with_order=False)
    with opened(tmp_path, packed) as checkpoint:
        assert np.array_equal(checkpoint["m.weight"][...], packed.values)


@pytest.mark.parametrize("name", ["quantize_config.json", "quantization_config.json"])
def test_the_version_may_be_in_a_file_of_its_own(tmp_path: Path, name: str) -> None:
    packed = gptq(weight(16, 64), version=2)
    (tmp_path / name).write_text(json.dumps(packed.config))
    with opened(tmp_path, packed) as checkpoint:
        assert np.array_equal(checkpoint["m.weight"][...], packed.values)


def test_zero_points_of_version_one_wrap_around(tmp_path: Path) -> None:
    packed = gptq(np.abs(weight(16, 64)), 4)
    assert packed.zeros is not None
    assert (packed.zeros == 0).all()
    assert (packed.stored[".qzeros"] == -1).all()
    with opened(tmp_path, packed) as checkpoint:
        assert np.array_equal(checkpoint["m.weight"][...], packed.values)


def test_a_list_of_groups_that_was_left_empty_counts_as_none(tmp_path: Path) -> None:
    packed = gptq(weight(16, 64))
    packed.stored[".g_idx"][:] = 0
    with opened(tmp_path, packed, {"quantization_config": packed.config}) as checkpoint:
        assert np.array_equal(checkpoint["m.weight"][...], packed.values)


def test_the_order_of_groups_matters(tmp_path: Path) -> None:
    packed = gptq(weight(32, 96) * np.linspace(0.1, 4, 96, dtype=np.float32), order=ranks(96))
    order = packed.stored.pop(".g_idx")
    with opened(tmp_path, packed, {"quantization_config": packed.config}) as checkpoint:
        wrong = checkpoint["m.weight"][...]
    error = np.linalg.norm(wrong - packed.values) / np.linalg.norm(packed.values)
    assert error > 0.5
    packed.stored[".g_idx"] = order
    with opened(tmp_path, packed, {"quantization_config": packed.config}) as checkpoint:
        assert np.array_equal(checkpoint["m.weight"][...], packed.values)


def test_modules_in_several_files(tmp_path: Path) -> None:
    parts = {"a": gptq(weight(16, 64)), "b": gptq(weight(24, 64, 1))}
    weight_map = {}
    for number, (module, packed) in enumerate(parts.items(), 1):
        file = f"model-0000{number}-of-00002.safetensors"
        samples = packed.samples(module)
        write_safetensors(tmp_path / file, samples)
        weight_map |= dict.fromkeys(samples, file)
    # Some of a module's tensors lie in the file before.
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    with open_checkpoint(tmp_path) as checkpoint:
        assert list(checkpoint) == ["a.weight", "b.weight"]
        for module, packed in parts.items():
            assert np.array_equal(checkpoint[f"{module}.weight"][...], packed.values)


def _without(end: str) -> Any:
    def change(stored: dict[str, Any]) -> None:
        del stored[end]

    return change


def _cut(end: str, rows: int) -> Any:
    def change(stored: dict[str, Any]) -> None:
        stored[end] = stored[end][:rows]

    return change


def _put(end: str, array: Any) -> Any:
    def change(stored: dict[str, Any]) -> None:
        stored[end] = array

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without(".scales"), "no scales"),
        (_cut(".scales", 0), "scales"),
        (_cut(".qzeros", 1), "qzeros"),
        (_cut(".qweight", 5), "bits cannot be told"),
        (_cut(".g_idx", 7), "bits cannot be told"),
        (_put(".g_idx", np.zeros((64,), np.float32)), "g_idx is F32"),
        (_put(".scales", np.ones((2, 17), np.float16)), "do not fit"),
        (_put(".scales", np.ones((2, 16), np.int32)), "scales is I32"),
        (_put(".scales", np.ones((63, 16), np.float16)), "63"),
        (_put(".qweight", np.ones((8,), np.int32)), "qweight is I32 8"),
    ],
)
def test_tensors_that_do_not_fit_are_missing_with_the_reason(
    tmp_path: Path, change: Any, words: str
) -> None:
    packed = gptq(weight(16, 64))
    change(packed.stored)
    samples = {"first": sample(np.ones(2, np.float32)), **packed.samples("m")}
    with open_checkpoint(write_safetensors(tmp_path / "model.safetensors", samples)) as checkpoint:
        assert list(checkpoint) == ["first"]
        why = checkpoint.missing["m.weight"]
        assert "quantised with GPTQ" in why
        assert words in why
        with pytest.raises(KeyError, match="GPTQ"):
            checkpoint["m.weight"]


@pytest.mark.parametrize("wrong", [2, -1, 2**31 - 1])
def test_a_group_that_does_not_exist_is_refused_when_it_is_read(tmp_path: Path, wrong: int) -> None:
    packed = gptq(weight(16, 64))
    packed.stored[".g_idx"][5] = wrong
    with opened(tmp_path, packed) as checkpoint, pytest.raises(CheckpointError, match="groups"):
        checkpoint["m.weight"][0]


@pytest.mark.parametrize("layout", ["marlin", "bitblas", "qqq", "gptq_p"])
def test_layouts_of_other_kernels_are_named(tmp_path: Path, layout: str) -> None:
    packed = gptq(weight(16, 64))
    config = {"quantization_config": {**packed.config, "checkpoint_format": layout}}
    with opened(tmp_path, packed, config) as checkpoint:
        assert layout in checkpoint.missing["m.weight"]


def test_a_configuration_that_announces_what_is_not_there_is_harmless(tmp_path: Path) -> None:
    config = {"quantization_config": {"quant_method": "gptq", "bits": "four", "group_size": None}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    path = write_safetensors(tmp_path / "model.safetensors", {"a": Sample.random("F16", (4, 4))})
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.format == "safetensors"
        assert checkpoint["a"].scheme is None


@pytest.mark.parametrize("name", ["char-gpt2-gptq-4bit", "stories260K-gptq-4bit"])
def test_real_models_equal_an_independent_unpacking(name: str) -> None:
    folder = real_data(f"gptq/{name}")
    truth = json.loads((folder / "truth.json").read_text())
    with open_checkpoint(folder) as checkpoint:
        assert checkpoint.format == "safetensors GPTQ"
        for module, expected in truth.items():
            tensor = checkpoint[f"{module}.weight"]
            # GPT-2's modules are Conv1D, which store inputs by outputs; LLaMA's are linear.
            values = tensor[...] if name.startswith("char") else tensor[...].T
            assert list(values.shape) == expected["dequant_shape_in_out"]
            digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
            assert digest == expected["sha256_f32_in_out"]
            assert tensor.zeros is not None
            zeros = tensor.zeros[...]
            assert [zeros.min(), zeros.max()] == expected["zero_points"]
