"""The body holds every parameter once and finds it again; its sections lie where a reader expects.

Expected places are worked out here by hand from the rules of the layout, not taken from it.
"""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.base import LayoutError, TomoError
from napari_gpt2_tomo.volume.address import describe
from napari_gpt2_tomo.volume.layouts.body import BodyLayout, body_fits, body_layout
from napari_gpt2_tomo.volume.reading.reader import BlockReader, make_reader
from napari_gpt2_tomo.volume.reading.signal import make_signal
from volume.architectures import Shapes, Sizes, architectures, deepseek, gpt2, llama, mixtral
from volume.fakes import KINDS, MemoryCheckpoint, checkpoint_of
from volume.truth import level_zero, limits, parameters, same, to_float32

QUICK = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def body_of(
    shapes: Shapes, config: dict[str, Any] | None = None, **given: int
) -> tuple[MemoryCheckpoint, BodyLayout]:
    """Values other than 0, so that they differ from air."""
    checkpoint = checkpoint_of(shapes, config)
    return checkpoint, body_layout(recognise(shapes, config, given=given), shapes)


def signed(checkpoint: MemoryCheckpoint, layout: BodyLayout) -> BlockReader:
    reader = make_reader(layout, checkpoint, make_signal("signed", layout.anatomy, None), "extreme")
    assert isinstance(reader, BlockReader)
    return reader


def whole(checkpoint: MemoryCheckpoint, layout: BodyLayout) -> np.ndarray:
    return signed(checkpoint, layout).read(tuple((0, n) for n in layout.shape), 0)


@st.composite
def bodies(draw: Any) -> tuple[MemoryCheckpoint, BodyLayout]:
    found = draw(architectures())
    anatomy = recognise(found.shapes, found.config)
    assume(anatomy.hyper.d_model is not None)
    checkpoint = checkpoint_of(
        found.shapes,
        found.config,
        kinds=KINDS,
        seed=draw(st.integers(0, 2**32 - 1)),
        odd=True,
        mapped=draw(st.booleans()),
        shift=draw(st.integers(0, 1)),
    )
    with limits(plane=draw(st.sampled_from([2, 4, 8, 32])), voxels=draw(st.integers(1, 2000))):
        return checkpoint, body_layout(anatomy, found.shapes)


@QUICK
@given(bodies(), st.randoms(use_true_random=False))
def test_every_parameter_has_one_voxel_that_shows_it_and_leads_back(body, random):
    checkpoint, layout = body
    truth, held = level_zero(checkpoint, layout)  # Asserts that no two share a voxel.
    reader = signed(checkpoint, layout)
    box = tuple((0, n) for n in layout.shape)
    assert same(reader.read(box, 0), truth)
    labels = reader.labels(box, 0)
    assert ((labels != 0) == held).all()

    everything = list(parameters(checkpoint, layout.anatomy.buffers))
    assert len(everything) == held.sum() == layout.anatomy.n_parameters
    for name, index, value in random.sample(everything, min(60, len(everything))):
        at = layout.voxel(name, index)
        place = layout.place(at)
        assert place is not None
        assert (place.tensor, place.index) == (name, index)
        assert labels[at] == place.part + 1
        part = layout.anatomy.parts[place.part]
        flat = int(np.ravel_multi_index(index, checkpoint.shapes[name])) if index else 0
        assert part.tensor == name
        assert part.view.index(flat) is not None
        address = describe(place, layout.anatomy, checkpoint)
        assert (address.tensor, address.index) == (name, index)
        for told in (address.value, address.stored):
            assert np.array_equal(told, value.item(), equal_nan=value.dtype.kind == "f")
    air = np.argwhere(~held)
    for at in air[:: max(1, len(air) // 50)]:
        assert layout.place(at) is None


@QUICK
@given(bodies())
def test_buffers_strangers_and_wrong_places_are_refused(body):
    checkpoint, layout = body
    for name in layout.anatomy.buffers:
        with pytest.raises(TomoError, match="buffer"):
            layout.voxel(name, (0,) * len(checkpoint.shapes[name]))
    with pytest.raises(LayoutError, match="no tensor named"):
        layout.voxel("nowhere.weight", (0,))
    for axis, length in enumerate(layout.shape):
        for beyond in (-1, length):
            at = [0, 0, 0]
            at[axis] = beyond
            with pytest.raises(IndexError):
                layout.place(at)
    with pytest.raises(IndexError):
        layout.place((0, 0))
    name, shape = next(iter(checkpoint.shapes.items()))
    if name not in layout.anatomy.buffers:
        if shape:  # () is the one index of a scalar
            with pytest.raises(IndexError):
                layout.voxel(name, shape)
        with pytest.raises(IndexError):
            layout.voxel(name, (0,) * (len(shape) + 1))


@QUICK
@given(bodies())
def test_margins_stay_outside_of_the_core_and_the_core_holds_the_matrices(body):
    checkpoint, layout = body
    width = layout.anatomy.hyper.d_model
    _, rows, columns = layout.core
    assert rows == columns
    assert rows.start == 0
    assert width <= rows.stop
    for part in layout.anatomy.parts:
        if part.size == 0:
            continue
        shape = checkpoint.shapes[part.tensor]
        first, last = (
            layout.voxel(part.tensor, np.unravel_index(flat, shape) if shape else ())
            for flat in (part.view.flat([0] * len(part.shape)), part.view.flat(last_of(part)))
        )
        if len(part.shape) == 2:
            assert all(max(at[1:]) < width for at in (first, last))
        else:
            # A vector lies in rows of the scroll, or wholly outside of the core.
            outside = [at[1] >= rows.stop or at[2] >= rows.stop for at in (first, last)]
            assert outside[0] == outside[1]
            assert outside[0] or all(max(at[1:]) < width for at in (first, last))


def last_of(part: Any) -> list[int]:
    return [n - 1 for n in part.shape]


@QUICK
@given(bodies(), st.sampled_from([4, 32]), st.sampled_from([50, 2**17]))
def test_levels_halve_the_plane_first_and_then_the_sections(body, plane, voxels):
    checkpoint, layout = body
    with limits(plane=plane, voxels=voxels):
        layout = body_layout(layout.anatomy, checkpoint.shapes)
    factors = layout.factors
    assert factors[0] == (1, 1, 1)
    for fine, coarse in itertools.pairwise(factors):
        in_plane = coarse == (fine[0], 2 * fine[1], 2 * fine[2])
        assert in_plane or coarse == (2 * fine[0], fine[1], fine[2])
        # No section is halved before the plane is as coarse as it gets.
        assert not in_plane or fine[0] == 1
    for level in range(len(factors)):
        sizes = layout.level_shape(level)
        assert tuple(n * f for n, f in zip(sizes, factors[level], strict=True)) == layout.shape
        # A level follows only where the one before it is too large.
        if level < len(factors) - 1 and factors[level + 1][0] == 1:
            assert max(sizes[1:]) > plane
        elif level < len(factors) - 1:
            assert np.prod(sizes) > voxels
    coarsest = layout.level_shape(len(factors) - 1)
    assert max(coarsest[1:]) <= plane
    assert np.prod(coarsest) <= voxels or coarsest[0] == 1
    assert layout.core[1].stop % factors[-1][1] == 0


GPT2_SMALL = gpt2(Sizes(768, 12, 12, 12, 64, 3072, 50257, 1024, 1, 1, True))


def test_gpt2_small_is_a_body_of_212_sections():
    anatomy = recognise(GPT2_SMALL.shapes, GPT2_SMALL.config)
    layout = body_layout(anatomy, GPT2_SMALL.shapes)
    assert body_fits(anatomy)
    assert len(layout.sections) == 66 + 2 + 12 * (4 + 4 + 4) == 212
    assert layout.shape == (212, 800, 800)
    assert layout.core == (slice(None), slice(0, 768), slice(0, 768))
    assert layout.axes == ("section", "channel", "unit")
    assert layout.factors == (
        *((1, f, f) for f in (1, 2, 4, 8, 16, 32)),
        (2, 32, 32),
    )
    # 50257 tokens are 65 sections of 768 and 337 more.
    assert layout.voxel("wte.weight", (50256, 5)) == (65, 5, 336)
    assert layout.place((65, 5, 337)) is None
    assert layout.voxel("wpe.weight", (1023, 7)) == (67, 7, 255)
    # Layer 3 begins at 68 + 3·12; q, k, v, o, then four sections up, then four down.
    assert layout.voxel("h.3.attn.c_attn.weight", (138, 2)) == (104, 138, 2)
    assert layout.voxel("h.3.attn.c_attn.weight", (138, 768)) == (105, 138, 0)
    assert layout.voxel("h.3.attn.c_attn.weight", (138, 2303)) == (106, 138, 767)
    assert layout.voxel("h.3.attn.c_proj.weight", (2, 138)) == (107, 138, 2)
    assert layout.voxel("h.3.mlp.c_fc.weight", (138, 770)) == (109, 138, 2)
    assert layout.voxel("h.3.mlp.c_proj.weight", (770, 138)) == (113, 138, 2)


def test_gpt2_vectors_lie_beside_the_matrices_that_they_act_on():
    anatomy = recognise(GPT2_SMALL.shapes, GPT2_SMALL.config)
    layout = body_layout(anatomy, GPT2_SMALL.shapes)
    edge = 768 + 12  # The gap is a 64th of the stream.
    first = 68 + 3 * 12
    # A norm before attention: columns at its first reader, gain then shift.
    assert layout.voxel("h.3.ln_1.weight", (9,)) == (first, 9, edge)
    assert layout.voxel("h.3.ln_1.bias", (9,)) == (first, 9, edge + 1)
    # The fused bias: a row below each of q, k and v.
    for i in range(3):
        assert layout.voxel("h.3.attn.c_attn.bias", (i * 768 + 9,)) == (first + i, edge, 9)
    # A bias on what is written to the stream: a column at the last section of its matrix.
    assert layout.voxel("h.3.attn.c_proj.bias", (9,)) == (first + 3, 9, edge)
    assert layout.voxel("h.3.ln_2.weight", (9,)) == (first + 4, 9, edge)
    assert layout.voxel("h.3.mlp.c_fc.bias", (1000,)) == (first + 5, edge, 232)
    assert layout.voxel("h.3.mlp.c_proj.bias", (9,)) == (first + 11, 9, edge)
    # The final norm: at the last section of all, after the bias that lies there.
    assert layout.voxel("h.11.mlp.c_proj.bias", (9,)) == (211, 9, edge)
    assert layout.voxel("ln_f.weight", (9,)) == (211, 9, edge + 1)
    assert layout.voxel("ln_f.bias", (9,)) == (211, 9, edge + 2)


def test_a_channel_is_the_same_row_in_every_section():
    checkpoint, layout = body_of(gpt2(Sizes(6, 2, 2, 2, 3, 9, 8, 4, 1, 1, True)).shapes)
    volume, t = whole(checkpoint, layout), checkpoint.truth
    stack = [t["wte.weight"].T[:, :6], t["wte.weight"].T[:, 6:], t["wpe.weight"].T]
    for layer in ("h.0", "h.1"):
        attention = t[f"{layer}.attn.c_attn.weight"]
        stack += [attention[:, :6], attention[:, 6:12], attention[:, 12:]]
        stack.append(t[f"{layer}.attn.c_proj.weight"].T)
        up, down = t[f"{layer}.mlp.c_fc.weight"], t[f"{layer}.mlp.c_proj.weight"].T
        stack += [up[:, :6], up[:, 6:], down[:, :6], down[:, 6:]]
    assert len(layout.sections) == len(stack)
    for section, matrix in enumerate(stack):
        expected = np.zeros((6, 6), np.float32)
        expected[:, : matrix.shape[1]] = matrix
        assert same(volume[section, :6, :6], expected)


def test_the_order_of_a_gated_model_with_grouped_queries():
    sizes = Sizes(6, 2, 4, 2, 2, 7, 5, 4, 1, 1, False)
    found = llama(sizes)
    checkpoint, layout = body_of(found.shapes, found.config)
    volume, t = whole(checkpoint, layout), checkpoint.truth
    stack = [t["model.embed_tokens.weight"].T]
    for i in range(2):
        at = f"model.layers.{i}"
        for name in ("q", "k", "v"):
            matrix = t[f"{at}.self_attn.{name}_proj.weight"].T
            stack += [matrix[:, :6]] + ([matrix[:, 6:]] if name == "q" else [])
        o = t[f"{at}.self_attn.o_proj.weight"]
        stack += [o[:, :6], o[:, 6:]]
        for name in ("gate", "up", "down"):
            matrix = t[f"{at}.mlp.{name}_proj.weight"]
            matrix = matrix if name == "down" else matrix.T
            stack += [matrix[:, :6], matrix[:, 6:]]
    stack.append(t["lm_head.weight"].T)
    assert [s.number for s in layout.sections[1:3]] == [1, 2]
    assert len(layout.sections) == len(stack)
    for section, matrix in enumerate(stack):
        assert same(volume[section, :6, : matrix.shape[1]], np.ascontiguousarray(matrix))
        assert not volume[section, :6, matrix.shape[1] : 6].any()


def test_small_experts_share_a_section_gate_before_up_before_down():
    sizes = Sizes(8, 1, 2, 2, 4, 1, 5, 4, 5, 3, False)
    found = mixtral(sizes)
    checkpoint, layout = body_of(found.shapes, found.config)
    volume, t = whole(checkpoint, layout), checkpoint.truth
    at = "model.layers.0.block_sparse_moe.experts"
    # Embedding, q, k, v, o, router: six sections; then two experts of width 3 in a stream of 8.
    section = 6
    for name in ("w1", "w3", "w2"):
        for e in range(5):
            matrix = t[f"{at}.{e}.{name}.weight"]
            matrix = matrix if name == "w2" else matrix.T
            where = volume[section + e // 2, :8, 3 * (e % 2) : 3 * (e % 2) + 3]
            assert same(where, np.ascontiguousarray(matrix))
        section += 3
    assert not volume[8, :8, 3:8].any()  # The fifth expert is alone.
    assert layout.sections[6].parts == tuple(
        i for i, p in enumerate(layout.anatomy.parts) if p.role == "gate" and p.expert in (0, 1)
    )


@pytest.mark.parametrize(("width", "sections"), [(4, 3), (5, 5), (8, 5), (9, 10)])
def test_experts_wider_than_half_the_stream_begin_a_section_each(width, sections):
    found = mixtral(Sizes(8, 1, 2, 2, 4, 1, 5, 4, 5, width, False))
    _, layout = body_of(found.shapes, found.config)
    assert len(layout.sections) == 6 + 3 * sections + 1


def test_matrices_beside_the_stream_keep_their_place_as_tiles():
    found = deepseek(Sizes(6, 1, 4, 4, 2, 1, 5, 4, 1, 4, False))
    checkpoint, layout = body_of(found.shapes, found.config)
    volume, t = whole(checkpoint, layout), checkpoint.truth
    at = "model.layers.0.self_attn"
    # Embedding, q_a; then q_b of (8, 3) in two tiles, kv_a, kv_b of (16, 3) in three.
    q_b, kv_b = t[f"{at}.q_b_proj.weight"], t[f"{at}.kv_b_proj.weight"]
    for section, tile in [
        (2, q_b[:6]), (3, q_b[6:]), (5, kv_b[:6]), (6, kv_b[6:12]), (7, kv_b[12:]),
    ]:  # fmt: skip
        assert same(volume[section, : len(tile), :3], tile)
        assert np.count_nonzero(volume[section, :6, :6]) == tile.size


def test_what_has_no_place_follows_in_file_order_tiles_first():
    shapes = gpt2(Sizes(6, 1, 2, 2, 3, 6, 6, 4, 1, 1, False)).shapes
    shapes = {"z.scalar": (), "m.table": (7, 8), "conv": (2, 2, 2, 2), **shapes, "a.line": (13,)}
    checkpoint, layout = body_of(shapes)
    volume, t = whole(checkpoint, layout), checkpoint.truth
    tiles = 1 + 1 + 4 + 1 + 1
    table = t["m.table"]
    assert same(volume[tiles, :6, :6], np.ascontiguousarray(table[:6, :6]))
    assert same(volume[tiles + 1, :6, :2], np.ascontiguousarray(table[:6, 6:]))
    assert same(volume[tiles + 2, :1, :6], np.ascontiguousarray(table[6:, :6]))
    assert same(volume[tiles + 3, :1, :2], np.ascontiguousarray(table[6:, 6:]))
    # Flattened into rows of 6, each tensor on a new row, sections shared.
    scroll = volume[tiles + 4 :, :6, :6].reshape(-1, 6)
    assert scroll[0, 0] == t["z.scalar"]
    assert same(scroll[1:4].ravel()[:16], t["conv"].ravel())
    assert same(scroll[4:7].ravel()[:13], t["a.line"])
    assert np.count_nonzero(scroll) == 1 + 16 + 13
    assert len(layout.sections) == tiles + 4 + 2


def test_norms_of_heads_and_routers_lie_below_from_unit_0_and_are_not_repeated():
    shapes = llama(Sizes(6, 1, 4, 2, 3, 6, 5, 4, 1, 1, False)).shapes
    at = "model.layers.0.self_attn"
    shapes |= {f"{at}.q_norm.weight": (3,), f"{at}.k_norm.weight": (3,)}
    checkpoint, layout = body_of(shapes)
    edge = layout.core[1].stop + 2
    # Queries are sections 1 and 2, keys section 3.
    assert [layout.voxel(f"{at}.q_norm.weight", (i,)) for i in range(3)] == [
        (1, edge, i) for i in range(3)
    ]
    assert layout.voxel(f"{at}.k_norm.weight", (2,)) == (3, edge, 2)
    volume = whole(checkpoint, layout)
    assert np.count_nonzero(volume[1:4, edge:]) == 6


def test_a_bias_of_the_vocabulary_lies_below_the_unembedding_or_the_tied_embedding():
    shapes = llama(Sizes(6, 1, 2, 2, 3, 6, 8, 4, 1, 1, False)).shapes | {"lm_head.bias": (8,)}
    _, layout = body_of(shapes)
    edge = layout.core[1].stop + 2
    last = len(layout.sections) - 1
    assert layout.voxel("lm_head.bias", (5,)) == (last - 1, edge, 5)
    assert layout.voxel("lm_head.bias", (7,)) == (last, edge, 1)
    del shapes["lm_head.weight"]
    _, layout = body_of(shapes)
    assert layout.voxel("lm_head.bias", (5,)) == (0, edge, 5)
    assert layout.voxel("lm_head.bias", (7,)) == (1, edge, 1)


def test_a_vector_without_its_matrix_still_has_a_voxel():
    shapes = gpt2(Sizes(6, 1, 2, 2, 3, 6, 6, 4, 1, 1, False)).shapes
    del shapes["h.0.mlp.c_fc.weight"]
    checkpoint, layout = body_of(shapes)
    truth, held = level_zero(checkpoint, layout)
    assert same(whole(checkpoint, layout), truth)
    section, row, column = layout.voxel("h.0.mlp.c_fc.bias", (0,))
    assert section == len(layout.sections) - 1
    assert max(row, column) < 6
    assert held.sum() == layout.anatomy.n_parameters


def test_the_layout_does_not_depend_on_the_number_of_heads():
    shapes = llama(Sizes(10, 2, 6, 2, 2, 17, 21, 4, 1, 1, True)).shapes
    _, blind = body_of(shapes)
    _, told = body_of(shapes, n_heads=6, n_kv_heads=2)
    assert told.anatomy.heads is not None
    assert blind.anatomy.heads is None
    assert blind.token == told.token
    assert blind.shape == told.shape


def test_sections_of_padding_are_air():
    found = gpt2(Sizes(6, 1, 2, 2, 3, 12, 6, 4, 1, 1, False))
    with limits(plane=4, voxels=20):
        checkpoint, layout = body_of(found.shapes)
    depth = len(layout.sections)
    assert layout.shape[0] > depth
    reader = signed(checkpoint, layout)
    box = ((depth, layout.shape[0]), *((0, n) for n in layout.shape[1:]))
    checkpoint.source.forget()
    assert not reader.read(box, 0).any()
    assert not reader.labels(box, 0).any()
    assert checkpoint.source.nbytes == 0
    assert layout.place((depth, 0, 0)) is None


def test_without_a_stream_there_is_no_body():
    anatomy = recognise({"a": (3, 4), "b": (5,)})
    assert not body_fits(anatomy)
    with pytest.raises(LayoutError, match="cube"):
        body_layout(anatomy, {"a": (3, 4), "b": (5,)})


def test_a_checkpoint_that_is_mostly_unknown_is_no_body():
    shapes = gpt2(Sizes(6, 1, 2, 2, 3, 6, 6, 4, 1, 1, False)).shapes
    assert body_fits(recognise(shapes))
    assert not body_fits(recognise(shapes | {"vision": (40, 40)}))


def test_the_token_tells_different_layouts_apart():
    tokens = {
        body_of(gpt2(Sizes(6, layers, 2, 2, 3, mlp, 6, 4, 1, 1, False)).shapes)[1].token
        for layers in (1, 2)
        for mlp in (5, 6, 7)
    }
    assert len(tokens) == 6


def test_values_that_float32_cannot_hold_are_rounded_for_display_only():
    shapes = {**gpt2(Sizes(4, 1, 2, 2, 2, 4, 4, 4, 1, 1, False)).shapes, "step": ()}
    checkpoint = checkpoint_of(shapes, kinds="I64", odd=True)
    layout = body_layout(recognise(shapes), shapes)
    at = layout.voxel("wte.weight", (2, 1))
    exact = int(checkpoint.truth["wte.weight"][2, 1])
    shown = whole(checkpoint, layout)[at]
    assert shown == to_float32(exact)
    assert int(shown) != exact
    place = layout.place(at)
    assert place is not None
    assert describe(place, layout.anatomy, checkpoint).value == exact
