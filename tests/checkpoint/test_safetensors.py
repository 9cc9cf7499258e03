"""Safetensors checkpoints: the shared contract, shards, indices, what lies beside."""

import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from checkpoint.suite import CheckpointSuite, Recording, equal
from checkpoint.writer import ORACLE, Sample, safetensors_bytes, with_header, write_safetensors
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint import open_checkpoint


class TestSafetensors(CheckpointSuite):
    stored_types = tuple(sorted(ORACLE))

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        return write_safetensors(folder / "model.safetensors", tensors)


class TestSafetensorsInShards(CheckpointSuite):
    stored_types = ("BF16", "F16", "F32", "F8_E4M3", "I64")

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        names = list(tensors)
        third = -(-len(names) // 3)
        weight_map: dict[str, str] = {}
        for number in range(3):
            part = names[number * third : (number + 1) * third]
            file = f"model-{number + 1:05}-of-00003.safetensors"
            # An odd length of the header, so that data are not aligned.
            write_safetensors(folder / file, {name: tensors[name] for name in part}, pad=number)
            weight_map |= dict.fromkeys(part, file)
        index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        return folder


A, B, C = (Sample.random("F32", (4, 3), seed) for seed in range(3))
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def write_index(folder: Path, weight_map: Any, name: str = "model.safetensors.index.json") -> Path:
    path = folder / name
    path.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return path


@pytest.mark.parametrize("pad", range(9))
def test_data_may_begin_at_any_byte(tmp_path: Path, pad: int) -> None:
    tensors = {"a": A, "b": Sample.random("F64", (5,)), "c": Sample.random("C64", (2, 2))}
    path = write_safetensors(tmp_path / "model.safetensors", tensors, pad=pad)
    with open_checkpoint(path) as checkpoint:
        for name, sample in tensors.items():
            assert equal(checkpoint[name][...], sample.values)
            assert equal(checkpoint[name][...] + 1, sample.values + 1)
            assert equal(checkpoint[name][..., ::-1], sample.values[..., ::-1])


def test_file_order_is_the_order_of_the_data(tmp_path: Path) -> None:
    path = write_safetensors(
        tmp_path / "model.safetensors", {"b": A, "c": B, "a": C}, order=["a", "b", "c"]
    )
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint) == ["b", "c", "a"]
        assert equal(checkpoint["a"][...], C.values)


def test_file_without_tensors_opens(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "model.safetensors", {}, metadata={"format": "pt"})
    with open_checkpoint(path) as checkpoint:
        assert dict(checkpoint) == {}
        assert checkpoint.metadata == {"format": "pt"}
        assert len(checkpoint.fingerprint) == 64


def test_metadata_cannot_be_changed(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "model.safetensors", {"a": A}, metadata={"x": "ü:{"})
    with open_checkpoint(path) as checkpoint:
        assert dict(checkpoint.metadata) == {"x": "ü:{"}
        with pytest.raises(TypeError):
            checkpoint.metadata["y"] = "z"  # type: ignore[index]


def test_types_whose_bits_have_no_defined_order_are_named_as_missing(tmp_path: Path) -> None:
    entries = {
        "six": {"dtype": "F6_E3M2", "shape": [4], "data_offsets": [0, 3]},
        "good": {"dtype": "U8", "shape": [2], "data_offsets": [3, 5]},
    }
    path = tmp_path / "model.safetensors"
    path.write_bytes(with_header(json.dumps(entries), bytes(range(5))))
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint) == ["good"]
        assert checkpoint["good"][...].tolist() == [3, 4]
        with pytest.raises(KeyError, match="F6_E3M2"):
            checkpoint["six"]


def test_four_bit_floats_share_bytes_the_first_in_the_lower_half(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 16, 30)
    values = np.arange(16, dtype=np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float32)[codes]
    data = bytes(low | high << 4 for low, high in zip(codes[::2], codes[1::2], strict=True))
    shapes = ([5, 6], [30], [10, 3], [5, 3, 2])
    entries = {
        f"x{n}": {"dtype": "F4", "shape": shape, "data_offsets": [15 * n, 15 * n + 15]}
        for n, shape in enumerate(shapes)
    }
    path = tmp_path / "model.safetensors"
    path.write_bytes(with_header(json.dumps(entries), data * len(shapes)))
    with open_checkpoint(path) as checkpoint:
        for name, shape in zip(checkpoint, shapes, strict=True):
            tensor = checkpoint[name]
            assert tensor.shape == tuple(shape)
            assert (tensor.stored, tensor.nbytes, tensor.element) == ("F4", 15, "F32")
            assert equal(tensor[...], values.reshape(shape))
            assert equal(tensor[-1], values.reshape(shape)[-1])


class TestShards:
    def test_one_shard_opens_all_by_the_index(self, tmp_path: Path) -> None:
        write_safetensors(tmp_path / "one.safetensors", {"a": A}, metadata={"k": "1", "l": "1"})
        write_safetensors(tmp_path / "two.safetensors", {"b": B}, metadata={"k": "2", "m": "2"})
        write_index(tmp_path, {"a": "one.safetensors", "b": "two.safetensors"})
        write_safetensors(tmp_path / "other.safetensors", {"x": C})
        with open_checkpoint(tmp_path / "two.safetensors") as checkpoint:
            assert list(checkpoint) == ["a", "b"]
            assert checkpoint.path == tmp_path / "two.safetensors"
            assert [file.name for file in checkpoint.files] == [
                "one.safetensors",
                "two.safetensors",
            ]
            assert checkpoint.metadata == {"k": "1", "l": "1", "m": "2"}
        with open_checkpoint(tmp_path / "other.safetensors") as checkpoint:
            assert list(checkpoint) == ["x"]

    def test_one_shard_opens_all_by_the_names(self, tmp_path: Path) -> None:
        write_safetensors(tmp_path / FIRST, {"a": A})
        write_safetensors(tmp_path / SECOND, {"b": B})
        write_safetensors(tmp_path / "model-00002-of-00003.safetensors", {"c": C})
        with open_checkpoint(tmp_path / SECOND) as checkpoint:
            assert list(checkpoint) == ["a", "b"]
            assert checkpoint.notes == ()

    def test_absent_shard_without_an_index_is_noted(self, tmp_path: Path) -> None:
        write_safetensors(tmp_path / "model-00002-of-99999.safetensors", {"b": B})
        with open_checkpoint(tmp_path) as checkpoint:
            assert list(checkpoint) == ["b"]
            (note,) = checkpoint.notes
            assert "99998 of the 99999 files" in note

    def test_absent_shard_names_its_tensors(self, tmp_path: Path) -> None:
        write_safetensors(tmp_path / SECOND, {"b": B})
        index = write_index(tmp_path, {"a": FIRST, "b": SECOND, "c": SECOND})
        for path in (index, tmp_path, tmp_path / SECOND):
            with open_checkpoint(path) as checkpoint:
                assert list(checkpoint) == ["b"]
                assert set(checkpoint.missing) == {"a", "c"}
                assert f"its file {FIRST} is missing" in checkpoint.missing["a"]
                assert f"{SECOND} does not hold it" in checkpoint.missing["c"]
                with pytest.raises(KeyError, match=FIRST):
                    checkpoint["a"]

    def test_index_without_any_file_is_an_error(self, tmp_path: Path) -> None:
        index = write_index(tmp_path, {"a": FIRST, "b": SECOND})
        with pytest.raises(CheckpointError, match="none of them is there"):
            open_checkpoint(index)

    def test_tensors_that_the_index_forgot_are_there(self, tmp_path: Path) -> None:
        write_safetensors(tmp_path / FIRST, {"a": A, "forgotten": C})
        write_safetensors(tmp_path / SECOND, {"b": B})
        write_index(tmp_path, {"a": FIRST, "b": FIRST})
        with open_checkpoint(tmp_path / FIRST) as checkpoint:
            assert list(checkpoint) == ["a", "forgotten"]
        write_index(tmp_path, {"a": SECOND, "b": FIRST})
        with open_checkpoint(tmp_path) as checkpoint:
            assert list(checkpoint) == ["a", "forgotten", "b"]
            assert checkpoint.missing == {}

    def test_a_tensor_in_two_files_is_an_error(self, tmp_path: Path) -> None:
        write_safetensors(tmp_path / FIRST, {"a": A})
        write_safetensors(tmp_path / SECOND, {"b": B, "a": A})
        with pytest.raises(CheckpointError, match=f"{FIRST} and .*{SECOND} both hold .*'a'"):
            open_checkpoint(tmp_path)

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        write_safetensors(tmp_path / FIRST, {"a": A})
        (tmp_path / SECOND).write_bytes(safetensors_bytes({"b": B})[:-1])
        with pytest.raises(CheckpointError, match=f"{SECOND}.*incompletely downloaded"):
            open_checkpoint(tmp_path / FIRST)

    def test_links_of_the_hub_cache_are_followed(self, tmp_path: Path) -> None:
        blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "rev"
        blobs.mkdir()
        snapshot.mkdir(parents=True)
        write_safetensors(blobs / "hash1", {"a": A})
        write_safetensors(blobs / "hash2", {"b": B})
        index = write_index(blobs, {"a": FIRST, "b": SECOND}, "hash3")
        (blobs / "hash4").write_text('{"n_head": 2}')
        for name, blob in (
            (FIRST, "hash1"),
            (SECOND, "hash2"),
            ("model.safetensors.index.json", index.name),
            ("config.json", "hash4"),
        ):
            os.symlink(f"../../blobs/{blob}", snapshot / name)
        for path in (snapshot, snapshot / FIRST, snapshot / "model.safetensors.index.json"):
            with open_checkpoint(path) as checkpoint:
                assert list(checkpoint) == ["a", "b"]
                assert checkpoint.config == {"n_head": 2}
                assert equal(checkpoint["b"][...], B.values)
        with open_checkpoint(blobs / "hash2") as checkpoint:
            assert list(checkpoint) == ["b"]

    @pytest.mark.parametrize(
        "name",
        [
            "/etc/passwd",
            "../up.safetensors",
            "sub/../../up.safetensors",
            "..\\up.safetensors",
            "C:\\x.safetensors",
            "C:x.safetensors",
            "\\\\server\\share\\x.safetensors",
            "a\0b",
            "",
            ".",
            "..",
        ],
    )
    def test_names_that_lead_out_of_the_folder_are_refused(self, tmp_path: Path, name: str) -> None:
        folder = tmp_path / "model"
        folder.mkdir()
        write_safetensors(tmp_path / "up.safetensors", {"a": A})
        index = write_index(folder, {"a": name})
        with pytest.raises(CheckpointError, match="not a file of its folder"):
            open_checkpoint(index)

    def test_files_in_a_folder_below_are_found(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        write_safetensors(tmp_path / "sub" / "x.safetensors", {"a": A})
        index = write_index(tmp_path, {"a": "sub/x.safetensors", "b": "./sub//x.safetensors"})
        with open_checkpoint(index) as checkpoint:
            assert list(checkpoint) == ["a"]
            assert set(checkpoint.missing) == {"b"}

    @pytest.mark.parametrize(
        "text",
        [b"", b"{", b"[]", b"{}", b'{"weight_map": []}', b'{"weight_map": {"a": 1}}', b"\xff\xfe",
         b"[" * 100_000, b'{"weight_map": {"a": ["x"]}}'],
        ids=lambda text: repr(text[:20]),
    )  # fmt: skip
    def test_a_damaged_index_is_an_error_but_not_for_the_file(
        self, tmp_path: Path, text: bytes
    ) -> None:
        index = tmp_path / "model.safetensors.index.json"
        index.write_bytes(text)
        write_safetensors(tmp_path / "model.safetensors", {"a": A})
        with pytest.raises(CheckpointError, match=r"model\.safetensors\.index\.json"):
            open_checkpoint(index)
        with open_checkpoint(tmp_path / "model.safetensors") as checkpoint:
            assert list(checkpoint) == ["a"]
            assert "index" in checkpoint.notes[0]

    def test_a_slice_reads_one_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_safetensors(tmp_path / FIRST, {"a": A})
        write_safetensors(tmp_path / SECOND, {"b": B})
        with open_checkpoint(tmp_path / FIRST) as checkpoint:
            recording = Recording(monkeypatch)
            assert equal(checkpoint["b"][1], B.values[1])
            ((file, _, _),) = recording.ranges
            assert file.name == SECOND


class TestTravelling:
    def test_a_relative_path_still_leads_to_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_safetensors(tmp_path / "model.safetensors", {"a": A})
        monkeypatch.chdir(tmp_path)
        checkpoint = open_checkpoint("model.safetensors")
        sent = pickle.dumps((checkpoint, checkpoint["a"]))
        monkeypatch.chdir("/")
        received, tensor = pickle.loads(sent)
        assert equal(received["a"][...], A.values)
        assert equal(tensor[...], A.values)

    def test_a_changed_file_is_not_taken_for_the_old_one(self, tmp_path: Path) -> None:
        path = write_safetensors(tmp_path / "model.safetensors", {"a": A})
        checkpoint = open_checkpoint(path)
        sent, tensor = pickle.dumps(checkpoint), pickle.dumps(checkpoint["a"])
        write_safetensors(path, {"a": B})
        os.utime(path, ns=(1, 1))
        with pytest.raises(CheckpointError, match="changed"):
            pickle.loads(sent)
        with pytest.raises(CheckpointError, match="changed"):
            pickle.loads(tensor)[0]

    def test_a_closed_checkpoint_is_not_sent(self, tmp_path: Path) -> None:
        checkpoint = open_checkpoint(write_safetensors(tmp_path / "model.safetensors", {"a": A}))
        checkpoint.close()
        with pytest.raises(CheckpointError, match="closed"):
            pickle.dumps(checkpoint)


class TestCompanions:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        write_safetensors(tmp_path / "model.safetensors", {"a": A})
        return tmp_path

    def test_nothing_beside(self, folder: Path) -> None:
        with open_checkpoint(folder) as checkpoint:
            assert checkpoint.config is None
            assert checkpoint.tokenizer is None
            assert checkpoint.notes == ()

    @pytest.mark.parametrize(
        "text",
        [b"", b"{", b"[1]", b"\xff", b'{"a": ' * 100_000, b"9" * 10_000, b" " * (17 << 20)],
        ids=["empty", "cut", "list", "not utf-8", "deep", "number", "large"],
    )
    def test_a_damaged_configuration_is_ignored_with_a_note(
        self, folder: Path, text: bytes
    ) -> None:
        (folder / "config.json").write_bytes(text)
        with open_checkpoint(folder) as checkpoint:
            assert checkpoint.config is None
            assert len(checkpoint.notes) == 1
            assert "config.json is ignored" in checkpoint.notes[0]
            assert equal(checkpoint["a"][...], A.values)

    def test_the_best_tokenizer_is_found(self, folder: Path) -> None:
        for name in ("vocab.txt", "vocab.json", "tokenizer.model", "tokenizer.json"):
            (folder / name).write_text("{}")
            with open_checkpoint(folder) as checkpoint:
                assert checkpoint.tokenizer == folder / name


def test_values_outlive_the_checkpoint(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "model.safetensors", {"a": A})
    values = open_checkpoint(path)["a"][...]
    path.unlink()
    assert np.array_equal(values, A.values, equal_nan=True)
