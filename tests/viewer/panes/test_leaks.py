"""Opening and closing four views leaves nothing behind, however they are closed."""

import gc
import weakref

import numpy as np
import pytest
from napari.qt import QtViewer

from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.panes import open_views, views_of
from napari_gpt2_tomo.viewer.session import session_of, sessions_of
from napari_gpt2_tomo.viewer.view import view


def callbacks(viewer, link) -> dict[str, int]:
    """How many callbacks there are where four views have some."""
    image = viewer.layers[0]
    emitters = {
        "dims": viewer.dims.events,
        "camera": viewer.scene.camera.events,
        "canvas": viewer.canvas.events,
        "layers": viewer.layers.events,
        "selection": viewer.layers.selection.events,
        "viewer": viewer.events,
        "image": image.events,
        "atlas": viewer.layers[1].events,
    }
    found = {
        f"{group}.{name}": len(emitter.callbacks)
        for group, events in emitters.items()
        for name, emitter in events.emitters.items()
    }
    found |= {
        "moved": len(link.cursor.moved),
        "switched": len(link.switched),
        "window": len(link.console.events.window),
        "wheel": len(viewer.mouse_wheel_callbacks),
        "drag": len(viewer.mouse_drag_callbacks),
        "double": len(viewer.mouse_double_click_callbacks),
        "move": len(viewer.mouse_move_callbacks),
        "layers of the link": len(link.layers),
        "sessions of the link": len(sessions_of(link)),
        "visuals": len(scene(viewer).children),
        "widgets": len(viewer.window._qt_window.findChildren(QtViewer)),
    }
    return found


def scene(viewer):
    from napari_gpt2_tomo.viewer.compat import qt_viewer_of, scene_of

    return scene_of(qt_viewer_of(viewer))


def things_of(views) -> list[weakref.ref]:
    kept = [views, views.volume, views._grid, views._copies]
    for pane in views.panes:
        kept += [pane, pane.viewer, pane.qt_viewer, pane.widget, pane.bar, pane.crosshair]
        kept += [pane.qt_viewer.canvas, session_of(pane.viewer), *pane.layers]
    return [weakref.ref(thing) for thing in kept]


def test_they_can_be_opened_and_closed_again_and_again(make_viewer, model, settle):
    viewer = make_viewer(show=True)
    view(model, viewer)
    settle()
    link = link_of(viewer.layers[0])
    counts, gone, instances = [], [], len(QtViewer._instances)
    for _ in range(2):
        views = open_views(viewer)
        viewer.layers[1].visible = True
        settle()
        assert len(QtViewer._instances) == instances + 3
        views.cursor.step(0)
        views.enlarge("coronal")
        gone += things_of(views)
        del views
        views_of(viewer).close()
        viewer.layers[1].visible = False
        settle()
        gc.collect()
        counts.append(callbacks(viewer, link))
    assert [type(thing()).__name__ for thing in gone if thing() is not None] == []
    assert len(QtViewer._instances) == instances
    assert counts[0] == counts[1]
    assert counts[0]["layers of the link"] == 2
    assert counts[0]["sessions of the link"] == 1
    assert session_of(viewer).probe.words is None
    assert viewer.window._qt_window.centralWidget().layout().count() == 1


@pytest.mark.parametrize("by", ["script", "hand"])
def test_a_window_that_is_closed_closes_them(make_viewer, model, settle, qtbot, by):
    viewer = make_viewer()
    view(model, viewer)
    views = open_views(viewer)
    settle()
    gone = things_of(views)
    del views
    if by == "script":
        viewer.close()
    else:
        viewer.window._qt_window.close()
    # Qt deletes what it was asked to delete later in a loop of events.
    qtbot.wait(20)
    assert views_of(viewer) is None
    if by == "hand":
        # napari's fixture would close the window a second time.
        del viewer.window._qt_window
        viewer.layers.clear()
    gc.collect()
    assert [type(thing()).__name__ for thing in gone if thing() is not None] == []


def test_layers_that_go_and_come_do_not_crash_the_canvases(make_viewer, model, settle):
    viewer = make_viewer(show=True)
    view(model, viewer)
    views = open_views(viewer)
    settle()
    link = weakref.ref(views.link)
    other = viewer.add_image(np.zeros((8, 64, 64)), name="other")
    settle()
    viewer.layers.remove(other)
    del other
    settle()
    viewer.layers.clear()
    settle()
    view(model, viewer)
    settle()
    gc.collect()
    assert link() is None
    assert views.panes[0].layers


def test_a_scan_that_was_opened_for_the_views_is_closed_with_its_layers(make_viewer, model, settle):
    viewer = make_viewer()
    view(model, viewer)
    views = open_views(viewer)
    settle()
    checkpoint = views.link.scan.checkpoint
    closed = []
    checkpoint_close, checkpoint.close = checkpoint.close, lambda: closed.append(True)
    viewer.layers.clear()
    settle()
    assert closed == [True]
    checkpoint_close()
