"""Scan sessions: saved, opened again, dropped on napari, and as a script."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_gpt2_tomo.base import CheckpointError, DisplayError, TomoError
from napari_gpt2_tomo.display.state import read_state
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.viewer import state_dialogs
from napari_gpt2_tomo.viewer.activity.layers import add_activity
from napari_gpt2_tomo.viewer.commands import NO_SCAN
from napari_gpt2_tomo.viewer.layers import add_scan
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.navigator.fly import go_to
from napari_gpt2_tomo.viewer.navigator.pinning import pin
from napari_gpt2_tomo.viewer.remembered import recent_scans
from napari_gpt2_tomo.viewer.state import (
    NO_ACTIVITY,
    capture,
    open_session,
    save_script,
    save_session,
)
from napari_gpt2_tomo.viewer.view import link as link_in
from napari_gpt2_tomo.viewer.view import view

from .small_model import write_model

PLUGIN = "napari-gpt2-tomo"


@pytest.fixture(autouse=True)
def fresh_memory(monkeypatch):
    """napari's settings are left alone."""
    from napari_gpt2_tomo.viewer import remembered

    monkeypatch.setattr(remembered, "_unsaved", dict(remembered._unsaved))
    monkeypatch.setattr(remembered, "section", lambda key: None)


@pytest.fixture
def said(monkeypatch):
    """What napari was told to show."""
    from napari.utils.notifications import notification_manager

    texts = []
    monkeypatch.setattr(notification_manager, "dispatch", lambda note: texts.append(note.message))
    return texts


def arrange(viewer, model) -> None:
    """A view that differs from the first one in every respect."""
    view(model, viewer, signal="signed", layout="body", name="mine")
    link = link_in(viewer)
    link.console.set_limits(-0.2, 0.3)
    link.console.transfer = "viridis"
    link.console.gamma = 0.7
    link.console.slab = 3
    link.console.hidden = {"L0.q"}
    link.console.tints = {"L1.k": (1.0, 0.0, 0.0)}
    pin(viewer, "h.1.mlp.c_fc.weight[2, 3]", note="a neuron")
    go_to(viewer, "L1.k[5, 6]")
    link.margins = True
    viewer.dims.order = (1, 0, 2)
    viewer.scene.camera.center = (0.0, 11.0, 12.0)
    viewer.scene.camera.zoom = 3.25


@pytest.fixture
def arranged(model, settle, qapp):
    viewer = ViewerModel()
    viewer.canvas.size = (600, 800)
    arrange(viewer, model)
    settle()
    yield viewer
    viewer.layers.clear()
    settle()


@pytest.fixture
def other(settle, qapp):
    """A second viewer, of the same size."""
    viewer = ViewerModel()
    viewer.canvas.size = (600, 800)
    yield viewer
    viewer.layers.clear()
    settle()


def test_an_opened_session_is_the_one_that_was_saved(arranged, other, tmp_path, settle, said):
    path = save_session(arranged, tmp_path / "mine")
    assert open_session(path, other) is other
    settle()
    assert capture(other, tmp_path) == capture(arranged, tmp_path) == read_state(path)
    assert [layer.name for layer in other.layers] == [layer.name for layer in arranged.layers]
    assert link_in(other).pins[0].note == "a neuron"
    image = other.layers[0]
    assert image.contrast_limits == pytest.approx([-0.2, 0.3])
    assert other.layers.selection.active is image
    assert recent_scans()[0] == link_in(other).scan.checkpoint.path
    assert not said


def test_the_view_fits_a_window_of_another_size(arranged, other, tmp_path, settle):
    path = save_session(arranged, tmp_path / "mine")
    other.canvas.size = (300, 800)
    open_session(path, other)
    settle()
    assert other.scene.camera.zoom == pytest.approx(3.25 / 2)


def test_3d_and_other_layouts_are_kept(arranged, other, tmp_path, settle):
    with Scan(link_in(arranged).scan.checkpoint.path) as scan:
        layers = add_scan(arranged, scan, "heads", role="v")
        settle()
        arranged.layers.selection.active = layers.image
        link_of(layers.image).console.region = ((0, 2), (1, 3), (0, 8), (0, 9))
        arranged.dims.ndisplay = 3
        arranged.scene.camera.angles = (10.0, 20.0, 30.0)
        settle()
        path = save_session(arranged, tmp_path / "mine")
        open_session(path, other)
        settle()
        assert capture(other, tmp_path) == read_state(path)
        arranged.layers.remove(layers.image)
        arranged.layers.remove(layers.atlas)
        settle()


def test_what_the_user_said_about_a_model_is_said_again(tmp_path, other, settle, qapp):
    folder = write_model(tmp_path / "model")
    (folder / "config.json").unlink()
    viewer = ViewerModel()
    with Scan(folder, "gpt2", n_heads=8) as scan:
        add_scan(viewer, scan)
        settle()
        path = save_session(viewer, tmp_path / "mine")
        viewer.layers.clear()
        settle()
    open_session(path, other)
    settle()
    assert link_in(other).scan.anatomy.hyper.n_heads == 8


def test_a_session_can_be_dropped_on_a_window(arranged, viewer, tmp_path, settle, said):
    path = save_session(arranged, tmp_path / "mine")
    layers = viewer.open(str(path), plugin=PLUGIN)
    settle()
    assert len(layers) == 2
    link = link_in(viewer)
    assert (link.name, link.volume.signal) == ("mine", "signed")
    assert link.console.hidden == {"L0.q"}
    assert viewer.dims.order == (1, 0, 2)
    assert link.cursor.position == link_in(arranged).cursor.position
    path.write_text(path.read_text().replace('"gamma": 0.7', '"gamma": 70'))
    viewer.open(str(path), plugin=PLUGIN)
    assert "'gamma'" in said[-1]
    assert len(viewer.layers) == 2
    viewer.layers.clear()
    settle()


def test_a_model_that_changed_is_opened_and_said(tmp_path, other, settle, said, qapp):
    folder = write_model(tmp_path / "model")
    viewer = ViewerModel()
    arrange(viewer, folder)
    settle()
    path = save_session(viewer, tmp_path / "mine")
    viewer.layers.clear()
    settle()
    write_model(folder, seed=7)
    open_session(path, other)
    settle()
    assert "is not what it was" in said[-1]
    assert link_in(other).console.window.limits == pytest.approx((-0.2, 0.3))


def test_what_does_not_fit_a_changed_model_is_left_out(arranged, other, tmp_path, settle, said):
    path = save_session(arranged, tmp_path / "mine")
    data = json.loads(path.read_text())
    scan = data["scans"][0]
    scan["console"]["hidden"] = ["L0.q", "L77.q"]
    scan["console"]["tints"]["gone"] = [1, 1, 1]
    scan["console"]["region"] = [[0, 1], [0, 5], [0, 9999]]
    scan["pins"].append({"tensor": "gone.weight", "index": [1]})
    data["view"] |= {"point": [1.0, 2.0], "order": [0, 1]}
    path.write_text(json.dumps(data))
    open_session(path, other)
    settle()
    for words in ("no part L77.q", "no part gone", "region", "gone.weight[1]", "2 axes"):
        assert words in said[-1]
    link = link_in(other)
    assert link.console.hidden == {"L0.q"}
    assert set(link.console.tints) == {"L1.k"}
    assert len(link.pins) == 1


def test_a_model_that_is_gone_is_said_and_the_others_are_opened(
    arranged, other, tmp_path, settle, said, model
):
    gone = shutil.copytree(model, tmp_path / "gone")
    view(gone, arranged)
    settle()
    path = save_session(arranged, tmp_path / "mine")
    shutil.rmtree(gone)
    open_session(path, other)
    settle()
    assert len(other.layers) == 2
    assert "gone is left out" in said[-1]
    assert "does not exist" in said[-1]
    data = json.loads(path.read_text())
    data["scans"] = data["scans"][1:]
    path.write_text(json.dumps(data))
    with pytest.raises(CheckpointError, match="gone is left out"):
        open_session(path, other)


def test_a_folder_may_be_moved_with_its_session(tmp_path, other, settle, said, qapp):
    folder = write_model(tmp_path / "there" / "model")
    viewer = ViewerModel()
    view(folder, viewer)
    settle()
    save_session(viewer, tmp_path / "there" / "mine")
    viewer.layers.clear()
    settle()
    (tmp_path / "there").rename(tmp_path / "here")
    open_session(tmp_path / "here" / "mine.tomo.json", other)
    settle()
    assert link_in(other).scan.checkpoint.path == tmp_path / "here" / "model"
    assert not said


def test_without_a_scan_there_is_nothing_to_save(other, tmp_path):
    with pytest.raises(DisplayError, match="Open a checkpoint first"):
        save_session(other, tmp_path / "mine")
    with pytest.raises(DisplayError, match="cannot be read"):
        open_session(tmp_path / "absent.tomo.json", other)


def test_activity_is_left_out_and_said(arranged, other, tmp_path, settle, said, monkeypatch):
    """Its pictures have more axes than a scan, which must not confuse the sliders."""
    from qtpy.QtWidgets import QFileDialog

    from .activity.made_activity import made_activity

    alone = capture(arranged)
    add_activity(arranged, made_activity())
    arranged.dims.set_point(range(1, 4), alone.view.point)
    found = capture(arranged)
    assert found.view.order == alone.view.order
    np.testing.assert_allclose(found.view.point, alone.view.point)
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine.tomo.json"), "")
    )
    state_dialogs.save_session_as(arranged)
    assert said[-1].endswith(NO_ACTIVITY)
    said.clear()
    open_session(tmp_path / "mine.tomo.json", other)
    settle()
    assert said == []
    assert len(other.layers) == 2
    other.layers.clear()
    add_activity(other, made_activity())
    settle()
    state_dialogs.save_session_as(other)
    assert said[-1] == NO_ACTIVITY


def test_the_menus_ask_for_a_file_and_say_what_they_did(
    arranged, other, tmp_path, settle, said, monkeypatch
):
    from qtpy.QtWidgets import QFileDialog

    asked = []

    def ask(parent, title, start, kind, *_):
        asked.append((title, start))
        return str(tmp_path / start), kind

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "mine.tomo.json"), "")
    )
    state_dialogs.save_session_as(arranged)
    state_dialogs.save_script_as(arranged)
    assert [start for _, start in asked] == ["mine.tomo.json", "mine.py"]
    assert "Saved" in said[-1]
    state_dialogs.open_session_from(other)
    settle()
    assert len(other.layers) == 2
    (tmp_path / "mine.tomo.json").write_text("{}")
    state_dialogs.open_session_from(other)
    assert "no scan session" in said[-1]
    other.layers.clear()
    settle()
    state_dialogs.save_session_as(other)
    assert said[-1] == NO_SCAN
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "x" / "y"), ""))
    state_dialogs.save_script_as(arranged)
    assert "cannot be written" in said[-1]


CHECK = """
import json, runpy, sys
names = runpy.run_path(sys.argv[1], run_name="not main")
from napari_gpt2_tomo.viewer.state import save_session
from napari_gpt2_tomo.viewer.work import finish_all
finish_all()
save_session(names["viewer"], sys.argv[2])
names["viewer"].close()
"""


def test_the_script_opens_the_same_view_in_another_process(viewer, model, tmp_path, settle):
    arrange(viewer, model)
    settle()
    script = save_script(viewer, tmp_path / "mine")
    assert script.name == "mine.py"
    before = read_state(save_session(viewer, tmp_path / "before"))
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(script), str(tmp_path / "after")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NAPARI_CONFIG": ""},
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    after = read_state(tmp_path / "after.tomo.json")
    assert after.scans == before.scans
    now, then = after.view, before.view
    assert (now.order, now.ndisplay, now.point, now.center) == (
        then.order,
        then.ndisplay,
        then.point,
        then.center,
    )
    # Its window has another size, which the desktop may change once more when it is shown.
    ratio = np.min(np.array(now.canvas) / np.array(then.canvas))
    assert now.zoom == pytest.approx(then.zoom * ratio, rel=0.1)
    viewer.layers.clear()
    settle()


def test_a_script_that_cannot_be_written_is_said(arranged, tmp_path):
    with pytest.raises(TomoError, match="cannot be written"):
        save_script(arranged, tmp_path / "absent" / "x.py")
