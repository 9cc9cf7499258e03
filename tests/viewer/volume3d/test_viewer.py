"""What concerns one viewer: turning, frame rate, axes, edges, choosing a region."""

import numpy as np
import pytest

from napari_gpt2_tomo.base import DisplayError
from napari_gpt2_tomo.viewer import volume3d
from napari_gpt2_tomo.viewer.panes.views import close_views, open_views
from napari_gpt2_tomo.viewer.volume3d.edges import corner_pairs
from napari_gpt2_tomo.viewer.volume3d.frame_rate import rate_of
from napari_gpt2_tomo.viewer.volume3d.region import drawing_of, region_of, visible_box


def test_the_volume_turns_about_what_points_up_until_somebody_takes_hold(on_screen, qtbot):
    viewer = on_screen.viewer
    heard = []
    spin = volume3d.start_spin(viewer, speed=200)
    spin.changed.connect(heard.append)
    assert viewer.dims.ndisplay == 3
    camera = viewer.scene.camera
    up, view = np.array(camera.up_direction), np.array(camera.view_direction)
    axis = int(np.abs(up).argmax())
    qtbot.waitUntil(lambda: np.abs(np.array(camera.view_direction) - view).max() > 0.1)
    assert np.array(camera.view_direction)[axis] == pytest.approx(view[axis], abs=1e-6)
    camera.angles = (1, 2, 3)
    assert not spin.running
    assert heard == [False]
    volume3d.start_spin(viewer)
    for callback in list(viewer.mouse_drag_callbacks):
        if callback == spin._pressed:
            callback(viewer, None)
    assert not spin.running
    volume3d.start_spin(viewer)
    viewer.dims.ndisplay = 2
    assert not spin.running
    assert spin._pressed not in viewer.mouse_drag_callbacks
    volume3d.start_spin(viewer)
    volume3d.stop_spin(viewer)
    assert not spin.running


def test_the_rate_is_that_of_the_last_uninterrupted_run():
    assert rate_of([]) is None
    assert rate_of([1.0]) is None
    assert rate_of([0.0, 0.1, 0.2, 0.3]) == pytest.approx(10)
    assert rate_of([0.0, 0.01, 5.0, 5.05, 5.1]) == pytest.approx(20)
    assert rate_of([0.0, 0.01, 5.0]) is None


def test_the_frame_rate_is_measured_on_the_canvas(on_screen, qtbot):
    viewer = on_screen.viewer
    meter = volume3d.show_frame_rate(viewer)
    assert volume3d.show_frame_rate(viewer) is meter
    for zoom in (3, 4, 5, 6):
        viewer.scene.camera.zoom = zoom
        qtbot.wait(30)
    qtbot.waitUntil(lambda: meter.rate is not None)
    qtbot.waitUntil(lambda: " ms" in meter.label.text())
    volume3d.hide_frame_rate(viewer)
    assert not volume3d.shows_frame_rate(viewer)
    written = meter.rate
    viewer.scene.camera.zoom = 3
    qtbot.wait(50)
    assert meter.rate == written


def test_axes_are_drawn_with_their_names(on_screen):
    volume3d.show_axes(on_screen.viewer)
    assert volume3d.shows_axes(on_screen.viewer)
    assert tuple(on_screen.viewer.dims.axis_labels) == ("section", "channel", "unit")
    volume3d.show_axes(on_screen.viewer, False)
    assert not volume3d.shows_axes(on_screen.viewer)


def test_a_box_has_twelve_edges_and_a_rectangle_four():
    cuboid = corner_pairs((0, 0, 0), (1, 2, 3))
    assert cuboid.shape == (24, 3)
    assert sorted(np.abs(cuboid[::2] - cuboid[1::2]).sum(axis=1)) == [1] * 4 + [2] * 4 + [3] * 4
    assert corner_pairs((0, 0), (1, 2)).shape == (8, 2)


def test_edges_leave_the_margins_out_and_follow_the_region(on_screen, settle):
    on_screen.viewer.dims.ndisplay = 3
    on_screen.console.solid = False
    settle()

    def lit():
        settle()
        picture = on_screen.viewer.screenshot(canvas_only=True, flash=False)
        return int((picture[..., :3].max(axis=2) > 60).sum())

    assert lit() == 0
    on_screen.console.bounding_box = True
    whole = lit()
    assert whole > 300
    on_screen.console.region = ((4, 12), (10, 40), (20, 52))
    assert 50 < lit() < 0.8 * whole
    on_screen.viewer.dims.ndisplay = 2
    on_screen.image.visible = False
    assert lit() == 0
    on_screen.image.visible = True
    on_screen.console.set_limits(8, 9)  # Nothing but the edges.
    assert lit() > 50
    on_screen.console.bounding_box = False
    assert lit() == 0


def corners(low, high) -> np.ndarray:
    """Of a rectangle in a plane, as napari hands them out when one is drawn."""
    low, high = np.array(low, float), np.array(high, float)
    first, second = np.flatnonzero(low != high)
    found = np.stack([low] * 4)
    found[1:3, first] = high[first]
    found[2:, second] = high[second]
    return found


def test_a_region_keeps_the_axes_that_nobody_named(shown):
    core = shown.link.volume.core
    channels = core[1].stop
    assert region_of(shown.link, {2: (-5, 30)})[1:] == ((0, channels), (0, 30))
    shown.console.region = ((4, 12), (10, 40), (20, 52))
    assert region_of(shown.link, {1: (0, 9999)}) == (
        (4, 12),
        (0, shown.link.volume.shape[1]),
        (20, 52),
    )
    with pytest.raises(DisplayError, match="outside"):
        region_of(shown.link, {1: (500, 600)})


def test_the_region_in_view_is_what_the_slice_shows(on_screen, settle):
    viewer = on_screen.viewer
    height, width = viewer.canvas.size
    viewer.scene.camera.center = on_screen.image.data_to_world((0, 30, 20))
    viewer.scene.camera.zoom = width / 16
    box = visible_box(viewer, on_screen.image)
    assert box[2] == (12, 29)
    tall = height / (width / 16)
    assert box[1][1] - box[1][0] == pytest.approx(tall, abs=2)
    region = volume3d.region_in_view(viewer, on_screen.link)
    assert region == ((0, on_screen.link.volume.shape[0]), box[1], box[2])
    viewer.dims.ndisplay = 3
    with pytest.raises(DisplayError, match="2-D"):
        volume3d.region_in_view(viewer, on_screen.link)


def test_a_rectangle_on_a_slice_becomes_the_region(on_screen, settle):
    viewer = on_screen.viewer
    viewer.dims.ndisplay = 3
    settle()
    waiting = volume3d.draw_region(viewer, on_screen.link)
    assert viewer.dims.ndisplay == 2
    (layer,) = waiting.layers
    assert viewer.layers.selection.active is layer
    section = viewer.dims.point[0] / on_screen.image.scale[0]
    layer.add_rectangles(corners((section, 30.2, 30.4), (section, 30.3, 30.5)))  # A click.
    settle()
    assert on_screen.console.region is None
    layer.add_rectangles(corners((section, 9.8, 20.3), (section, 39.4, 50.6)))
    settle()
    assert on_screen.console.region == (
        (0, on_screen.link.volume.shape[0]),
        (10, 40),
        (20, 52),
    )
    assert layer not in viewer.layers
    assert viewer.dims.ndisplay == 3
    assert drawing_of(viewer) is None
    assert viewer.layers.selection.active is on_screen.image


def test_drawing_can_be_called_off(on_screen, settle):
    viewer = on_screen.viewer
    before = list(viewer.layers)
    volume3d.draw_region(viewer, on_screen.link)
    volume3d.draw_region(viewer, on_screen.link)
    assert len(viewer.layers) == len(before) + 1
    volume3d.cancel_drawing(viewer)
    assert list(viewer.layers) == before
    assert on_screen.console.region is None


def test_with_four_views_any_plane_takes_the_rectangle(on_screen, settle):
    viewer = on_screen.viewer
    views = open_views(viewer)
    settle()
    try:
        waiting = volume3d.draw_region(viewer, on_screen.link)
        assert len(waiting.layers) == 3
        coronal = views.panes[1]
        layer = next(x for x in coronal.viewer.layers if x in waiting.layers)
        channel = on_screen.link.cursor.position[1]
        layer.add_rectangles(corners((3, channel, 20), (8, channel, 40)))
        settle()
        assert on_screen.console.region == (
            (3, 9),
            (0, on_screen.link.volume.core[1].stop),
            (20, 41),
        )
        assert not any(x in pane.viewer.layers for pane in views.panes for x in waiting.layers)
        on_screen.console.region = None
        for pane in views.panes:
            pane.viewer.scene.camera.zoom *= 3
        found = volume3d.region_in_view(viewer, on_screen.link)
        whole = on_screen.link.volume.shape
        assert all(b - a < n for (a, b), n in zip(found, whole, strict=True))
    finally:
        close_views(viewer)
    settle()


def test_the_cursor_goes_with_the_slices_and_the_slices_with_the_cursor(shown, settle):
    shown.viewer.dims.set_point(0, 7 * shown.image.scale[0])
    assert shown.link.cursor.position[0] == 7
    shown.viewer.dims.ndisplay = 3
    shown.link.cursor.move((3, 10, 20))
    shown.viewer.dims.ndisplay = 2
    assert shown.viewer.dims.point[0] == 3 * shown.image.scale[0]
