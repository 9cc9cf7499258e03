"""Activity as images: right numbers in one place, tokens on the axes, in step with the desk."""

import gc
from itertools import pairwise

import numpy as np
import pytest
from napari.layers import Layer

from napari_gpt2_tomo.activity.record import Activity
from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.viewer.activity.array_link import ArrayLink, array_link_of
from napari_gpt2_tomo.viewer.activity.desk import desk_of
from napari_gpt2_tomo.viewer.activity.layers import add_activity, show_beside, view_activity
from napari_gpt2_tomo.viewer.activity.pictures import place_of
from napari_gpt2_tomo.viewer.activity.sites import SHOWABLE, Axis, picture_of
from napari_gpt2_tomo.viewer.activity.ticks import nice_step, ticks
from napari_gpt2_tomo.viewer.console.dock import ScannerConsole
from napari_gpt2_tomo.viewer.session import session_of
from viewer.small_model import HEADS, LAYERS

from .made_activity import NEURONS, WORDS, made_activity


@pytest.fixture(scope="module")
def activity():
    return made_activity()


def cell(picture, **at):
    """The value at world positions of head and layer and indices of row and column."""
    head, layer = picture.axes[:2]
    index = [
        round((at.get("head", head.start) - head.start) / head.scale),
        round((at.get("layer", layer.start) - layer.start) / layer.scale),
        at["row"],
        at["column"],
    ]
    return np.asarray(picture.data)[tuple(index)]


# What a picture holds.


def test_attention_is_by_head_layer_query_and_key(activity):
    picture = picture_of(activity, "pattern")
    assert [axis.name for axis in picture.axes] == ["head", "layer", "query", "key"]
    assert cell(picture, head=1, layer=2, row=4, column=3) == activity["pattern"][2, 1, 4, 3]
    assert picture.axes[2].labels == picture.axes[3].labels == activity.tokens.labels


def test_what_has_no_heads_lies_under_all_of_them(activity):
    picture = picture_of(activity, "mlp_post")
    assert picture.data.shape == (1, LAYERS, len(WORDS), NEURONS)
    for head in range(HEADS):
        assert cell(picture, head=head, layer=1, row=2, column=9) == activity["mlp_post"][1, 2, 9]


def test_what_has_no_layers_lies_under_all_of_them(activity):
    picture = picture_of(activity, "logits")
    for layer in range(LAYERS):
        assert cell(picture, head=0, layer=layer, row=2, column=9) == activity["logits"][2, 9]


def test_a_key_head_lies_under_the_query_heads_that_read_it():
    activity = made_activity(kv_heads=2)
    picture = picture_of(activity, "k")
    for head in range(HEADS):
        shown = cell(picture, head=head, layer=1, row=2, column=3)
        assert shown == activity["k"][1, head // 2, 2, 3]


def test_the_stream_has_its_states_beside_the_layers_that_made_them(activity):
    picture = picture_of(activity, "states")
    states = picture.axes[1]
    assert states.labels[0] == "embedding"
    for layer in range(LAYERS):
        near = [states.labels[i] for i in range(states.size) if round(states.world(i)) == layer]
        assert near == [f"after L{layer} attention", f"after L{layer} MLP"]
    final = picture.data[0, states.size - 1]
    np.testing.assert_array_equal(final, activity["final"])


def test_scores_that_are_masked_are_nothing_and_say_so(activity):
    picture = picture_of(activity, "scores")
    data = np.asarray(picture.data)
    assert np.isfinite(data).all()
    assert np.abs(data).max() < 100
    assert picture.words((0, 0, 0, 4), float(data[0, 0, 0, 4])).endswith("= masked")


def test_experts_have_their_slots_where_heads_are():
    base = made_activity()
    arrays = {"mlp_post": np.arange(3 * 5 * 2 * 7, dtype=np.float32).reshape(3, 5, 2, 7)}
    picture = picture_of(Activity(base.tokens, arrays, base.source), "mlp_post")
    assert [axis.name for axis in picture.axes] == ["expert slot", "layer", "token", "neuron"]
    assert picture.data[1, 2, 3, 4] == arrays["mlp_post"][2, 3, 1, 4]


def test_what_is_on_the_disk_is_read_when_it_is_shown(tmp_path):
    import zarr

    base = made_activity()
    stored = zarr.create_array(
        str(tmp_path / "z.zarr"),
        shape=base["z"].shape,
        chunks=(1, *base["z"].shape[1:]),
        dtype="f4",
    )
    stored[:] = base["z"]
    picture = picture_of(Activity(base.tokens, {"z": stored}, base.source), "z")
    assert hasattr(picture.data, "dask")
    np.testing.assert_array_equal(np.asarray(picture.data[1, 2]), base["z"][2, 1])


def test_words_say_where_and_how_much(activity):
    said = picture_of(activity, "pattern").words((1, 2, 4, 1), 0.25)
    assert said == "layer 2 · head 1 · query 4 ‘·the’ → key 1 ‘·cat’ = 0.25"
    said = picture_of(activity, "states").words((0, 2, 3, 7), -1.5)
    assert said == "after L0 MLP · token 3 ‘·on’ · channel 7 = -1.5"


def test_what_was_not_recorded_is_said(activity):
    with pytest.raises(TomoError, match="head_out"):
        picture_of(activity, "head_out")
    with pytest.raises(TomoError, match="no activity 'nothing'"):
        picture_of(activity, "nothing")


# Labels.


def test_labels_of_tokens_are_thinned_until_they_fit():
    axis = Axis("token", 100, labels=tuple(str(i) for i in range(100)))
    wide = ticks(axis, 10, 20, (0, 500), least=15)
    assert [tick.index for tick in wide] == list(range(26))
    narrow = ticks(axis, 2, 4, (0, 400), least=15)
    assert {b.index - a.index for a, b in pairwise(narrow)} == {4}
    assert ticks(axis, 2000, 4, (0, 400), least=15) == []


def test_numbers_stand_at_round_places():
    shown = ticks(Axis("channel", 768), 0, 1, (0, 768), least=15)
    assert [tick.text for tick in shown] == [f"{100 * i}" for i in range(8)]
    assert [nice_step(x) for x in (0.2, 1.5, 3, 11, 70, 499)] == [1, 2, 5, 20, 100, 500]


# In a viewer.


@pytest.fixture
def shown(viewer, activity, settle):
    view_activity(activity, viewer)
    settle()
    return viewer


def test_one_picture_is_seen_at_its_usual_window_in_one_place(shown, activity):
    assert desk_of(shown).activity is activity
    assert (desk_of(shown).place.layer, desk_of(shown).place.head) == (0, 0)
    assert [round(at) for at in shown.dims.point[:2]] == [0, 0]
    assert [layer.visible for layer in shown.layers] == [False, False, True]
    link = array_link_of(shown.layers[-1])
    assert link.picture.kind.name == "pattern"
    assert shown.layers.selection.active is shown.layers[-1]
    assert shown.dims.axis_labels[:2] == ("head", "layer")
    stream, _, attention = shown.layers
    assert tuple(attention.contrast_limits) == (0.0, 1.0)
    low, high = stream.contrast_limits
    assert low == pytest.approx(-high)
    assert high < np.abs(np.asarray(stream.data)).max(), "the outliers do not count"
    for layer in shown.layers:
        edge = np.asarray(layer.translate[-2:]) - np.asarray(layer.scale[-2:]) / 2
        np.testing.assert_allclose(edge, (-0.5, -0.5), atol=1e-9)


def test_every_kind_can_be_a_layer(viewer, activity, settle):
    names = [kind.name for kind in SHOWABLE if kind.fits(activity)]
    assert {"states", "pattern", "scores", "mlp_post", "q", "k", "z", "final", "logits"} <= {*names}
    layers = add_activity(viewer, activity, names)
    settle()
    assert [array_link_of(layer).picture.kind.name for layer in layers] == names


def test_console_and_layers_are_in_step(shown, settle):
    layer = shown.layers[-1]
    console = array_link_of(layer).console
    layer.contrast_limits = (0.1, 0.4)
    assert console.window.limits == pytest.approx((0.1, 0.4))
    console.transfer = "viridis"
    assert "viridis" in layer.colormap.name
    console.apply_preset("full", part="L1")
    assert console.preset.key == "full"
    copied = shown.add_layer(Layer.create(*layer.as_layer_data_tuple()))
    settle()
    console.set_limits(0.2, 0.3)
    assert tuple(copied.contrast_limits) == pytest.approx((0.2, 0.3)), "a copy shows the same"


def test_the_console_dock_shows_window_and_colours_of_a_picture(shown, qtbot, settle):
    dock = ScannerConsole(shown)
    qtbot.addWidget(dock)
    dock.show()
    settle()
    assert dock.link is array_link_of(shown.layers[-1])
    seen = [
        panel.title
        for panel, one in zip(dock.panels, dock.sections, strict=True)
        if one.isVisible()
    ]
    assert seen == ["Window", "Transfer function", "Keys and mouse"]
    window = dock.panels[0]
    assert window.parts.itemText(0) == "All shares of attention"
    window.choose_part("L1")
    assert window.histogram.distribution.name == "L1"
    dock.hide()


def test_sliders_and_the_desk_move_each_other(shown):
    desk = desk_of(shown)
    desk.move(layer=2, head=3)
    assert [round(at) for at in shown.dims.point[:2]] == [3, 2]
    shown.dims.set_point(0, 1)
    shown.dims.set_point(1, 0)
    assert (desk.place.head, desk.place.layer) == (1, 0)
    desk.show(made_activity(seed=5))
    shown.dims.set_point(0, 2)
    assert desk.place.head == 1, "the sliders are not about another activity"


class Event:
    """What napari hands to a mouse callback."""

    def __init__(self, kind, pos, button=1):
        self.type, self.pos, self.button, self.modifiers = kind, pos, button, ()
        self.handled = False


def test_the_cell_under_the_mouse_is_named_and_a_click_goes_to_the_desk(shown):
    pictures = session_of(shown).pictures
    desk = desk_of(shown)
    shown.dims.set_point(1, 1)
    shown.cursor.position = (0, 1, 2, 1)
    event = Event("mouse_press", (50, 50))
    steps = pictures._pressed(shown, event)
    next(steps)
    event.type = "mouse_release"
    next(steps, None)
    assert (desk.place.layer, desk.place.token) == (1, 2)
    shown.cursor.position = (0, 1, 4, 1)
    event = Event("mouse_press", (50, 50))
    steps = pictures._pressed(shown, event)
    next(steps)
    event.type, event.pos = "mouse_move", (90, 50)
    next(steps, None)
    event.type = "mouse_release"
    next(steps, None)
    assert desk.place.token == 2, "a drag is no click"
    probe = session_of(shown).probe
    probe.update()
    assert "query 4 ‘·the’ → key 1 ‘·cat’" in probe.text
    assert probe.read() is None, "no parameter lies there"


def test_a_click_on_neurons_and_channels_says_which(activity):
    axes = picture_of(activity, "mlp_post").axes
    assert place_of(axes, (0, 2, 1, 77)) == {"layer": 2, "token": 1, "neuron": 77}
    axes = picture_of(activity, "states").axes
    assert place_of(axes, (0, 4, 1, 7)) == {"layer": 1, "token": 1, "channel": 7}
    axes = picture_of(activity, "pattern").axes
    assert place_of(axes, (3, 2, 1, 0)) == {"head": 3, "layer": 2, "token": 1}


def test_labels_are_drawn_in_2d_only(window, activity, settle):
    view_activity(activity, window)
    settle()
    pictures = session_of(window).pictures
    pictures.label()
    assert pictures.ruler.visible
    before = window.screenshot(canvas_only=True, flash=False)
    pictures.ruler.hide()
    without = window.screenshot(canvas_only=True, flash=False)
    assert (before != without).any(), "the labels are on screenshots"
    window.dims.ndisplay = 3
    pictures.label()
    assert not pictures.ruler.visible


def test_nothing_stays_when_the_last_picture_is_removed(viewer, settle):
    activity = made_activity()
    view_activity(activity, viewer)
    settle()
    desk = desk_of(viewer)
    links = [array_link_of(layer) for layer in viewer.layers]
    assert len(desk.moved) == 1
    viewer.layers.clear()
    settle()
    session = session_of(viewer)
    assert session.pictures is None
    assert session.probe is None
    assert not session.bindings
    assert len(desk.moved) == 0
    assert all(not len(link.console.events.window) for link in links)
    assert not viewer.canvas.overlays.text.visible


def test_one_token_and_many(viewer, settle):
    for n in (1, 40):
        activity = made_activity(words=[f" w{i}" for i in range(n)])
        layers = add_activity(viewer, activity, ("states", "pattern"))
        settle()
        assert layers[-1].data.shape[-2:] == (n, n)
        assert tuple(layers[-1].contrast_limits) == (0.0, 1.0)


def test_beside_a_scan_activity_has_a_window_of_its_own(
    viewer, make_viewer, model, settle, monkeypatch
):
    import napari

    from napari_gpt2_tomo.facade import Scan
    from napari_gpt2_tomo.viewer.layers import add_scan

    with Scan(model) as scan:
        add_scan(viewer, scan)
        settle()
        activity = made_activity()
        desk_of(viewer).show(activity)
        other = make_viewer()
        monkeypatch.setattr(napari, "Viewer", lambda **_: other)
        assert show_beside(viewer, "pattern") is other
        assert desk_of(other) is desk_of(viewer)
        assert [array_link_of(layer) is None for layer in viewer.layers] == [True, True]
        desk_of(viewer).move(layer=2)
        assert other.dims.point[1] == 2
        assert show_beside(viewer, "mlp_post") is other
        assert show_beside(viewer, "pattern") is other
        assert len(other.layers) == 2, "what is there already is shown again"
        assert [layer.visible for layer in other.layers] == [True, False]
        settle()


def test_without_an_activity_there_is_nothing_to_show(viewer):
    with pytest.raises(TomoError, match="Run a prompt first"):
        show_beside(viewer, "pattern")


def test_links_are_freed():
    import weakref

    link = ArrayLink(made_activity(), "pattern")
    weak = weakref.ref(link)
    assert link.console.window.width == pytest.approx(1)
    del link
    gc.collect()
    assert weak() is None
