"""What lives beside a viewer comes and goes with the layers."""

import gc
import weakref

import numpy as np
import pytest
from napari.layers import Layer

from napari_gpt2_tomo.base import CheckpointError
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.viewer import work
from napari_gpt2_tomo.viewer.layers import add_scan
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.session import session_of, watch
from napari_gpt2_tomo.viewer.view import view

PLUGIN = "napari-gpt2-tomo"


def test_removing_the_layers_leaves_nothing(viewer, model, settle, qtbot):
    callbacks = len(viewer.dims.events.ndisplay.callbacks)
    image, atlas = viewer.open(str(model), plugin=PLUGIN)
    callbacks = len(viewer.dims.events.ndisplay.callbacks) - 1
    viewer.dims.ndisplay = 3
    settle()
    link = link_of(image)
    gone = [weakref.ref(found) for found in (image, atlas, link, link.volume, link.scan)]
    session = session_of(viewer)
    details = [weakref.ref(detail) for detail in session.details.values()]
    del image, atlas, link
    viewer.layers.clear()
    settle()
    gc.collect()
    assert [found() for found in gone + details] == [None] * 7
    assert session.probe is None
    assert not viewer.mouse_move_callbacks
    assert len(viewer.dims.events.ndisplay.callbacks) <= callbacks
    assert not viewer.canvas.overlays.text.visible


def test_napari_keeps_no_blocks_of_a_removed_scan(viewer, model, settle):
    from napari.utils import resize_dask_cache

    cache = resize_dask_cache()
    before = cache.cache.total_bytes
    viewer.open(str(model), plugin=PLUGIN)
    settle()
    for step in range(10):
        viewer.dims.set_current_step(0, step)
    assert cache.cache.total_bytes == before


def test_the_last_layer_closes_a_scan_that_was_opened_for_it(viewer, model, settle):
    image, atlas = viewer.open(str(model), plugin=PLUGIN)
    settle()
    tensor = link_of(image).scan.checkpoint["wte.weight"]
    viewer.layers.remove(image)
    settle()
    assert np.isfinite(tensor[0, 0])
    viewer.layers.remove(atlas)
    settle()
    with pytest.raises(CheckpointError):
        tensor[0, 0]


def test_a_scan_of_a_script_stays_open(viewer, model, settle):
    with Scan(model) as scan:
        add_scan(viewer, scan)
        viewer.layers.clear()
        settle()
        assert np.isfinite(scan.checkpoint["wte.weight"][0, 0])


def test_two_volumes_share_a_scan_until_both_are_gone(viewer, model, settle):
    image, atlas = viewer.open(str(model), plugin=PLUGIN)
    link = link_of(image)
    cube = add_scan(viewer, link.scan, "cube", owned=True)
    settle()
    tensor = link.scan.checkpoint["wte.weight"]
    viewer.layers.remove(image)
    viewer.layers.remove(atlas)
    settle()
    assert np.isfinite(tensor[0, 0])
    viewer.layers.remove(cube.image)
    viewer.layers.remove(cube.atlas)
    settle()
    with pytest.raises(CheckpointError):
        tensor[0, 0]


def test_removal_stops_the_work(viewer, new_model, settle, monkeypatch):
    from napari_gpt2_tomo.volume.overview.overview import Overview

    stopped = []

    def endless(self, progress, *_):
        progress.start(10**9, "Endless")
        try:
            while True:
                progress.advance(0)
        finally:
            stopped.append(True)

    monkeypatch.setattr(Overview, "refine", endless)
    image, _ = viewer.open(str(new_model), plugin=PLUGIN)
    assert link_of(image).refinement.running
    viewer.layers.clear()
    settle()
    assert stopped
    assert not work._running


def test_a_duplicate_lives_too(viewer, model, settle):
    image, _ = viewer.open(str(model), plugin=PLUGIN)
    settle()
    data, state, kind = image.as_layer_data_tuple()
    copy = viewer.add_layer(Layer.create(data, {**state, "name": "copy"}, kind))
    assert link_of(copy) is link_of(image)
    assert copy in session_of(viewer).details
    viewer.layers.remove(image)
    viewer.dims.ndisplay = 3
    settle()
    assert copy.locked_data_level == 0


def test_several_viewers_live_at_once(make_viewer, model, settle):
    first, second = make_viewer(), make_viewer()
    image, _ = first.open(str(model), plugin=PLUGIN)
    view(model, second)
    settle()
    assert {session_of(v).probe is not None for v in (first, second)} == {True}
    second.layers.clear()
    settle()
    assert session_of(first).probe is not None
    first.dims.ndisplay = 3
    settle()
    assert image.locked_data_level == 0


def test_a_layer_that_moves_to_another_viewer_keeps_its_scan(make_viewer, model, settle):
    first, second = make_viewer(), make_viewer()
    first.open(str(model), plugin=PLUGIN)
    settle()
    watch(second)
    image = first.layers[0]
    first.layers.clear()
    second.add_layer(image)
    settle()
    assert link_of(image) in {link_of(layer) for layer in session_of(second).details}
    second.dims.set_current_step(0, 3)
    settle()
    assert "token embedding" in session_of(second).probe.text or session_of(second).probe.text


def test_a_viewer_made_after_reading_lives_too(make_viewer, model, settle):
    from napari_gpt2_tomo.viewer.reader import read

    tuples = read(str(model))
    late = make_viewer()
    layers = [late.add_layer(Layer.create(*data)) for data in tuples]
    settle()
    assert session_of(late) is not None
    assert set(session_of(late).details) == set(layers)


def test_a_window_closed_during_the_work_is_no_error(make_viewer, new_model, settle, qtbot):
    from napari.utils.notifications import notification_manager

    viewer = make_viewer()
    notification_manager.records.clear()
    view(new_model, viewer)
    viewer.close()
    settle()
    qtbot.wait(100)
    assert not [r for r in notification_manager.records if str(r.severity) == "error"]


def test_layers_of_others_are_left_alone(viewer, model, settle):
    watch(viewer)
    other = viewer.add_image(np.zeros((4, 5, 6)))
    assert session_of(viewer).probe is None
    view(model, viewer)
    settle()
    assert other not in session_of(viewer).details
    viewer.layers.remove(other)
    assert session_of(viewer).probe is not None


def test_an_error_in_a_callback_does_not_break_the_insertion(viewer, model, settle, monkeypatch):
    from napari.utils.notifications import notification_manager

    from napari_gpt2_tomo.viewer.session import Session

    def fail(self, layer):
        raise RuntimeError("no")

    watch(viewer)
    monkeypatch.setattr(Session, "adopt", fail)
    monkeypatch.setattr(notification_manager, "receive_error", lambda *_: None)
    layers = viewer.open(str(model), plugin=PLUGIN)
    assert len(viewer.layers) == len(layers) == 2
    viewer.layers.clear()
    settle()


def test_a_viewer_is_forgotten_when_it_is_closed(make_viewer, model, settle):
    viewer = make_viewer()
    view(model, viewer)
    settle()
    gone = weakref.ref(session_of(viewer))
    viewer.close()
    del viewer
    settle()
    gc.collect()
    assert gone() is None or not gone().details


def test_the_plugins_proxy_is_the_viewer_itself(make_napari_viewer_proxy, model, settle):
    proxy = make_napari_viewer_proxy()
    view(model, proxy)
    assert session_of(proxy) is not None
    assert session_of(proxy) is session_of(proxy.__wrapped__)
    settle()
    proxy.layers.clear()
    settle()
