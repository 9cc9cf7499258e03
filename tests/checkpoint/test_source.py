"""Sources read by range; mapped files give views and notice when the file was changed."""

import gc
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.checkpoint.region import Region, normalise_index
from napari_gpt2_tomo.checkpoint.source import ByteSource, MappedFile
from napari_gpt2_tomo.checkpoint.stored import StoredTensor


class FakeSource(ByteSource):
    """Bytes in memory that remember which of them were read."""

    def __init__(self, data: bytes, max_gap: int) -> None:
        self.data = np.frombuffer(data, np.uint8)
        self.size = len(data)
        self.stamp = "fake"
        self.max_gap = max_gap
        self.ranges: list[tuple[int, int]] = []

    def read(self, start: int, stop: int) -> Any:
        self.ranges.append((start, stop))
        return self.data[start:stop]

    def close(self) -> None:
        self.data = np.empty(0, np.uint8)


def mapped(path: Path) -> MappedFile:
    status = path.stat()
    return MappedFile(path, status.st_size, status.st_mtime_ns)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 16)
    return path


MATRIX = np.arange(40 * 30, dtype="<u2").reshape(40, 30)


@pytest.mark.parametrize(
    "index",
    [
        np.s_[7],
        np.s_[:, 3],
        np.s_[5:9, 10:20],
        np.s_[1::7, ::5],
        np.s_[::-3, ::-1],
        np.s_[2, 3],
        np.s_[4:4],
        np.s_[...],
    ],
    ids=str,
)
def test_reads_exactly_the_bytes_that_it_needs(index: Any) -> None:
    source = FakeSource(b"head!" + MATRIX.tobytes(), max_gap=0)
    tensor = StoredTensor("m", MATRIX.shape, "U16", source, 5)
    assert np.array_equal(tensor[index], MATRIX[index])
    read = {byte for start, stop in source.ranges for byte in range(start, stop)}
    flat = np.arange(MATRIX.size).reshape(MATRIX.shape)[index]
    first = 5 + 2 * np.ravel(flat)
    assert read == {int(byte) for byte in np.concatenate((first, first + 1))}
    assert sum(stop - start for start, stop in source.ranges) == len(read)


def test_a_head_of_a_fused_matrix_is_read_alone() -> None:
    source = FakeSource(MATRIX.tobytes(), max_gap=0)
    tensor = StoredTensor("m", MATRIX.shape, "U16", source, 0)
    head = Region(10 + 5, (40, 5), (30, 1))
    assert np.array_equal(tensor.read(head), MATRIX[:, 15:20])
    assert source.ranges == [(2 * (30 * row + 15), 2 * (30 * row + 20)) for row in range(40)]


def test_small_gaps_are_read_rather_than_skipped() -> None:
    source = FakeSource(MATRIX.tobytes(), max_gap=58)
    tensor = StoredTensor("m", MATRIX.shape, "U16", source, 0)
    assert np.array_equal(tensor[:, 3], MATRIX[:, 3])
    assert source.ranges == [(6, 2 * (39 * 30 + 4))]


def test_values_from_ranges_are_read_only() -> None:
    source = FakeSource(MATRIX.tobytes(), max_gap=0)
    for region in (Region.whole((3,)), Region(0, (3,), (7,)), Region(0, (0,), (1,))):
        values = source.gather(0, region, np.dtype("<u2"))
        assert not values.flags.writeable


def test_long_ranges_are_read_in_pieces() -> None:
    source = FakeSource(MATRIX.tobytes(), max_gap=0)
    source.max_range = 1000
    values = source.gather(0, Region.whole(MATRIX.shape), np.dtype("<u2"))
    assert np.array_equal(values, MATRIX)
    assert source.ranges == [(0, 1000), (1000, 2000), (2000, 2400)]


def test_a_mapped_file_gives_views(file: Path) -> None:
    source = mapped(file)
    for offset in range(9):
        region, _, _ = normalise_index((20, 12), np.s_[3:17:2, 1:9])
        values = source.gather(offset, region, np.dtype("<u4"))
        whole = np.frombuffer(file.read_bytes(), "<u4", 240, offset).reshape(20, 12)
        assert np.array_equal(values, whole[3:17:2, 1:9])
        assert values.flags.aligned is (offset % 4 == 0)
        assert not values.flags.owndata
        assert not values.flags.writeable
    assert np.array_equal(source.read(3, 9), [3, 4, 5, 6, 7, 8])


def test_nothing_is_mapped_beyond_the_end(file: Path) -> None:
    source = mapped(file)
    assert source.gather(4096, Region(0, (0, 3), (3, 1)), np.dtype("<f4")).shape == (0, 3)
    with pytest.raises((TypeError, ValueError)):
        source.gather(4096, Region(0, (1,), (1,)), np.dtype("u1"))
    with pytest.raises((TypeError, ValueError)):
        source.gather(4090, Region(0, (2,), (1,)), np.dtype("<f4"))
    for start, stop in ((0, 4097), (-1, 3), (5, 4)):
        with pytest.raises(CheckpointError, match="outside"):
            source.read(start, stop)


def test_the_map_is_opened_when_it_is_first_read(file: Path) -> None:
    source = mapped(file)
    file.unlink()
    with pytest.raises(CheckpointError, match="cannot be read any more"):
        source.read(0, 1)


def test_scattered_ranges_are_read_past_the_map(file: Path) -> None:
    source = mapped(file)
    ranges = np.array([(300, 302), (0, 0), (0, 3), (4090, 4096)])
    chunks = [chunk.tolist() for chunk in source.read_many(ranges)]
    assert chunks == [[44, 45], [], [0, 1, 2], [250, 251, 252, 253, 254, 255]]
    with pytest.raises(CheckpointError, match="shorter"):
        list(source.read_many(np.array([(4090, 4097)])))
    source.close()
    with pytest.raises(CheckpointError, match="closed"):
        list(source.read_many(ranges))


@pytest.mark.parametrize("change", ["truncated", "emptied", "grown", "touched"])
def test_a_file_that_was_changed_is_noticed(file: Path, change: str) -> None:
    source = mapped(file)
    if change == "touched":
        os.utime(file, ns=(0, 0))
    else:
        size = {"truncated": 100, "emptied": 0, "grown": 5000}[change]
        os.truncate(file, size)
        os.utime(file, ns=(source.mtime_ns, source.mtime_ns))
    with pytest.raises(CheckpointError, match="changed"):
        source.gather(0, Region.whole((3,)), np.dtype("u1"))
    with pytest.raises(CheckpointError, match="changed"):
        list(source.read_many(np.array([(0, 1)])))


def test_copies_in_one_process_share_one_map(file: Path) -> None:
    source = mapped(file)
    source.read(0, 1)
    sent = pickle.dumps(source)
    first, second = pickle.loads(sent), pickle.loads(sent)
    assert first is second
    assert first is not source
    source.close()
    assert first.read(0, 2).tolist() == [0, 1]
    del first, second
    gc.collect()
    assert pickle.loads(sent).read(1, 2).tolist() == [1]


def test_threads_share_one_map(file: Path) -> None:
    source = mapped(file)
    barrier = threading.Barrier(8)
    maps: list[Any] = []

    def read() -> None:
        barrier.wait()
        maps.append(source.read(0, 10).base)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(each) for each in maps}) == 1
