"""Views are invertible, and their pieces cover a box once."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from anatomy.models import read
from napari_gpt2_tomo.anatomy import View


@st.composite
def views(draw):
    """A view that takes some digits of a tensor, in any order, grouped into axes."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    strides = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
    order = draw(st.permutations(range(len(sizes))))
    cuts = sorted(draw(st.sets(st.integers(1, len(sizes)), max_size=2)) | {len(sizes)})
    axes, start = [], 0
    for stop in cuts:
        axes.append(tuple((sizes[i], strides[i]) for i in order[start:stop]))
        start = stop
    return View(draw(st.integers(0, 5)), tuple(axes)), math.prod(sizes)


@given(views())
def test_index_inverts_flat(case):
    view, _ = case
    for index in np.ndindex(*view.shape):
        assert view.index(view.flat(index)) == index


@given(views())
def test_what_a_view_does_not_hold_has_no_index(case):
    view, total = case
    held = {view.flat(index) for index in np.ndindex(*view.shape)}
    assert len(held) == view.size
    for flat in range(total + view.offset + 3):
        assert (view.index(flat) is not None) == (flat in held)


@given(views(), st.data())
def test_pieces_cover_a_box_once(case, data):
    view, _ = case
    box = []
    for n in view.shape:
        low = data.draw(st.integers(0, n - 1))
        box.append((low, data.draw(st.integers(low + 1, n))))
    seen = np.full([b - a for a, b in box], -1)
    for target, split, region in view.pieces(box):
        assert region.shape == split
        steps = [np.arange(n) * s for n, s in zip(region.shape, region.strides, strict=True)]
        flat = region.offset + sum(np.ix_(*steps)) if steps else np.array(region.offset)
        assert (seen[target] == -1).all()
        seen[target] = np.asarray(flat).reshape(seen[target].shape)
    for index in np.ndindex(*seen.shape):
        assert seen[index] == view.flat([i + a for i, (a, _) in zip(index, box, strict=True)])


@given(views())
def test_reading_by_pieces_equals_reading_one_by_one(case):
    view, total = case
    values = np.arange(total + view.offset)
    found = read(view, values)
    for index in np.ndindex(*view.shape):
        assert found[index] == view.flat(index)
