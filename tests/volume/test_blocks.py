"""Single tensors and heads in their own shapes; and that a slice reads its own bytes alone."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.base import LayoutError
from napari_gpt2_tomo.volume.layouts.blocks import heads_layout, tensor_layout
from napari_gpt2_tomo.volume.layouts.body import body_layout
from napari_gpt2_tomo.volume.layouts.layout import BlockLayout
from napari_gpt2_tomo.volume.reading.reader import BlockReader, make_reader
from napari_gpt2_tomo.volume.reading.signal import make_signal
from napari_gpt2_tomo.volume.statistics.summary import estimate_statistics
from volume.architectures import Sizes, architectures, falcon, gpt2, llama, neox
from volume.fakes import KINDS, MemoryCheckpoint, checkpoint_of
from volume.truth import limits, same, to_float32

QUICK = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def signed(checkpoint: MemoryCheckpoint, layout: BlockLayout) -> BlockReader:
    signal = make_signal("signed", layout.anatomy, None)
    reader = make_reader(layout, checkpoint, signal, "extreme")
    assert isinstance(reader, BlockReader)
    return reader


def whole(layout: BlockLayout, level: int = 0) -> tuple[tuple[int, int], ...]:
    return tuple((0, n) for n in layout.level_shape(level))


@st.composite
def layouts(draw: Any) -> tuple[MemoryCheckpoint, BlockLayout]:
    found = draw(architectures())
    anatomy = recognise(found.shapes, found.config)
    checkpoint = checkpoint_of(
        found.shapes, found.config, kinds=KINDS, seed=draw(st.integers(0, 2**32 - 1)), odd=True
    )
    kind = draw(st.sampled_from(["body", "body", "tensor", "heads"]))
    with limits(plane=draw(st.sampled_from([2, 4, 32]))):
        if kind == "tensor":
            shown = [n for n, s in found.shapes.items() if 0 not in s and n in anatomy.positions]
            assume(shown)
            return checkpoint, tensor_layout(anatomy, found.shapes, draw(st.sampled_from(shown)))
        if kind == "heads":
            roles = {p.role for p in anatomy.parts if p.n_heads and p.axes == ("channel", "unit")}
            assume(roles)
            role = draw(st.sampled_from(sorted(roles)))
            return checkpoint, heads_layout(anatomy, found.shapes, role)
        assume(anatomy.hyper.d_model is not None)
        return checkpoint, body_layout(anatomy, found.shapes)


@QUICK
@given(layouts(), st.data())
def test_a_slice_reads_the_bytes_of_its_parameters_each_once_and_no_other(made, data):
    checkpoint, layout = made
    reader = signed(checkpoint, layout)
    level = data.draw(st.integers(0, len(layout.factors) - 1))
    # A plane across one axis, or a small box.
    shape = layout.level_shape(level)
    box = [(0, n) for n in shape]
    axes = data.draw(st.sampled_from([*((i,) for i in range(layout.ndim)), range(layout.ndim)]))
    for axis in axes:
        start = data.draw(st.integers(0, shape[axis] - 1))
        box[axis] = (start, min(shape[axis], start + data.draw(st.integers(1, 2))))
    factors = layout.factors[level]
    expected: set[int] = set()
    for at in np.ndindex(*((b - a) * f for (a, b), f in zip(box, factors, strict=True))):
        fine = [i + a * f for i, (a, _), f in zip(at, box, factors, strict=True)]
        place = layout.place(fine)
        if place is not None:
            tensor = checkpoint[place.tensor]
            item = tensor.nbytes // tensor.size
            flat = np.ravel_multi_index(place.index, tensor.shape) if tensor.shape else 0
            first = checkpoint.starts[place.tensor] + int(flat) * item
            expected.update(range(first, first + item))
    checkpoint.source.forget()
    reader.read(tuple(box), level)
    assert checkpoint.source.touched() == expected
    assert checkpoint.source.nbytes == len(expected)
    checkpoint.source.forget()
    reader.labels(tuple(box), level)
    assert checkpoint.source.nbytes == 0


@settings(QUICK, max_examples=20)
@given(layouts())
def test_a_voxel_and_its_parameter_lead_to_each_other(made):
    checkpoint, layout = made
    shown = signed(checkpoint, layout).read(whole(layout), 0)
    found = 0
    for at in np.ndindex(layout.shape):
        place = layout.place(at)
        if place is None:
            assert shown[at] == 0
            continue
        found += 1
        assert layout.voxel(place.tensor, place.index) == at
        value = to_float32(checkpoint.truth[place.tensor][place.index])
        assert same(np.asarray(shown[at]), np.asarray(value))
    assert found == sum(block.view.size for block in layout.blocks)


class TestTensor:
    @pytest.mark.parametrize(
        ("shape", "expected", "axes"),
        [
            ((), (1, 1), ("single", "row")),
            ((5,), (1, 5), ("row", "axis 0")),
            ((4, 5), (4, 5), ("axis 0", "axis 1")),
            ((2, 3, 4), (2, 3, 4), ("axis 0", "axis 1", "axis 2")),
            ((2, 3, 4, 5), (2, 3, 4, 5), ("axis 0", "axis 1", "axis 2", "axis 3")),
            ((33, 70), (34, 72), ("axis 0", "axis 1")),
        ],
    )
    def test_it_keeps_its_own_shape(self, shape, expected, axes):
        checkpoint = checkpoint_of({"t": shape})
        layout = tensor_layout(recognise(checkpoint.shapes), checkpoint.shapes, "t")
        assert (layout.shape, layout.axes) == (expected, axes)
        shown = signed(checkpoint, layout).read(whole(layout), 0)
        truth = checkpoint.truth["t"]
        own = (1,) * (2 - truth.ndim) + truth.shape
        assert same(shown[tuple(slice(0, n) for n in own)], truth.reshape(own))
        assert np.count_nonzero(shown) == truth.size
        index = tuple(n - 1 for n in shape)
        assert layout.voxel("t", index) == tuple(n - 1 for n in own)

    def test_axes_are_halved_while_they_are_long(self):
        shapes = {"t": (3, 40, 300)}
        layout = tensor_layout(recognise(shapes), shapes, "t")
        assert layout.shape == (3, 40, 304)
        assert layout.factors == ((1, 1, 1), (1, 2, 2), (1, 2, 4), (1, 2, 8), (1, 2, 16))

    def test_a_fused_tensor_shows_its_parts(self):
        found = neox(Sizes(1, 1, 2, 2, 3, 5, 7, 4, 1, 1, False))
        name = "gpt_neox.layers.0.attention.query_key_value.weight"
        checkpoint = checkpoint_of(found.shapes, found.config)
        anatomy = recognise(found.shapes, found.config)
        layout = tensor_layout(anatomy, found.shapes, name)
        roles = [anatomy.parts[i].role for i in range(len(anatomy.parts))]
        labels = signed(checkpoint, layout).labels(whole(layout), 0)
        # (head, 3, d_head): three rows each of q, k, v, twice.
        shown = [roles[label - 1] for label in labels[:, 0]]
        assert shown == (["q"] * 3 + ["k"] * 3 + ["v"] * 3) * 2
        assert (labels == labels[:, :1]).all()
        place = layout.place((4, 1))
        assert place is not None
        assert roles[place.part] == "k"

    def test_each_part_of_a_fused_tensor_has_its_own_score(self):
        found = gpt2(Sizes(6, 1, 2, 2, 3, 6, 6, 4, 1, 1, False))
        name = "h.0.attn.c_attn.weight"
        checkpoint = checkpoint_of(found.shapes)
        anatomy = recognise(found.shapes)
        statistics = estimate_statistics(checkpoint, anatomy)
        signal = make_signal("sigma", anatomy, statistics)
        layout = tensor_layout(anatomy, found.shapes, name)
        shown = make_reader(layout, checkpoint, signal, "extreme").read(whole(layout), 0)
        for i in range(3):
            third = checkpoint.truth[name][:, 6 * i : 6 * i + 6]
            expected = (third - third.mean()) / third.std()
            np.testing.assert_allclose(shown[:6, 6 * i : 6 * i + 6], expected, rtol=1e-5)

    def test_what_cannot_be_shown_is_said(self):
        shapes = {**gpt2(Sizes(6, 1, 2, 2, 3, 6, 6, 4, 1, 1, True)).shapes, "empty": (0, 3)}
        anatomy = recognise(shapes)
        with pytest.raises(LayoutError, match="no tensor named 'x'"):
            tensor_layout(anatomy, shapes, "x")
        with pytest.raises(LayoutError, match="buffer"):
            tensor_layout(anatomy, shapes, "h.0.attn.bias")
        with pytest.raises(LayoutError, match="empty"):
            tensor_layout(anatomy, shapes, "empty")
        layout = tensor_layout(anatomy, shapes, "wte.weight")
        with pytest.raises(LayoutError, match="the body and the cube hold every parameter"):
            layout.voxel("wpe.weight", (0, 0))


class TestHeads:
    def test_gpt2_heads_are_columns_of_the_thirds(self):
        found = gpt2(Sizes(12, 3, 1, 1, 1, 6, 6, 4, 1, 1, False))
        checkpoint = checkpoint_of(found.shapes, found.config)
        anatomy = recognise(found.shapes, found.config)
        for third, role in enumerate("qkv"):
            layout = heads_layout(anatomy, found.shapes, role)
            assert layout.axes == ("layer", "head", "d_head", "channel")
            assert layout.shape == (3, 4, 3, 12)
            shown = signed(checkpoint, layout).read(whole(layout), 0)
            for layer in range(3):
                fused = checkpoint.truth[f"h.{layer}.attn.c_attn.weight"]
                for head in range(4):
                    first = 12 * third + 3 * head
                    expected = fused[:, first : first + 3].T
                    assert same(shown[layer, head], np.ascontiguousarray(expected))
        output = heads_layout(anatomy, found.shapes, "o")
        shown = signed(checkpoint, output).read(whole(output), 0)
        stored = checkpoint.truth["h.2.attn.c_proj.weight"]
        assert same(shown[2, 1], np.ascontiguousarray(stored[3:6]))

    def test_shared_keys_have_fewer_heads(self):
        found = llama(Sizes(10, 2, 6, 2, 4, 6, 6, 4, 1, 1, False))
        checkpoint = checkpoint_of(found.shapes, found.config)
        anatomy = recognise(found.shapes, found.config)
        assert heads_layout(anatomy, found.shapes, "q").shape == (2, 6, 4, 10)
        keys = heads_layout(anatomy, found.shapes, "k")
        assert keys.shape == (2, 2, 4, 10)
        shown = signed(checkpoint, keys).read(whole(keys), 0)
        stored = checkpoint.truth["model.layers.1.self_attn.k_proj.weight"]
        assert same(shown[1, 1], stored[4:8])
        assert keys.voxel("model.layers.1.self_attn.k_proj.weight", (6, 3)) == (1, 1, 2, 3)

    def test_grouped_and_interleaved_heads_are_untangled(self):
        found = falcon(Sizes(1, 2, 4, 2, 3, 5, 7, 4, 1, 1, False))
        checkpoint = checkpoint_of(found.shapes, found.config)
        anatomy = recognise(found.shapes, found.config)
        fused = checkpoint.truth["transformer.h.1.self_attention.query_key_value.weight"]
        grouped = fused.reshape(2, 2 + 2, 3, 12)
        queries = heads_layout(anatomy, found.shapes, "q")
        shown = signed(checkpoint, queries).read(whole(queries), 0)
        assert same(shown[1], np.ascontiguousarray(grouped[:, :2].reshape(4, 3, 12)))
        values = heads_layout(anatomy, found.shapes, "v")
        shown = signed(checkpoint, values).read(whole(values), 0)
        assert same(shown[1], np.ascontiguousarray(grouped[:, 3]))

    def test_layers_that_a_file_lacks_are_air(self):
        found = llama(Sizes(8, 3, 2, 2, 4, 6, 6, 4, 1, 1, False))
        del found.shapes["model.layers.1.self_attn.q_proj.weight"]
        checkpoint = checkpoint_of(found.shapes, found.config)
        layout = heads_layout(recognise(found.shapes, found.config), found.shapes, "q")
        shown = signed(checkpoint, layout).read(whole(layout), 0)
        assert layout.shape[0] == 3
        assert not shown[1].any()
        assert shown[0].all()
        assert layout.place((1, 0, 0, 0)) is None

    def test_roles_without_heads_are_refused(self):
        shapes = gpt2(Sizes(12, 1, 1, 1, 1, 6, 6, 4, 1, 1, False)).shapes
        anatomy = recognise(shapes)
        with pytest.raises(LayoutError, match="n_heads="):
            heads_layout(anatomy, shapes, "q")
        with pytest.raises(LayoutError, match="no matrices of role 'nothing'"):
            heads_layout(anatomy, shapes, "nothing")
        with pytest.raises(LayoutError, match="no matrices of role 'token_embedding'"):
            heads_layout(anatomy, shapes, "token_embedding")
