"""Files of other formats on a server: a tensor is read by its bytes, whatever the file is."""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checkpoint.formats import tensorflow_writer
from checkpoint.formats.test_hostile_pickles import PROTO, STOP, name, text
from checkpoint.formats.test_onnx import model, raw
from checkpoint.writer import Sample
from napari_gpt2_tomo.checkpoint import open_checkpoint

from .server import RangeServer

SHAPE = (1024, 1024)


@pytest.fixture(scope="module")
def large() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {f"t{i}": rng.random(SHAPE, np.float32) for i in range(6)}


def sample(array: Any) -> Sample:
    return Sample("F32", array.view(np.uint32))


def pytorch(folder: Path, tensors: Mapping[str, Any]) -> str:
    """As ``torch.save`` writes it: the pickle, then one member for each storage."""
    data = PROTO + b"}("
    for i, key in enumerate(tensors):
        storage = b"(" + text("storage") + name("torch", "FloatStorage") + text(str(i))
        storage += text("cpu") + b"J" + (1 << 20).to_bytes(4, "little") + b"tQ"
        data += text(key) + name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage
        data += b"K\0M\0\4M\0\4\x86M\0\4K\1\x86\x89NtR"
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w") as file:
        file.writestr("archive/data.pkl", data + b"u" + STOP)
        for i, array in enumerate(tensors.values()):
            file.writestr(f"archive/data/{i}", array.tobytes())
    return "pytorch_model.bin"


def numpy(folder: Path, tensors: Mapping[str, Any]) -> str:
    np.savez(folder / "weights.npz", **tensors)
    return "weights.npz"


def onnx(folder: Path, tensors: Mapping[str, Any]) -> str:
    made = model(*(raw(key, sample(array)) for key, array in tensors.items()))
    (folder / "model.onnx").write_bytes(made)
    return "model.onnx"


def tensorflow(folder: Path, tensors: Mapping[str, Any]) -> str:
    samples = {key: sample(array) for key, array in tensors.items()}
    return tensorflow_writer.write(folder, samples).name


@pytest.mark.parametrize("write", [pytorch, numpy, onnx, tensorflow])
def test_rows_are_read_by_ranges(
    server: RangeServer,
    large: dict[str, Any],
    tmp_path: Path,
    write: Callable[[Path, Mapping[str, Any]], str],
) -> None:
    file = write(tmp_path, large)
    url = server.add_folder("/model", tmp_path)
    total = sum(array.nbytes for array in large.values())
    with open_checkpoint(f"{url}/{file}") as checkpoint:
        assert list(checkpoint) == list(large)
        assert [tensor.shape for tensor in checkpoint.values()] == [SHAPE] * len(large)
        opening = server.sent
        assert opening < total / 8
        assert np.array_equal(checkpoint["t3"][17], large["t3"][17])
        assert np.array_equal(checkpoint["t5"][-1, ::7], large["t5"][-1, ::7])
        assert server.sent - opening < total / 8
        assert np.array_equal(checkpoint["t4"][...], large["t4"])


def test_compressed_arrays_are_read_once(server: RangeServer) -> None:
    buffer = io.BytesIO()
    rng = np.random.default_rng(1)
    tensors = {f"a{i}": rng.random(50_000) for i in range(3)}
    np.savez_compressed(buffer, **tensors)
    url = server.add("/weights.npz", buffer.getvalue())
    with open_checkpoint(url) as checkpoint:
        assert np.array_equal(checkpoint["a1"][...], tensors["a1"])
        sent = server.sent
        assert np.array_equal(checkpoint["a1"][::3], tensors["a1"][::3])
        assert server.sent == sent
