"""A quantised model shows the same parts and volumes as the one that it was made from."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import napari_gpt2_tomo as tomo
from anatomy.models import Made, maker
from checkpoint.quantised import packers
from checkpoint.quantised.packers import Packed, sample
from checkpoint.writer import Sample, write_safetensors
from real_data import real_data

FAMILIES = ("gpt2", "llama", "phi3", "gpt_neo", "falcon-40b", "qwen3_moe")


def _order(weight: Any, conv: bool) -> list[int]:
    return np.random.default_rng(7).permutation(weight.shape[0 if conv else 1]).tolist()


def _fp8(weight: Any, conv: bool) -> Packed:
    every = (10**6, 10**6)
    return packers.elementwise(weight, ml_dtypes.float8_e4m3fn, every, ".weight_scale_inv")


SCHEMES: dict[str, tuple[Callable[[Any, bool], Packed], float]] = {
    "GPTQ 8": (lambda w, c: packers.gptq(w, 8, 8, conv=c, order=_order(w, c)), 0.01),
    "GPTQ 4": (lambda w, c: packers.gptq(w, 4, 8, conv=c, version=2), 0.15),
    "AWQ": (lambda w, c: packers.awq(w, 8, conv=c), 0.15),
    "FP8": (_fp8, 0.05),
    "NF4": (lambda w, c: packers.bnb4(w, 16, conv=c, nested=True), 0.2),
    "int8": (lambda w, c: packers.bnb8(w, conv=c), 0.01),
    "int4": (lambda w, _: packers.packed_int(w, 4, 8, symmetric=False), 0.15),
}
"""How a matrix is packed, and the largest relative error (root mean square) that this makes."""

CONV1D = ("GPTQ 8", "GPTQ 4", "AWQ", "NF4", "int8")
"""Schemes whose tools quantise GPT-2's Conv1D modules too."""

_LAYER = re.compile(r"(^|\.)(h|layers)\.\d+\.")


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_GPT2_TOMO_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    return maker(tmp_path_factory.mktemp("models"))


def quantised(model: Made, scheme: str, folder: Path) -> tuple[Path, Path, int]:
    """Two checkpoints, the quantised one and what it has to equal, and how many are quantised."""
    pack, _ = SCHEMES[scheme]
    conv = model.spec.model_type == "gpt2"
    stored: dict[str, Sample] = {}
    plain: dict[str, Sample] = {}
    config = dict(model.config)
    count = 0
    for name, values in model.saved.items():
        module = name.removesuffix(".weight")
        if values.ndim == 2 and module != name and _LAYER.search(name) and not values.shape[0] % 8:
            packed = pack(values, conv)
            stored |= packed.samples(module)
            plain[name] = sample(packed.values.astype(np.float32))
            config["quantization_config"] = packed.config
            count += 1
        else:
            stored[name] = plain[name] = sample(np.ascontiguousarray(values))
    paths = []
    for kind, tensors, settings in (
        ("quantised", stored, config),
        ("plain", plain, model.config),
    ):
        (folder / kind).mkdir()
        (folder / kind / "config.json").write_text(json.dumps(settings))
        write_safetensors(folder / kind / "model.safetensors", tensors)
        paths.append(folder / kind)
    return paths[0], paths[1], count


@pytest.mark.parametrize(
    ("family", "scheme"),
    [(f, s) for f in FAMILIES for s in SCHEMES if f != "gpt2" or s in CONV1D],
)
def test_parts_are_those_of_the_model(
    made: Callable[[str], Made], tmp_path: Path, family: str, scheme: str
) -> None:
    ours, theirs, count = quantised(made(family), scheme, tmp_path)
    assert count >= 8
    with tomo.scan(ours) as mine, tomo.scan(theirs) as other:
        assert mine.checkpoint.missing == {}
        assert sum(t.scheme is not None for t in mine.checkpoint.values()) == count
        assert mine.anatomy.parts == other.anatomy.parts
        assert mine.anatomy.hyper == other.anatomy.hyper
        assert set(mine.checkpoint) == set(other.checkpoint)
        for part in mine.anatomy.parts:
            got, expected = mine.values(part), other.values(part)
            assert np.allclose(got, expected, rtol=1e-6, atol=0), part.name
        model = made(family)
        _, most = SCHEMES[scheme]
        for name, tensor in mine.checkpoint.items():
            if tensor.scheme is not None:
                error = np.linalg.norm(tensor[...] - model.saved[name])
                assert error <= most * np.linalg.norm(model.saved[name])


@pytest.mark.parametrize("layout", ["body", "cube"])
@pytest.mark.parametrize("scheme", ["GPTQ 8", "NF4"])
def test_volumes_are_those_of_the_model(
    made: Callable[[str], Made], tmp_path: Path, scheme: str, layout: str
) -> None:
    ours, theirs, _ = quantised(made("llama"), scheme, tmp_path)
    with tomo.scan(ours) as mine, tomo.scan(theirs) as other:
        a, b = mine.volume(layout, "magnitude"), other.volume(layout, "magnitude")
        assert a.shape == b.shape
        if layout == "body":  # a cube is laid out in the order of the file
            for left, right in zip(a.levels, b.levels, strict=True):
                assert np.allclose(left, right, rtol=1e-5, atol=0)
        assert np.isclose(np.square(np.asarray(a.levels[0])).sum(),
                          np.square(np.asarray(b.levels[0])).sum(), rtol=1e-5)  # fmt: skip
        rows = {row.tensor: row.stored for row in mine.part_table(details=False)}
        assert (
            rows["model.layers.0.mlp.up_proj.weight"]
            .removeprefix("bitsandbytes ")
            .startswith(scheme.split()[0])
        )
        assert rows["model.norm.weight"] == "F32"
        exact, known = mine.statistics(), other.statistics()
        assert np.allclose(exact.sigma, known.sigma, rtol=1e-5)
        assert np.array_equal(exact.n, known.n)


def test_mixtures_of_gpt_oss_in_mxfp4(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(
        "gpt_oss", hidden_size=32, intermediate_size=64, num_hidden_layers=1, vocab_size=50,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, num_local_experts=3,
        num_experts_per_tok=1, layer_types=["full_attention"],
    )  # fmt: skip
    model = transformers.AutoModelForCausalLM.from_config(config)
    state = {name: value.detach().float().numpy() for name, value in model.state_dict().items()}
    stored: dict[str, Sample] = {}
    plain: dict[str, Sample] = {}
    for name, values in state.items():
        if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            packed = packers.mxfp4(np.random.default_rng(1).normal(0, 1, values.shape))
            stored |= packed.samples(name)
            plain[name] = sample(packed.values.astype(np.float32))
        else:
            stored[name] = plain[name] = sample(np.ascontiguousarray(values))
    for kind, tensors in (("a", stored), ("b", plain)):
        (tmp_path / kind).mkdir()
        config.save_pretrained(tmp_path / kind)
        write_safetensors(tmp_path / kind / "model.safetensors", tensors)
    with tomo.scan(tmp_path / "a") as mine, tomo.scan(tmp_path / "b") as other:
        assert mine.checkpoint.format == "safetensors MXFP4"
        assert mine.anatomy.parts == other.anatomy.parts
        for part in mine.anatomy.parts:
            assert np.array_equal(mine.values(part), other.values(part)), part.name


def test_a_real_model_differs_from_its_original_by_what_quantising_costs() -> None:
    folder = real_data("gptq/char-gpt2-gptq-4bit")
    truth = json.loads((folder / "truth.json").read_text())
    original = real_data("char-gpt2-series/step06000")
    with tomo.scan(folder) as mine, tomo.scan(original) as other:
        assert [part.name for part in mine.anatomy.parts] == [
            part.name for part in other.anatomy.parts
        ]
        assert [part.shape for part in mine.anatomy.parts] == [
            part.shape for part in other.anatomy.parts
        ]
        for module, told in truth.items():
            part = next(p for p in mine.anatomy.parts if p.tensor == f"{module}.weight")
            if part.size != mine.checkpoint[part.tensor].size:
                continue  # a third of a fused tensor
            known = next(p for p in other.anatomy.parts if p.name == part.name)
            exact = other.values(known)
            error = np.linalg.norm(mine.values(part) - exact) / np.linalg.norm(exact)
            assert error == pytest.approx(told["rel_rms_err"], rel=1e-3)
