"""Reduction of runs, against exact sums and against a comparison value by value."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_gpt2_tomo.volume.kernels.runs import combine, finish, reduce_run
from napari_gpt2_tomo.volume.reading.signal import Reduction

FLOATS = st.one_of(
    st.floats(width=32),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 3.4e38, -3.4e38, 1e-45]),
)
RUNS = arrays.arrays(np.float32, st.integers(0, 200), elements=FLOATS)
REDUCTIONS: list[Reduction] = ["rms", "mean", "extreme"]


def expected(values: np.ndarray, reduction: Reduction) -> tuple[int, float]:
    finite = values[np.isfinite(values)].astype(np.float64)
    if reduction == "extreme":
        return len(finite), max(finite, key=lambda w: (abs(w), w), default=0.0) + 0.0
    return len(finite), math.fsum(finite**2 if reduction == "rms" else finite)


@given(RUNS, st.sampled_from([1, 8, 64, 512]), st.sampled_from(REDUCTIONS))
@settings(deadline=None)
def test_each_group_sums_up_its_finite_values(
    values: np.ndarray, group: int, reduction: Reduction
) -> None:
    n, total = reduce_run(values, group, reduction)
    assert len(n) == len(total) == -(-len(values) // group)
    assert total.dtype == (np.float32 if reduction == "extreme" else np.float64)
    for i in range(len(n)):
        run = values[i * group : (i + 1) * group]
        count, wanted = expected(run, reduction)
        assert n[i] == count
        if reduction == "extreme":
            assert np.float32(wanted).tobytes() == total[i].tobytes()
        else:
            # Float64 sums in any order: n·2⁻⁵³ of the sum of magnitudes.
            finite = np.abs(run[np.isfinite(run)].astype(np.float64))
            bound = np.sum(finite**2 if reduction == "rms" else finite) * len(run) * 2.0**-53
            assert abs(total[i] - wanted) <= bound


@given(RUNS, st.sampled_from(REDUCTIONS))
@settings(deadline=None)
def test_combined_groups_are_the_group_of_one_level_coarser(
    values: np.ndarray, reduction: Reduction
) -> None:
    coarse = reduce_run(values, 64, reduction)
    chained = combine(reduce_run(values, 8, reduction), 8, reduction)
    np.testing.assert_array_equal(coarse[0], chained[0])
    if reduction == "extreme":
        np.testing.assert_array_equal(coarse[1].view(np.uint32), chained[1].view(np.uint32))
    else:
        # Relative to the largest sum of magnitudes, as cancellation may leave little.
        finite = np.abs(values[np.isfinite(values)].astype(np.float64))
        bound = np.sum(finite**2 if reduction == "rms" else finite) * 2.0**-45
        np.testing.assert_allclose(coarse[1], chained[1], rtol=0, atol=bound)


def test_a_group_without_finite_values_is_0() -> None:
    values = np.array([np.nan, np.inf, -np.inf, -np.nan], np.float32)
    for reduction in REDUCTIONS:
        partial = reduce_run(values, 4, reduction)
        assert partial[0].tolist() == [0]
        assert finish(partial, reduction).view(np.uint32).tolist() == [0]


@pytest.mark.parametrize("sign", [1, -1])
def test_plus_wins_a_tie_wherever_it_stands(sign: int) -> None:
    values = np.full(4096, -2, np.float32)
    values[17 * sign] = 2
    _, total = reduce_run(values, 4096, "extreme")
    assert total.tolist() == [2]


def test_rms_and_mean_divide_by_the_finite_values_alone() -> None:
    values = np.array([3, -4, np.nan, np.inf, 5, -1, -np.inf, 1], np.float32)
    assert finish(reduce_run(values, 8, "mean"), "mean").tolist() == [np.float32(4 / 5)]
    assert finish(reduce_run(values, 8, "rms"), "rms").tolist() == [np.float32(math.sqrt(52 / 5))]
