"""Files of llama2.c: both layouts, and what is not taken for one."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from checkpoint.suite import equal
from checkpoint.test_header import small_memory
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint import Checkpoint, can_open, open_checkpoint
from real_data import real_data

DIM, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCAB, CONTEXT = SIZES = (8, 20, 2, 4, 2, 11, 6)
KV = KV_HEADS * DIM // HEADS
SHAPES = {
    "attention_norm": (DIM,), "attention.wq": (DIM, DIM), "attention.wk": (KV, DIM),
    "attention.wv": (KV, DIM), "attention.wo": (DIM, DIM), "ffn_norm": (DIM,),
    "feed_forward.w1": (HIDDEN, DIM), "feed_forward.w2": (DIM, HIDDEN),
    "feed_forward.w3": (HIDDEN, DIM),
}  # fmt: skip
NORMS = ("attention_norm", "ffn_norm")
MATRICES = [name for name in SHAPES if name not in NORMS]


def names(order: list[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name in order:
        if name in SHAPES:
            yield from ((f"layers.{i}.{name}.weight", SHAPES[name]) for i in range(LAYERS))
        elif name == "norm":
            yield "norm.weight", (DIM,)
        elif name == "frequencies":
            yield "", (CONTEXT * DIM // HEADS,)
        else:
            yield f"{name}.weight", (VOCAB, DIM)


def written(folder: Path, version: int, tied: bool) -> tuple[Path, dict[str, np.ndarray]]:
    if version == 0:
        header = struct.pack("<7i", *SIZES[:5], VOCAB if tied else -VOCAB, CONTEXT)
        order = ["tok_embeddings", *SHAPES, "norm", "frequencies"]
    else:
        header = struct.pack("<Ii7iB", 0x616B3432, version, *SIZES, tied).ljust(256, b"\0")
        order = [*NORMS, "norm", "tok_embeddings", *MATRICES]
    if not tied:
        order.append("output")
    rng = np.random.default_rng(0)
    values = [(name, rng.random(shape, np.float32)) for name, shape in names(order)]
    path = folder / "model.bin"
    path.write_bytes(header + b"".join(array.tobytes() for _, array in values))
    return path, {name: array for name, array in values if name}


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("tied", [True, False])
def test_weights_are_those_of_the_layout(tmp_path: Path, version: int, tied: bool) -> None:
    path, expected = written(tmp_path, version, tied)
    assert can_open(path)
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.format == "llama2.c"
        assert list(checkpoint) == list(expected)
        for name, array in expected.items():
            assert equal(checkpoint[name][...], array)
        assert checkpoint.metadata["n_kv_heads"] == "2"


def test_quantised_files_and_wrong_sizes_are_refused(tmp_path: Path) -> None:
    path, _ = written(tmp_path, 2, True)
    with pytest.raises(CheckpointError, match="version 2, whose weights are quantised"):
        open_checkpoint(path)
    path, _ = written(tmp_path, 0, True)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="incompletely downloaded"):
        open_checkpoint(path)
    path.write_bytes(struct.pack("<7i", 1 << 20, 1 << 22, 1000, 1, 1, 1 << 22, 1 << 20) + bytes(99))
    with small_memory(4_000_000), pytest.raises(CheckpointError, match="incompletely"):
        open_checkpoint(path)


@pytest.mark.parametrize(
    "content", [b"", bytes(99), b"\1" * 99, struct.pack("<7i", 8, 20, 2, 3, 2, 11, 6) + bytes(99)]
)
def test_other_binary_files_are_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    assert not can_open(tmp_path / "model.bin")
    with pytest.raises(CheckpointError, match="is not a PyTorch file"):
        open_checkpoint(tmp_path / "model.bin")


def parts(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    from anatomy.models import value
    from napari_gpt2_tomo.anatomy import Anatomy

    tensors = {name: np.asarray(tensor) for name, tensor in checkpoint.items()}
    return {part.name: value(part, tensors) for part in Anatomy.of(checkpoint).parts}


def test_a_published_model_has_the_parts_of_its_safetensors() -> None:
    """Queries and keys too, whose rows the two files order differently."""
    folder = real_data("stories260K")
    with open_checkpoint(folder / "stories260K.bin") as original:
        with open_checkpoint(folder / "model.safetensors") as other:
            left, right = parts(original), parts(other)
        assert left.keys() == right.keys()
        for name, array in left.items():
            assert equal(array, right[name]), name
    assert not can_open(folder / "tok512.bin")
