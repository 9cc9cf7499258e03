"""Levels as napari slices them."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_gpt2_tomo.viewer.live import LiveLevel


class Recording:
    """An array-like that notes what was read."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.reads: list[int] = []

    def __getitem__(self, index):
        found = self.values[index]
        self.reads.append(found.size)
        return found


def level_of(values: np.ndarray) -> tuple[LiveLevel, Recording]:
    source = Recording(values)
    return LiveLevel(lambda: source, values.shape, values.dtype, 0), source


VALUES = np.arange(5 * 6 * 7, dtype=np.float32).reshape(5, 6, 7)


@st.composite
def indices(draw, shape):
    """A numpy basic index of integers, slices and perhaps an ellipsis."""
    items = []
    for n in shape[: draw(st.integers(0, len(shape)))]:
        bound = st.none() | st.integers(-n - 2, n + 2)
        step = st.none() | st.sampled_from([1, 2, 3, -1, -2])
        items.append(
            draw(
                st.integers(-n, n - 1)
                if n and draw(st.booleans())
                else st.builds(slice, bound, bound, step)
            )
        )
    if draw(st.booleans()):
        items.insert(len(items), Ellipsis)
    return tuple(items)


@given(st.data())
def test_indices_compose_like_numpys(data):
    level, _ = level_of(VALUES)
    found, expected = level, VALUES
    for _ in range(3):
        index = data.draw(indices(expected.shape))
        found, expected = found[index], expected[index]
        if not isinstance(expected, np.ndarray):
            expected = np.asarray(expected)
        assert found.shape == expected.shape
        np.testing.assert_array_equal(np.asarray(found), expected)


def test_a_slice_reads_one_plane_however_napari_indexes():
    level, source = level_of(VALUES)
    view = level[:, 0:6, 0:7]
    assert source.reads == []
    np.testing.assert_array_equal(np.asarray(view[3]), VALUES[3])
    assert source.reads == [6 * 7]


def test_what_is_held_is_not_read_again():
    level, source = level_of(VALUES)
    one, other = object.__new__(Recording), object.__new__(Recording)
    level.hold(level.read(), one)
    level.hold(None, other)
    source.reads.clear()
    np.testing.assert_array_equal(np.asarray(level[2]), VALUES[2])
    assert source.reads == []
    level.release(one)
    assert level.held is not None
    level.release(other)
    assert level.held is None
    np.asarray(level[2])
    assert source.reads == [6 * 7]


def test_a_refined_source_shows_at_once():
    present = [np.zeros((2, 3), np.float32)]
    level = LiveLevel(lambda: present[0], (2, 3), np.float32, 0)
    assert not np.asarray(level[0]).any()
    present[0] = np.ones((2, 3), np.float32)
    assert np.asarray(level[0]).all()


def test_a_copied_layer_shows_the_same_level():
    level, _ = level_of(VALUES)
    assert copy.deepcopy([level])[0] is level


@pytest.mark.parametrize("index", [5, (0, 0, 0, 0), (-6,)])
def test_an_index_outside_is_an_index_error(index):
    level, _ = level_of(VALUES)
    with pytest.raises(IndexError):
        level[index]


def test_labels_are_narrowed_on_reading():
    values = np.array([[0, 200]], np.int32)
    level = LiveLevel(lambda: values, values.shape, np.uint8, 0)
    assert np.asarray(level[0]).dtype == np.uint8
    assert np.asarray(level).tolist() == [[0, 200]]
