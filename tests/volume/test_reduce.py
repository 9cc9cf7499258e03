"""Coarse levels are the stated reduction of level 0, wherever they were computed.

Level 0 itself is held against the tensors in the tests of the layouts; here it is the truth.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.volume.layouts.blocks import heads_layout, tensor_layout
from napari_gpt2_tomo.volume.layouts.body import body_layout
from napari_gpt2_tomo.volume.layouts.layout import BlockLayout
from napari_gpt2_tomo.volume.reading.accumulator import Accumulator
from napari_gpt2_tomo.volume.reading.reader import make_reader
from napari_gpt2_tomo.volume.reading.signal import make_signal
from napari_gpt2_tomo.volume.statistics.summary import estimate_statistics
from volume.architectures import Sizes, architectures, gpt2, gpt_oss, neox
from volume.fakes import FLOATS, KINDS, MemoryCheckpoint, checkpoint_of
from volume.truth import assert_reduced, blocks, limits, same, streamed

QUICK = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

PAIRS = (
    ("signed", "extreme"),
    ("signed", "mean"),
    ("magnitude", "rms"),
    ("magnitude", "extreme"),
    ("magnitude", "mean"),
    ("sigma", "extreme"),
    ("sigma", "mean"),
    ("sigma_global", "extreme"),
    ("rank", "mean"),
    ("rank", "rms"),
    ("rank", "extreme"),
)


@st.composite
def layouts(draw: Any) -> tuple[MemoryCheckpoint, BlockLayout]:
    """A checkpoint with a body, or one of its tensors, or the heads of a role."""
    found = draw(architectures())
    anatomy = recognise(found.shapes, found.config)
    checkpoint = checkpoint_of(
        found.shapes,
        found.config,
        kinds=draw(st.sampled_from([KINDS, FLOATS, "F32", "F32", "F16", "BF16", "F64", "I8"])),
        seed=draw(st.integers(0, 2**32 - 1)),
        odd=draw(st.booleans()),
        mapped=draw(st.booleans()),
        shift=draw(st.integers(0, 1)),
    )
    kind = draw(st.sampled_from(["body", "body", "body", "tensor", "heads"]))
    with limits(plane=draw(st.sampled_from([2, 4, 8])), voxels=draw(st.sampled_from([1, 40, 900]))):
        if kind == "body":
            assume(anatomy.hyper.d_model is not None)
            return checkpoint, body_layout(anatomy, found.shapes)
        if kind == "tensor":
            shown = [n for n, s in found.shapes.items() if 0 not in s and n in anatomy.positions]
            assume(shown)
            name = draw(st.sampled_from(shown))
            return checkpoint, tensor_layout(anatomy, found.shapes, name)
        roles = sorted(
            {p.role for p in anatomy.parts if p.n_heads and p.axes == ("channel", "unit")}
        )
        assume(roles)
        return checkpoint, heads_layout(anatomy, found.shapes, draw(st.sampled_from(roles)))


def whole(layout: BlockLayout, level: int) -> tuple[tuple[int, int], ...]:
    return tuple((0, n) for n in layout.level_shape(level))


def check(
    checkpoint: MemoryCheckpoint,
    layout: BlockLayout,
    pair: tuple[str, str],
    stored: int,
    piece: int,
) -> None:
    """All ways to all coarse levels."""
    name, reduction = pair
    statistics = estimate_statistics(checkpoint, layout.anatomy)
    signal = make_signal(name, layout.anatomy, statistics)
    reader = make_reader(layout, checkpoint, signal, reduction)
    fine = reader.read(whole(layout, 0), 0)
    held = reader.labels(whole(layout, 0), 0) != 0
    assert not fine[~held].any()
    for compiled in (False, True):
        with limits(compiled=compiled):
            for level, factors in enumerate(layout.factors[1:], 1):
                found = reader.read(whole(layout, level), level)
                assert_reduced(found, fine, held, factors, reduction)
    with limits(stored=stored, piece=piece):
        for level, voxels in streamed(reader, signal.is_weight).items():
            assert_reduced(voxels, fine, held, layout.factors[level], reduction)


@QUICK
@given(
    layouts(),
    st.sampled_from(PAIRS),
    st.sampled_from([1, 30, 2**26]),
    st.sampled_from([7, 64, 2**18]),
)
def test_every_way_to_a_coarse_level_gives_the_reduction_of_level_0(made, pair, stored, piece):
    check(*made, pair, stored, piece)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_stored_type_is_reduced_right(kind, mapped):
    odd = Sizes(12, 1, 3, 1, 4, 21, 26, 7, 3, 5, True)
    for family, pair in zip((gpt2, neox, gpt_oss), PAIRS[1:4], strict=True):
        found = family(odd)
        checkpoint = checkpoint_of(
            found.shapes, kinds=kind, odd=True, mapped=mapped, seed=len(kind)
        )
        anatomy = recognise(found.shapes, found.config)
        with limits(plane=4, voxels=500):
            layout = body_layout(anatomy, found.shapes)
        check(checkpoint, layout, pair, 2**26, 100)


@QUICK
@given(layouts(), st.sampled_from(PAIRS), st.booleans(), st.data())
def test_a_box_of_a_level_is_that_part_of_the_level(made, pair, compiled, data):
    checkpoint, layout = made
    name, reduction = pair
    signal = make_signal(name, layout.anatomy, estimate_statistics(checkpoint, layout.anatomy))
    reader = make_reader(layout, checkpoint, signal, reduction)
    level = data.draw(st.integers(0, len(layout.factors) - 1))
    box = []
    for n in layout.level_shape(level):
        start = data.draw(st.integers(0, n - 1))
        box.append((start, data.draw(st.integers(start + 1, n))))
    inside = tuple(slice(a, b) for a, b in box)
    with limits(compiled=compiled):
        part = reader.read(tuple(box), level)
    if reduction == "extreme" or level == 0:
        assert same(part, np.ascontiguousarray(reader.read(whole(layout, level), level)[inside]))
    else:
        fine = reader.read(whole(layout, 0), 0)
        held = reader.labels(whole(layout, 0), 0) != 0
        factors = layout.factors[level]
        cut = tuple(slice(a * f, b * f) for (a, b), f in zip(box, factors, strict=True))
        assert_reduced(part, fine[cut], held[cut], factors, reduction)


@QUICK
@given(layouts())
def test_a_coarse_label_is_that_of_the_first_parameter_in_the_block(made):
    checkpoint, layout = made
    reader = make_reader(layout, checkpoint, make_signal("signed", layout.anatomy, None), "extreme")
    fine = reader.labels(whole(layout, 0), 0)
    for level, factors in enumerate(layout.factors):
        inside = blocks(fine, factors)
        first = (inside != 0).argmax(-1)
        wanted = np.take_along_axis(inside, first[..., None], -1)[..., 0]
        assert np.array_equal(reader.labels(whole(layout, level), level), wanted)
        corner = tuple((n // 2, n) for n in layout.level_shape(level))
        cut = tuple(slice(a, b) for a, b in corner)
        assert np.array_equal(reader.labels(corner, level), wanted[cut])


@QUICK
@given(layouts())
def test_labels_name_the_part_that_holds_the_voxel(made):
    checkpoint, layout = made
    reader = make_reader(layout, checkpoint, make_signal("signed", layout.anatomy, None), "extreme")
    labels = reader.labels(whole(layout, 0), 0)
    for at in list(np.ndindex(layout.shape))[:: max(1, labels.size // 200)]:
        place = layout.place(at)
        assert labels[at] == (0 if place is None else place.part + 1)
        if place is not None:
            part = layout.anatomy.parts[place.part]
            flat = np.ravel_multi_index(place.index, checkpoint.shapes[place.tensor])
            assert part.tensor == place.tensor
            assert part.view.index(int(flat)) is not None


class TestAccumulator:
    """Pieces add up to whatever the whole gives."""

    @QUICK
    @given(
        st.integers(0, 2**32 - 1),
        st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=4),
        st.sampled_from(["rms", "mean", "extreme"]),
        st.booleans(),
        st.booleans(),
    )
    def test_pieces_in_any_order_equal_the_whole(self, seed, axes, reduction, turned, compiled):
        rng = np.random.default_rng(seed)
        shape = tuple(n for n, _ in axes)
        factors = tuple(f for _, f in axes)
        if compiled and len(axes) > 1:
            factors = (*(1,) * (len(axes) - 2), factors[-1], factors[-1])
        fine = tuple(n * f for n, f in zip(shape, factors, strict=True))
        values = rng.standard_normal(fine).astype(np.float32)
        values[rng.random(fine) < 0.1] = rng.choice([np.nan, np.inf, -np.inf, 0, -0.0])
        held = np.ones(fine, bool)
        cut = [int(rng.integers(0, n + 1)) for n in fine]
        parts = Accumulator(shape, factors, reduction)
        for corner in rng.permutation(2 ** len(fine)):
            low = [c if corner >> i & 1 else 0 for i, c in enumerate(cut)]
            high = [
                n if corner >> i & 1 else c for i, (c, n) in enumerate(zip(cut, fine, strict=True))
            ]
            box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            piece = values[box]
            if turned and piece.ndim > 1:
                piece = np.ascontiguousarray(piece.swapaxes(-1, -2)).swapaxes(-1, -2)
            with limits(compiled=compiled):
                parts.add(piece, low)
        assert_reduced(parts.result(), values, held, factors, reduction)
        assert np.array_equal(parts.count, np.isfinite(blocks(values, factors)).sum(-1))

    @pytest.mark.parametrize("reduction", ["rms", "mean", "extreme"])
    def test_where_no_finite_value_fell_is_zero(self, reduction):
        coarse = Accumulator((2, 2), (2, 2), reduction)
        coarse.add(np.full((2, 2), np.nan, np.float32), (0, 0))
        coarse.add(np.zeros((0, 2), np.float32), (2, 0))
        assert same(coarse.result(), np.zeros((2, 2), np.float32))

    def test_plus_wins_a_tie_and_zero_is_positive(self):
        coarse = Accumulator((1, 2), (1, 2), "extreme")
        coarse.add(np.array([[-3, 3, -0.0, -0.0]], np.float32), (0, 0))
        assert same(coarse.result(), np.array([[3, 0.0]], np.float32))

    def test_a_long_plane_is_added_in_slabs(self):
        values = np.random.default_rng(0).standard_normal((3000, 700)).astype(np.float32)
        coarse = Accumulator((1500, 350), (2, 2), "rms")
        coarse.add(values, (0, 0))
        assert_reduced(coarse.result(), values, np.ones(values.shape, bool), (2, 2), "rms")

    def test_squares_of_huge_values_do_not_overflow(self):
        coarse = Accumulator((1,), (2,), "rms")
        coarse.add(np.array([3e38, 3e38], np.float32), (0,))
        assert coarse.result()[0] == np.float32(3e38)
