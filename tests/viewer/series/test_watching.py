"""A series that grows while it is looked at."""

import numpy as np
import pytest

from napari_gpt2_tomo.viewer.series.growing import go_to_step
from napari_gpt2_tomo.viewer.series.watcher import watcher_of

from ...series.runs import STEPS, write_step


@pytest.fixture
def watched(shown, new_run, settle):
    """A run in the viewer, and what watches its folder, looking only when it is asked to."""
    link = shown(new_run)
    watcher = watcher_of(link)
    watcher._timer.setInterval(10**6)
    watcher.start()
    settle()
    yield link, watcher, new_run
    watcher.stop()


def look(watcher, settle):
    for _ in range(2):
        watcher.look()
        settle()


def test_the_axis_grows_and_the_view_stays(watched, viewer, settle):
    link, watcher, folder = watched
    go_to_step(viewer, link, 1)
    viewer.dims.set_point(1, 6)
    viewer.scene.camera.zoom *= 3
    viewer.scene.camera.center = (0, 20, 30)
    link.console.hidden = frozenset({"L0.q"})
    link.console.set_limits(0.0, 0.07)
    layers = list(viewer.layers)
    camera = viewer.scene.camera.zoom, viewer.scene.camera.center
    write_step(folder / "step-300", 300)
    look(watcher, settle)
    assert list(viewer.layers) == layers
    assert viewer.dims.nsteps[0] == len(STEPS) + 1
    assert viewer.dims.point[:2] == (1.0, 6.0)
    assert (viewer.scene.camera.zoom, viewer.scene.camera.center) == camera
    assert link.console.hidden == {"L0.q"}
    assert tuple(layers[0].contrast_limits) == (0.0, 0.07)
    assert link.cursor.position[0] == 1
    new = np.asarray(link.volume.level(0)[len(STEPS)])
    assert new.any()
    assert link.scan.steps[-1].number == 300
    assert link.volume.overview.state == "refined"


def test_who_looks_at_the_end_goes_on_with_it(watched, viewer, settle):
    link, watcher, folder = watched
    assert viewer.dims.point[0] == len(STEPS) - 1
    write_step(folder / "step-300", 300)
    look(watcher, settle)
    assert viewer.dims.point[0] == link.volume.present == len(STEPS)


def test_a_region_of_all_steps_has_the_new_one_too(watched, viewer, settle):
    link, watcher, folder = watched
    link.console.region = ((0, len(STEPS)), (2, 6), (0, 20), (0, 20))
    write_step(folder / "step-300", 300)
    look(watcher, settle)
    assert link.console.region[0] == (0, len(STEPS) + 1)


def test_it_grows_in_3d(watched, viewer, settle):
    _, watcher, folder = watched
    viewer.dims.ndisplay = 3
    settle()
    write_step(folder / "step-300", 300)
    look(watcher, settle)
    assert viewer.dims.ndisplay == 3
    assert viewer.layers[0].locked_data_level is not None
    viewer.dims.set_point(0, len(STEPS))
    settle()
    assert np.asarray(viewer.layers[0].data[0][len(STEPS)]).any()


def test_another_model_is_refused_once_and_said(watched, settle, monkeypatch):
    from napari_gpt2_tomo.viewer.series import watcher as module

    link, watcher, folder = watched
    said = []
    monkeypatch.setattr(module, "show", said.append)
    write_step(folder / "step-300", 300, width=32)
    look(watcher, settle)
    look(watcher, settle)
    assert len(said) == 1
    assert "d_model 32 against 48" in str(said[0])
    assert link.volume.shape[0] == len(STEPS)
    write_step(folder / "step-400", 400)
    look(watcher, settle)
    assert link.scan.steps[-1].number == 400


def test_it_ends_with_the_layers(watched, viewer, settle):
    _, watcher, _ = watched
    viewer.layers.clear()
    settle()
    watcher.look()
    assert not watcher.on


def test_a_list_has_nothing_to_watch(shown, run_folder):
    assert watcher_of(shown([run_folder / "step-0", run_folder / "step-10"])) is None
