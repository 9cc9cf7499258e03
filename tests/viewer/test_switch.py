"""A scan becomes another one in its layers."""

import gc
import threading
import weakref

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_gpt2_tomo.base import Cancelled, LayoutError
from napari_gpt2_tomo.display.window import Window
from napari_gpt2_tomo.viewer import work
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.panes.views import close_views, open_views
from napari_gpt2_tomo.viewer.session import session_of
from napari_gpt2_tomo.viewer.switch import switch
from napari_gpt2_tomo.viewer.view import view

from .small_model import PLANTED, WIDTH, write_model


@pytest.fixture
def shown(viewer, model, settle):
    view(model, viewer)
    settle()
    return viewer


def place_on(viewer, link, tensor, index) -> tuple[int, ...]:
    """Put slices and cursor on a parameter."""
    at = link.volume.voxel(tensor, index)
    viewer.dims.set_point(range(viewer.dims.ndim), viewer.layers[0].data_to_world(at))
    link.cursor.move(at)
    return at


def test_layers_stay_the_same_objects_at_the_same_place(shown, settle):
    link = link_of(shown.layers[0])
    points = shown.add_points(np.zeros((1, 3)), name="mine")
    before = list(shown.layers)
    names = []
    for wanted in [
        {"layout": "cube"},
        {"layout": "heads", "role": "k", "signal": "signed"},
        {"layout": "circuits"},
        {"layout": "tensor", "tensor": "h.0.ln_1.weight"},
        {"layout": "tensor", "tensor": "wte.weight", "signal": "sigma"},
        {"layout": "body", "signal": "magnitude", "reduction": "extreme"},
    ]:
        switch(shown, link, **wanted)
        settle()
        assert list(shown.layers) == before
        image, atlas, _ = before
        volume = link.volume
        assert volume.layout.name == wanted["layout"]
        assert tuple(image.data[0].shape) == tuple(atlas.data[0].shape) == volume.shape
        assert tuple(image.axis_labels) == volume.axes
        assert image.ndim == atlas.ndim == volume.ndim
        assert shown.dims.ndim == max(volume.ndim, points.ndim)
        assert len(atlas.features) == len(volume.atlas.regions) + 1
        assert atlas.name == f"{image.name} · atlas"
        assert volume.overview.state == "refined"
        shown.screenshot(canvas_only=True, flash=False)
        names.append(image.name)
    assert names == [
        "small · cube",
        "small · k heads · signed",
        "small · qk circuits · signed",
        "small · h.0.ln_1.weight · signed",
        "small · wte.weight · sigma",
        "small",
    ]


def test_a_name_that_the_user_gave_stays(shown, settle):
    link = link_of(shown.layers[0])
    shown.layers[0].name = "my brain"
    switch(shown, link, layout="cube")
    assert shown.layers[0].name == "my brain"
    assert shown.layers[1].name == "small · cube · atlas"


def test_the_window_stays_with_the_signal_and_goes_with_it(shown, settle):
    link, image = link_of(shown.layers[0]), shown.layers[0]
    link.console.window = Window.of_limits(0.01, 0.2)
    image.gamma = 0.7
    switch(shown, link, layout="cube")
    assert np.allclose(image.contrast_limits, (0.01, 0.2))
    assert image.gamma == 0.7
    switch(shown, link, reduction="extreme")
    assert np.allclose(image.contrast_limits, (0.01, 0.2))
    switch(shown, link, signal="signed")
    settle()
    low, high = image.contrast_limits
    assert low < 0 < high
    assert link.console.window.limits == pytest.approx((low, high))
    assert image.colormap.name != "inferno"


def test_the_parameter_that_is_looked_at_stays_in_sight(shown, settle):
    link, image = link_of(shown.layers[0]), shown.layers[0]
    for displayed in (2, 3):
        shown.dims.ndisplay = displayed
        settle()
        for layout, tensor in [("cube", PLANTED[0]), ("heads", PLANTED[0]), ("body", None)]:
            place_on(shown, link, *PLANTED)
            switch(shown, link, layout=layout, tensor=tensor, role="k")
            settle()
            assert link.cursor.position == link.volume.voxel(*PLANTED)
            world = image.data_to_world(link.cursor.position)
            assert np.allclose(shown.dims.point, world)
            assert shown.dims.ndisplay == displayed
            assert link.volume.address(link.cursor.position).value == 3.0


def test_a_change_of_signal_leaves_camera_slices_and_cursor_alone(shown, settle):
    link = link_of(shown.layers[0])
    for displayed in (2, 3):
        shown.dims.ndisplay = displayed
        settle()
        camera = shown.scene.camera
        camera.zoom, camera.center = 7.3, (11, 12, 13)
        place_on(shown, link, *PLANTED)
        before = (camera.zoom, camera.center, camera.angles, shown.dims.point)
        level = shown.layers[0].locked_data_level
        switch(shown, link, signal="signed" if displayed == 2 else "sigma")
        settle()
        assert (camera.zoom, camera.center, camera.angles, shown.dims.point) == before
        assert shown.layers[0].locked_data_level == level


def test_who_has_zoomed_in_stays_close_to_the_parameter(shown, settle):
    link, image = link_of(shown.layers[0]), shown.layers[0]
    at = place_on(shown, link, *PLANTED)
    camera = shown.scene.camera
    camera.zoom = 40
    camera.center = tuple(image.data_to_world(at))[1:]
    switch(shown, link, layout="cube")
    settle()
    assert camera.zoom == pytest.approx(40 * 1 / image.scale[-1])
    assert np.allclose(camera.center[-2:], image.data_to_world(link.cursor.position)[-2:])
    camera.zoom = 0.5
    switch(shown, link, layout="body")
    settle()
    shown.fit_to_view()
    whole = camera.zoom
    assert camera.zoom == whole


def test_in_3d_the_new_volume_is_as_fine_at_once(shown, settle):
    link, image = link_of(shown.layers[0]), shown.layers[0]
    shown.dims.ndisplay = 3
    settle()
    drawn = []
    image.events.set_data.connect(lambda event: drawn.append(image.locked_data_level))
    switch(shown, link, signal="signed")
    assert image.locked_data_level == 0
    assert link.levels[0].held is not None
    settle()
    switch(shown, link, layout="cube")
    settle()
    assert [level.held is not None for level in link.levels] == [True] + [False] * (
        len(link.levels) - 1
    )


def test_statistics_are_read_beside_the_window(viewer, new_model, settle, monkeypatch):
    from napari_gpt2_tomo import facade

    view(new_model, viewer)
    settle()
    link = link_of(viewer.layers[0])
    threads = []
    real = facade.Scan.statistics

    def noting(scan, **options):
        threads.append((threading.current_thread(), options["exact"]))
        return real(scan, **options)

    monkeypatch.setattr(facade.Scan, "statistics", noting)
    job = switch(viewer, link, signal="sigma", wait=False)
    assert job.running
    assert link.volume.signal == "magnitude"
    settle()
    assert link.volume.signal == "sigma"
    assert not link.volume.statistics.estimate
    assert threads
    assert all(exact and t is not threading.main_thread() for t, exact in threads)


def test_of_several_switches_the_last_counts(shown, settle):
    link = link_of(shown.layers[0])
    for layout, signal in [("cube", "signed"), ("heads", "sigma"), ("cube", "rank")]:
        switch(shown, link, layout, signal, wait=False)
    settle()
    assert (link.volume.layout.name, link.volume.signal) == ("cube", "rank")
    assert shown.layers[0].name == "small · cube · rank"


def test_what_is_stopped_leaves_everything_as_it_was(shown, settle, monkeypatch):
    link = link_of(shown.layers[0])
    volume = link.volume

    def stopped(*args, **options):
        raise Cancelled("stop")

    monkeypatch.setattr(type(link.scan), "volume", stopped)
    with pytest.raises(Cancelled):
        switch(shown, link, layout="cube")
    assert link.volume is volume
    assert not link.switching.running


def test_what_cannot_be_shown_says_why(shown, settle):
    link = link_of(shown.layers[0])
    volume = link.volume
    for wanted, message in [
        ({"layout": "sphere"}, "no layout 'sphere'"),
        ({"signal": "loud"}, "no signal 'loud'"),
        ({"signal": "signed", "reduction": "rms"}, "loses"),
        ({"layout": "heads", "role": "up"}, "heads"),
        ({"layout": "tensor", "tensor": "h.9"}, "no tensor named"),
        ({"layout": "circuits", "signal": "rank"}, "Circuits show"),
    ]:
        with pytest.raises(LayoutError, match=message):
            switch(shown, link, **wanted)
        assert link.volume is volume
    notification_manager.records.clear()
    switch(shown, link, layout="heads", role="up", wait=False)
    settle()
    assert any("role 'up'" in record.message for record in notification_manager.records)


def test_the_tensor_under_the_cursor_is_the_one_shown(shown, settle):
    link = link_of(shown.layers[0])
    place_on(shown, link, "h.2.mlp.c_fc.weight", (5, WIDTH + 3))
    switch(shown, link, layout="tensor")
    assert link.volume.shape == (WIDTH, 4 * WIDTH)
    assert link.cursor.position == (5, WIDTH + 3)


def test_a_vector_is_drawn_whole_and_fine(window, model, settle):
    view(model, window)
    settle()
    link, image = link_of(window.layers[0]), window.layers[0]
    switch(window, link, layout="tensor", tensor="h.0.ln_1.weight")
    settle()
    assert image.data_level == 0
    window.canvas.overlays.text.visible = False
    picture = window.screenshot(canvas_only=True, flash=False)
    lit = np.flatnonzero(picture[..., :3].max(axis=(0, 2)) > 40)
    assert len(lit) > 0.8 * picture.shape[1]
    switch(window, link, layout="body")
    settle()
    assert image.locked_data_level is None


def test_every_viewer_of_the_scan_follows(make_viewer, model, settle):
    first, second = make_viewer(), make_viewer()
    view(model, first)
    settle()
    link = link_of(first.layers[0])
    for layer in list(first.layers):
        second.add_layer(type(layer).create(*layer.as_layer_data_tuple()))
    settle()
    second.dims.ndisplay = 3
    settle()
    switch(first, link, layout="cube")
    settle()
    assert tuple(second.layers[0].data[0].shape) == link.volume.shape
    assert second.layers[0].locked_data_level == 0
    second.layers.clear()
    first.layers.clear()
    settle()


def test_four_views_follow(window, model, settle):
    view(model, window)
    settle()
    link = link_of(window.layers[0])
    views = open_views(window)
    settle()
    try:
        for layout in ("heads", "body"):
            link.cursor.move(link.volume.voxel(*PLANTED))
            switch(window, link, layout=layout, role="k")
            settle()
            assert link.cursor.position == link.volume.voxel(*PLANTED)
            for pane in views.panes:
                assert tuple(pane.layers[0].data[0].shape) == link.volume.shape
                assert pane.viewer.dims.ndim == link.volume.ndim
        assert session_of(window).details
    finally:
        close_views(window)
    settle()


def test_files_that_are_gone_lose_nothing(viewer, tmp_path, settle):
    folder = write_model(tmp_path / "gone", seed=4)
    view(folder, viewer)
    settle()
    link = link_of(viewer.layers[0])
    link.scan.close()
    before = link.volume
    notification_manager.records.clear()
    switch(viewer, link, layout="cube", signal="sigma_global", wait=False)
    settle()
    assert link.volume is before
    assert notification_manager.records
    assert not work._running


def test_nothing_keeps_the_former_volume(shown, settle):
    link = link_of(shown.layers[0])
    shown.dims.ndisplay = 3
    settle()
    former = weakref.ref(link.volume)
    levels = [weakref.ref(level) for level in link.levels]
    for layout, signal in (("cube", "signed"), ("heads", "sigma"), ("body", "magnitude")):
        switch(shown, link, layout, signal)
        settle()
    gc.collect()
    assert former() is None
    assert [level() for level in levels] == [None] * len(levels)
