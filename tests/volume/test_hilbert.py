"""The Hilbert curve against its definition and against a literal reading of Skilling's paper."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_gpt2_tomo.volume.layouts.hilbert import (
    MAX_ORDER,
    N_ORIENTATIONS,
    brick_table,
    brick_voxels,
    decode,
    decode_point,
    encode,
    encode_point,
    extent,
    mirrored,
    orientations,
)


def grid(side: int) -> np.ndarray:
    return np.stack(np.indices((side,) * 3), axis=-1)


def skilling_axes_to_transpose(x: list[int], b: int) -> list[int]:
    """The C function AxestoTranspose of the paper's appendix, line by line."""
    x = list(x)
    n, m = len(x), 1 << (b - 1)
    q = m
    while q > 1:
        p = q - 1
        for i in range(n):
            if x[i] & q:
                x[0] ^= p
            else:
                t = (x[0] ^ x[i]) & p
                x[0] ^= t
                x[i] ^= t
        q >>= 1
    for i in range(1, n):
        x[i] ^= x[i - 1]
    t, q = 0, m
    while q > 1:
        if x[n - 1] & q:
            t ^= q - 1
        q >>= 1
    return [value ^ t for value in x]


def interleave(x: list[int], b: int) -> int:
    index = 0
    for bit in range(b - 1, -1, -1):
        for value in x:
            index = index << 1 | value >> bit & 1
    return index


@given(st.data())
def test_encode_is_the_published_construction(data: st.DataObject) -> None:
    order = data.draw(st.integers(1, MAX_ORDER))
    cell = data.draw(st.lists(st.integers(0, 2**order - 1), min_size=3, max_size=3))
    expected = interleave(skilling_axes_to_transpose(cell, order), order)
    assert encode_point(cell, order) == expected
    assert int(encode(cell, order)) == expected
    assert decode_point(expected, order) == tuple(cell)
    assert tuple(decode(expected, order)) == tuple(cell)


@pytest.mark.parametrize("order", range(1, 8))
def test_the_curve_visits_every_cell_once_in_unit_steps(order: int) -> None:
    path = decode(np.arange(8**order), order)
    np.testing.assert_array_equal(np.abs(np.diff(path, axis=0)).sum(axis=1), 1)
    np.testing.assert_array_equal(encode(path, order), np.arange(8**order))
    assert path.min() == 0
    assert path.max() == 2**order - 1


@pytest.mark.parametrize("order", range(1, 8))
def test_an_aligned_brick_is_one_run(order: int) -> None:
    index = encode(grid(2**order), order)
    for bits in range(order + 1):
        n, side = 2 ** (order - bits), 2**bits
        bricks = index.reshape(n, side, n, side, n, side)
        low, high = bricks.min(axis=(1, 3, 5)), bricks.max(axis=(1, 3, 5))
        np.testing.assert_array_equal(high - low, 8**bits - 1)
        np.testing.assert_array_equal(low % 8**bits, 0)


@pytest.mark.parametrize("order", range(1, 8))
def test_halved_coordinates_follow_the_curve_of_one_order_less(order: int) -> None:
    cells = grid(2**order)
    np.testing.assert_array_equal(encode(cells // 2, order - 1), encode(cells, order) // 8)


@pytest.mark.parametrize(("order", "bits"), [(0, 6), (1, 6), (2, 5), (3, 4), (5, 2), (4, 0)])
def test_the_table_of_a_brick_is_the_curve_inside_it(order: int, bits: int) -> None:
    bricks = grid(2**order).reshape(-1, 3)
    index = encode(bricks, order)
    turns = orientations(index, order)
    step = max(1, len(bricks) // 64)
    local = grid(2**bits)
    for brick, at, turn in zip(bricks[::step], index[::step], turns[::step], strict=True):
        direct = encode(local + 2**bits * brick, order + bits) - at * 8**bits
        table = brick_table(int(turn), bits)
        assert table.dtype == np.int32
        np.testing.assert_array_equal(table, direct)
        np.testing.assert_array_equal(
            table.ravel()[brick_voxels(int(turn), bits)], np.arange(8**bits)
        )


def test_orientations_are_numbers_of_tables() -> None:
    seen = np.unique(orientations(np.arange(8**5), 5))
    assert seen.min() >= 0
    assert seen.max() < N_ORIENTATIONS
    assert len({brick_table(int(turn), 2).tobytes() for turn in seen}) == len(seen)


@pytest.mark.parametrize("orientation", range(N_ORIENTATIONS))
def test_a_mirrored_orientation_has_the_transposed_table(orientation: int) -> None:
    table = brick_table(mirrored(orientation), 3)
    np.testing.assert_array_equal(table, brick_table(orientation, 3).T)


def test_tables_are_shared_and_cannot_be_written() -> None:
    assert brick_table(0, 3) is brick_table(0, 3)
    with pytest.raises(ValueError, match="read-only"):
        brick_table(0, 3)[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        brick_voxels(0, 3)[0] = 1


@given(st.data())
def test_extent_is_the_bounding_box_of_the_first_cells(data: st.DataObject) -> None:
    order = data.draw(st.integers(0, 4))
    count = data.draw(st.integers(1, 8**order))
    cells = decode(np.arange(count), order)
    assert extent(count, order) == tuple(cells.max(axis=0) + 1)
    assert not cells.min(axis=0).any()
