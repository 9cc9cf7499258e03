"""Fingerprints: what they notice, what they cost, and that they are what they are said to be."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checkpoint.suite import Recording
from checkpoint.writer import Sample, write_safetensors
from napari_gpt2_tomo.base import Cancelled, SilentProgress
from napari_gpt2_tomo.checkpoint import open_checkpoint


def fingerprint(path: Path) -> str:
    with open_checkpoint(path) as checkpoint:
        return checkpoint.fingerprint


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    write_safetensors(path, {"a": Sample.random("F32", (1000, 1000))})
    os.utime(path, ns=(10**18, 10**18))
    return path


def test_a_copy_with_its_time_is_the_same(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "other.safetensors"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    assert fingerprint(copy) != fingerprint(path)
    os.utime(copy, ns=(10**18, 10**18))
    assert fingerprint(copy) == fingerprint(path)


def test_sampled_blocks_are_noticed_without_size_and_time(path: Path) -> None:
    before = fingerprint(path)
    content = path.read_bytes()
    step = (len(content) - 4096) / 63
    for block in (1, 30, 63):
        changed = bytearray(content)
        changed[int(block * step) + 2000] ^= 255
        path.write_bytes(changed)
        os.utime(path, ns=(10**18, 10**18))
        assert fingerprint(path) != before


def test_reads_the_header_and_256_kilobytes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_checkpoint(path) as checkpoint:
        recording = Recording(monkeypatch)
        assert checkpoint.fingerprint
    (_, start, header_end), *blocks = recording.ranges
    assert start == 0
    assert header_end < 200
    assert len(blocks) == 64
    assert all(stop - start == 4096 for _, start, stop in blocks)
    starts = np.array([start for _, start, _ in blocks])
    assert starts[0] == 0
    assert starts[-1] == path.stat().st_size - 4096
    assert np.ptp(np.diff(starts)) <= 1


def test_samples_are_spread_over_all_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, n in ((1, 30_000), (2, 60_000), (3, 10)):
        write_safetensors(
            tmp_path / f"m-0000{number}-of-00003.safetensors",
            {str(number): Sample.random("F32", (n,), number)},
        )
    with open_checkpoint(tmp_path) as checkpoint:
        recording = Recording(monkeypatch)
        first = checkpoint.fingerprint
    per_file: dict[Any, int] = {}
    for file, _, _ in recording.ranges:
        per_file[file.name[:7]] = per_file.get(file.name[:7], 0) + 1
    assert per_file["m-00001"] == pytest.approx(1 + 64 / 3, abs=2)
    assert per_file["m-00002"] == pytest.approx(1 + 128 / 3, abs=2)
    assert per_file["m-00003"] >= 1
    write_safetensors(
        tmp_path / "m-00003-of-00003.safetensors", {"3": Sample.random("F32", (10,), 99)}
    )
    assert fingerprint(tmp_path) != first


def test_content_hash_is_that_of_the_file(path: Path) -> None:
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.content_hash() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_hashing_can_be_cancelled(path: Path) -> None:
    class Impatient(SilentProgress):
        def start(self, total: int, description: str) -> None:
            super().start(total, description)
            self.cancel()

    with open_checkpoint(path) as checkpoint, pytest.raises(Cancelled):
        checkpoint.content_hash(Impatient())
