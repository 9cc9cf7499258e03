"""The place in a volume that several views share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_gpt2_tomo.base import DisplayError
from napari_gpt2_tomo.display.cursor import Cursor


@pytest.fixture
def heard():
    return []


@pytest.fixture
def cursor(heard):
    cursor = Cursor((4, 6, 8))
    cursor.moved.connect(heard.append)
    return cursor


def test_it_begins_in_the_middle_and_tells_every_move_once(cursor, heard):
    assert cursor.position == (2, 3, 4)
    cursor.move((1, 2, 3))
    cursor.move((1, 2, 3))
    cursor.place({0: 3, 2: 0})
    cursor.step(1, -1)
    assert heard == [(1, 2, 3), (3, 2, 0), (3, 1, 0)]


def test_steps_stop_at_the_edges(cursor):
    cursor.step(0, 100)
    cursor.place({1: -5, 2: 99})
    assert cursor.position == (3, 0, 7)


@pytest.mark.parametrize("voxel", [(0, 0), (0, 0, 8), (-1, 0, 0), (0, 0, 0, 0)])
def test_what_is_outside_is_refused_with_words(cursor, heard, voxel):
    with pytest.raises(DisplayError, match=r"not in a volume of shape \(4, 6, 8\)"):
        cursor.move(voxel)
    assert not heard
    assert cursor.position == (2, 3, 4)


def test_another_volume_is_entered_in_one_move(cursor, heard):
    cursor.enter((10, 10), (9, 1))
    assert cursor.shape == (10, 10)
    assert heard == [(9, 1)]
    cursor.enter((2, 3, 4, 5))
    assert heard[-1] == cursor.position == (1, 1, 2, 2)
    with pytest.raises(DisplayError):
        cursor.enter((2, 2), (5, 5))
    assert cursor.shape == (2, 3, 4, 5)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-20, 20)), max_size=20))
def test_no_walk_leaves_the_volume(steps):
    cursor = Cursor((4, 6, 8))
    for axis, count in steps:
        cursor.step(axis, count)
        assert all(0 <= v < n for v, n in zip(cursor.position, cursor.shape, strict=True))
