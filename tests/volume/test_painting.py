"""Painting: every voxel has the strength of what it is a weight of."""

import numpy as np
import pytest

from napari_gpt2_tomo.anatomy import recognise
from napari_gpt2_tomo.base import LayoutError
from napari_gpt2_tomo.volume.painting import Paint, Painting
from napari_gpt2_tomo.volume.volume import make_layout
from volume.architectures import Sizes, gpt2, gpt_oss, mixtral
from volume.truth import limits

MODELS = {
    "gpt2": gpt2(Sizes(20, 2, 2, 2, 10, 1, 30, 4, 3, 9, False)),
    "mixtral": mixtral(Sizes(20, 2, 2, 2, 10, 1, 30, 4, 3, 9, False)),
    "mixtral, small experts": mixtral(Sizes(20, 2, 2, 1, 10, 1, 7, 5, 3, 9, False)),
    "gpt-oss": gpt_oss(Sizes(20, 2, 2, 2, 10, 1, 30, 4, 3, 9, False)),
}


@pytest.fixture(params=MODELS)
def found(request):
    return MODELS[request.param]


def body_of(found):
    with limits(plane=8, voxels=500):
        return make_layout("body", recognise(found.shapes, found.config), found.shapes)


def matrices(layout):
    width = layout.anatomy.hyper.d_model
    return {
        part.name: part
        for part in layout.anatomy.parts
        if part.axes == ("channel", "unit") and part.shape[0] == width
    }


def paints_of(layout, channels=True, seed=0):
    """A paint for most matrices; experts of one layer and role have the same channels."""
    rng = np.random.default_rng(seed)
    found, shared = {}, {}
    for i, (name, part) in enumerate(matrices(layout).items()):
        group = (part.role, part.layer)
        shared.setdefault(group, rng.random(part.shape[0]).astype(np.float32))
        if i % 7 != 3:
            units = rng.random(part.shape[1]).astype(np.float32)
            found[name] = Paint(units, shared[group] if channels else None)
    return found


def expected(layout, paints, blend, voxel):
    """By the address of the voxel, one at a time."""
    place = layout.place(voxel)
    if place is None:
        return 0.0
    part = layout.anatomy.parts[place.part]
    if part.name not in paints:
        return 0.0
    shape = layout._tensor_shapes[place.tensor]
    channel, unit = part.view.index(int(np.ravel_multi_index(place.index, shape)))
    paint = paints[part.name]
    u = paint.units[unit] if unit < len(paint.units) else np.float32(0)
    if paint.channels is None:
        return u
    c = paint.channels[channel]
    return u * c if blend == "product" else max(u, c)


@pytest.mark.parametrize("blend", ["product", "max"])
@pytest.mark.parametrize("channels", [True, False])
def test_a_voxel_has_the_strength_of_its_unit_and_channel(found, blend, channels):
    layout = body_of(found)
    paints = paints_of(layout, channels)
    whole = Painting(layout, paints, blend).level(0)[...]
    assert whole.shape == layout.shape
    assert whole.dtype == np.float32
    rng = np.random.default_rng(1)
    for voxel in rng.integers(0, layout.shape, (800, 3)):
        assert whole[tuple(voxel)] == expected(layout, paints, blend, voxel), voxel
    assert (whole > 0).mean() > 0.2


@pytest.mark.parametrize("blend", ["product", "max"])
def test_a_coarse_voxel_is_the_largest_of_those_in_it(found, blend):
    layout = body_of(found)
    painting = Painting(layout, paints_of(layout), blend)
    fine = painting.level(0)[...]
    assert len(layout.factors) > 2
    for level, factors in enumerate(layout.factors):
        split = [n for pair in zip(layout.level_shape(level), factors, strict=True) for n in pair]
        blocks = fine.reshape(split).max(axis=(1, 3, 5))
        np.testing.assert_array_equal(painting.level(level)[...], blocks)
    assert painting.most == fine.max()


def test_a_box_is_the_same_cut_out_of_the_whole(found):
    layout = body_of(found)
    painting = Painting(layout, paints_of(layout))
    for level, lazy in enumerate(painting.levels):
        whole = painting.level(level)[...]
        cut = (slice(1, None), slice(None, None, 2), 1)
        np.testing.assert_array_equal(np.asarray(lazy[cut]), whole[cut])
        np.testing.assert_array_equal(np.asarray(lazy[:, 0]), whole[:, 0])


def test_one_head_alone_lights_up_its_own_columns():
    layout = body_of(MODELS["gpt2"])
    part = matrices(layout)["L1.o"]
    head = np.zeros(part.shape[1], np.float32)
    head[part.d_head : 2 * part.d_head] = 0.5
    whole = Painting(layout, {"L1.o": Paint(head)}).level(0)[...]
    lit = np.argwhere(whole)
    assert len(lit) == part.shape[0] * part.d_head
    assert {tuple(whole[tuple(voxel)] for voxel in lit)} == {(0.5,) * len(lit)}
    places = [layout.place(voxel) for voxel in lit]
    assert {layout.anatomy.parts[place.part].name for place in places} == {"L1.o"}


def test_units_beyond_the_end_are_not_lit():
    layout = body_of(MODELS["gpt2"])
    whole = Painting(layout, {"position_embedding": Paint(np.ones(2))}).level(0)[...]
    assert (whole > 0).sum() == 2 * layout.anatomy.hyper.d_model


def test_other_strengths_have_another_token():
    layout = body_of(MODELS["gpt2"])
    one, same, other = (Painting(layout, paints_of(layout, seed=seed)) for seed in (0, 0, 1))
    assert one.token == same.token != other.token


@pytest.mark.parametrize(
    ("paints", "words"),
    [
        ({"L9.q": Paint(np.ones(20))}, "L9.q"),
        ({"L1.q_bias": Paint(np.ones(20))}, "L1.q_bias"),
        ({"L1.q": Paint(np.ones(21))}, "units of L1.q"),
        ({"L1.q": Paint(np.ones(20), np.ones(19))}, "channels of L1.q"),
        ({"L1.q": Paint(-np.ones(20))}, "not negative"),
        ({"L1.q": Paint(np.full(20, np.nan))}, "finite"),
    ],
)
def test_what_cannot_be_painted_is_said(paints, words):
    with pytest.raises(LayoutError, match=words):
        Painting(body_of(MODELS["gpt2"]), paints)


def test_a_cube_is_not_painted_on():
    found = MODELS["gpt2"]
    cube = make_layout("cube", recognise(found.shapes, found.config), found.shapes)
    with pytest.raises(LayoutError, match="body"):
        Painting(cube, {})
