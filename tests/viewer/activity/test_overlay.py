"""Activity on the body: each voxel as strong as what it is a weight of."""

from dataclasses import replace

import numpy as np
import pytest

from napari_gpt2_tomo.activity.record import Activity
from napari_gpt2_tomo.activity.strength import Strengths
from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.viewer.activity.desk import desk_of
from napari_gpt2_tomo.viewer.activity.overlay import overlay_of, paint_activity
from napari_gpt2_tomo.viewer.activity.overlay_dock import OverlayDock
from napari_gpt2_tomo.viewer.layers import add_scan
from viewer.small_model import HEADS, LAYERS

from .made_activity import IDS, NEURONS, SIZE, made_activity


@pytest.fixture(scope="module")
def scan(model):
    with Scan(model) as opened:
        yield opened


@pytest.fixture(scope="module")
def activity(model):
    return made_activity(path=model)


@pytest.fixture(scope="module")
def strengths(scan, activity):
    return Strengths(activity, scan)


def written(activity, scan):
    """Lengths of what heads and neurons write, vector by vector."""
    n = len(activity.tokens)
    heads = np.zeros((LAYERS, HEADS, n))
    neurons = np.zeros((LAYERS, NEURONS, n))
    for layer in range(LAYERS):
        for head in range(HEADS):
            out = scan.head(layer, head, "o")
            for token in range(n):
                heads[layer, head, token] = np.linalg.norm(out @ activity["z"][layer, head, token])
        down = scan.part("down", layer)
        values = np.abs(activity["mlp_post"][layer])
        neurons[layer] = (values * np.linalg.norm(down, axis=0)).T
    return heads, neurons


@pytest.mark.parametrize(("sum", "of"), [("max", np.max), ("mean", np.mean), ("token", None)])
def test_heads_and_neurons_are_as_strong_as_what_they_write(strengths, activity, scan, sum, of):
    token = 3
    heads, neurons = written(activity, scan)
    for found, lengths in (
        (strengths.of_heads("written", sum, token), heads),
        (strengths.of_neurons("written", sum, token), neurons),
    ):
        wanted = lengths[..., token] if of is None else of(lengths, axis=-1)
        full = np.percentile(wanted, 99.9)
        np.testing.assert_allclose(found, np.minimum(wanted / full, 1), rtol=1e-4)


def test_a_voxel_is_as_strong_as_its_head_neuron_or_token(strengths, activity, scan):
    from napari_gpt2_tomo.volume.painting import Painting

    volume = scan.volume("body", exact=False)
    whole = Painting(volume.layout, strengths.paints()).level(0)[...]
    heads = strengths.of_heads("written", "max", 0)
    neurons = strengths.of_neurons("written", "max", 0)
    seen = set()
    rng = np.random.default_rng(0)
    for voxel in rng.integers(0, volume.shape, (1500, 3)):
        address = volume.address(voxel)
        value = whole[tuple(voxel)]
        if address is None or address.unit is None or address.channel is None:
            assert value == 0
            continue
        seen.add(address.role)
        if address.head is not None:
            assert value == heads[address.layer, address.head]
        elif address.neuron is not None:
            assert value == neurons[address.layer, address.neuron]
        elif address.token is not None:
            assert value == (address.token in IDS)
        elif address.position is not None:
            assert value == (address.position < len(activity.tokens))
    assert {"q", "k", "v", "o", "up", "down", "token_embedding"} <= seen


def test_one_token_lights_up_its_own_id_and_position(strengths):
    paints = strengths.paints(sum="token", token=2)
    assert np.flatnonzero(paints["token_embedding"].units).tolist() == [IDS[2]]
    assert np.flatnonzero(paints["position_embedding"].units).tolist() == [2]


def test_channels_weigh_units_or_stand_alone(strengths, activity):
    plain = strengths.paints()["L1.q"]
    assert plain.channels is None
    weighed = strengths.paints(by_channel=True)["L1.q"].channels
    size = np.abs(activity["resid_post"][1]).max(axis=0)
    np.testing.assert_allclose(weighed, np.minimum(size / np.percentile(size, 99.0), 1), rtol=1e-5)
    alone = strengths.paints("channels")["L1.up"]
    assert np.all(alone.units == 1)
    np.testing.assert_array_equal(alone.channels, weighed)


def test_key_and_value_heads_are_as_strong_as_their_strongest_reader(scan, activity):
    found = Strengths(activity, scan)
    found.heads = np.zeros((LAYERS, HEADS, 5), np.float32)
    found.heads[1, 2] = 1
    units = found.paints()["L1.k"].units
    assert np.flatnonzero(units).tolist() == list(range(2 * SIZE, 3 * SIZE))


def test_experts_light_up_where_the_router_sent_a_token():
    from napari_gpt2_tomo.anatomy import Anatomy, recognise
    from volume.architectures import Sizes, mixtral

    found = mixtral(Sizes(20, 2, 2, 2, 10, 1, 30, 4, 4, 7, False))
    base = made_activity(words=("a", "b"))
    values = np.ones((2, 2, 2, 7), np.float32)
    chosen = np.array([[[0, 3], [1, 3]], [[2, 0], [2, 1]]], np.int64)
    source = replace(base.source, sizes=type(base.source.sizes)(d_model=20, n_layers=2))
    mixed = Activity(base.tokens, {"mlp_post": values, "experts": chosen}, source)

    class Bare:
        anatomy: Anatomy = recognise(found.shapes, found.config)

        def values(self, part):
            return np.ones(part.shape, np.float32)

    paints = Strengths(mixed, Bare()).paints(sum="token", token=1)
    lit = {name for name, paint in paints.items() if ".E" in name and np.any(paint.units)}
    gates = {name for name in lit if name.endswith("gate")}
    assert gates == {"L0.E1.gate", "L0.E3.gate", "L1.E2.gate", "L1.E1.gate"}


def test_an_activity_of_another_model_is_refused(scan):
    base = made_activity()
    sizes = replace(base.source.sizes, d_model=32)
    other = Activity(base.tokens, {"z": base["z"]}, replace(base.source, sizes=sizes))
    with pytest.raises(TomoError, match="32 channels"):
        Strengths(other, scan)


def test_the_strongest_are_listed_by_kind(strengths):
    listed = strengths.strongest("written", "max", 0, count=3)
    assert [one.kind for one in listed] == ["head"] * 3 + ["neuron"] * 3
    assert [one.strength for one in listed[:3]] == sorted(
        (one.strength for one in listed[:3]), reverse=True
    )
    best = np.unravel_index(strengths.heads.max(axis=2).argmax(), (LAYERS, HEADS))
    assert (listed[0].layer, listed[0].index) == best


# In a viewer.


@pytest.fixture
def painted(viewer, scan, activity, settle):
    add_scan(viewer, scan)
    settle()
    desk_of(viewer).show(activity)
    overlay = paint_activity(viewer)
    settle()
    return viewer, overlay


def test_the_paint_lies_over_the_weights_and_leaves_them_grey(painted, scan):
    viewer, overlay = painted
    image = viewer.layers[0]
    assert viewer.layers[1] is overlay.layer
    np.testing.assert_array_equal(overlay.layer.scale, image.scale)
    assert [level.shape for level in overlay.layer.data] == [level.shape for level in image.data]
    assert overlay.layer.blending == "additive"
    assert overlay.link.console.transfer == "gray"
    assert overlay_of(viewer) is overlay
    overlay.layer.contrast_limits = (0, 0.5)
    assert overlay.console.window.limits == pytest.approx((0, 0.5))
    overlay.remove()
    assert overlay_of(viewer) is None
    assert overlay.link.console.transfer == "inferno"
    assert overlay.layer is None


def test_the_paint_follows_the_token_that_is_looked_at(painted, settle):
    viewer, overlay = painted
    heard = []
    overlay.changed.connect(lambda: heard.append(1))
    before = np.asarray(overlay.layer.data[-1])
    overlay.paint(sum="token")
    assert len(heard) == 1
    last = np.asarray(overlay.layer.data[-1])
    desk_of(viewer).move(token=1)
    assert len(heard) == 2
    first = np.asarray(overlay.layer.data[-1])
    assert (before != last).any()
    assert (first != last).any()
    overlay.paint(sum="token")
    assert len(heard) == 2, "nothing changes"


def test_in_3d_the_paint_is_as_fine_as_the_weights(painted, settle):
    viewer, overlay = painted
    viewer.dims.ndisplay = 3
    settle()
    assert viewer.layers[0].locked_data_level is not None
    assert overlay.layer.locked_data_level == viewer.layers[0].locked_data_level
    overlay.paint(measure="activity")
    settle()
    assert overlay.layer.locked_data_level == viewer.layers[0].locked_data_level
    viewer.dims.ndisplay = 2
    settle()
    assert overlay.layer.locked_data_level is None
    assert all(level.held is None for level in overlay.layer.data)


def test_the_paint_goes_with_its_body(painted, settle):
    viewer, overlay = painted
    desk = desk_of(viewer)
    for layer in [one for one in viewer.layers if one is not overlay.layer]:
        viewer.layers.remove(layer)
    settle()
    viewer.layers.clear()
    settle()
    assert overlay.layer is None
    assert overlay_of(viewer) is None
    assert len(desk.moved) == 0


def test_without_a_scan_the_body_of_the_model_is_opened(viewer, activity, settle):
    with pytest.raises(TomoError, match="Run a prompt first"):
        paint_activity(viewer)
    desk_of(viewer).show(activity)
    overlay = paint_activity(viewer)
    settle()
    assert len(viewer.layers) == 3
    assert overlay.link.name == "small"


def test_the_dock_lists_what_was_used_and_paints_otherwise(painted, qtbot, settle):
    viewer, overlay = painted
    dock = OverlayDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    assert dock.overlay is overlay
    assert dock.used.rowCount() == 12
    first = dock.used.item(0, 0).text()
    layer, head = map(int, first.split()[0].removeprefix("L").split("H"))
    dock.used.cellClicked.emit(0, 0)
    assert (dock.desk.place.layer, dock.desk.place.head) == (layer, head)
    dock.sum.setCurrentIndex(2)
    dock.sum.activated.emit(2)
    assert overlay.brush.sum == "token"
    assert "token 4" in dock.token.text()
    dock.desk.move(token=0)
    assert "token 0" in dock.token.text()
    dock.remove.click()
    settle()
    assert dock.overlay is None
    assert dock.paint.isVisible()
    dock.paint.click()
    settle()
    assert dock.overlay is not None
