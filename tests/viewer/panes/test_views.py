"""Four linked views of a scan: what each shows, and that they move together."""

import sys
from functools import partial

import numpy as np
import pytest

from napari_gpt2_tomo.base import DisplayError
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.viewer.layers import add_scan
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.panes import close_views, open_views, toggle_views, views_of
from napari_gpt2_tomo.viewer.session import session_of
from napari_gpt2_tomo.viewer.switch import switch
from napari_gpt2_tomo.viewer.view import view

from ..small_model import HEADS, LAYERS, PLANTED, WIDTH


def drawn(pane) -> np.ndarray:
    """The slice that a pane shows, as many levels down as it shows it."""
    return np.asarray(pane.layers[0]._slice.image.view)


def expected(link, pane, position) -> np.ndarray:
    layer = pane.layers[0]
    level = layer.data_level
    factors = link.volume.factors[level]
    index = [p // f for p, f in zip(position, factors, strict=True)]
    for axis in pane.viewer.dims.displayed:
        index[axis] = slice(None)
    plane = np.asarray(link.levels[level][tuple(index)])
    down, across = pane.viewer.dims.displayed
    return plane if down < across else plane.T


def test_every_pane_shows_the_plane_through_the_cursor(shown, settle):
    viewer, views = shown
    link = link_of(viewer.layers[0])
    assert views.link is link
    assert views.cursor is link.cursor
    assert [pane.name for pane in views.panes] == ["axial", "coronal", "sagittal"]
    for position in [link.volume.voxel(*PLANTED), (5, 9, 50)]:
        views.cursor.move(position)
        settle()
        for pane in views.panes:
            assert pane.viewer.dims.not_displayed == (pane.axis,)
            picture, wanted = drawn(pane), expected(link, pane, position)
            np.testing.assert_array_equal(picture, wanted)
        assert viewer.dims.ndisplay == 3


def test_captions_say_plane_place_and_what_is_crossed(shown, settle, qtbot):
    _, views = shown
    volume = views.link.volume
    section, channel, unit = volume.voxel(*PLANTED)
    views.cursor.move((section, channel, unit))
    settle()
    head = unit // (WIDTH // HEADS)
    assert [pane.caption for pane in views.panes] == [
        f"axial · section {section} of {volume.shape[0]} · L1 K head {head}",
        f"coronal · channel {channel}",
        f"sagittal · unit {unit} · head {head}",
    ]
    # The volume follows as often as it can be drawn.
    planted = f"{PLANTED[0]}{list(PLANTED[1])} = 3"
    qtbot.waitUntil(lambda: planted in views.volume.caption.splitlines())
    first, _, where = views.volume.caption.splitlines()
    assert first == "3-D · small"
    assert where.startswith("L1 K · head")
    views.cursor.move(volume.voxel("h.2.mlp.c_fc.weight", (8, 70)))
    settle()
    assert views.panes[0].caption.endswith("L2 up 2/4")
    assert views.panes[2].caption == "sagittal · unit 6 · neuron 70"
    views.cursor.move(volume.voxel("h.1.ln_1.weight", (5,)))
    settle()
    assert views.panes[2].caption.endswith("(margin)")


def test_sliders_and_numbers_move_the_cursor_and_follow_it(shown):
    _, views = shown
    axial, coronal, sagittal = views.panes
    volume = views.link.volume
    assert [pane.bar.name.text() for pane in views.panes] == ["section", "channel", "unit"]
    axial.bar.slider.setValue(4)
    coronal.bar.number.setValue(11)
    assert views.cursor.position[:2] == (4, 11)
    assert axial.bar.number.value() == 4
    assert coronal.bar.slider.value() == 11
    views.cursor.step(2, -3)
    assert sagittal.bar.slider.value() == sagittal.bar.number.value() == views.cursor.position[2]
    assert axial.bar.number.maximum() == volume.shape[0] - 1
    assert coronal.bar.total.text() == f"of {WIDTH}"


def test_a_step_leaves_the_volume_and_the_other_slices_alone(shown, settle):
    viewer, views = shown
    settle()
    point, level = viewer.dims.point, viewer.layers[0].locked_data_level
    sliced = []

    def note(name, event):
        sliced.append(name)

    layers = [viewer.layers[0], *(pane.layers[0] for pane in views.panes)]
    for name, layer in zip(("volume", "axial", "coronal", "sagittal"), layers, strict=True):
        layer.events.set_data.connect(partial(note, name))
    views.cursor.step(1)
    settle()
    assert sliced == ["coronal"]
    assert viewer.dims.point == point
    assert viewer.layers[0].locked_data_level == level


def test_a_slider_that_a_script_moves_moves_the_cursor(shown):
    _, views = shown
    axial = views.panes[0]
    axial.viewer.dims.set_point(0, float(axial.layers[0].data_to_world((7, 0, 0))[0]))
    assert views.cursor.position[0] == 7


def test_window_colours_and_visibility_are_the_same_everywhere(shown, settle, qtbot):
    viewer, views = shown
    image, atlas = viewer.layers
    layers = [image, *(pane.layers[0] for pane in views.panes)]

    def wait_for(limits):
        # The volume follows as often as it can be drawn.
        qtbot.waitUntil(lambda: np.allclose([x.contrast_limits for x in layers], limits))

    views.link.console.set_limits(0.01, 0.2)
    wait_for((0.01, 0.2))
    layers[2].contrast_limits = (0.05, 0.3)
    wait_for((0.05, 0.3))
    image.gamma = 0.5
    image.visible = False
    assert {layer.gamma for layer in layers} == {0.5}
    assert not any(layer.visible for layer in layers)
    image.visible = True
    settle()
    assert [len(pane.layers) for pane in views.panes] == [1, 1, 1]
    atlas.visible = True
    settle()
    assert [len(pane.layers) for pane in views.panes] == [2, 2, 2]
    atlas.opacity = 0.25
    assert {pane.layers[1].opacity for pane in views.panes} == {0.25}
    atlas.visible = False
    assert not any(pane.layers[1].visible for pane in views.panes)


def test_axes_of_panes_cannot_be_turned(shown):
    _, views = shown
    for pane in views.panes:
        order = pane.viewer.dims.order
        pane.viewer.dims.ndisplay = 3
        pane.viewer.dims.roll()
        assert pane.viewer.dims.ndisplay == 2
        assert pane.viewer.dims.order == order


def test_the_main_viewer_may_be_flat_and_follows_then(shown, settle, qtbot):
    viewer, views = shown
    viewer.dims.ndisplay = 2
    settle()
    views.cursor.move((6, 1, 2))
    settle()
    scale = viewer.layers[0].scale[0]
    assert viewer.dims.point[0] == 6 * scale
    viewer.dims.set_point(0, 9 * scale)
    assert views.cursor.position == (9, 1, 2)
    qtbot.waitUntil(lambda: views.volume.caption.startswith("2-D · small · section 9 of"))


def test_other_layouts_have_four_views_too(bare, model, settle, qtbot):
    viewer = bare
    with Scan(model) as scan:
        add_scan(viewer, scan, "heads", role="k")
        views = open_views(viewer)
        settle()
        assert [pane.bar.name.text() for pane in views.panes] == ["head", "d_head", "channel"]
        layer, head, dim, channel = 1, 2, 5, 7
        views.cursor.move((layer, head, dim, channel))
        settle()
        assert views.panes[0].caption == f"head {head} of {HEADS} · L{layer} K"
        qtbot.waitUntil(
            lambda: f"layer {layer} of {LAYERS}" in views.volume.caption.splitlines()[0]
        )
        assert [pane.viewer.dims.not_displayed for pane in views.panes] == [(0, 1), (0, 2), (0, 3)]
        viewer.dims.set_point(0, 2.0)
        settle()
        assert views.cursor.position == (2, head, dim, channel)
        assert {pane.viewer.dims.point[0] for pane in views.panes} == {2.0}
        assert views.panes[0].caption.endswith("L2 K")
        cube = add_scan(viewer, scan, "cube").image
        settle()
        assert views.link is link_of(cube)
        assert [pane.bar.name.text() for pane in views.panes] == ["z", "y", "x"]
        viewer.layers.clear()
        settle()


def test_a_volume_of_two_axes_is_refused_with_words(bare, model, settle):
    viewer = bare
    with pytest.raises(DisplayError, match="Open a checkpoint"):
        open_views(viewer)
    with Scan(model) as scan:
        flat = add_scan(viewer, scan, "tensor", tensor="wte.weight").image
        with pytest.raises(DisplayError, match="has 2 axes, three planes need 3"):
            open_views(viewer)
        assert views_of(viewer) is None
        body = add_scan(viewer, scan).image
        settle()
        views = open_views(viewer)
        viewer.layers.selection.active = flat
        settle()
        assert views.link is None
        assert "three planes need 3" in views.panes[0].caption
        viewer.layers.selection.active = body
        settle()
        assert views.link is link_of(body)
        viewer.layers.clear()
        settle()


def test_the_active_scan_is_shown_and_removal_is_survived(shown, model, settle):
    viewer, views = shown
    first = views.link
    view(model, viewer, "cube")
    settle()
    second = views.link
    assert second is not first
    assert second.volume.layout.name == "cube"
    viewer.layers.selection.active = viewer.layers[0]
    settle()
    assert views.link is first
    for layer in [layer for layer in viewer.layers if link_of(layer) is first]:
        viewer.layers.remove(layer)
    settle()
    assert views.link is second
    viewer.layers.clear()
    settle()
    assert views.link is None
    assert views.cursor is None
    assert [pane.caption for pane in views.panes] == ["No scan"] * 3
    assert not any(pane.viewer.layers for pane in views.panes)
    view(model, viewer)
    settle()
    assert views.link is not None
    assert views.panes[0].caption.startswith("axial")


def test_a_switch_in_place_is_followed_to_the_same_parameter(shown, settle):
    viewer, views = shown
    link = views.link
    views.cursor.move(link.volume.voxel(*PLANTED))
    for options in (
        {"layout": "cube"},
        {"layout": "heads", "role": "k"},
        {"layout": "body", "signal": "signed"},
    ):
        switch(viewer, link, **options)
        settle()
        assert views.link is link
        assert views.cursor.position == link.volume.voxel(*PLANTED)
        for pane in views.panes:
            layer = pane.layers[0]
            assert layer.ndim == link.volume.ndim
            assert tuple(layer.level_shapes[0]) == link.volume.shape
            at = layer.world_to_data(pane.viewer.dims.point)[pane.axis]
            assert round(at) == views.cursor.position[pane.axis]
    switch(viewer, link, layout="tensor", tensor="wte.weight")
    settle()
    assert "three planes need 3" in views.panes[0].caption
    switch(viewer, link, layout="body")
    settle()
    assert views.panes[0].caption.startswith("axial")


def test_a_layer_that_is_moved_takes_its_copies_with_it(shown, settle):
    viewer, views = shown
    scale = tuple(viewer.layers[0].scale)

    def place(scale, translate):
        for layer in viewer.layers:
            layer.scale, layer.translate = scale, translate
        settle()

    place((2, 3, 0.5), (7, -11, 13))
    for pane in views.panes:
        assert tuple(pane.layers[0].scale) == (2, 3, 0.5)
        assert tuple(pane.layers[0].translate) == (7, -11, 13)
    views.cursor.move((5, 6, 7))
    settle()
    assert views.panes[0].viewer.dims.point[0] == 17
    place(scale, (0, 0, 0))
    assert tuple(views.panes[0].layers[0].scale) == scale


def test_opened_from_a_slice_they_show_it_and_closing_goes_back_to_it(bare, model, settle):
    viewer = bare
    view(model, viewer)
    settle()
    viewer.dims.set_current_step(0, 5)
    camera = viewer.scene.camera
    camera.center, camera.zoom = (0, 30, 20), 7.0
    views = open_views(viewer)
    assert open_views(viewer) is views
    settle()
    assert views.cursor.position[0] == 5
    views.cursor.step(0, 3)
    toggle_views(viewer)
    settle()
    assert views_of(viewer) is None
    assert viewer.dims.ndisplay == 2
    assert viewer.dims.current_step[0] == 8
    assert camera.zoom == pytest.approx(7.0)
    assert session_of(viewer).probe.text.startswith("axial · section 8 of")
    toggle_views(viewer)
    assert views_of(viewer) is not None
    close_views(viewer)
    close_views(viewer)
    assert views_of(viewer) is None


def test_a_file_that_is_gone_is_told_and_nothing_breaks(shown, settle, monkeypatch):
    from napari_gpt2_tomo.base import CheckpointError
    from napari_gpt2_tomo.viewer.panes import views as module

    _, views = shown
    told = []
    monkeypatch.setattr(module, "show", lambda error: told.append(str(error)))

    def gone(self, box, level=0):
        raise CheckpointError("The file is gone.")

    from napari_gpt2_tomo.volume.overview.overview import Overview

    with monkeypatch.context() as patch:
        patch.setattr(Overview, "displayed", gone)
        views.cursor.step(0)
        settle()
    assert told == ["The file is gone."]
    # Where vispy keeps the last exception, and with it the frames that it passed.
    sys.last_value = sys.last_traceback = None
    views.cursor.step(0)
    settle()
    assert views.panes[0].bar.number.value() == views.cursor.position[0]
