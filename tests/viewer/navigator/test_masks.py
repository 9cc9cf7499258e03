"""Hidden, isolated and tinted parts, in slices and volumes alike."""

import numpy as np
import pytest

from napari_gpt2_tomo.viewer.layers import add_scan
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.navigator.fly import go_to
from napari_gpt2_tomo.viewer.switch import switch
from napari_gpt2_tomo.viewer.view import view

from ..small_model import WIDTH

RED = (1.0, 0.0, 0.0)


def names(link, *roles):
    return {part.name for part in link.volume.anatomy.parts if part.role in roles}


def labels_of(link, *parts):
    return [link.volume.region(name).label for name in parts]


def test_what_is_hidden_is_air_in_every_level(shown):
    link = shown.link
    before = [np.asarray(level) for level in link.levels]
    labels = [np.asarray(level) for level in link.atlas]
    shown.console.hidden = {"L1.q", "L1.q_bias"}
    gone = labels_of(link, "L1.q", "L1.q_bias")
    for level, atlas, values, label in zip(link.levels, link.atlas, before, labels, strict=True):
        hidden = np.isin(label, gone)
        assert hidden.any()
        np.testing.assert_array_equal(np.asarray(level), np.where(hidden, 0, values))
        np.testing.assert_array_equal(np.asarray(atlas), np.where(hidden, 0, label))
    shown.console.hidden = set()
    np.testing.assert_array_equal(np.asarray(link.levels[0]), before[0])


def test_what_is_isolated_is_alone_and_can_be_hidden_in_turn(shown):
    link = shown.link
    shown.console.shown = names(link, "k", "v")
    shown.console.hidden = {"L2.v"}
    kept = labels_of(link, *(names(link, "k", "v") - {"L2.v"}))
    found = set(np.unique(np.asarray(link.atlas[0])).tolist()) - {0}
    assert found == set(kept)
    values = np.asarray(link.levels[0])
    assert not values[np.asarray(link.atlas[0]) == 0].any()


def test_nothing_that_belongs_to_the_overview_is_changed(shown):
    link = shown.link
    before = [np.array(link.volume.overview.displayed(i)[:]) for i in range(len(link.levels))]
    shown.console.shown = {"L1.q"}
    for level in link.levels:
        np.asarray(level)
    for i, values in enumerate(before):
        np.testing.assert_array_equal(np.array(link.volume.overview.displayed(i)[:]), values)


def drawn(shown) -> np.ndarray:
    """What is drawn of the section that is looked at, without margins."""
    factors = shown.link.volume.factors[shown.image.data_level]
    picture = np.asarray(shown.image._slice.image.view)
    if shown.viewer.dims.ndisplay == 3:
        picture = picture[shown.viewer.dims.current_step[0] // factors[0]]
    return picture[: WIDTH // factors[1], : WIDTH // factors[2]]


def test_slice_and_volume_follow(shown, settle):
    viewer = shown.viewer
    go_to(viewer, "L1.q")
    assert drawn(shown).all()
    shown.console.hidden = {"L1.q"}
    settle()
    assert not drawn(shown).any()
    viewer.dims.ndisplay = 3
    settle()
    assert not drawn(shown).any()
    shown.console.hidden = set()
    settle()
    assert drawn(shown).all()


def test_every_viewer_of_a_scan_follows(shown, settle):
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_gpt2_tomo.viewer.layers import layer_data
    from napari_gpt2_tomo.viewer.session import watch

    other = ViewerModel()
    watch(other)
    image = other.add_layer(Layer.create(*layer_data(shown.link)[0]))
    settle()
    for viewer in (shown.viewer, other):
        go_to(viewer, "L1.q", shown.link)
    shown.console.shown = {"L0.k"}
    settle()
    assert not np.asarray(image._slice.image.view).any()
    assert not np.asarray(shown.image._slice.image.view).any()
    other.layers.clear()
    settle()


def test_tints_colour_the_atlas_and_go_again(shown, settle):
    atlas, link = shown.atlas, shown.link
    before = np.array(atlas.colormap.colors)
    shown.console.tints = {"L1.k": RED, "L2.k": (0.0, 1.0, 0.0)}
    assert atlas.visible
    colours = np.array(atlas.colormap.colors)
    one, other = labels_of(link, "L1.k", "L2.k")
    np.testing.assert_allclose(colours[one], (*RED, 1))
    np.testing.assert_allclose(colours[other], (0, 1, 0, 1))
    assert not np.delete(colours, [one, other], axis=0).any()
    shown.console.tints = {}
    assert not atlas.visible
    np.testing.assert_array_equal(np.array(atlas.colormap.colors), before)


def test_an_atlas_that_was_seen_is_seen_again(shown):
    shown.atlas.visible = True
    shown.console.tints = {"L1.k": RED}
    shown.console.tints = {}
    assert shown.atlas.visible


def test_hidden_and_tinted_parts_stay_so_in_another_layout(shown, settle):
    link = shown.link
    shown.console.hidden = {"L1.q"}
    shown.console.tints = {"L1.k": RED}
    switch(shown.viewer, link, "cube")
    settle()
    labels = np.asarray(link.volume.atlas.level(0)[:])
    values = np.asarray(link.levels[0])
    assert not values[labels == link.volume.region("L1.q").label].any()
    assert values[labels == link.volume.region("L1.k").label].any()
    colours = np.array(shown.atlas.colormap.colors)
    np.testing.assert_allclose(colours[link.volume.region("L1.k").label], (*RED, 1))
    shown.console.tints = {}
    assert np.array(shown.atlas.colormap.colors)[1:].all()


def test_a_part_of_another_model_hides_nothing(shown):
    before = np.asarray(shown.link.levels[0])
    shown.console.hidden = {"L99.q"}
    np.testing.assert_array_equal(np.asarray(shown.link.levels[0]), before)


@pytest.mark.parametrize("displayed", [2, 3])
def test_pixels_of_hidden_and_tinted_parts(window, model, settle, qtbot, displayed):
    view(model, window)
    settle()
    link = link_of(window.layers[0])
    window.dims.ndisplay = displayed
    settle()
    go_to(window, "L1.k")

    def picture() -> np.ndarray:
        from napari_gpt2_tomo.viewer.navigator.mark import unmark

        unmark(window)
        settle()
        qtbot.wait(30)
        return window.screenshot(flash=False)[..., :3].astype(int)

    everything = picture()
    link.console.shown = {"L1.k"}
    alone = picture()
    link.console.tints = {"L1.k": RED}
    tinted = picture()
    link.console.tints = {}
    link.console.shown = None
    link.console.hidden = {part.name for part in link.volume.anatomy.parts}
    nothing = picture()
    bright = [int((p.sum(axis=2) > 60).sum()) for p in (everything, alone, nothing)]
    assert bright[0] >= bright[1] > bright[2] + 1000
    more = (tinted[..., 0] - tinted[..., 2]) - (alone[..., 0] - alone[..., 2])
    assert (more > 40).sum() > 1000


def test_a_second_layer_of_the_scan_has_its_own_console(shown, settle):
    layers = add_scan(shown.viewer, shown.scan, "cube")
    settle()
    shown.console.hidden = {"L1.q"}
    assert link_of(layers.image).console.hidden == frozenset()


def test_in_four_views_every_pane_shows_tints_and_frames(make_viewer, model, settle, qtbot):
    from napari_gpt2_tomo.viewer.panes import close_views, open_views

    viewer = make_viewer()
    view(model, viewer)
    views = open_views(viewer)
    settle()
    link = link_of(viewer.layers[0])
    go_to(viewer, "L1.k")
    link.console.tints = {"L1.k": RED}
    settle()
    qtbot.wait(30)
    label = link.volume.region("L1.k").label
    for pane in views.panes:
        image, atlas = pane.viewer.layers
        assert atlas.visible
        np.testing.assert_allclose(np.array(atlas.colormap.colors)[label], (*RED, 1))
        assert label in np.asarray(atlas._slice.image.view)
        assert image.visible
    link.console.tints = {}
    settle()
    qtbot.wait(30)
    assert not any(layer.visible for layer in link.layers if not hasattr(layer, "contrast_limits"))
    close_views(viewer)
    settle()
