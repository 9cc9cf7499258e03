"""Going to a place and back."""

import gc
import weakref

import numpy as np
import pytest

from napari_gpt2_tomo.base import DisplayError, LayoutError
from napari_gpt2_tomo.viewer import compat
from napari_gpt2_tomo.viewer.layers import add_scan
from napari_gpt2_tomo.viewer.navigator import mark as marks
from napari_gpt2_tomo.viewer.navigator.fly import CLOSEST, go_to, history_of, step
from napari_gpt2_tomo.viewer.navigator.pinning import pin, pin_here
from napari_gpt2_tomo.viewer.panes import close_views, open_views
from napari_gpt2_tomo.viewer.session import session_of
from napari_gpt2_tomo.viewer.view import view

from ..small_model import PLANTED, WIDTH


def in_view(viewer, image, box) -> bool:
    """Whether a box of voxels lies within the canvas."""
    low = np.asarray(image.data_to_world([a - 0.5 for a, _ in box]))[1:]
    high = np.asarray(image.data_to_world([b - 0.5 for _, b in box]))[1:]
    half = np.asarray(viewer.canvas.size) / 2 / viewer.scene.camera.zoom
    center = np.asarray(viewer.scene.camera.center[-2:])
    return bool((low >= center - half - 1e-6).all() and (high <= center + half + 1e-6).all())


def test_in_2d_the_slice_the_cursor_and_the_camera_go_there(shown):
    viewer, link = shown.viewer, shown.link
    target = go_to(viewer, "L2.down")
    assert viewer.dims.current_step == target.voxel == link.cursor.position
    assert in_view(viewer, shown.image, target.box)
    before = viewer.scene.camera.zoom
    # What is seen well already does not make the picture jump.
    center = viewer.scene.camera.center
    go_to(viewer, "L1.H2.k")
    assert (viewer.scene.camera.zoom, viewer.scene.camera.center) == (before, center)


def test_a_single_parameter_is_brought_close_and_a_part_far_enough(shown):
    viewer = shown.viewer
    name, index = PLANTED
    target = go_to(viewer, f"{name}{list(index)}")
    pixels = viewer.scene.camera.zoom * shown.image.scale[-1]
    assert 4 < pixels <= CLOSEST
    assert in_view(viewer, shown.image, target.box)
    assert link_value(shown) == pytest.approx(3.0)
    viewer.scene.camera.zoom *= 20
    target = go_to(viewer, "token_embedding")
    assert in_view(viewer, shown.image, target.box)


def link_value(shown) -> float:
    return shown.link.volume.address(shown.link.cursor.position).value


def test_a_margin_is_gone_to_as_well(shown):
    target = go_to(shown.viewer, "L1.attn_norm")
    assert target.voxel[2] >= WIDTH
    assert in_view(shown.viewer, shown.image, target.box)


def test_in_3d_the_camera_turns_about_it_and_nothing_is_sliced(shown, settle):
    viewer = shown.viewer
    viewer.dims.ndisplay = 3
    settle()
    camera = viewer.scene.camera
    before = (camera.zoom, camera.angles, viewer.dims.point)
    sliced = []
    shown.image.events.set_data.connect(lambda event: sliced.append(event))
    target = go_to(viewer, "L2.N3")
    assert (camera.zoom, camera.angles, viewer.dims.point) == before
    middle = [(a + b - 1) / 2 for a, b in target.box]
    np.testing.assert_allclose(camera.center, shown.image.data_to_world(middle), atol=1e-4)
    assert shown.link.cursor.position == target.voxel
    assert not sliced


def test_back_and_forward_return_to_where_one_looked(shown):
    viewer, history = shown.viewer, history_of(shown.viewer)
    camera = viewer.scene.camera

    def here():
        return (
            viewer.dims.point,
            viewer.dims.ndisplay,
            tuple(camera.center),
            camera.zoom,
            shown.link.cursor.position,
        )

    places = [here()]
    go_to(viewer, "h.2.mlp.c_fc.weight[3, 4]")
    # One looks round a bit before going on.
    camera.center, camera.zoom = (0.0, 10.0, 12.0), 7.0
    places.append(here())
    go_to(viewer, "L1.q")
    viewer.dims.ndisplay = 3
    camera.center, camera.zoom = (1.0, 2.0, 3.0), 0.5
    places.append(here())
    assert (history.can_back, history.can_forward) == (True, False)
    assert step(viewer, True).title == "h.2.mlp.c_fc.weight[3, 4]"
    assert here() == places[1]
    step(viewer, True)
    assert here() == places[0]
    assert step(viewer, True) is None
    assert (history.can_back, history.can_forward) == (False, True)
    step(viewer, False)
    assert here() == places[1]
    assert step(viewer, False).title == "L1 Q"
    assert here() == places[2]
    step(viewer, True)
    go_to(viewer, "L0.o")
    assert not history.can_forward


def test_of_several_scans_the_one_that_is_meant(shown, settle):
    layers = add_scan(shown.viewer, shown.scan, "cube")
    settle()
    shown.viewer.layers.selection.active = layers.image
    assert len(go_to(shown.viewer, "L1.q").voxel) == 3
    assert go_to(shown.viewer, "L1.q", shown.link).box[1] == (0, WIDTH)


def test_what_cannot_be_done_is_said(shown, settle, qapp):
    from napari.components import ViewerModel

    with pytest.raises(DisplayError, match="Open a checkpoint first"):
        go_to(ViewerModel(), "L1.q")
    with pytest.raises(DisplayError, match="Did you mean"):
        go_to(shown.viewer, "L1.qq")
    before = shown.viewer.dims.point
    layers = add_scan(shown.viewer, shown.scan, "tensor", tensor="wte.weight")
    settle()
    shown.viewer.layers.selection.active = layers.image
    with pytest.raises(LayoutError, match="tensor layout"):
        go_to(shown.viewer, "L1.q")
    assert shown.viewer.dims.point[-3:] == before
    assert len(history_of(shown.viewer)._places) <= 1


def test_pins_are_set_by_query_by_mouse_and_at_the_cursor(shown):
    viewer, link = shown.viewer, shown.link
    name, index = PLANTED
    assert pin(viewer, f"{name}{list(index)}", note="loud").value == pytest.approx(3.0)
    target = go_to(viewer, "L2.k[5, 6]")
    viewer.cursor.position = shown.image.data_to_world((*target.voxel[:1], 7, 8))
    assert pin_here(viewer).query == f"h.2.attn.c_attn.weight[7, {WIDTH + 8}]"
    # The mouse has left the canvas.
    session_of(viewer).probe.leave()
    viewer.cursor.position = (0.0, -100.0, -100.0)
    assert pin_here(viewer).query == f"h.2.attn.c_attn.weight[5, {WIDTH + 6}]"
    assert [p.note for p in link.pins] == ["loud", "", ""]
    link.cursor.move((0, WIDTH + 1, WIDTH + 1))
    with pytest.raises(DisplayError, match="is air"):
        pin_here(viewer)


def test_a_frame_has_the_edges_of_its_box():
    flat = marks.frame(np.array([0.0, 0.0]), np.array([2.0, 3.0]), 1.0)
    assert flat.shape == (8, 2)
    assert {tuple(p) for p in flat.tolist()} == {(-1, -1), (-1, 4), (3, -1), (3, 4)}
    assert marks.frame(np.zeros(3), np.ones(3), 0.0).shape == (24, 3)


def test_what_was_gone_to_is_framed_for_a_moment(window, model, settle, qtbot):
    view(model, window)
    settle()

    def cyan() -> int:
        picture = window.screenshot(flash=False).astype(int)
        return int(
            ((picture[..., 1] > 180) & (picture[..., 2] > 180) & (picture[..., 0] < 120)).sum()
        )

    before = cyan()
    go_to(window, "L1.H2.k")
    qtbot.wait(30)
    assert cyan() > before + 200
    marks.unmark(window)
    qtbot.wait(30)
    assert cyan() == before
    # The same frame in 3-D, and back: it goes with the picture that it was drawn on.
    window.dims.ndisplay = 3
    settle()
    before = cyan()
    go_to(window, "L1.H2.k")
    qtbot.wait(30)
    assert cyan() > before + 100
    window.dims.ndisplay = 2
    qtbot.wait(30)
    assert not marks._marks[compat.qt_viewer_of(window)]._line.visible
    go_to(window, "L1.N3")


def test_frames_keep_no_pane_alive(make_viewer, model, settle, qtbot):
    viewer = make_viewer()
    view(model, viewer)
    views = open_views(viewer)
    settle()
    go_to(viewer, "L1.k")
    gone = [weakref.ref(compat.qt_viewer_of(pane.viewer)) for pane in views.panes]
    close_views(viewer)
    del views
    settle()
    qtbot.wait(50)
    gc.collect()
    assert [found() for found in gone] == [None] * 3
