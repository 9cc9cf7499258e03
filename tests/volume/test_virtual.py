"""Levels as array-likes: indexed as numpy does, read no more than they must."""

from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.volume.reading.lazy import chunk_shape, dask_level
from napari_gpt2_tomo.volume.reading.virtual import VirtualVolume


class Source:
    """An array that remembers the boxes which were read of it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.values = np.arange(1, 1 + int(np.prod(shape)), dtype=np.float32).reshape(shape)
        self.boxes: list[tuple[tuple[int, int], ...]] = []
        self.level = VirtualVolume(shape, np.float32, self.read)

    def read(self, box: tuple[tuple[int, int], ...]) -> np.ndarray:
        assert all(0 <= a < b <= n for (a, b), n in zip(box, self.values.shape, strict=True))
        self.boxes.append(box)
        return self.values[tuple(slice(a, b) for a, b in box)].copy()

    @property
    def voxels(self) -> int:
        return sum(int(np.prod([b - a for a, b in box])) for box in self.boxes)


@st.composite
def indices(draw: Any) -> tuple[tuple[int, ...], Any]:
    shape = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple))

    def items(lengths: tuple[int, ...]) -> list[Any]:
        found = []
        for n in lengths:
            bound = st.none() | st.integers(-n - 2, n + 2)
            step = st.none() | st.integers(-3, 3).filter(bool)
            at = st.integers(-n, n - 1)
            found.append(draw(at | at.map(np.int64) | st.builds(slice, bound, bound, step)))
        return found

    first = draw(st.integers(0, len(shape)))
    if draw(st.booleans()):
        last = draw(st.integers(first, len(shape)))
        return shape, (*items(shape[:first]), ..., *items(shape[last:]))
    index = items(shape[:first])
    return shape, index[0] if len(index) == 1 and draw(st.booleans()) else tuple(index)


@settings(deadline=None, max_examples=150)
@given(indices())
def test_it_is_indexed_as_numpy_does(made):
    shape, index = made
    source = Source(shape)
    expected = source.values[index]
    found = source.level[index]
    assert np.shape(found) == np.shape(expected)
    assert np.array_equal(found, expected)
    assert np.asarray(found).dtype == np.float32


@settings(deadline=None, max_examples=80)
@given(indices())
def test_dask_over_it_gives_the_same(made):
    shape, index = made
    source = Source(shape)
    expected = source.values[index]
    level = dask_level(source.level, f"test-{id(source)}")
    assert np.array_equal(np.asarray(level[index]), expected)


def test_a_slice_reads_that_slice_alone():
    source = Source((6, 5, 4))
    level = dask_level(source.level, "test-alone")
    for index, voxels in [
        (np.s_[2], 20),
        (np.s_[:, 3], 24),
        (np.s_[..., 1], 30),
        (np.s_[1:3, 2:4, 0], 4),
        (np.s_[5, 4, 3], 1),
    ]:
        source.boxes.clear()
        assert np.array_equal(np.asarray(level[index]), source.values[index])
        assert source.voxels == voxels


def test_sections_that_a_step_leaves_out_are_not_read():
    source = Source((9, 5, 4))
    for index in (np.s_[::4], np.s_[7:0:-3]):
        source.boxes.clear()
        expected = source.values[index]
        assert np.array_equal(source.level[index], expected)
        assert source.voxels == expected.size


def test_nothing_is_read_for_nothing():
    source = Source((3, 4))
    assert source.level[1:1].shape == (0, 4)
    assert source.level[5:, 2].shape == (0,)
    assert source.level[0, 3:3].shape == (0,)
    assert source.boxes == []


@pytest.mark.parametrize("index", [3, -4, (0, 4), (0, 0, 0), (0, ..., 0, 0)])
def test_an_index_outside_is_refused(index):
    with pytest.raises(IndexError):
        Source((3, 4)).level[index]


@pytest.mark.parametrize("index", [None, (0, None), 1.5, "a", [0, 1], np.array([0]), (..., ...)])
def test_what_is_no_basic_index_is_refused(index):
    with pytest.raises(IndexError):
        Source((3, 4)).level[index]


def test_it_tells_what_an_array_tells():
    level = Source((3, 4)).level
    assert (level.shape, level.ndim, level.size, level.nbytes) == ((3, 4), 2, 12, 48)
    assert len(level) == 3
    assert level.dtype == np.float32
    assert repr(level) == "<VirtualVolume float32 (3, 4)>"
    assert np.asarray(level).shape == (3, 4)
    assert np.asarray(level, np.float64).dtype == np.float64


def test_chunks_are_cut_in_the_plane_first_and_hold_no_more_than_they_may():
    assert chunk_shape((212, 800, 800)) == (212, 800, 800)
    large = chunk_shape((2000, 4000, 4000))
    assert large[0] == 2000
    assert np.prod(large, dtype=float) <= 2**28
    assert min(large[1:]) > 100
    many = chunk_shape((2**20, 40, 40))
    assert np.prod(many, dtype=float) <= 2**28
    assert chunk_shape((5,)) == (5,)


def test_a_level_is_lazy_and_named():
    source = Source((3, 4))
    level = dask_level(source.level, "test-name")
    assert isinstance(level, da.Array)
    assert (level.name, level.shape, level.dtype) == ("test-name", (3, 4), np.float32)
    assert source.boxes == []
