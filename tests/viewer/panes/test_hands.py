"""What the mouse and the keys do in four views, on a real screen."""

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication

from napari_gpt2_tomo.viewer.panes import views_of
from napari_gpt2_tomo.viewer.session import session_of

from ..small_model import PLANTED, PLANTED_VALUE
from . import hands

INK = 40
"""Sum of red, green and blue above which a pixel shows something."""


def picture(pane) -> np.ndarray:
    """What is on a canvas, as sums of red, green and blue."""
    return pane.qt_viewer.screenshot(flash=False)[..., :3].sum(axis=-1, dtype=int)


def where(pane, voxel):
    """Pixels at which a voxel is drawn."""
    return hands.canvas_point(pane.viewer, pane.layers[0].data_to_world(voxel))


def test_every_pane_is_painted_and_a_move_and_a_window_change_its_pixels(seen, settle, qtbot):
    _, views = seen
    panes = (*views.panes, views.volume)
    for pane in views.panes:
        pane.viewer.canvas.overlays.text.visible = False
    before = [picture(pane) for pane in panes]
    for pixels in before:
        assert (pixels > INK).mean() > 0.15
        assert len(np.unique(pixels)) > 50
    views.cursor.place({0: 3, 1: 5, 2: 9})
    settle()
    # The volume follows as often as it can be drawn.
    qtbot.waitUntil(lambda: (picture(views.volume) != before[-1]).any())
    after = [picture(pane) for pane in panes]
    for old, new in zip(before, after, strict=True):
        assert (old != new).any()
    views.link.console.set_limits(0.3, 0.9)
    qtbot.waitUntil(lambda: picture(views.volume).sum() < after[-1].sum())
    for old, pane in zip(after, panes, strict=True):
        assert picture(pane).sum() < old.sum()


def test_the_lines_cross_at_the_cursor_in_the_colours_of_the_axes(seen, settle):
    _, views = seen
    volume = views.link.volume
    # In air the lines are all that is drawn; the number of a slider tells where that is.
    views.cursor.move(volume.voxel("h.0.mlp.c_fc.weight", (3, 5)))
    settle()
    views.link.console.set_limits(50.0, 60.0)
    axial = views.panes[0]
    axial.viewer.canvas.overlays.text.visible = False
    settle()
    colours = axial.qt_viewer.screenshot(flash=False)[..., :3].astype(int)
    x, y = (round(v) for v in where(axial, views.cursor.position))
    down = colours[y + 40 : y + 90, x - 2 : x + 3].max(axis=(0, 1))
    across = colours[y - 2 : y + 3, x + 40 : x + 90].max(axis=(0, 1))
    assert down[0] > 60
    assert down[2] > 60
    assert down[1] < 20
    assert across[1] > 60
    assert across[2] > 60
    assert across[0] < 20
    near = colours[y - 4 : y + 5, x - 4 : x + 5]
    assert near.max() < 20


def test_the_wheel_scrolls_and_with_ctrl_it_zooms_about_the_mouse(seen):
    _, views = seen
    axial, coronal, _ = views.panes
    at = views.cursor.position
    hands.wheel(axial, -1)
    hands.wheel(axial, -1)
    assert views.cursor.position == (at[0] + 2, at[1], at[2])
    hands.wheel(coronal, 1, modifiers=hands.SHIFT)
    assert views.cursor.position == (at[0] + 2, at[1] - 10, at[2])
    zoom = axial.viewer.scene.camera.zoom
    voxel = (0, 20, 50)
    point = where(axial, voxel)
    hands.wheel(axial, 3, *point, modifiers=hands.CTRL)
    assert views.cursor.position[0] == at[0] + 2
    assert axial.viewer.scene.camera.zoom > 1.05 * zoom
    assert where(axial, voxel) == pytest.approx(point, abs=1)


def test_a_click_moves_the_cursor_and_a_drag_the_picture(seen):
    _, views = seen
    axial, _, sagittal = views.panes
    section = views.cursor.position[0]
    hands.click(axial, *where(axial, (0, 12, 40)))
    assert views.cursor.position == (section, 12, 40)
    hands.click(sagittal, *where(sagittal, (7, 30, 0)))
    assert views.cursor.position == (7, 30, 40)
    hands.click(axial, *where(axial, (0, -5, 20)))
    assert views.cursor.position == (7, 0, 20)
    centre = axial.viewer.scene.camera.center
    start = where(axial, (0, 30, 30))
    hands.drag(axial, start, (start[0] + 40, start[1] + 25))
    assert views.cursor.position == (7, 0, 20)
    assert axial.viewer.scene.camera.center != centre


def test_with_shift_the_cursor_is_dragged(seen):
    _, views = seen
    axial = views.panes[0]
    heard = []
    views.cursor.moved.connect(heard.append)
    centre = axial.viewer.scene.camera.center
    start, end = where(axial, (0, 10, 10)), where(axial, (0, 50, 30))
    hands.drag(axial, start, end, modifiers=hands.SHIFT)
    assert views.cursor.position[1:] == (50, 30)
    assert len(heard) > 2
    assert axial.viewer.scene.camera.center == centre


def test_the_right_button_moves_the_window_of_all(seen, qtbot):
    viewer, views = seen
    axial = views.panes[0]
    before = views.link.console.window
    zoom = axial.viewer.scene.camera.zoom
    hands.drag(axial, (100, 100), (180, 100), button=Qt.MouseButton.RightButton)
    after = views.link.console.window
    assert after.width > 1.1 * before.width
    assert axial.viewer.scene.camera.zoom == zoom
    layers = [viewer.layers[0], *(pane.layers[0] for pane in views.panes)]
    qtbot.waitUntil(lambda: np.allclose([x.contrast_limits for x in layers], after.limits))


def test_the_probe_reads_in_the_pane_under_the_mouse_only(seen, settle):
    _, views = seen
    axial, coronal, _ = views.panes
    views.cursor.move(views.link.volume.voxel(*PLANTED))
    settle()
    hands.hover(axial, *where(axial, views.cursor.position))
    settle()
    # Lines may be broken where the canvas ends.
    planted = f"{PLANTED[0]}{list(PLANTED[1])} = {PLANTED_VALUE:g}"
    assert planted in " ".join(axial.caption.split())
    assert axial.caption.startswith("axial ·")
    assert coronal.caption == f"coronal · channel {views.cursor.position[1]}"
    axial.viewer.mouse_over_canvas = True
    axial.viewer.mouse_over_canvas = False
    settle()
    assert "weight" not in axial.caption


def test_a_click_on_the_volume_puts_the_cursor_on_the_weight_that_is_seen(seen, settle):
    viewer, views = seen
    image = viewer.layers[0]
    image.rendering = "mip"
    voxel = views.link.volume.voxel(*PLANTED)
    world = np.asarray(image.data_to_world(voxel))
    viewer.scene.camera.center = tuple(world)
    settle()
    rows, columns = viewer.canvas.size
    hands.click(views.volume, columns / 2, rows / 2)
    assert views.cursor.position == voxel


def test_a_double_click_enlarges_a_pane_and_brings_all_back(seen, settle, qtbot):
    viewer, views = seen
    axial, coronal, sagittal = views.panes
    size, zoom = axial.viewer.canvas.size, axial.viewer.scene.camera.zoom
    hands.double_click(axial, 30, 60)
    settle()
    assert views.enlarged == "axial"
    assert axial.widget.isVisible()
    assert not coronal.widget.isVisible()
    assert not sagittal.widget.isVisible()
    assert not views.home.isVisible()
    assert min(axial.viewer.canvas.size) > 1.5 * min(size)
    assert axial.viewer.scene.camera.zoom > 1.5 * zoom
    axial.buttons.enlarge.click()
    settle()
    assert views.enlarged is None
    assert all(p.widget.isVisible() for p in views.panes)
    assert axial.viewer.scene.camera.zoom == pytest.approx(zoom, rel=0.05)
    views.enlarge("volume")
    settle()
    assert views.home.isVisible()
    assert not axial.widget.isVisible()
    hands.double_click(views.volume, 30, 90)
    settle()
    assert views.enlarged is None
    axial.buttons.close_views.click()
    settle()
    assert views_of(viewer) is None


def test_the_panes_are_equal_and_stay_so_when_the_window_grows(seen, settle, qtbot):
    viewer, views = seen

    def sizes():
        return np.array([(w.width(), w.height()) for w in widgets])

    widgets = [pane.widget for pane in views.panes] + [views.home]
    assert np.ptp(sizes(), axis=0).max() <= 2
    viewer.window.resize(1100, 720)
    settle()
    qtbot.wait(50)
    assert np.ptp(sizes(), axis=0).max() <= 2
    assert sizes()[0].min() > 250


def test_keys_in_a_pane_move_the_cursor_and_others_are_the_viewers(seen, settle):
    viewer, views = seen
    axial, coronal, _ = views.panes
    at = views.cursor.position
    hands.key(coronal, Qt.Key.Key_PageDown)
    hands.key(axial, Qt.Key.Key_Left)
    hands.key(axial, Qt.Key.Key_Down)
    assert views.cursor.position == (at[0], at[1] + 2, at[2] - 1)
    hands.key(axial, Qt.Key.Key_PageUp, hands.SHIFT)
    assert views.cursor.position[0] == max(at[0] - 10, 0)
    for code in (Qt.Key.Key_E, Qt.Key.Key_T, Qt.Key.Key_G):
        hands.key(axial, code, hands.CTRL)
    viewer.canvas.grid.enabled = False
    assert not axial.viewer.canvas.grid.enabled
    assert axial.viewer.dims.order == (0, 1, 2)
    hands.key(axial, Qt.Key.Key_V)
    assert not viewer.layers[0].visible
    hands.key(axial, Qt.Key.Key_V)
    assert viewer.layers[0].visible
    hands.key(axial, Qt.Key.Key_Y, hands.CTRL)
    assert viewer.dims.ndisplay == 2
    assert axial.viewer.dims.ndisplay == 2
    hands.key(axial, Qt.Key.Key_4, hands.CTRL)
    settle()
    assert views_of(viewer) is None


def test_the_key_closes_the_views_and_opens_them_and_one_looks_where_one_did(seen, settle):
    viewer, views = seen
    canvas, camera = views.volume, viewer.scene.camera
    hands.key(canvas, Qt.Key.Key_4, hands.CTRL)
    settle()
    assert views_of(viewer) is None
    viewer.dims.ndisplay = 2
    settle()
    camera.center, camera.zoom = (0.0, 30.0, 20.0), 7.0
    hands.key(canvas, Qt.Key.Key_4, hands.CTRL)
    settle()
    assert views_of(viewer) is not None
    assert viewer.dims.ndisplay == 3
    views_of(viewer).panes[0].buttons.close_views.click()
    settle()
    assert viewer.dims.ndisplay == 2
    assert camera.zoom == pytest.approx(7.0)
    assert tuple(camera.center[-2:]) == pytest.approx((30, 20))


def test_a_file_dropped_on_a_pane_is_opened_and_shown(seen, tiny_phantom, settle, monkeypatch):
    viewer, views = seen
    dropped = []
    monkeypatch.setattr(type(viewer), "open", lambda self, paths, **_: dropped.extend(paths))
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(tiny_phantom))])
    actions, buttons = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    frame = views.panes[1].widget
    enter = QDragEnterEvent(QPoint(9, 9), actions, mime, buttons, hands.PLAIN)
    QApplication.sendEvent(frame, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(frame, QDropEvent(QPointF(9, 9), actions, mime, buttons, hands.PLAIN))
    assert [str(path) for path in dropped] == [str(tiny_phantom)]
    assert session_of(viewer).probe is not None
