"""The dock for pictures and movies, as a person uses it."""

import pytest
from napari.utils.notifications import notification_manager
from PIL import Image
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_gpt2_tomo.viewer.pictures.dock import PicturesDock
from napari_gpt2_tomo.viewer.view import view


@pytest.fixture
def shown(viewer, model, settle):
    view(model, viewer)
    settle()
    return viewer


@pytest.fixture
def dock(shown, qtbot):
    made = PicturesDock(shown)
    qtbot.addWidget(made)
    made.movie_size.setCurrentText("160 × 120")
    return made


def messages():
    return [str(notice.message) for notice in notification_manager.records]


def test_it_tells_length_and_size_beforehand(dock):
    assert dock.length.text() == "250 frames · 160 × 120 · up to 0.5 MB"
    dock.move_.setCurrentText("Flight through the sections")
    assert [dock.axis.itemText(i) for i in range(3)] == ["section", "channel", "unit"]
    # 39 sections are shorter than the shortest flight.
    assert dock.seconds.value() == 6
    dock.axis.setCurrentText("channel")
    assert dock.seconds.value() == 8
    dock.fps.setValue(60)
    dock.file.setCurrentText("GIF")
    assert dock.fps.value() == 50
    assert dock.length.text().startswith("400 frames")
    dock.movie_size.setCurrentText("wide")
    assert dock.length.text() == "A size is width × height, e.g. 1280 × 720, not 'wide'."
    assert not dock.record.isEnabled()
    dock.movie_size.setCurrentText("320x200")
    assert "320 × 200" in dock.length.text()
    assert dock.record.isEnabled()


def test_a_movie_is_recorded_where_the_dialog_says(dock, tmp_path, settle, monkeypatch):
    asked = []

    def answer(parent, title, proposed, kinds):
        asked.append((proposed, kinds))
        return str(tmp_path / "mine"), kinds

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    dock.file.setCurrentText("GIF")
    dock.seconds.setValue(0.3)
    dock.fps.setValue(10)
    dock.record.click()
    assert asked[0][0].endswith("small-turntable.gif")
    assert dock.cancel.isEnabled()
    assert not dock.record.isEnabled()
    settle()
    with Image.open(tmp_path / "mine.gif") as image:
        assert (image.n_frames, image.size) == (3, (160, 120))
    assert dock.said.text() == "Written mine.gif · 0.0 MB"
    assert dock.record.isEnabled()
    assert not dock.cancel.isEnabled()


def test_cancel_stops_a_movie(dock, tmp_path, settle):
    dock.record_movie(tmp_path / "long.mp4")
    dock.recording._on_frame = lambda *_: dock.cancel.click()
    settle()
    assert dock.said.text() == "Cancelled; nothing was written."
    assert dock.recording is None
    assert not list(tmp_path.iterdir())


def test_pictures_are_saved_and_copied(dock, shown, tmp_path, monkeypatch):
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), "PNG (*.png)")
    )
    dock.picture_size.setCurrentText("300 × 200")
    dock.save.click()
    with Image.open(tmp_path / "mine.png") as image:
        assert image.size == (300, 200)
    dock.views.setCurrentText("Four views")
    dock.copy.click()
    copied = QApplication.clipboard().image()
    assert (copied.width(), copied.height()) == (300, 200)
    assert dock.said.text() == "The picture is on the clipboard."


def test_what_is_in_the_way_is_a_notice(dock, tmp_path):
    dock.record_movie(tmp_path / "movie.avi")
    assert "no movie by its ending" in messages()[-1]
    assert dock.recording is None
    dock.save_picture(tmp_path / "no" / "picture.png")
    assert "There is no folder" in messages()[-1]


def test_without_a_scan_a_picture_of_the_canvas_is_possible(viewer, qtbot):
    dock = PicturesDock(viewer)
    qtbot.addWidget(dock)
    assert not dock.views.model().item(1).isEnabled()
    assert dock.axis.count() == 1


def test_a_closed_dock_leaves_nothing_behind(shown, tmp_path, settle):
    callbacks = len(shown.layers.events.callbacks)
    _, made = shown.window.add_plugin_dock_widget("napari-gpt2-tomo", "Pictures and movies")
    assert isinstance(made, PicturesDock)
    made.movie_size.setCurrentText("160 × 120")
    made.seconds.setValue(0.3)
    made.record_movie(tmp_path / "movie.gif")
    gone = made.gone
    shown.window.remove_dock_widget(made)
    made.deleteLater()
    del made
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    settle()
    # The movie is finished all the same.
    assert (tmp_path / "movie.gif").exists()
    assert gone
    assert len(shown.layers.events.callbacks) == callbacks
