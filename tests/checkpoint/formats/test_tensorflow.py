"""TensorFlow's checkpoints: index, data files, damage."""

import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from checkpoint.formats import tensorflow_writer as writer
from checkpoint.formats.protobuf_writer import message
from checkpoint.suite import SHAPES, CheckpointSuite, equal
from checkpoint.test_header import small_memory
from checkpoint.writer import Sample
from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint import can_open, candidates, open_checkpoint


class TensorFlowSuite(CheckpointSuite):
    """The format sorts its tensors, so they are saved in the order of their names."""

    @pytest.fixture(scope="class")
    @classmethod
    def samples(cls) -> dict[str, Sample]:
        kinds = [(stored, shape) for stored in cls.stored_types for shape in SHAPES]
        made = {
            f"{stored}.{'x'.join(map(str, shape))}": Sample.random(stored, shape, seed)
            for seed, (stored, shape) in enumerate(kinds)
        }
        return dict(sorted(made.items()))


class TestOneFile(TensorFlowSuite):
    stored_types = tuple(sorted(writer.TYPES))

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        return writer.write(folder, tensors)


class TestSeveralFiles(TensorFlowSuite):
    stored_types = ("BF16", "F32", "I64")

    @classmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        writer.write(folder, tensors, shards=3)
        return folder


A, B = (Sample.random("F32", (2, 3), seed) for seed in range(2))


def test_a_folder_as_it_was_published_opens(tmp_path: Path) -> None:
    writer.write(tmp_path, {"model/wte": A, "model/h0/ln_1/g": B, "model/wte/Adam": B})
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt"')
    (tmp_path / "model.ckpt.meta").write_bytes(b"\n\0")
    (tmp_path / "hparams.json").write_text(json.dumps({"n_head": 12, "n_ctx": 1024, "name": "x"}))
    assert can_open(tmp_path)
    assert [path.name for path in candidates(tmp_path)] == ["model.ckpt.index"]
    with open_checkpoint(tmp_path) as checkpoint:
        assert list(checkpoint) == ["model/h0/ln_1/g", "model/wte"]
        assert equal(checkpoint["model/wte"][...], A.values)
        assert checkpoint.metadata == {"n_head": "12", "n_ctx": "1024"}
        assert any("1 tensors of the optimizer" in note for note in checkpoint.notes)


def test_absent_data_are_named(tmp_path: Path) -> None:
    path = writer.write(tmp_path, {"a": A, "b": B}, shards=2)
    (tmp_path / "model.ckpt.data-00001-of-00002").unlink()
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint) == ["a"]
        assert "data-00001-of-00002 is missing" in checkpoint.missing["b"]
    (tmp_path / "model.ckpt.data-00000-of-00002").unlink()
    with pytest.raises(CheckpointError, match="data-00000-of-00002 beside it"):
        open_checkpoint(path)


def indexed(folder: Path, entries: Mapping[bytes, bytes], **options: int) -> Path:
    (folder / "m.data-00000-of-00001").write_bytes(bytes(24))
    path = folder / "m.index"
    path.write_bytes(writer.table({b"": writer.header(1)} | dict(entries), **options))
    return path


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (writer.entry(1, (2, 3), 0, 1, 24), "after the end"),
        (writer.entry(1, (2, 3), 0, 2**62, 24), "after the end"),
        (writer.entry(1, (2, 3), 0, 0, 20), "has 20 bytes, but its shape takes 24"),
        (writer.entry(7, (1,), 0, 0, 8), "texts"),
        (writer.entry(77, (1,), 0, 0, 8), "unknown type 77"),
        (writer.entry(1, (1,), 3, 0, 4), "file number 3"),
        (writer.entry(1, (2**40, 2**40), 0, 0, 4), "too large"),
        (writer.entry(1, (0, 2**60), 0, 0, 0), "too large"),
        (writer.entry(1, (2, 3), 0, 0, 24) + message((7, b"")), "slices"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, entry: bytes, why: str) -> None:
    good = writer.entry(1, (2, 3), 0, 0, 24)
    path = indexed(tmp_path, {b"bad": entry, b"good": good})
    with small_memory(2_000_000), open_checkpoint(path) as checkpoint:
        assert list(checkpoint) == ["good"]
        assert why in checkpoint.missing["bad"]


def test_other_tables_and_byte_orders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="compressed"):
        open_checkpoint(indexed(tmp_path, {}, compression=1))
    for content, why in (
        (writer.table({b"": writer.header(1, 1)}), "big-endian"),
        (writer.table({b"": writer.header(0), b"a": b""}), "0 data files"),
        (writer.table({b"": writer.header(1)})[:-1], "does not end"),
        (writer.table({b"a": writer.entry(1, (-1,), 0, 0, 4), b"": writer.header(1)}), "shape"),
    ):
        (tmp_path / "m.index").write_bytes(content)
        with pytest.raises(CheckpointError, match=why):
            open_checkpoint(tmp_path / "m.index")


def test_damage_anywhere_gives_an_error_of_ours_or_other_values(tmp_path: Path) -> None:
    path = writer.write(tmp_path, {f"model/h{i}/mlp/w": A for i in range(9)})
    whole = path.read_bytes()
    rng = random.Random(5)
    damaged = [whole[:end] for end in range(0, len(whole), 3)]
    for _ in range(300):
        changed = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 5))):
            changed[rng.randrange(len(changed) - 8)] = rng.randrange(256)
        damaged.append(bytes(changed))
    with small_memory(4_000_000):
        for content in damaged:
            path.write_bytes(content)
            try:
                with open_checkpoint(path) as checkpoint:
                    for lazy in checkpoint.values():
                        assert lazy[...].shape == lazy.shape
            except CheckpointError:
                pass
