"""Requests for wanted bytes: all of them, few requests, little more."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_gpt2_tomo.checkpoint.remote.coalesce import (
    FREE_GAP,
    INFLATION,
    LONGEST,
    coalesce,
    paged,
)

MEGABYTE = 2**20


def ranges(pairs):
    return np.array(pairs, np.int64).reshape(-1, 2)


def bytes_of(pairs) -> int:
    return int((pairs[:, 1] - pairs[:, 0]).sum())


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 20_000)), max_size=40),
    st.sampled_from([1, 512, 4096]),
)
def test_pages_hold_all_that_is_wanted_and_touch_nothing_else(pairs, page) -> None:
    size = 1_000_000 + 20_000
    asked = ranges([(a, min(a + n, size)) for a, n in pairs])
    got = paged(asked, page, size)
    wanted = {p for a, b in asked.tolist() for p in range(a // page, -(-b // page)) if b > a}
    found = [p for a, b in got.tolist() for p in range(a // page, -(-b // page))]
    assert found == sorted(wanted)
    assert (got[1:, 0] > got[:-1, 1]).all()
    assert (got[:, 0] % page == 0).all()


@given(st.lists(st.tuples(st.integers(0, 3 * FREE_GAP), st.integers(1, 3 * MEGABYTE)), max_size=60))
def test_requests_bring_every_wanted_byte_in_order(steps) -> None:
    at, pairs = 0, []
    for gap, length in steps:
        pairs.append((at + gap + 1, at + gap + 1 + length))
        at = pairs[-1][1]
    asked = ranges(pairs)
    got = coalesce(asked)
    assert (got[1:, 0] >= got[:-1, 1]).all()
    assert (got[:, 1] - got[:, 0] <= LONGEST).all()
    joined = paged(got, 1, at + 1)
    inside = np.searchsorted(joined[:, 0], asked[:, 0], side="right") - 1
    assert (joined[inside, 1] >= asked[:, 1]).all()
    free = paged(np.stack((asked[:, 0], asked[:, 1]), 1), 1, at + 1)
    gaps = free[1:, 0] - free[:-1, 1]
    least = bytes_of(free) + int(gaps[gaps <= FREE_GAP].sum())
    assert bytes_of(got) <= max(least, INFLATION * bytes_of(free))


def test_neighbours_are_one_request() -> None:
    assert coalesce(ranges([(0, 10), (100, 110), (FREE_GAP, FREE_GAP + 5)])).tolist() == [
        [0, FREE_GAP + 5]
    ]


def test_distant_ranges_stay_apart() -> None:
    pairs = [[0, 10], [2 * FREE_GAP, 2 * FREE_GAP + 10]]
    assert coalesce(ranges(pairs)).tolist() == pairs


def test_long_ranges_are_read_in_pieces_but_not_in_many() -> None:
    for length in (MEGABYTE, 5 * MEGABYTE, 100 * MEGABYTE, 255 * MEGABYTE):
        got = coalesce(ranges([(17, 17 + length)]))
        assert bytes_of(got) == length
        assert len(got) <= 16
    assert len(coalesce(ranges([(0, 5 * MEGABYTE)]))) > 1


def test_a_third_of_an_interleaved_matrix_takes_few_requests() -> None:
    """Queries of heads × (q, k, v) × d_head × d_model in 16 bits, as GPT-NeoX fuses them."""
    for heads, d_head in ((12, 64), (64, 96), (96, 128)):
        run = d_head * heads * d_head * 2
        pairs = ranges([(3 * run * head, 3 * run * head + run) for head in range(heads)])
        got = coalesce(pairs)
        assert bytes_of(got) <= INFLATION * bytes_of(pairs)
        assert len(got) <= max(16, -(-bytes_of(got) // LONGEST) + 1)


def test_nothing_is_asked_for_nothing() -> None:
    assert coalesce(ranges([])).shape == (0, 2)
    assert paged(ranges([(5, 5)]), 4096, 10).shape == (0, 2)
