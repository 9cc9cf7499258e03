"""What every checkpoint format has to hold; a format's tests subclass `CheckpointSuite`."""

import gc
import os
import pickle
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from checkpoint.writer import Sample
from napari_gpt2_tomo.base import CheckpointError, SilentProgress
from napari_gpt2_tomo.checkpoint import Checkpoint, Region, open_checkpoint
from napari_gpt2_tomo.checkpoint.source import ByteSource, MappedFile

SHAPES = ((7, 6, 5), (24,), (3, 1, 4), (), (1,), (0,), (4, 0, 3))


def equal(left: Any, right: Any) -> bool:
    """Same shape, dtype and values; NaN equals NaN."""
    left, right = np.asarray(left), np.asarray(right)
    return (
        left.dtype == right.dtype
        and left.shape == right.shape
        and np.array_equal(left, right, equal_nan=left.dtype.kind in "fc")
    )


class Recording:
    """The byte ranges that were read from mapped files, none of them by a map."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ranges: list[tuple[Path, int, int]] = []
        read = MappedFile.read

        def recorded(file: MappedFile, start: int, stop: int) -> Any:
            self.ranges.append((file.path, start, stop))
            return read(file, start, stop)

        monkeypatch.setattr(MappedFile, "read", recorded)
        monkeypatch.setattr(MappedFile, "read_many", ByteSource.read_many)
        monkeypatch.setattr(MappedFile, "gather", ByteSource.gather)
        monkeypatch.setattr(MappedFile, "max_gap", 0)

    @property
    def nbytes(self) -> int:
        return sum(stop - start for _, start, stop in self.ranges)


class CheckpointSuite(ABC):
    """Tests of the contract of `Checkpoint` and `LazyTensor`.

    A subclass says how its format is written. Tensors come back in the order in
    which `save` gets them.
    """

    stored_types: tuple[str, ...]

    @classmethod
    @abstractmethod
    def save(cls, folder: Path, tensors: Mapping[str, Sample]) -> Path:
        """Write a checkpoint into an empty folder; returns what to open."""

    @pytest.fixture(scope="class")
    @classmethod
    def samples(cls) -> dict[str, Sample]:
        return {
            f"{stored}.{'x'.join(map(str, shape))}": Sample.random(stored, shape, seed)
            for seed, (stored, shape) in enumerate(
                (stored, shape) for stored in cls.stored_types for shape in SHAPES
            )
        }

    @pytest.fixture(scope="class")
    @classmethod
    def path(cls, tmp_path_factory: pytest.TempPathFactory, samples: dict[str, Sample]) -> Path:
        return cls.save(tmp_path_factory.mktemp("checkpoint"), samples)

    @pytest.fixture
    def checkpoint(self, path: Path) -> Any:
        with open_checkpoint(path) as checkpoint:
            yield checkpoint

    @pytest.fixture(scope="class")
    @classmethod
    def shared(cls, path: Path) -> Any:
        with open_checkpoint(path) as checkpoint:
            yield checkpoint

    def test_gives_every_value_of_every_type(
        self, checkpoint: Checkpoint, samples: dict[str, Sample]
    ) -> None:
        for name, sample in samples.items():
            tensor = checkpoint[name]
            assert tensor.name == name
            assert tensor.shape == sample.values.shape
            assert tensor.dtype == sample.values.dtype
            assert tensor.nbytes == sample.bits.nbytes
            assert tensor.size == sample.bits.size
            assert equal(tensor[...], sample.values), name
            assert equal(np.asarray(tensor), sample.values), name

    def test_gives_elements_as_they_are_stored(
        self, checkpoint: Checkpoint, samples: dict[str, Sample]
    ) -> None:
        for name, sample in samples.items():
            tensor = checkpoint[name]
            raw = tensor.raw(Region.whole(tensor.shape))
            assert raw.shape == tensor.shape
            assert raw.tobytes() == sample.bits.tobytes()
            assert not raw.flags.writeable

    @settings(
        max_examples=150,
        deadline=None,
        suppress_health_check=[HealthCheck.differing_executors],
    )
    @given(data=st.data())
    def test_indexes_as_numpy_does(
        self, shared: Checkpoint, samples: dict[str, Sample], data: st.DataObject
    ) -> None:
        name = data.draw(st.sampled_from(sorted(samples)))
        expected = samples[name].values
        index = data.draw(
            hnp.basic_indices(expected.shape, allow_newaxis=True, allow_ellipsis=True)
        )
        got = shared[name][index]
        assert equal(got, expected[index])

    @pytest.mark.parametrize(
        "index", [7, -8, (0, 0, 0, 0), (..., ...), 1.0, True, [0], "a", (0, slice(0.5))]
    )
    def test_refuses_what_is_no_basic_index(self, checkpoint: Checkpoint, index: Any) -> None:
        tensor = checkpoint[f"{self.stored_types[0]}.7x6x5"]
        with pytest.raises((IndexError, TypeError)):
            tensor[index]

    def test_refuses_a_region_that_leaves_the_tensor(self, checkpoint: Checkpoint) -> None:
        tensor = checkpoint[f"{self.stored_types[0]}.24"]
        for region in (
            Region(0, (25,), (1,)),
            Region(20, (5,), (1,)),
            Region(-1, (2,), (1,)),
            Region(0, (2, 2), (20, 4)),
        ):
            with pytest.raises(IndexError):
                tensor.read(region)

    def test_is_a_mapping_in_file_order(
        self, checkpoint: Checkpoint, samples: dict[str, Sample]
    ) -> None:
        assert list(checkpoint) == list(samples)
        assert len(checkpoint) == len(samples)
        assert next(iter(samples)) in checkpoint
        assert "no such tensor" not in checkpoint
        assert checkpoint.get("no such tensor") is None
        with pytest.raises(KeyError, match="no such tensor"):
            checkpoint["no such tensor"]

    def test_can_be_a_key(self, checkpoint: Checkpoint) -> None:
        assert {checkpoint: 1}[checkpoint] == 1
        assert checkpoint != {}

    def test_tells_what_it_is(self, checkpoint: Checkpoint, path: Path) -> None:
        assert checkpoint.path == path
        assert checkpoint.format
        assert all(file.is_file() for file in checkpoint.files)
        assert checkpoint.missing == {}
        assert str(len(checkpoint)) in repr(checkpoint)
        stored = self.stored_types[0]
        assert stored in repr(checkpoint[f"{stored}.24"])
        assert "(24,)" in repr(checkpoint[f"{stored}.24"])

    def test_never_lets_values_be_changed(
        self, checkpoint: Checkpoint, samples: dict[str, Sample]
    ) -> None:
        for name in samples:
            values = checkpoint[name].read(Region.whole(checkpoint[name].shape))
            assert not values.flags.writeable
            base = values if values.base is None else values.base
            if checkpoint[name].dtype == checkpoint[name].raw(Region(0, (0,), (1,))).dtype:
                # A view of the file: not even insisting makes it writable.
                assert base is not values
                with pytest.raises(ValueError):
                    values.flags.writeable = True

    def test_travels_as_a_path(self, checkpoint: Checkpoint, samples: dict[str, Sample]) -> None:
        for tensor in checkpoint.values():
            tensor[...]
        sent = pickle.dumps(checkpoint)
        assert len(sent) < 2000
        with pickle.loads(sent) as received:
            assert list(received) == list(checkpoint)
            assert received.fingerprint == checkpoint.fingerprint
            for name, sample in samples.items():
                assert equal(received[name][...], sample.values)

    def test_tensors_travel_alone(self, checkpoint: Checkpoint, samples: dict[str, Sample]) -> None:
        for name, sample in samples.items():
            checkpoint[name][...]
            sent = pickle.dumps(checkpoint[name])
            assert len(sent) < 2000
            assert equal(pickle.loads(sent)[...], sample.values)

    def test_refuses_to_read_after_closing(self, path: Path) -> None:
        name = f"{self.stored_types[0]}.24"
        checkpoint = open_checkpoint(path)
        read, unread = checkpoint[name], checkpoint[f"{self.stored_types[0]}.7x6x5"]
        values = read[...]
        kept = values.copy()
        checkpoint.close()
        checkpoint.close()
        for tensor in (read, unread, checkpoint[name]):
            with pytest.raises(CheckpointError, match="closed"):
                tensor[0]
        with pytest.raises(CheckpointError, match="closed"):
            pickle.dumps(read)
        del checkpoint, read, unread
        gc.collect()
        assert equal(values, kept), "arrays that were read stay valid"

    def test_fingerprint_is_stable(self, path: Path) -> None:
        with open_checkpoint(path) as first, open_checkpoint(path) as second:
            assert first.fingerprint == second.fingerprint
            assert len(first.fingerprint) == 64

    def test_fingerprint_changes_with_values_sizes_and_time(
        self, tmp_path: Path, samples: dict[str, Sample]
    ) -> None:
        stored = self.stored_types[0]
        seen: set[str] = set()
        for case, (seed, n, time) in enumerate([(0, 9, 1), (1, 9, 1), (0, 8, 1), (0, 9, 2)]):
            folder = tmp_path / str(case)
            folder.mkdir()
            path = self.save(folder, {"a": Sample.random(stored, (n,), seed)})
            for file in folder.rglob("*"):
                os.utime(file, ns=(time, time))
            with open_checkpoint(path) as checkpoint:
                seen.add(checkpoint.fingerprint)
        assert len(seen) == 4

    def test_content_hash_depends_on_bytes_alone(
        self, tmp_path: Path, samples: dict[str, Sample]
    ) -> None:
        hashes: list[str] = []
        for case, seed in enumerate((0, 0, 1)):
            folder = tmp_path / str(case)
            folder.mkdir()
            path = self.save(folder, {"a": Sample.random(self.stored_types[0], (99,), seed)})
            progress = SilentProgress()
            with open_checkpoint(path) as checkpoint:
                hashes.append(checkpoint.content_hash(progress))
                assert progress.done == progress.total
                assert progress.total == sum(f.stat().st_size for f in checkpoint.files)
        assert hashes[0] == hashes[1] != hashes[2]

    @pytest.mark.parametrize(
        "index",
        [np.s_[3], np.s_[:, 2], np.s_[1:3, 2:5, ::2], np.s_[::-2, ..., -1], np.s_[2, 3, 4]],
        ids=str,
    )
    def test_reads_only_what_it_needs(
        self,
        checkpoint: Checkpoint,
        samples: dict[str, Sample],
        monkeypatch: pytest.MonkeyPatch,
        index: Any,
    ) -> None:
        recording = Recording(monkeypatch)
        for stored in self.stored_types:
            sample = samples[f"{stored}.7x6x5"]
            recording.ranges.clear()
            assert equal(checkpoint[f"{stored}.7x6x5"][index], sample.values[index])
            assert recording.nbytes == sample.bits[index].nbytes

    def test_opening_reads_no_values(
        self, path: Path, samples: dict[str, Sample], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recording = Recording(monkeypatch)
        with open_checkpoint(path) as checkpoint:
            assert [tensor.shape for tensor in checkpoint.values()]
            sizes = sum(file.stat().st_size for file in checkpoint.files)
        values = sum(sample.bits.nbytes for sample in samples.values())
        assert recording.nbytes <= sizes - values, "no more than the headers"
