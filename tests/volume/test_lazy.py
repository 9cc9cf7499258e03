"""Levels as dask arrays: a slice reads that slice, whatever dask is told about fusing."""

import dask
import numpy as np
import pytest

from napari_gpt2_tomo.volume.reading import lazy
from napari_gpt2_tomo.volume.reading.virtual import VirtualVolume

SHAPE = (6, 8, 10)
VALUES = np.arange(480, dtype=np.float32).reshape(SHAPE)

INDICES = [
    np.s_[3],
    np.s_[:, 2],
    np.s_[..., 7],
    np.s_[1:4, ::3],
    np.s_[::-2, 2:7, -1],
    np.s_[3:3],
    np.s_[1, 2, 3],
    np.s_[-1],
]


def level(reads):
    def read(box):
        reads.append(box)
        return VALUES[tuple(slice(a, b) for a, b in box)].copy()

    return VirtualVolume(SHAPE, np.float32, read)


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_a_slice_reads_its_own_voxels_and_no_others(index, fuse):
    reads = []
    array = lazy.dask_level(level(reads), "tomo-test")
    with dask.config.set({"optimization.fuse.active": fuse}):
        found = np.asarray(array[index])
    np.testing.assert_array_equal(found, VALUES[index])
    read = sum(np.prod([b - a for a, b in box]) for box in reads)
    # Steps in the plane are read whole and thinned out.
    assert read <= VALUES[index].size * 3


def test_slices_of_slices_read_the_last_one():
    reads = []
    array = lazy.dask_level(level(reads), "tomo-test")
    found = np.asarray(array[1:5][:, 2:6][..., 9][::2])
    np.testing.assert_array_equal(found, VALUES[1:5][:, 2:6][..., 9][::2])
    assert sum(np.prod([b - a for a, b in box]) for box in reads) == found.size


@pytest.mark.parametrize("chunk", [2**28, 100])
def test_everything_else_that_dask_does_gives_numpys_values(monkeypatch, chunk):
    monkeypatch.setattr(lazy, "CHUNK_VOXELS", chunk)
    array = lazy.dask_level(level([]), "tomo-test")
    assert (array.numblocks == (1, 1, 1)) == (chunk > VALUES.size)
    np.testing.assert_array_equal(array.compute(), VALUES)
    np.testing.assert_array_equal(array[[4, 1]].compute(), VALUES[[4, 1]])
    np.testing.assert_array_equal((array[2] * 2 + 1).compute(), VALUES[2] * 2 + 1)
    assert float(array.sum().compute()) == float(VALUES.sum())
    assert isinstance(array[0].compute(), np.ndarray)


def test_different_parts_have_different_names():
    array = lazy.dask_level(level([]), "tomo-test")
    assert len({array[i].name for i in range(6)} | {array.name}) == 7
    assert array[2].name == array[2].name
