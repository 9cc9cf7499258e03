"""Moments of pairs of parts against plain numpy, whatever way the files store them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from napari_gpt2_tomo.anatomy.part import Part
from napari_gpt2_tomo.anatomy.view import View
from napari_gpt2_tomo.base import Cancelled
from napari_gpt2_tomo.checkpoint.tensor import LazyTensor
from napari_gpt2_tomo.comparison import parts as module
from napari_gpt2_tomo.comparison.parts import boxes, pair_moments

ROUNDING = 1e-13
"""Relative error of a sum of some thousand float64 terms that is taken in another order."""


class Held(LazyTensor):
    """A tensor in memory."""

    def __init__(self, name, values):
        self.name, self.values_ = name, np.ascontiguousarray(values)
        self.shape, self.dtype = self.values_.shape, self.values_.dtype
        self.stored, self.nbytes = "F32", self.values_.nbytes

    def read(self, region):
        flat = self.values_.reshape(-1)
        strides = [s * flat.itemsize for s in region.strides]
        return np.lib.stride_tricks.as_strided(flat[region.offset :], region.shape, strides)

    raw = read


def whole(name, shape, order="C", shift=0.0):
    """A part that is a whole tensor, stored as it is or transposed."""
    strides = np.cumprod([1, *(shape[::-1] if order == "C" else shape)])[:-1].tolist()
    strides = strides[::-1] if order == "C" else strides
    view = View(0, tuple(((n, s),) for n, s in zip(shape, strides, strict=True)))
    axes = tuple(f"axis {i}" for i in range(len(shape)))
    return Part(name, "other", "other", name, view, axes, shift=shift)


def compared(a, b, order="C"):
    stored = b if order == "C" else b.transpose()
    return pair_moments(
        {"w": Held("w", a)},
        whole("w", a.shape),
        {"v": Held("v", stored)},
        whole("v", b.shape, order),
    )


def normal(shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(0, 0.1, shape).astype(dtype)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("chunk", [7, 100, 2**18])
@settings(max_examples=40)
@given(shape=st.lists(st.integers(1, 9), min_size=0, max_size=4), seed=st.integers(0, 99))
def test_sums_equal_those_of_whole_arrays(order, chunk, shape, seed):
    a, b = normal(tuple(shape), seed), normal(tuple(shape), seed + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        found = compared(a, b, order)
    a64, b64 = a.astype(float), b.astype(float)
    change = np.abs(b64 - a64)
    truth = [(a64**2).sum(), (b64**2).sum(), (a64 * b64).sum(), (change**2).sum()]
    scale = math.sqrt(truth[0] * truth[1])
    assert_allclose([found.aa, found.bb, found.dd], [*truth[:2], truth[3]], rtol=ROUNDING)
    assert found.ab == pytest.approx(truth[2], abs=ROUNDING * scale)
    assert (found.n, found.largest) == (a.size, change.max())
    assert found.place == np.unravel_index(change.argmax(), a.shape)
    assert found.flips == np.count_nonzero(np.sign(a) * np.sign(b) < 0)


def test_measures_follow_their_formulas():
    a, b = normal((64, 48)), normal((64, 48), 1)
    found = compared(a, b)
    a, b = a.astype(float), b.astype(float)
    norm = np.linalg.norm
    assert found.relative == pytest.approx(norm(b - a) / norm(a), rel=ROUNDING)
    assert found.cosine == pytest.approx((a * b).sum() / norm(a) / norm(b), rel=1e-12)
    assert found.rmse == pytest.approx(np.sqrt(np.mean((b - a) ** 2)), rel=ROUNDING)
    assert found.snr == pytest.approx(10 * np.log10((a**2).sum() / ((b - a) ** 2).sum()), rel=1e-12)
    assert found.flipped == np.mean(a * b < 0)


def test_small_changes_of_large_values_keep_their_digits():
    a = 1000 + normal((300, 300))
    b = a.copy()
    b[7, 9] = np.nextafter(b[7, 9], np.float32(np.inf))
    found = compared(a, b)
    assert found.norm == found.largest == float(b[7, 9]) - float(a[7, 9])
    assert found.place == (7, 9)


def test_pairs_with_a_value_that_is_not_finite_are_left_out():
    a, b = normal((40, 30)), normal((40, 30), 1)
    a[3, 4], a[3, 5], b[3, 5], b[20, 1] = np.nan, np.inf, -np.inf, np.nan
    found = compared(a, b)
    good = np.isfinite(a) & np.isfinite(b)
    change = np.where(good, np.abs(b.astype(float) - a), -1)
    assert (found.n, found.nonfinite_a, found.nonfinite_b) == (1197, 2, 2)
    assert found.dd == pytest.approx((change[good] ** 2).sum(), rel=ROUNDING)
    assert found.place == np.unravel_index(change.argmax(), a.shape)


def test_nothing_finite_gives_no_number_and_no_error():
    found = compared(np.full((3, 4), np.nan, np.float32), normal((3, 4)))
    assert (found.n, found.place, found.largest, found.relative) == (0, None, 0, 0)
    assert all(map(math.isnan, (found.rmse, found.snr, found.cosine, found.flipped)))


def test_equal_parts_have_no_noise():
    found = compared(normal((5, 6)), normal((5, 6)))
    assert (found.relative, found.rmse, found.flips) == (0, 0, 0)
    assert found.snr == math.inf
    assert found.cosine == pytest.approx(1, rel=ROUNDING)
    assert found.place == (0, 0)


def test_shifts_belong_to_the_values():
    gain = normal((50,)).astype(float)
    stored = pair_moments(
        {"w": Held("w", gain + 1)},
        whole("w", (50,)),
        {"v": Held("v", gain)},
        whole("v", (50,), shift=1),
    )
    assert stored.dd == 0


def test_zero_has_no_sign_to_flip():
    assert compared(np.array([0.0, 1, -1, 1]), np.array([1.0, 0, 1, 2])).flips == 1


def test_parts_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="shape"):
        compared(normal((4, 6)), normal((6, 4)))


def test_whoever_waits_is_told_of_every_pair_and_may_stop():
    told = []
    a = normal((70, 9000))
    pair_moments(
        {"w": Held("w", a)},
        whole("w", a.shape),
        {"w": Held("w", a)},
        whole("w", a.shape),
        told.append,
    )
    assert sum(told) == a.size
    assert max(told) <= module.CHUNK

    def stop(amount):
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        pair_moments(
            {"w": Held("w", a)}, whole("w", a.shape), {"w": Held("w", a)}, whole("w", a.shape), stop
        )


@given(
    shape=st.lists(st.integers(1, 40), min_size=0, max_size=4).map(tuple),
    chunk=st.integers(1, 500),
    orders=st.tuples(st.sampled_from("CF"), st.sampled_from("CF")),
)
def test_boxes_cover_every_element_once_and_are_small(shape, chunk, orders):
    seen = np.zeros(shape, int)
    for box in boxes([whole("w", shape, order).view for order in orders], chunk):
        assert math.prod(b - a for a, b in box) <= chunk
        seen[tuple(slice(a, b) for a, b in box)] += 1
    assert (seen == 1).all()


def test_boxes_run_along_the_files():
    same = list(boxes([whole("w", (512, 512)).view] * 2, 2**12))
    assert same[0] == ((0, 8), (0, 512))
    turned = list(boxes([whole("w", (512, 512), "F").view] * 2, 2**12))
    assert turned[0] == ((0, 512), (0, 8))
    crossed = list(boxes([whole("w", (512, 512), order).view for order in "CF"], 2**12))
    assert crossed[0] == ((0, 64), (0, 64))
