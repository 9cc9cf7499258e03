"""The right button moves the window, in 2-D and in 3-D."""

import numpy as np
import pytest

from napari_gpt2_tomo.display.window import Window
from napari_gpt2_tomo.viewer import compat
from napari_gpt2_tomo.viewer.drag import dragged, gain, install, span
from napari_gpt2_tomo.viewer.readout import Readout
from napari_gpt2_tomo.viewer.remembered import set_drags_window
from napari_gpt2_tomo.viewer.session import session_of

from .mouse import LEFT, SHIFT, drag, move, press, release

START = (200.0, 150.0)


def _canvas(viewer):
    return compat.canvas_of(compat.qt_viewer_of(viewer))


def test_right_widens_and_up_raises_the_centre():
    wider = dragged(Window(1, 1), 100, 0, 0.01)
    assert (wider.centre, wider.width) == pytest.approx((1, 2))
    higher = dragged(Window(1, 1), 0, -100, 0.01)
    assert (higher.centre, higher.width) == pytest.approx((2, 1))
    assert dragged(Window(1, 1), -5000, 0, 0.01).width == 0.01


def test_the_gain_follows_the_data_and_the_canvas(shown):
    console = shown.console
    assert gain(console, (400, 800)) == pytest.approx(span(console) / 400)
    console.window = Window(0.01, 0.001)
    assert gain(console, (400, 800)) == pytest.approx(0.004 / 400)


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_a_drag_changes_window_and_pixels_and_leaves_the_camera(on_screen, settle, ndisplay):
    viewer, console = on_screen.viewer, on_screen.console
    viewer.dims.ndisplay = ndisplay
    settle()
    canvas = _canvas(viewer)
    camera, before = viewer.scene.camera.zoom, viewer.screenshot(flash=False)[..., :3].astype(int)
    start, step = console.window, gain(console, viewer.canvas.size)
    press(canvas, START)
    move(canvas, (START[0] - 40, START[1]))
    label = canvas.findChild(Readout)
    assert label.isVisible()
    assert "W" in label.text()
    assert "σ" in label.text()
    move(canvas, (START[0] - 60, START[1] + 20))
    release(canvas, (START[0] - 60, START[1] + 20))
    assert console.window.width == pytest.approx(start.width - 60 * step)
    assert console.window.centre == pytest.approx(start.centre - 20 * step)
    session_of(viewer).bindings[on_screen.image].flush()
    settle()
    after = viewer.screenshot(flash=False)[..., :3].astype(int)
    assert (np.abs(after - before).max(axis=2) > 5).mean() > 0.01
    assert viewer.scene.camera.zoom == camera
    assert canvas.findChild(Readout) is None
    # Back to where it was pressed is back to the window that was there.
    now = console.window
    drag(canvas, START, [(START[0] + 30, START[1] - 30), START])
    assert console.window.limits == pytest.approx(now.limits)


def test_zoom_stays_within_reach_and_others_are_left_alone(on_screen):
    viewer, console = on_screen.viewer, on_screen.console
    canvas, window, zoom = _canvas(viewer), console.window, viewer.scene.camera.zoom
    drag(canvas, START, [(START[0], START[1] - 40)], modifiers=SHIFT)
    assert viewer.scene.camera.zoom > zoom
    assert console.window == window
    drag(canvas, START, [(START[0] + 40, START[1])], button=LEFT)
    assert console.window == window
    set_drags_window(False)
    zoom = viewer.scene.camera.zoom
    drag(canvas, START, [(START[0], START[1] - 40), (START[0], START[1] - 80)])
    assert viewer.scene.camera.zoom != zoom
    assert console.window == window
    set_drags_window(True)
    for layer in viewer.layers:
        layer.visible = False
    drag(canvas, START, [(START[0] + 40, START[1])])
    assert console.window == window


def test_it_is_installed_with_the_first_scan_and_gone_with_the_last(shown, settle):
    def installed():
        return [one for one in shown.viewer.mouse_drag_callbacks if one.__module__.endswith("drag")]

    assert len(installed()) == 1
    assert install(shown.viewer) is install(shown.viewer)
    shown.viewer.layers.clear()
    assert not installed()


def test_a_layer_that_is_no_scan_is_left_to_napari(window):
    image = window.add_image(np.random.default_rng(0).random((50, 50)))
    limits, zoom = list(image.contrast_limits), window.scene.camera.zoom
    uninstall = install(window)
    drag(_canvas(window), START, [(START[0], START[1] + 40), (START[0], START[1] + 80)])
    assert image.contrast_limits == limits
    assert window.scene.camera.zoom != zoom
    uninstall()
    window.layers.clear()


def test_the_four_views_take_the_drag_and_share_the_window(on_screen, settle, qtbot):
    from napari_gpt2_tomo.viewer.panes import close_views, open_views

    views = open_views(on_screen.viewer)
    settle()
    pane = views.panes[1]
    start = on_screen.console.window
    canvas = compat.canvas_of(pane.qt_viewer)
    middle = (canvas.width() / 2, canvas.height() / 2)
    drag(canvas, middle, [(middle[0] + 30, middle[1]), (middle[0] + 60, middle[1] - 20)])
    assert on_screen.console.window.width > start.width
    assert on_screen.console.window.centre > start.centre
    for other in views.panes:
        assert other.layers[0].contrast_limits == pytest.approx(on_screen.console.window.limits)
    close_views(on_screen.viewer)
    settle()
