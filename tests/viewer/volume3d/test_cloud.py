"""The strongest parameters as points."""

import numpy as np

from napari_gpt2_tomo.display.roles import role_colour
from napari_gpt2_tomo.viewer.commands import toggle_margins
from napari_gpt2_tomo.viewer.switch import switch
from napari_gpt2_tomo.volume.strongest import strongest

from ..small_model import PLANTED, PLANTED_VALUE


def test_points_lie_on_the_strongest_parameters_and_know_them(shown, settle):
    shown.console.points = 300
    settle()
    assert shown.scene.cloud.layer is None
    shown.viewer.dims.ndisplay = 3
    settle()
    layer = shown.scene.cloud.layer
    volume = shown.link.volume
    core = tuple((0, c.stop or n) for c, n in zip(volume.core, volume.shape, strict=True))
    expected = strongest(volume, 300, box=core)
    # The weakest is drawn first.
    assert np.array_equal(layer.data, expected.voxel[::-1])
    assert np.allclose(layer.scale, shown.image.scale)
    last = layer.features.iloc[-1]
    assert (last["tensor"], last["index"]) == (PLANTED[0], str(list(PLANTED[1])))
    assert (last["value"], last["part"], last["layer"], last["head"]) == (
        PLANTED_VALUE,
        "L1.k",
        1,
        1,
    )
    for row in (0, 100, 299):
        address = volume.address(tuple(int(v) for v in layer.data[row]))
        features = layer.features.iloc[row]
        assert features["value"] == address.value
        assert features["tensor"] == address.tensor
        part = volume.anatomy.by_name[address.part]
        colour = role_colour(part.role, part.group, part.layer)
        assert np.allclose(layer.face_color[row][:3], colour, atol=1e-6)
    assert (np.diff(np.asarray(layer.size).ravel()) >= -1e-9).all()


def test_norms_have_points_where_margins_are_shown(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.console.points = 50
    settle()
    assert not set(shown.scene.cloud.layer.features["role"]) & {"attn_norm", "mlp_norm"}
    toggle_margins(shown.viewer)
    settle()
    assert set(shown.scene.cloud.layer.features["role"]) & {"attn_norm", "mlp_norm"}


def test_points_are_of_the_region_and_of_the_parts_that_are_shown(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.console.points = 40
    shown.console.region = ((4, 12), (10, 40), (20, 52))
    settle()
    low, high = (shown.scene.cloud.layer.data.min(axis=0), shown.scene.cloud.layer.data.max(axis=0))
    assert (low >= (4, 10, 20)).all()
    assert (high < (12, 40, 52)).all()
    shown.console.region = None
    shown.console.shown = frozenset({"L1.q", "L2.up"})
    settle()
    assert set(shown.scene.cloud.layer.features["part"]) == {"L1.q", "L2.up"}
    shown.console.hidden = frozenset({"L1.q"})
    settle()
    assert set(shown.scene.cloud.layer.features["part"]) == {"L2.up"}


def test_tints_colour_points_too(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.console.points = 40
    settle()
    shown.console.tints = {"L1.k": (1.0, 0.0, 0.5)}
    assert np.allclose(shown.scene.cloud.layer.face_color[-1], (1.0, 0.0, 0.5, 1.0))


def test_points_follow_a_switch_and_their_number(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.console.points = 30
    settle()
    switch(shown.viewer, shown.link, layout="cube")
    settle()
    layer = shown.scene.cloud.layer
    address = shown.link.volume.address(tuple(int(v) for v in layer.data[-1]))
    assert abs(address.value) == layer.features["value"].abs().max()
    shown.console.points = 60
    settle()
    assert len(shown.scene.cloud.layer.data) == 60
    shown.console.points = 0
    settle()
    assert shown.scene.cloud.layer is None
    assert len(shown.viewer.layers) == 2


def test_who_removes_the_points_wants_none(shown, settle):
    shown.viewer.dims.ndisplay = 3
    shown.console.points = 30
    settle()
    shown.viewer.layers.remove(shown.scene.cloud.layer)
    assert shown.console.points == 0


def test_points_alone_are_seen_in_the_colours_of_the_atlas(on_screen, settle):
    on_screen.viewer.dims.ndisplay = 3
    on_screen.console.solid, on_screen.console.points = False, 2000
    settle()
    picture = on_screen.viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    lit = picture[picture.max(axis=2) > 90]
    assert len(lit) > 600
    assert np.abs(lit - lit.mean(axis=1, keepdims=True)).mean() > 20
