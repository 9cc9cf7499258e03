"""Arrays in numpy's files: what numpy saves comes back, from the file where it can."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checkpoint.suite import CheckpointSuite, Recording, equal
from checkpoint.test_header import small_memory
from checkpoint.writer import ORACLE, Sample
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint import Checkpoint, Region, can_open, candidates, open_checkpoint
from napari_gpt2_tomo.checkpoint.formats import archive

NATIVE = tuple(sorted(name for name, dtype in ORACLE.items() if dtype.kind in "fiubc"))


def arrays(tensors: Mapping[str, Sample]) -> dict[str, Any]:
    return {name: sample.bits.view(ORACLE[sample.stored]) for name, sample in tensors.items()}


class TestStored(CheckpointSuite):
    stored_types = ("BF16", *NATIVE)

    @pytest.fixture
    @classmethod
    def checkpoint(cls, path: Path) -> Iterator[Checkpoint]:
        with open_checkpoint(path) as checkpoint:
            for tensor in checkpoint.values():
                tensor[...]  # Where a member begins is read once.
            yield checkpoint

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        path = folder / "weights.npz"
        np.savez(path, **arrays(tensors))
        return path


class TestFortranOrder(TestStored):
    stored_types = ("F16", "F32", "I64")

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        path = folder / "weights.npz"
        np.savez(path, **{k: np.array(v, order="F") for k, v in arrays(tensors).items()})
        return path


class TestCompressed(CheckpointSuite):
    stored_types = ("BF16", "F32", "I64")

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        path = folder / "weights.npz"
        np.savez_compressed(path, **arrays(tensors))
        return path

    def test_opening_reads_no_values(self, tmp_path: Path, monkeypatch: Any) -> None:  # type: ignore[override]
        """As much as the headers take when they are unpacked: 4 KiB at once."""
        path = tmp_path / "weights.npz"
        np.savez_compressed(path, a=np.random.default_rng(0).random(100_000))
        recording = Recording(monkeypatch)
        with open_checkpoint(path) as checkpoint:
            assert checkpoint["a"].shape == (100_000,)
        assert recording.nbytes < 20_000

    def test_reads_only_what_it_needs(self, tmp_path: Path, monkeypatch: Any) -> None:  # type: ignore[override]
        """A member is unpacked as a whole, once."""
        path = tmp_path / "weights.npz"
        np.savez_compressed(path, a=np.arange(5000.0), b=np.arange(7000.0))
        recording = Recording(monkeypatch)
        with open_checkpoint(path) as checkpoint:
            opening = recording.nbytes
            assert checkpoint["a"][17] == 17
            once = recording.nbytes - opening
            assert once < path.stat().st_size / 2
            assert checkpoint["a"][1234] == 1234
            assert recording.nbytes == opening + once
            assert any("2 of 2 arrays are compressed" in note for note in checkpoint.notes)


class TestOneArray(CheckpointSuite):
    """A file of one array: what the suite asks of several is asked of one."""

    stored_types = ("F32",)

    @pytest.fixture(scope="class")
    @classmethod
    def samples(cls) -> dict[str, Sample]:
        return {"F32.7x6x5": Sample.random("F32", (7, 6, 5))}

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        ((name, array),) = arrays(tensors).items()
        path = folder / f"{name}.npy"
        np.save(path, array)
        return path

    def test_refuses_a_region_that_leaves_the_tensor(self, checkpoint: Checkpoint) -> None:
        with pytest.raises(IndexError):
            checkpoint["F32.7x6x5"].read(Region(200, (11,), (1,)))

    def test_tells_what_it_is(self, checkpoint: Checkpoint, path: Path) -> None:
        assert checkpoint.path == path
        assert checkpoint.format == "numpy array"

    def test_refuses_to_read_after_closing(self, path: Path) -> None:
        checkpoint = open_checkpoint(path)
        tensor = checkpoint["F32.7x6x5"]
        checkpoint.close()
        with pytest.raises(CheckpointError, match="closed"):
            tensor[0]


def test_names_and_order_are_those_of_the_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **{"params/h/0/kernel": np.eye(2), "a.b": np.ones(3, np.int8)})
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint) == ["params/h/0/kernel", "a.b"]
        assert checkpoint["a.b"].stored == "I8"


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(
        path,
        good=np.ones(3),
        objects=np.array([{"a": 1}, None], object),
        text=np.array(["a", "bc"]),
        swapped=np.ones(3, ">f4"),
        fields=np.ones(3, [("x", "f4")]),
    )
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr("broken.npy", b"\x93NUMPY\1\0\x10\0garbage that is!")
        opened.writestr("cut.npy", npy(np.ones(30))[:-1])
        opened.writestr("notes.txt", b"no array")
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint) == ["good"]
        why = checkpoint.missing
        assert "objects" in why["objects"]
        assert "'<U2'" in why["text"]
        assert "astype('<f4')" in why["swapped"]
        assert "'x'" in why["fields"]
        assert "damaged" in why["broken"]
        assert "end after" in why["cut"]
        assert len(why) == 6


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


HEADERS = {
    "nothing": b"",
    "magic alone": b"\x93NUMPY\1\0",
    "version": b"\x93NUMPY\7\0\2\0{}",
    "cut": b"\x93NUMPY\1\0\xff\1{}",
    "huge": b"\x93NUMPY\2\0\xff\xff\xff\x7f{}",
    "no dictionary": b"\x93NUMPY\1\0\2\x0000",
    "code": b"\x93NUMPY\1\0\x1f\0__import__('os').system('exit')",
    "nested": b"\x93NUMPY\1\0\x10\x27" + b"(" * 10_000,
    "negative": b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
    "huge shape": b"{'descr': '<f4', 'fortran_order': False, 'shape': (2**60,)}",
    "shape of text": b"{'descr': '<f4', 'fortran_order': False, 'shape': ('3',)}",
    "too many axes": b"{'descr': '<f4', 'fortran_order': False, 'shape': (%s)}" % (b"1," * 65),
    "too large": b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000,)}",
    "order": b"{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}",
    "objects": b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
    "no values of a huge thing": b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d,%d,0)}"
    % (2**58, 2**58),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_damaged_arrays_are_refused(tmp_path: Path, header: bytes) -> None:
    if header.startswith(b"{"):
        header = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header
    path = tmp_path / "a.npy"
    path.write_bytes(header)
    with small_memory(4_000_000), pytest.raises(CheckpointError, match=r"a\.npy"):
        open_checkpoint(path)


def test_arrays_are_napari_s_and_archives_ours_if_they_are_dropped_themselves(
    tmp_path: Path,
) -> None:
    np.save(tmp_path / "image.npy", np.zeros((3, 4)))
    np.savez(tmp_path / "results.npz", a=np.zeros((3, 4)))
    assert not can_open(tmp_path / "image.npy")
    assert can_open(tmp_path / "results.npz")
    assert not can_open(tmp_path), "a folder with results is no model"
    with pytest.raises(CheckpointError, match=r"holds no .* file\.$"):
        open_checkpoint(tmp_path)
    np.savez(tmp_path / "weights.npz", a=np.zeros((3, 4)))
    assert [path.name for path in candidates(tmp_path)] == ["weights.npz"]
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint["a"].shape == (3, 4)
    with open_checkpoint(tmp_path / "image.npy") as checkpoint:
        assert checkpoint["image"].shape == (3, 4)


def test_large_compressed_arrays_are_not_read(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("napari_gpt2_tomo.checkpoint.formats.numpy_files.MAX_INFLATED", 1000)
    path = tmp_path / "a.npz"
    np.savez_compressed(path, small=np.zeros(10), large=np.zeros(1000))
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint) == ["small"]
        assert "numpy.savez" in checkpoint.missing["large"]


def test_few_unpacked_arrays_are_kept(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(archive, "_KEPT", 100_000)
    path = tmp_path / "a.npz"
    values = {f"a{i}": np.full(5000, i, np.float64) for i in range(10)}
    np.savez_compressed(path, **values)
    with open_checkpoint(path) as checkpoint:
        for name, array in values.items():
            assert equal(checkpoint[name][...], array)
        assert sum(held.nbytes for held in archive._kept.values()) <= 100_000
        assert equal(checkpoint["a0"][...], values["a0"])
