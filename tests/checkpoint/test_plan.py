"""A plan reads exactly the bytes of a region, or merges gaps as far as it is told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.checkpoint.plan import assemble, plan_reads
from napari_gpt2_tomo.checkpoint.region import Region, c_strides, normalise_index

ITEM = 4
OFFSET = 10


def elements_of(region: Region) -> np.ndarray:
    """Flat index of every element, by brute force."""
    grid = np.indices(region.shape).reshape(len(region.shape), region.size)
    return region.offset + (np.array(region.strides, np.int64)[:, None] * grid).sum(0)


@st.composite
def regions(draw: st.DrawFn) -> Region:
    shape = draw(st.lists(st.integers(0, 6), max_size=4).map(tuple))
    strides = draw(
        st.one_of(
            st.just(tuple(2 * s for s in c_strides(shape))),
            st.permutations(c_strides(shape)).map(tuple),
            st.lists(st.integers(0, 40), min_size=len(shape), max_size=len(shape)).map(tuple),
        )
    )
    return Region(draw(st.integers(0, 20)), shape, strides)


@settings(max_examples=400, deadline=None)
@given(region=regions(), max_gap=st.integers(0, 100), max_range=st.integers(1, 200))
def test_ranges_cover_the_region_and_no_larger_gap(
    region: Region, max_gap: int, max_range: int
) -> None:
    plan = plan_reads(region, ITEM, offset=OFFSET, max_gap=max_gap, max_range=max_range)
    flat = np.unique(elements_of(region))
    needed = (OFFSET + flat[:, None] * ITEM + np.arange(ITEM)).ravel()
    read = [byte for start, stop in plan.ranges for byte in range(start, stop)]
    assert len(read) == len(set(read)) == plan.nbytes
    assert read == sorted(read)
    assert set(needed) <= set(read)
    assert all(0 < stop - start <= max_range for start, stop in plan.ranges)
    gaps = np.diff(needed) - 1
    assert plan.nbytes == needed.size + gaps[gaps <= max_gap].sum()
    for start, stop in zip(plan.ranges[1:, 0], plan.ranges[:-1, 1], strict=True):
        assert start == stop or start - stop > max_gap


@settings(max_examples=400, deadline=None)
@given(region=regions(), max_gap=st.integers(0, 100), max_range=st.integers(1, 200))
def test_assembled_bytes_are_the_region(region: Region, max_gap: int, max_range: int) -> None:
    file = np.random.default_rng(0).integers(0, 256, OFFSET + 4 * 3000, np.uint8)
    plan = plan_reads(region, ITEM, offset=OFFSET, max_gap=max_gap, max_range=max_range)
    chunks = [file[start:stop] for start, stop in plan.ranges]
    values = assemble(plan, chunks, np.dtype("<u4"))
    tensor = file[OFFSET : OFFSET + 4 * 3000].view("<u4")
    assert values.dtype == np.dtype("<u4")
    assert np.array_equal(values, tensor[elements_of(region)].reshape(region.shape))


@pytest.mark.parametrize(
    ("index", "n_ranges"),
    [
        (np.s_[:], 1),
        (np.s_[17], 1),
        (np.s_[3:9], 1),
        (np.s_[:, 5], 512),
        (np.s_[2:4, 10:20], 2),
        (np.s_[::2], 256),
        (np.s_[0:8:2, ::3], 4 * 86),
        (np.s_[::-1], 1),
        (np.s_[9, 9], 1),
        (np.s_[:, 64:128], 512),
    ],
    ids=str,
)
def test_number_of_ranges_of_a_matrix(index: object, n_ranges: int) -> None:
    region, _, _ = normalise_index((512, 256), index)
    plan = plan_reads(region, 2, offset=0, max_gap=0, max_range=1 << 30)
    assert len(plan.ranges) == n_ranges
    assert plan.nbytes == 2 * region.size


def test_one_head_of_a_fused_projection_is_one_range_per_row() -> None:
    rows, width, d_head = 768, 3 * 768, 64
    head = Region(768 + 5 * d_head, (rows, d_head), (width, 1))
    plan = plan_reads(head, 4, offset=0, max_gap=0, max_range=1 << 30)
    assert len(plan.ranges) == rows
    assert plan.nbytes == 4 * rows * d_head


def test_neighbouring_columns_merge_into_one_range_when_gaps_may_be_read() -> None:
    region, _, _ = normalise_index((512, 256), np.s_[:, 5])
    plan = plan_reads(region, 2, offset=0, max_gap=510, max_range=1 << 30)
    assert len(plan.ranges) == 1
    assert len(plan_reads(region, 2, offset=0, max_gap=509, max_range=1 << 30).ranges) == 512


def test_planning_does_not_grow_with_the_elements_of_a_run() -> None:
    region = Region.whole((1 << 20, 1 << 20))
    plan = plan_reads(region, 2, offset=0, max_gap=0, max_range=1 << 35)
    assert plan.nbytes == 1 << 41
    assert len(plan.ranges) == 64
    assert plan.runs.size == 1


def test_nothing_is_read_for_an_empty_region() -> None:
    plan = plan_reads(Region(5, (3, 0), (1, 1)), 4, offset=0, max_gap=0, max_range=1)
    assert plan.ranges.shape == (0, 2)
    assert assemble(plan, [], np.dtype("<f4")).shape == (3, 0)


@pytest.mark.parametrize(("max_gap", "max_range"), [(-1, 10), (0, 0)])
def test_refuses_knobs_without_meaning(max_gap: int, max_range: int) -> None:
    with pytest.raises(ValueError, match="max_gap"):
        plan_reads(Region.whole((3,)), 4, offset=0, max_gap=max_gap, max_range=max_range)
