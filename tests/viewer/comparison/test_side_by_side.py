"""Two models side by side in one window."""

import numpy as np
import pytest

from napari_gpt2_tomo.base import DisplayError, TomoError
from napari_gpt2_tomo.viewer.comparison.opening import open_sides
from napari_gpt2_tomo.viewer.comparison.side_by_side import (
    close_side_by_side,
    open_side_by_side,
    side_by_side_of,
)
from napari_gpt2_tomo.viewer.comparison.sides import Side
from napari_gpt2_tomo.viewer.lettering import text_width
from napari_gpt2_tomo.viewer.panes.views import open_views, toggle_views, views_of
from napari_gpt2_tomo.viewer.probe import FONT_SIZE
from napari_gpt2_tomo.viewer.switch import switch
from napari_gpt2_tomo.viewer.view import view as show_scan


@pytest.fixture
def window(module_window, settle):
    """A viewer on the screen, without layers and in 2-D."""
    close_side_by_side(module_window)
    module_window.layers.clear()
    module_window.dims.ndisplay = 2
    settle()
    return module_window


@pytest.fixture
def panes(window, model, other, settle):
    """Two panes; closed again at the end."""
    show_scan(model, window, signal="signed")
    settle()
    made = open_side_by_side(window, model, other)
    settle()
    yield made
    close_side_by_side(window)
    settle()


def test_the_second_model_is_shown_as_the_first(panes, window):
    first, second = panes.links
    assert (first.scan.name, second.scan.name) == ("small", "other")
    assert second.volume.signal == "signed"
    assert second.console.window == first.console.window
    assert next(layer.name for layer in panes.pane.layers) == "other · signed"
    assert side_by_side_of(window) is panes


def test_slices_follow_both_ways(panes, window, settle):
    step = window.layers[0].scale[0]
    window.dims.set_point(0, 5 * step)
    assert panes.pane.dims.point[0] == pytest.approx(5 * step)
    panes.pane.dims.set_point(0, 9 * step)
    assert window.dims.point[0] == pytest.approx(9 * step)
    settle()
    assert "section 9" in panes.pane.canvas.overlays.text.text


def test_cameras_follow_both_ways_in_2d_and_3d(panes, window, settle):
    window.scene.camera.zoom = 7.0
    assert panes.pane.scene.camera.zoom == pytest.approx(7.0)
    panes.pane.scene.camera.center = (0, 20, 30)
    assert window.scene.camera.center[-2:] == pytest.approx((20, 30))
    window.dims.ndisplay = 3
    settle()
    assert panes.pane.dims.ndisplay == 3
    panes.pane.scene.camera.angles = (10, -20, 130)
    assert window.scene.camera.angles == pytest.approx((10, -20, 130))
    assert np.allclose(window.scene.camera.center, panes.pane.scene.camera.center)


def test_windows_follow_both_ways(panes):
    first, second = panes.links
    first.console.set_limits(-0.5, 0.5)
    assert second.console.window.limits == (-0.5, 0.5)
    second.console.gamma = 0.7
    assert first.console.gamma == 0.7


def test_axes_follow(panes, window):
    window.dims.order = (1, 0, 2)
    assert tuple(panes.pane.dims.order) == (1, 0, 2)


def test_another_layout_is_shown_in_both(panes, window, settle):
    first, second = panes.links
    switch(window, first, layout="cube", signal="magnitude")
    settle()
    assert (second.volume.layout.name, second.volume.signal) == ("cube", "magnitude")
    assert second.console.window == first.console.window


def test_the_mouse_reads_both(panes, window, settle):
    _first, second = panes.links
    world = window.layers[0].data_to_world((3, 10, 11))
    window.dims.set_point(0, world[0])
    window.cursor.position = world
    settle()
    name = second.volume.address((3, 10, 11)).tensor
    text = panes.pane.canvas.overlays.text.text
    assert name in text
    assert f"{second.volume.address((3, 10, 11)).value:.6g}" in text


def test_what_was_hidden_comes_back(window, model, other, settle):
    show_scan(model, window)
    show_scan(other, window)
    settle()
    shown = [layer.visible for layer in window.layers]
    panes = open_side_by_side(window, model, other)
    settle()
    first = panes.links[0]
    assert [layer for layer in window.layers if layer.visible] == [
        layer for layer in first.layers if layer.visible
    ]
    panes.close()
    settle()
    assert [layer.visible for layer in window.layers] == shown
    assert side_by_side_of(window) is None


def test_removing_the_first_model_closes_the_pane(panes, window, settle):
    window.layers.clear()
    settle()
    assert side_by_side_of(window) is None


def test_four_views_make_room(window, model, other, settle):
    show_scan(model, window)
    settle()
    open_views(window)
    settle()
    panes = open_side_by_side(window, model, other)
    settle()
    assert views_of(window) is None
    panes.close()
    settle()


def test_a_viewer_without_a_window_is_told(model, other):
    from napari.components import ViewerModel

    with pytest.raises(DisplayError, match="window"):
        open_side_by_side(ViewerModel(), model, other)


def test_four_views_take_the_place_of_the_second_pane(panes, window, settle):
    views = open_views(window)
    settle()
    assert side_by_side_of(window) is None
    assert views_of(window) is views
    views.close()
    settle()


def test_four_views_are_asked_for_in_the_second_pane(panes, window, settle):
    toggle_views(panes.pane)
    settle()
    assert side_by_side_of(window) is None
    assert views_of(window) is not None
    views_of(window).close()
    settle()


def test_another_scan_closes_the_second_pane(panes, window, other, settle):
    show_scan(other, window)
    settle()
    assert side_by_side_of(window) is None


def test_words_fit_on_both_canvases(panes, window, settle):
    window.window.resize(700, 500)
    settle()
    for one in (window, panes.pane):
        text = one.canvas.overlays.text.text
        width = one.canvas.size[1]
        assert "section" in text
        assert max(text_width(line, FONT_SIZE) for line in text.splitlines()) <= width


def test_models_that_were_opened_before_are_closed_with_what_shows_them(
    window, model, other, settle
):
    first, second = Side.at(model), Side.at(other)
    opened = open_sides(first, second, shown=False)
    panes = open_side_by_side(window, first, second, opened)
    settle()
    assert [link.scan for link in panes.links] == [opened.a, opened.b]
    panes.close()
    window.layers.clear()
    settle()
    for scan in (opened.a, opened.b):
        with pytest.raises(TomoError, match="closed"):
            scan.part("q", 0)
