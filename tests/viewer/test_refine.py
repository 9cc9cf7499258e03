"""Layers get better while they are looked at."""

import numpy as np
import pytest

from napari_gpt2_tomo.base import Cancelled, TomoError
from napari_gpt2_tomo.display.distribution import Distribution, Distributions
from napari_gpt2_tomo.viewer import work
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.view import view
from napari_gpt2_tomo.viewer.work import Job, wait_for


@pytest.fixture
def stages(monkeypatch):
    """The stages of the refinement wait until they are let go; gives the gate."""
    import threading

    from napari_gpt2_tomo.volume.overview.overview import Overview

    gates = {"quick_look": threading.Event(), "refine": threading.Event()}

    def gated(name):
        original = getattr(Overview, name)

        def wait(self, *args):
            gates[name].wait(30)
            return original(self, *args)

        return wait

    for name in gates:
        monkeypatch.setattr(Overview, name, gated(name))
    yield gates
    for gate in gates.values():
        gate.set()


def test_the_levels_improve_in_place(viewer, new_model, settle, qtbot, stages):
    view(new_model, viewer)
    image, link = viewer.layers[0], link_of(viewer.layers[0])
    coarsest = image.data[-1]
    assert link.volume.overview.state == "empty"
    assert not np.asarray(coarsest).any()
    stages["quick_look"].set()
    qtbot.waitUntil(lambda: link.volume.overview.state == "quick", timeout=20_000)
    assert np.asarray(coarsest).any()
    stages["refine"].set()
    settle()
    assert link.volume.overview.state == "refined"
    assert image.data[-1] is coarsest
    expected = np.asarray(link.volume.level(len(image.data) - 1)[:, :, :])
    np.testing.assert_array_equal(np.asarray(coarsest), expected)


def test_place_camera_and_lock_are_kept(viewer, new_model, settle, qtbot, stages):
    view(new_model, viewer)
    image, link = viewer.layers[0], link_of(viewer.layers[0])
    viewer.dims.set_current_step(0, 7)
    viewer.scene.camera.zoom = 3.3
    viewer.scene.camera.center = (0, 20, 30)
    image.locked_data_level = 1
    stages["quick_look"].set()
    stages["refine"].set()
    settle()
    assert link.volume.overview.state == "refined"
    assert viewer.dims.current_step[0] == 7
    assert viewer.scene.camera.zoom == 3.3
    assert image.locked_data_level == 1
    drawn = image.get_value(image.data_to_world((7, 20, 20)))[1]
    assert drawn == np.asarray(image.data[1][7, 10, 10])


def test_3d_becomes_finer_once_finer_levels_are_known(viewer, new_model, settle, qtbot, stages):
    view(new_model, viewer)
    image = viewer.layers[0]
    viewer.dims.ndisplay = 3
    assert image.locked_data_level is None
    stages["quick_look"].set()
    qtbot.waitUntil(lambda: image.locked_data_level is not None, timeout=20_000)
    quick = image.locked_data_level
    assert quick == len(image.data) - 1
    stages["refine"].set()
    settle()
    assert image.locked_data_level == 0


def test_a_held_level_is_read_again(viewer, new_model, settle, qtbot, stages):
    view(new_model, viewer)
    image = viewer.layers[0]
    viewer.dims.ndisplay = 3
    stages["quick_look"].set()
    qtbot.waitUntil(lambda: image.locked_data_level is not None, timeout=20_000)
    stages["refine"].set()
    settle()
    held = image.data[image.locked_data_level].held
    np.testing.assert_array_equal(held, np.asarray(link_of(image).volume.level(0)[:, :, :]))


@pytest.mark.parametrize("touched", [False, True])
def test_contrast_follows_until_somebody_touches_it(
    viewer, new_model, settle, stages, monkeypatch, touched
):
    def of(distributions, part=None):
        top = 0.8 if distributions.volume.overview.state == "refined" else 0.5
        return Distribution(np.array([0, top]), np.ones(1), top / 2, top / 4, 0.0, 1.0, "signed")

    monkeypatch.setattr(Distributions, "of", of)
    view(new_model, viewer)
    image, link = viewer.layers[0], link_of(viewer.layers[0])
    assert np.allclose(image.contrast_limits, (0.0, 0.5), atol=1e-3)
    if touched:
        image.contrast_limits = (0.01, 0.02)
    stages["quick_look"].set()
    stages["refine"].set()
    settle()
    assert np.allclose(image.contrast_limits, (0.01, 0.02) if touched else (0.0, 0.8), atol=1e-3)
    low, high = image.contrast_limits_range
    assert low <= image.contrast_limits[0] < image.contrast_limits[1] <= high
    assert high < link.volume.range[1]


def test_progress_is_shown_while_it_lasts(viewer, new_model, settle, stages, monkeypatch):
    from napari.utils.progress import progress

    # Bars come after a while, which is not what this is about.
    monkeypatch.setattr(work, "PATIENCE", 0)
    view(new_model, viewer)
    stages["quick_look"].set()
    seen = []
    progress._all_instances.events.changed.connect(lambda event: seen.extend(event.added or ()))
    stages["refine"].set()
    settle()
    assert any("Scanning" in bar.desc for bar in seen)
    assert not progress._all_instances


def test_a_known_overview_starts_no_work(viewer, model, settle):
    view(model, viewer)
    link = link_of(viewer.layers[0])
    assert link.volume.overview.state == "refined"
    assert not link.refinement.running


def test_failed_work_is_said(viewer, new_model, settle, monkeypatch):
    from napari.utils.notifications import notification_manager

    from napari_gpt2_tomo.volume.overview.overview import Overview

    def fail(self, *_):
        raise TomoError("The disk is full.")

    monkeypatch.setattr(Overview, "refine", fail)
    notification_manager.records.clear()
    view(new_model, viewer)
    settle()
    assert any(record.message == "The disk is full." for record in notification_manager.records)


def test_waiting_keeps_the_window_alive(viewer, qtbot):
    from qtpy.QtCore import QTimer

    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(1))
    timer.start(5)

    def work(progress):
        import time

        progress.start(10, "Waiting")
        time.sleep(0.2)
        progress.advance(10)
        return 42

    assert wait_for(work) == 42
    timer.stop()
    assert len(ticks) > 5


def test_waiting_raises_what_the_work_raises(viewer):
    def fail(progress):
        raise TomoError("no")

    with pytest.raises(TomoError, match="no"):
        wait_for(fail)


def test_cancelling_the_bar_stops_the_work(viewer, monkeypatch):
    from napari.utils.progress import progress

    # Bars come after a while, which is not what this is about.
    monkeypatch.setattr(work, "PATIENCE", 0)

    def endless(report):
        report.start(10**9, "Endless work")
        while True:
            report.advance(1)

    def cancel():
        for bar in list(progress._all_instances):
            bar.cancel()

    from qtpy.QtCore import QTimer

    QTimer.singleShot(300, cancel)
    with pytest.raises(Cancelled):
        wait_for(endless)
    assert not progress._all_instances


def test_a_cancelled_job_reports_nothing_more(viewer, settle):
    import threading

    gate, heard = threading.Event(), []

    def work(progress):
        gate.wait(10)
        yield 1

    job = Job(work, heard.append)
    job.cancel()
    gate.set()
    settle()
    assert heard == []
    assert not job.running
