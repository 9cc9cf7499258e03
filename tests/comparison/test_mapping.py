"""Regions of a part's tensor and of its counterpart's, whatever their digits."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from napari_gpt2_tomo.anatomy.part import Part
from napari_gpt2_tomo.anatomy.view import View
from napari_gpt2_tomo.checkpoint.region import Region, c_strides
from napari_gpt2_tomo.comparison.mapping import Crossing, chunked, flat_indices


def part(view):
    return Part("p", "q", "attention", "t", view, ("channel", "unit"))


@st.composite
def views(draw, sizes):
    """A view whose axes have these digits, stored in any order, with gaps like a fused tensor's."""
    digits = [(axis, place, n) for axis, ns in enumerate(sizes) for place, n in enumerate(ns)]
    order = draw(st.permutations(digits))
    stride = draw(st.integers(1, 3))
    steps = {}
    for axis, place, n in order:
        steps[axis, place] = stride
        stride *= n
        if draw(st.booleans()):
            stride += draw(st.integers(0, 7))
    axes = tuple(
        tuple((n, steps[axis, place]) for place, n in enumerate(ns))
        for axis, ns in enumerate(sizes)
    )
    return View(draw(st.integers(0, 20)), axes)


@st.composite
def pairs(draw):
    """Two views of one shape; either may have the heads of an axis as a digit of its own."""
    heads, width, channels = (draw(st.integers(1, 4)) for _ in range(3))
    split = [(channels,), (heads, width)]
    joined = [(channels,), (heads * width,)]
    return tuple(draw(views(draw(st.sampled_from([split, joined])))) for _ in range(2))


@st.composite
def inner_regions(draw, view):
    """A region of a view: a box of it, perhaps with steps."""
    box = []
    for n in view.shape:
        start = draw(st.integers(0, n - 1))
        box.append((start, draw(st.integers(start + 1, n))))
    pieces = list(view.pieces(box))
    region = draw(st.sampled_from(pieces))[2]
    steps = [draw(st.integers(1, 2)) for _ in region.shape]
    shape = tuple(-(-n // step) for n, step in zip(region.shape, steps, strict=True))
    strides = tuple(s * step for s, step in zip(region.strides, steps, strict=True))
    return Region(region.offset, shape, strides)


def there(a, b, flat):
    """Where the counterpart of each flat index lies, one by one."""
    return np.array([b.flat(a.index(int(i))) for i in flat.ravel()]).reshape(flat.shape)


@settings(max_examples=400)
@given(data=st.data())
def test_a_region_of_a_part_becomes_regions_of_its_counterpart(data):
    a, b = data.draw(pairs())
    region = data.draw(inner_regions(a))
    flat = flat_indices(region)
    found = Crossing(part(a), part(b)).regions(region)
    assert found is not None
    out = np.full(region.shape, -1)
    for at, other in found:
        assert min(other.strides, default=0) >= 0
        out[(*at, ...)] = flat_indices(other)
    assert_array_equal(out, there(a, b, flat))


@settings(max_examples=200)
@given(data=st.data())
def test_elements_are_found_one_by_one_too(data):
    a, b = data.draw(pairs())
    last = a.offset + sum((n - 1) * s for axis in a.axes for n, s in axis)
    flat = np.arange(0, last + 5)
    held = Crossing(part(a), part(b)).held(flat)
    assert held.at.size == a.size
    for at, *index in zip(held.at, *held.index, strict=True):
        assert a.index(int(at)) == tuple(index)


@given(data=st.data())
def test_regions_that_leave_the_part_are_not_taken_over(data):
    a, b = data.draw(pairs())
    stop = 3 * (a.offset + a.size + 40)
    region = Region(data.draw(st.integers(0, 60)), (data.draw(st.integers(2, stop)),), (1,))
    inside = [a.index(int(i)) is not None for i in flat_indices(region)]
    found = Crossing(part(a), part(b)).regions(region)
    if not all(inside):
        assert found is None


def test_digits_that_do_not_fit_each_other_are_looked_up():
    a = View(0, (((2, 3), (3, 1)),))
    b = View(0, (((3, 2), (2, 1)),))
    crossing = Crossing(part(a), part(b))
    assert crossing.regions(Region(0, (6,), (1,))) is None
    assert not crossing.same
    assert_array_equal(crossing.held(np.arange(6)).index[0], np.arange(6))


@given(
    shape=st.lists(st.integers(1, 9), max_size=4).map(tuple),
    most=st.integers(1, 40),
    order=st.randoms(use_true_random=False),
)
def test_chunks_are_small_and_cover_a_region_once(shape, most, order):
    strides = list(c_strides(shape))
    order.shuffle(strides)
    region = Region(5, shape, tuple(strides))
    out = np.full(shape, -1)
    for at, inner in chunked(region, most):
        assert math.prod(inner.shape) <= most
        assert (out[(*at, ...)] == -1).all()
        out[(*at, ...)] = flat_indices(inner)
    assert_array_equal(out, flat_indices(region))
