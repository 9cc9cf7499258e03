"""Opening checkpoints in napari, through npe2 as drag and drop does."""

import itertools
import json
import os
import shutil
import struct

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.viewer import reader
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.session import session_of

from .small_model import LAYERS, WIDTH, small_tensors, write_model

PLUGIN = "napari-gpt2-tomo"


def test_only_checkpoints_are_claimed(model, tmp_path):
    assert reader.get_reader(str(model)) is not None
    assert reader.get_reader(str(model / "model.safetensors")) is not None
    assert reader.get_reader([str(model / "model.safetensors")]) is not None
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (empty, model / "config.json", tmp_path / "absent.safetensors", "\0", "", 5, []):
        assert reader.get_reader(path if isinstance(path, (int, list)) else str(path)) is None
    assert reader.get_reader([str(model), str(empty)]) is None


def test_damaged_files_are_claimed_so_that_our_words_are_read(tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"nothing of the kind")
    assert reader.get_reader(str(path)) is not None


def test_layer_data_are_ready_for_any_viewer(model):
    (levels, image, kind), (labels, atlas, other) = reader.read(str(model))
    assert (kind, other) == ("image", "labels")
    assert image["multiscale"]
    assert image["axis_labels"] == ("section", "channel", "unit")
    assert [level.shape for level in levels] == [level.shape for level in labels]
    assert not atlas["visible"]
    low, high = image["contrast_limits"]
    assert 0 == low < high < 3
    depth = image["scale"][0] * levels[0].shape[0]
    assert WIDTH / 2 <= depth <= WIDTH * 2
    link = image["metadata"][PLUGIN]
    assert link.owned
    link.scan.close()


def test_a_folder_opens_as_an_image_and_its_atlas(viewer, model, settle):
    image, atlas = viewer.open(str(model), plugin=PLUGIN)
    settle()
    assert image.name == "small"
    assert atlas.name == "small · atlas"
    assert image.visible
    assert not atlas.visible
    assert [str(unit) for unit in image.units] == ["dimensionless"] * 3
    assert session_of(viewer).probe is not None
    assert viewer.layers.selection.active is image
    assert viewer.dims.axis_labels == ("section", "channel", "unit")


def test_napari_finds_the_reader_by_itself(viewer, model, settle):
    (image, _) = viewer.open(str(model / "model.safetensors"), plugin=None)
    assert link_of(image) is not None
    settle()


def test_dropping_on_the_window_opens_it(window, model, qtbot, settle):
    from napari.qt import QtViewer
    from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
    from qtpy.QtGui import QDropEvent
    from qtpy.QtWidgets import QApplication

    canvas = next(
        child
        for top in QApplication.topLevelWidgets()
        for child in top.findChildren(QtViewer)
        if child.viewer is window
    )
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(model / "model.safetensors"))])
    event = QDropEvent(
        QPointF(50, 50),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    canvas.dropEvent(event)
    qtbot.waitUntil(lambda: len(window.layers) == 2)
    settle()
    assert session_of(window).probe is not None


def test_every_view_draws(window, model, settle):
    viewer = window
    viewer.open(str(model), plugin=PLUGIN)
    viewer.canvas.overlays.text.visible = False
    for order, ndisplay in itertools.product(itertools.permutations(range(3)), (2, 3)):
        viewer.dims.ndisplay = ndisplay
        viewer.dims.order = order
        viewer.reset_view()
        settle()
        picture = viewer.screenshot(canvas_only=True, flash=False)
        assert (picture[..., :3].max(axis=2) > 30).mean() > 0.05


def test_the_pixels_of_a_section_are_the_tensors_values(window, model, settle):
    viewer = window
    image, _ = viewer.open(str(model), plugin=PLUGIN)
    link = link_of(image)
    section = link.volume.voxel("h.2.attn.c_proj.weight", (0, 0))[0]
    image.colormap, image.gamma, image.contrast_limits = "gray", 1.0, (0.0, 0.5)
    image.interpolation2d = "nearest"
    viewer.dims.set_current_step(0, section)
    viewer.canvas.overlays.text.visible = False
    viewer.scene.camera.zoom = 8
    viewer.scene.camera.center = (0, 31.5, 31.5)
    settle()
    image.locked_data_level = 0
    settle()
    picture = viewer.screenshot(size=(WIDTH * 8, WIDTH * 8), canvas_only=True, flash=False)
    centres = np.arange(WIDTH) * 8 + 4
    drawn = picture[np.ix_(centres, centres)][..., 0].astype(float) / 255
    expected = np.abs(small_tensors()["h.2.attn.c_proj.weight"]).T
    assert np.abs(drawn - np.clip(expected / 0.5, 0, 1)).max() < 0.02


def broken(folder, how: str):
    """A file of the given kind of damage."""
    path = folder / "broken.safetensors"
    header = {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    if how == "huge header":
        path.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "no json":
        path.write_bytes(struct.pack("<Q", 4) + b"{{{{")
    elif how == "truncated":
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 15)
    elif how == "a hole":
        header["a"]["data_offsets"] = [4, 20]
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 20)
    return path


def test_damaged_files_give_notifications_and_a_usable_viewer(viewer, model, tmp_path, settle):
    for how in ("huge header", "empty", "no json", "truncated", "a hole"):
        path = broken(tmp_path, how)
        notification_manager.records.clear()
        assert viewer.open(str(path), plugin=PLUGIN) == []
        messages = [record.message for record in notification_manager.records]
        assert any("broken.safetensors" in message for message in messages)
        assert not any("Traceback" in message for message in messages)
    image, _ = viewer.open(str(model), plugin=PLUGIN)
    settle()
    assert image.visible


def test_without_a_window_a_damaged_file_raises(tmp_path, monkeypatch):
    from napari_gpt2_tomo.viewer import compat

    monkeypatch.setattr(compat, "open_viewers", list)
    with pytest.raises(TomoError, match="broken"):
        reader.read(str(broken(tmp_path, "empty")))


def test_a_model_without_a_window_is_only_data(model):
    from napari.components import ViewerModel

    bare = ViewerModel()
    image, _ = bare.open(str(model), plugin=PLUGIN)
    assert np.asarray(image.data[-1]).any()
    link_of(image).scan.close()


@pytest.fixture
def two(tmp_path, model):
    """A folder with two checkpoints, none of which goes without saying."""
    folder = tmp_path / "two"
    folder.mkdir()
    for name in ("first.safetensors", "second.safetensors"):
        shutil.copy(model / "model.safetensors", folder / name)
    return folder


def test_a_folder_with_several_checkpoints_asks(viewer, two, settle, monkeypatch):
    from qtpy.QtWidgets import QInputDialog

    asked, answers = [], [("first.safetensors", False), ("second.safetensors", True)]

    def get_item(parent, title, label, names, current, editable):
        asked.append(names)
        return answers.pop(0)

    monkeypatch.setattr(QInputDialog, "getItem", get_item)
    assert viewer.open(str(two), plugin=PLUGIN) == []
    image, _ = viewer.open(str(two), plugin=PLUGIN)
    settle()
    assert asked == [["first.safetensors", "second.safetensors"]] * 2
    assert image.name == "second"


def test_shards_that_are_dropped_together_open_once(viewer, tmp_path, settle):
    from safetensors.numpy import save_file

    tensors = small_tensors()
    names = sorted(tensors)
    for i, part in enumerate((names[::2], names[1::2])):
        save_file(
            {name: tensors[name] for name in part},
            tmp_path / f"model-{i + 1:05}-of-00002.safetensors",
        )
    shards = sorted(str(path) for path in tmp_path.glob("*.safetensors"))
    layers = viewer.open(shards, plugin=PLUGIN)
    settle()
    assert len(layers) == 2
    assert link_of(layers[0]).volume.anatomy.hyper.n_layers == LAYERS


def test_what_is_absent_is_said(viewer, tmp_path, settle):
    from safetensors.numpy import save_file

    folder = write_model(tmp_path / "partial")
    tensors = {name: t for name, t in small_tensors().items() if "mlp" not in name}
    save_file(tensors, folder / "model.safetensors")
    notification_manager.records.clear()
    viewer.open(str(folder), plugin=PLUGIN)
    settle()
    assert any("Absent" in record.message for record in notification_manager.records)


def test_a_complete_model_opens_without_a_word(viewer, model, settle):
    notification_manager.records.clear()
    viewer.open(str(model), plugin=PLUGIN)
    settle()
    assert not notification_manager.records


def test_the_preferred_layout_and_signal_are_used(viewer, model, settle, monkeypatch):
    from napari_gpt2_tomo.viewer import preferences
    from napari_gpt2_tomo.viewer.preferences import Preferences

    wanted = Preferences(layout="cube", signal="signed")
    monkeypatch.setattr(preferences, "preferences", lambda: wanted)
    image, _ = viewer.open(str(model), plugin=PLUGIN)
    settle()
    assert link_of(image).volume.layout.name == "cube"
    assert image.name == "small · cube · signed"
    assert image.contrast_limits[0] == -image.contrast_limits[1]


def test_a_preference_for_bodies_does_not_refuse_other_files(viewer, tmp_path, monkeypatch, settle):
    from safetensors.numpy import save_file

    from napari_gpt2_tomo.viewer import preferences
    from napari_gpt2_tomo.viewer.preferences import Preferences

    path = tmp_path / "arrays.safetensors"
    save_file({"x": np.ones((30, 40), np.float32)}, path)
    monkeypatch.setattr(preferences, "preferences", lambda: Preferences(layout="body"))
    image, _ = viewer.open(str(path), plugin=PLUGIN)
    settle()
    assert link_of(image).volume.layout.name == "cube"


def test_odd_values_open(viewer, tmp_path, settle):
    from safetensors.numpy import save_file

    for i, values in enumerate((np.zeros((8, 8)), np.full((8, 8), np.nan), np.zeros((0, 3)))):
        path = tmp_path / f"odd{i}.safetensors"
        save_file({"x": values.astype(np.float32)}, path)
        layers = viewer.open(str(path), plugin=PLUGIN)
        assert len(layers) == 2
        viewer.dims.ndisplay = 3
        settle()
        viewer.screenshot(flash=False)
        viewer.dims.ndisplay = 2
        viewer.layers.clear()
        settle()


def test_a_real_model_opens(viewer, settle):
    from real_data import real_data

    image, _ = viewer.open(os.fspath(real_data("minilm-fp16")), plugin=PLUGIN)
    link = link_of(image)
    name = "encoder.layer.3.attention.self.query.weight"
    voxel = link.volume.voxel(name, (200, 100))
    assert float(link.scan.checkpoint[name][200, 100]) == link.volume.address(voxel).value
    viewer.layers.clear()
    settle()
