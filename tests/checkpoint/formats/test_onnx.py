"""ONNX files: initialisers wherever their bytes lie, names of folded matrices, damage."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checkpoint.formats.protobuf_writer import message, packed, varint
from checkpoint.suite import CheckpointSuite, Recording, equal
from checkpoint.test_header import small_memory
from checkpoint.writer import Sample
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint import open_checkpoint

# onnx.proto, TensorProto.DataType
TYPES = {
    "F32": 1, "U8": 2, "I8": 3, "U16": 4, "I16": 5, "I32": 6, "I64": 7, "BOOL": 9, "F16": 10,
    "F64": 11, "U32": 12, "U64": 13, "C64": 14, "BF16": 16, "F8_E4M3": 17, "F8_E4M3FNUZ": 18,
    "F8_E5M2": 19, "F8_E5M2FNUZ": 20, "F8_E8M0": 24,
}  # fmt: skip


def tensor(name: str, shape: Any, kind: int, *content: tuple[int, Any]) -> bytes:
    return message(*((1, n) for n in shape), (2, kind), (8, name), *content)


def raw(name: str, sample: Sample) -> bytes:
    return tensor(name, sample.bits.shape, TYPES[sample.stored], (9, sample.bits.tobytes()))


def model(*initialisers: bytes, nodes: tuple[bytes, ...] = (), **metadata: str) -> bytes:
    graph = message(*((1, node) for node in nodes), *((5, one) for one in initialisers))
    return message(
        (1, 8), (2, "a writer"), (7, graph), (8, message((2, 17))),
        *((14, message((1, key), (2, value))) for key, value in metadata.items()),
    )  # fmt: skip


def node(op: str, name: str, *inputs: str, scopes: str = "") -> bytes:
    named = message((1, "pkg.torch.onnx.name_scopes"), (2, scopes))
    return message(
        *((1, it) for it in inputs), (3, name), (4, op), *([(9, named)] if scopes else [])
    )


def write(folder: Path, content: bytes) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(content)
    return path


class OnnxSuite(CheckpointSuite):
    def test_opening_reads_no_values(self, tmp_path: Path, monkeypatch: Any) -> None:  # type: ignore[override]
        """The file is read 256 bytes at once where it jumps over weights."""
        large = {f"w{i}": Sample.random("F32", (1000, 10), i) for i in range(20)}
        path = self.save(tmp_path, large)
        recording = Recording(monkeypatch)
        with open_checkpoint(path) as checkpoint:
            assert [tensor.shape for tensor in checkpoint.values()] == [(1000, 10)] * 20
        assert recording.nbytes < 20_000


class TestInTheFile(OnnxSuite):
    stored_types = tuple(sorted(TYPES))

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        return write(folder, model(*(raw(name, sample) for name, sample in tensors.items())))


class TestInFilesBeside(OnnxSuite):
    stored_types = ("BF16", "F16", "F32", "I64")

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        made = []
        data = {"model.onnx_data": b"", "weights/b.bin": b""}
        (folder / "weights").mkdir()
        for i, (name, sample) in enumerate(tensors.items()):
            file = list(data)[i % 2]
            data[file] += bytes(-len(data[file]) % 64)
            said = {"location": file, "offset": str(len(data[file]))}
            if i % 3:
                said["length"] = str(sample.bits.nbytes)
            data[file] += sample.bits.tobytes()
            entries = [(13, message((1, key), (2, value))) for key, value in said.items()]
            made.append(tensor(name, sample.bits.shape, TYPES[sample.stored], *entries, (14, 1)))
        for file, content in data.items():
            (folder / file).write_bytes(content + bytes(8))
        return write(folder, model(*made))


class TestRowsOfNumbers(OnnxSuite):
    """The elements as typed numbers, as ``onnx.helper.make_tensor`` writes them."""

    stored_types = ("F32", "F64")

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        field = {"F32": 4, "F64": 10}
        return write(
            folder,
            model(*(
                tensor(
                    name, sample.bits.shape, TYPES[sample.stored],
                    (field[sample.stored], sample.bits.tobytes()),
                )
                for name, sample in tensors.items()
            )),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("stored", "field"),
    [("I64", 7), ("I32", 5), ("I8", 5), ("U8", 5), ("F16", 5), ("BF16", 5), ("U64", 11)],
)
def test_numbers_of_varying_length(tmp_path: Path, stored: str, field: int) -> None:
    sample = Sample.random(stored, (5, 4))
    values = sample.bits.ravel()
    signed = values.view(values.dtype.str.replace("u", "i")) if stored[0] == "I" else values
    row = (field, packed(int(value) for value in signed))
    with open_checkpoint(write(tmp_path, model(tensor("w", (5, 4), TYPES[stored], row)))) as opened:
        assert equal(opened["w"][...], sample.values)
        assert equal(opened["w"][1:3, ::2], sample.values[1:3, ::2])


def test_shapes_may_be_packed(tmp_path: Path) -> None:
    data = np.arange(6, dtype=np.float32)
    one = message((1, packed([2, 3])), (2, 1), (8, "w"), (9, data.tobytes()))
    with open_checkpoint(write(tmp_path, model(one, author="somebody"))) as checkpoint:
        assert equal(checkpoint["w"][...], data.reshape(2, 3))
        assert checkpoint.metadata == {"producer": "a writer", "author": "somebody"}


W = np.arange(12, dtype=np.float32).reshape(4, 3)
"""As stored for a MatMul: [in, out]."""


def matrix(name: str) -> bytes:
    return tensor(name, W.shape, 1, (9, W.tobytes()))


def test_folded_matrices_get_the_name_of_their_module(tmp_path: Path) -> None:
    scopes = "['', 'model', 'model.layers.1', 'model.layers.1.up_proj', 'linear_3']"
    content = model(
        matrix("onnx::MatMul_17"), matrix("val_3"), matrix("model.layers.2.up.MatMul.weight"),
        matrix("own.name"), matrix("onnx::MatMul_18"), matrix("onnx::MatMul_19"),
        tensor("onnx::Reshape_4", (3,), 7, (9, bytes(24))), tensor("/c", (), 1, (9, bytes(4))),
        nodes=(
            node("MatMul", "/model/layers.0/up_proj/MatMul", "x", "onnx::MatMul_17"),
            node("MatMul", "node_linear_3", "x", "val_3", scopes=scopes),
            node("MatMul", "/model/layers.2/up/MatMul", "x", "model.layers.2.up.MatMul.weight"),
            node("MatMul", "/model/layers.3/up/MatMul", "x", "own.name"),
            node("MatMul", "/model/shared/MatMul", "x", "onnx::MatMul_18"),
            node("MatMul", "/model/shared_too/MatMul", "x", "onnx::MatMul_18"),
            node("Add", "/model/add/Add", "x", "onnx::MatMul_19"),
        ),
    )  # fmt: skip
    with open_checkpoint(write(tmp_path, content)) as checkpoint:
        assert list(checkpoint) == [
            "model.layers.0.up_proj.weight", "model.layers.1.up_proj.weight",
            "model.layers.2.up.weight", "own.name", "onnx::MatMul_18", "onnx::MatMul_19",
        ]  # fmt: skip
        for name in list(checkpoint)[:3]:
            assert equal(checkpoint[name][...], W.T)
        for name in list(checkpoint)[3:]:
            assert equal(checkpoint[name][...], W)
        assert checkpoint["onnx::Reshape_4"].shape == (3,), "read by name, but not listed"
        assert "3 matrices" in checkpoint.notes[0]
        assert "2 constants" in checkpoint.notes[1]


def external(**said: str) -> bytes:
    entries = [(13, message((1, key), (2, value))) for key, value in said.items()]
    return tensor("w", (2,), 1, *entries, (14, 1))


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (external(location="../secret"), "not one of the model's folder"),
        (external(location="/etc/passwd"), "not one of the model's folder"),
        (external(location="C:\\x"), "not one of the model's folder"),
        (external(location=""), "not one of the model's folder"),
        (external(location="absent.data"), "is missing"),
        (external(location="data", offset="-4"), "no number"),
        (external(location="data", offset="1e3"), "no number"),
        (external(location="data", offset="99999999999999999999"), "no number"),
        (external(location="data", offset="12"), "after the end"),
        (external(location="data", length="12"), "has 12 bytes"),
        (tensor("w", (2,), 1, (9, bytes(7))), "has 7 bytes, but its shape takes 8"),
        (tensor("w", (2,), 1), "has 0 bytes"),
        (tensor("w", (2,), 22, (9, bytes(1))), "int4"),
        (tensor("w", (2,), 8, (6, "a"), (6, "b")), "texts"),
        (tensor("w", (2,), 99, (9, bytes(8))), "unknown type 99"),
        (tensor("w", (2**40, 2**40), 1, (9, bytes(8))), "too large"),
        (tensor("w", (2**60, 0), 1, (9, b"")), "too large"),
        (tensor("w", (1,), 1, (3, b""), (9, bytes(4))), "segment"),
        (tensor("w", (2,), 1) + varint(4 << 3 | 5) + bytes(4), "one by one"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, one: bytes, why: str) -> None:
    (tmp_path / "data").write_bytes(bytes(16))
    content = model(one, raw("good", Sample.random("F32", (2, 2))))
    with small_memory(2_000_000), open_checkpoint(write(tmp_path, content)) as checkpoint:
        assert list(checkpoint) == ["good"]
        assert why in checkpoint.missing["w"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08",
        b"\x08\x08\x3a",
        b"\x08\x08\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x08" + b"\xff" * 20,
        b"\x08\x08\x3b\x3c",
        b"\x00\x00",
        b"\x08\x08",
        model(tensor("w", (-1,), 1, (9, bytes(4)))),
        model(tensor("w", range(1, 70), 1, (9, bytes(4)))),
        model(message((1, b"\xff" * 30), (2, 1), (8, "w"))),
        model(tensor("w" * 70_000, (1,), 1, (9, bytes(4)))),
        model(matrix("w"), matrix("w")),
        model(),
    ],
    ids=repr,
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    with small_memory(2_000_000), pytest.raises(CheckpointError, match=r"model\.onnx") as error:
        open_checkpoint(write(tmp_path, content))
    assert len(str(error.value)) < 700 + len(str(tmp_path))


def test_damage_anywhere_gives_an_error_of_ours_or_other_values(tmp_path: Path) -> None:
    whole = model(
        matrix("onnx::MatMul_1"), external(location="data"),
        raw("b", Sample.random("I64", (3, 2))),
        tensor("r", (2,), 7, (7, packed([3, 2**63]))),
        nodes=(node("MatMul", "/a/b/MatMul", "x", "onnx::MatMul_1"),),
    )  # fmt: skip
    (tmp_path / "data").write_bytes(bytes(8))
    rng = random.Random(3)
    damaged = [whole[:end] for end in range(len(whole))]
    for _ in range(400):
        changed = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 5))):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        damaged.append(bytes(changed))
    with small_memory(8_000_000):
        for content in damaged:
            try:
                with open_checkpoint(write(tmp_path, content)) as checkpoint:
                    for lazy in checkpoint.values():
                        assert lazy[...].shape == lazy.shape
            except CheckpointError:
                pass
