"""A model gives the same parts in every format that it is converted to."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from anatomy.models import Made, make, value
from checkpoint.formats import tensorflow_writer
from checkpoint.formats.test_onnx import model, node, raw
from checkpoint.suite import equal
from checkpoint.writer import Sample
from napari_gpt2_tomo.anatomy import Anatomy, Part
from napari_gpt2_tomo.checkpoint import Checkpoint, open_checkpoint

Tensors = Mapping[str, NDArray[Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Made, Path]]:
    @cache
    def of(name: str) -> tuple[Made, Path]:
        folder = tmp_path_factory.mktemp(name)
        return make(name, folder), folder

    return of


def parts(checkpoint: Checkpoint) -> Iterator[tuple[Part, NDArray[Any]]]:
    tensors = {name: np.asarray(tensor) for name, tensor in checkpoint.items()}
    for part in Anatomy.of(checkpoint).parts:
        yield part, value(part, tensors)


def assert_same_parts(folder: Path, other: Path) -> None:
    with open_checkpoint(folder) as expected, open_checkpoint(other) as found:
        right = {part.name: (part, values) for part, values in parts(found)}
        for part, values in parts(expected):
            twin, same = right.pop(part.name)
            assert equal(same, values), part.name
            left_axes = (part.role, part.axes, part.n_heads, part.d_head, part.beside)
            assert left_axes == (twin.role, twin.axes, twin.n_heads, twin.d_head, twin.beside)
        assert not right


def sample(array: NDArray[Any]) -> Sample:
    return Sample("F32", np.ascontiguousarray(array).view(np.uint32).reshape(array.shape))


def pytorch(folder: Path, it: Made) -> Path:
    torch.save(it.model.state_dict(), folder / "pytorch_model.bin")
    return folder


def pytorch_before(folder: Path, it: Made) -> Path:
    path = folder / "pytorch_model.bin"
    torch.save(it.model.state_dict(), path, _use_new_zipfile_serialization=False)
    return folder


def training(folder: Path, it: Made) -> Path:
    """Of a compiled model on several machines, by a training script."""
    names = {f"module._orig_mod.{name}": one for name, one in it.model.state_dict().items()}
    torch.save({"step": 3, "model": names, "optimizer": {"state": {}}}, folder / "ckpt.pt")
    return folder


def shards(folder: Path, it: Made) -> Path:
    import json

    stored = {name: torch.from_numpy(array.copy()) for name, array in it.saved.items()}
    weight_map = {}
    for i in range(3):
        part = dict(list(stored.items())[i::3])
        file = f"pytorch_model-{i + 1:05}-of-00003.bin"
        torch.save(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


def npz(folder: Path, it: Made) -> Path:
    np.savez(folder / "model.npz", **it.saved)
    return folder


def npz_compressed(folder: Path, it: Made) -> Path:
    turned = {name: np.asfortranarray(array) for name, array in it.saved.items()}
    np.savez_compressed(folder / "weights.npz", **turned)
    return folder


def onnx(folder: Path, it: Made) -> Path:
    """Linear layers folded as PyTorch's exporter does it, embeddings and Conv1D as they are."""
    tensors, nodes = [], []
    linear = {name for name, one in it.model.named_modules() if isinstance(one, torch.nn.Linear)}
    for i, (name, array) in enumerate(it.saved.items()):
        module = name.removesuffix(".weight")
        if any(other == module or other.endswith(f".{module}") for other in linear):
            tensors.append(raw(f"onnx::MatMul_{i}", sample(array.T)))
            nodes.append(
                node("MatMul", f"/{module.replace('.', '/')}/MatMul", "x", f"onnx::MatMul_{i}")
            )
        else:
            tensors.append(raw(name, sample(array)))
    (folder / "model.onnx").write_bytes(model(*tensors, nodes=tuple(nodes)))
    return folder


CASES = [
    (name, convert)
    for convert in (pytorch, pytorch_before, training, shards, npz, npz_compressed, onnx)
    for name in ("gpt2", "llama", "bert", "gpt_neox")
]


@pytest.mark.parametrize(
    ("name", "convert"), CASES, ids=[f"{convert.__name__}-{name}" for name, convert in CASES]
)
def test_parts_are_those_of_the_safetensors(
    made: Callable[[str], tuple[Made, Path]],
    tmp_path: Path,
    name: str,
    convert: Callable[[Path, Made], Path],
) -> None:
    it, folder = made(name)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    assert_same_parts(folder, convert(tmp_path, it))


def test_gpt2_as_tensorflow_stores_it(
    made: Callable[[str], tuple[Made, Path]], tmp_path: Path
) -> None:
    it, folder = made("gpt2")
    endings = {
        "c_attn": "wb",
        "c_proj": "wb",
        "c_fc": "wb",
        "ln_1": "gb",
        "ln_2": "gb",
        "ln_f": "gb",
    }
    stored: dict[str, Sample] = {}
    for name, array in it.saved.items():
        *path, module, kind = name.removeprefix("transformer.").split(".")
        text = "/".join([*path, module]).replace("h/", "h")
        if module in endings:
            text += f"/{endings[module][kind == 'bias']}"
        kernel = kind == "weight" and module.startswith("c_")
        stored[f"model/{text}"] = sample(array[None] if kernel else array)
    tensorflow_writer.write(tmp_path, stored)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    assert_same_parts(folder, tmp_path)


def paired(rows: NDArray[Any], n_heads: int) -> NDArray[Any]:
    """Rows of queries or keys as Meta stores them: neighbours turn together."""
    halves = rows.reshape(n_heads, 2, -1, rows.size // len(rows))
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows.shape)


META = {
    "model.embed_tokens": "tok_embeddings", "model.norm": "norm", "lm_head": "output",
    "input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attention.wq", "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv", "self_attn.o_proj": "attention.wo",
    "mlp.gate_proj": "feed_forward.w1", "mlp.down_proj": "feed_forward.w2",
    "mlp.up_proj": "feed_forward.w3", "model.layers": "layers",
}  # fmt: skip


def by_meta(it: Made) -> dict[str, NDArray[Any]]:
    sizes = it.config
    found: dict[str, NDArray[Any]] = {}
    for name, array in it.saved.items():
        for ours, theirs in META.items():
            name = name.replace(ours, theirs)
        if ".wq." in name:
            array = paired(array, sizes["num_attention_heads"])
        if ".wk." in name:
            array = paired(array, sizes["num_key_value_heads"])
        found[name] = array
    return found


def test_llama_as_meta_stores_it(made: Callable[[str], tuple[Made, Path]], tmp_path: Path) -> None:
    it, folder = made("llama")
    tensors = {name: torch.from_numpy(array.copy()) for name, array in by_meta(it).items()}
    torch.save(tensors | {"rope.freqs": torch.ones(4)}, tmp_path / "consolidated.00.pth")
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    assert_same_parts(folder, tmp_path)
    with open_checkpoint(tmp_path) as checkpoint:
        assert Anatomy.of(checkpoint).buffers == ("rope.freqs",)
