"""Activities as files: dropped, opened and saved in napari."""

import numpy as np
import pytest

from napari_gpt2_tomo.activity.record import open_activity
from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.viewer import reader
from napari_gpt2_tomo.viewer.activity import files
from napari_gpt2_tomo.viewer.activity.array_link import array_link_of
from napari_gpt2_tomo.viewer.activity.desk import desk_of
from napari_gpt2_tomo.viewer.activity.lens_dock import LensDock
from napari_gpt2_tomo.viewer.activity.model_bar import CANCEL, LOAD, reunion_of
from napari_gpt2_tomo.viewer.compat import open_viewers

from .made_activity import made_activity

PLUGIN = "napari-gpt2-tomo"


@pytest.fixture
def stored(tmp_path):
    """Folder of an activity that has no model."""
    return made_activity().save(tmp_path / "once.zarr")


@pytest.fixture
def archive(tmp_path):
    """Attention as others store it."""
    path = tmp_path / "reference_activations_0.npz"
    pattern = np.tril(np.ones((2, 3, 4, 4), np.float32))
    np.savez(path, attention=pattern / pattern.sum(-1, keepdims=True), token_ids=[5, 6, 7, 8])
    return path


@pytest.fixture
def notes():
    """What napari said meanwhile."""
    from napari.utils.notifications import notification_manager

    said = []

    def hear(event):
        said.append(str(event.message))

    notification_manager.notification_ready.connect(hear)
    yield said
    notification_manager.notification_ready.disconnect(hear)


def test_only_activities_are_claimed(stored, archive, tmp_path):
    other = tmp_path / "other_activations.npy"
    np.save(other, np.zeros(3))
    assert reader.get_reader(str(stored)) is not None
    assert reader.get_reader([str(archive)]) is not None
    assert reader.get_reader(str(other)) is None
    assert reader.get_reader([str(archive), str(other)]) is None
    foreign = tmp_path / "foreign.zarr"
    foreign.mkdir()
    (foreign / "zarr.json").write_text('{"attributes": {"ome": {}}}')
    assert reader.get_reader(str(foreign)) is None


def test_an_archive_of_an_activity_is_no_checkpoint(archive, tmp_path):
    """Though it is one of numpy's, as those of weights are."""
    weights = tmp_path / "weights.npz"
    np.savez(weights, **{"h.0.attn.c_attn.weight": np.zeros((4, 12), np.float32)})
    assert reader._is_activity(str(archive))
    assert not reader._is_activity(str(weights))
    assert reader.get_reader([str(archive), str(weights)]) is not None


def test_a_folder_opens_as_layers_and_comes_to_the_desk(viewer, stored, settle, qtbot):
    layers = viewer.open(str(stored), plugin=PLUGIN)
    qtbot.waitUntil(lambda: desk_of(viewer).activity is not None)
    settle()
    links = [array_link_of(layer) for layer in layers]
    assert [link.picture.kind.name for link in links] == ["states", "mlp_post", "pattern"]
    assert [layer.visible for layer in layers] == [False, False, True]
    assert viewer.layers.selection.active is layers[-1]
    activity = desk_of(viewer).activity
    assert all(link.activity is activity for link in links)
    assert activity.text == "The cat sat on the"
    np.testing.assert_array_equal(
        np.asarray(layers[-1].data), made_activity()["pattern"].transpose(1, 0, 2, 3)
    )


def test_archives_open(viewer, archive, settle, qtbot):
    from npe2 import PluginManager

    found = PluginManager.instance().iter_compatible_readers([str(archive)])
    assert f"{PLUGIN}.read" in [reader.command for reader in found]
    (layer,) = viewer.open(str(archive), plugin=PLUGIN)
    qtbot.waitUntil(lambda: desk_of(viewer).activity is not None)
    settle()
    assert layer.data.shape == (3, 2, 4, 4)
    assert desk_of(viewer).activity.tokens.ids.tolist() == [5, 6, 7, 8]


def test_what_was_shown_before_is_hidden(viewer, stored, archive, settle, qtbot):
    (before,) = viewer.open(str(archive), plugin=PLUGIN)
    qtbot.waitUntil(lambda: desk_of(viewer).activity is not None)
    first = desk_of(viewer).activity
    layers = viewer.open(str(stored), plugin=PLUGIN)
    qtbot.waitUntil(lambda: desk_of(viewer).activity is not first)
    settle()
    assert [layer.visible for layer in (before, *layers)] == [False, False, False, True]


def test_beside_a_scan_it_opens_in_a_window_of_its_own(viewer, model, stored, settle, qtbot):
    viewer.open(str(model), plugin=PLUGIN)
    settle()
    scans = list(viewer.layers)
    before = open_viewers()
    viewer.open(str(stored), plugin=PLUGIN)
    # A second window takes its time on a busy machine.
    qtbot.waitUntil(lambda: len(open_viewers()) > len(before), timeout=60_000)
    settle()
    (other,) = (one for one in open_viewers() if one not in before)
    try:
        assert list(viewer.layers) == scans
        assert viewer.dims.ndim == 3
        assert len(other.layers) == 3
        assert desk_of(other) is desk_of(viewer)
        assert desk_of(viewer).activity is array_link_of(other.layers[0]).activity
    finally:
        other.close()


def test_what_cannot_be_opened_is_said(viewer, stored, notes):
    (stored / "zarr.json").write_text('{"attributes": {"napari_gpt2_tomo": {"version": 99}}}')
    viewer.open(str(stored), plugin=PLUGIN)
    assert any("later version" in said for said in notes)
    assert not viewer.layers
    with pytest.raises(TomoError, match="later version"):
        files.open_in(viewer, stored)


def test_the_menu_opens_what_is_chosen(viewer, stored, settle, monkeypatch, notes):
    monkeypatch.setattr(files, "_ask", lambda: str(stored / "zarr.json"))
    files.open_activity_from(viewer)
    settle()
    assert desk_of(viewer).activity.text == "The cat sat on the"
    assert len(viewer.layers) == 3
    monkeypatch.setattr(files, "_ask", lambda: str(stored / "absent"))
    files.open_activity_from(viewer)
    assert any("does not exist" in said for said in notes)
    monkeypatch.setattr(files, "_ask", lambda: "")
    files.open_activity_from(viewer)
    assert len(viewer.layers) == 3


def test_entering_the_folder_of_an_activity_chooses_it(qapp, stored, monkeypatch):
    from qtpy.QtWidgets import QFileDialog

    def enter(dialog):
        dialog.directoryEntered.emit(str(stored.parent))
        assert not dialog.result()
        dialog.directoryEntered.emit(str(stored))
        return dialog.result()

    monkeypatch.setattr(QFileDialog, "exec", enter)
    assert files._ask() == str(stored)


def test_the_menu_saves_what_is_on_the_desk(viewer, tmp_path, settle, monkeypatch, notes):
    from qtpy.QtWidgets import QFileDialog

    asked = []

    def answer(parent, title, start, kinds):
        asked.append(start)
        return str(tmp_path / "saved"), kinds

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    files.save_activity_as(viewer)
    assert asked == []
    assert notes == [files.NOTHING]
    activity = made_activity()
    desk_of(viewer).show(activity)
    files.save_activity_as(viewer)
    settle()
    assert asked == ["small-The-cat-sat-on-the.zarr"]
    assert list(tmp_path.iterdir()) == [tmp_path / "saved.zarr"]
    assert any("saved.zarr" in said for said in notes)
    assert list(open_activity(tmp_path / "saved.zarr")) == list(activity)


def test_a_save_that_is_cancelled_leaves_nothing(qtbot, tmp_path, settle):
    job = files.save_to(made_activity(), tmp_path / "saved.zarr")
    job.cancel()
    settle()
    assert list(tmp_path.iterdir()) == []


def test_a_save_that_cannot_be_written_is_said(viewer, tmp_path, settle, notes):
    (tmp_path / "mine").mkdir()
    files.save_to(made_activity(), tmp_path / "mine")
    settle()
    assert any("choose another name" in said for said in notes)


@pytest.fixture
def measured(tmp_path):
    """Folder of an activity of the functional phantom."""
    from napari_gpt2_tomo.activity.running.run import run

    activity = run("functional-phantom", "a b a", ("resid_post", "final", "logits"))
    return activity.save(tmp_path / "measured.zarr")


def test_docks_get_the_model_back(viewer, measured, settle, qtbot):
    files.open_in(viewer, measured)
    dock = LensDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    desk = desk_of(viewer)
    before, layer = desk.activity, viewer.layers[0]
    assert "needs the model" in dock.message
    assert dock._bar.isVisible()
    desk.move(token=1)
    dock._bar.button.click()
    assert dock._bar.button.text() == CANCEL
    settle()
    found = desk.activity
    assert found is not before
    assert found.model is not None
    assert desk.place.token == 1
    assert not dock._bar.isVisible()
    assert dock.message == ""
    assert array_link_of(layer).activity is found


def test_loading_can_be_cancelled(viewer, measured, settle, qtbot):
    files.open_in(viewer, measured)
    desk = desk_of(viewer)
    before = desk.activity
    dock = LensDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    dock._bar.button.click()
    dock._bar.button.click()
    settle()
    assert desk.activity is before
    assert dock._bar.button.text() == LOAD


def test_another_model_is_refused_in_words(viewer, model, settle, qtbot):
    desk = desk_of(viewer)
    desk.show(made_activity(path=model))
    dock = LensDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    dock._bar.button.click()
    settle()
    assert desk.activity.model is None
    assert "cannot be run" in dock._bar.said.text() or "another" in dock._bar.said.text()
    assert dock._bar.isVisible()
    assert dock._bar.button.text() == LOAD


def test_a_model_that_is_gone_is_not_offered(viewer, archive, qtbot, settle):
    files.open_in(viewer, archive)
    dock = LensDock(viewer)
    qtbot.addWidget(dock)
    dock.show()
    assert not reunion_of(desk_of(viewer)).possible
    assert not dock._bar.isVisible()
    assert "needs the model gpt2" in dock.message
