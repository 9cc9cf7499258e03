"""Turntables and flights on a real canvas."""

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QTimer
from safetensors.numpy import save_file

from napari_gpt2_tomo.base import Cancelled, SilentProgress, TomoError
from napari_gpt2_tomo.facade import Scan
from napari_gpt2_tomo.viewer.layers import add_scan
from napari_gpt2_tomo.viewer.link import link_of
from napari_gpt2_tomo.viewer.panes.views import close_views, open_views
from napari_gpt2_tomo.viewer.pictures import (
    Recording,
    record,
    record_flight,
    record_turntable,
    screenshot,
)
from napari_gpt2_tomo.viewer.pictures.moves import Flight, Sections, Turntable
from napari_gpt2_tomo.viewer.pictures.stage import Stage
from napari_gpt2_tomo.viewer.view import view

SIZE = (160, 120)


@pytest.fixture
def shown(viewer, model, settle):
    view(model, viewer)
    settle()
    return viewer


def state(viewer):
    camera, dims = viewer.scene.camera, viewer.dims
    place = (dims.order, dims.ndisplay, dims.point)
    looks = (camera.center, camera.zoom, camera.angles, camera.perspective)
    return (*place, *looks, viewer.canvas.overlays.text.visible)


def pictures(folder):
    found = []
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            found.append(np.asarray(image).astype(int))
    return found


def test_a_turntable_turns_the_volume_once_about_itself(shown, tmp_path):
    before = state(shown)
    path = record_turntable(
        shown, tmp_path / "turn", seconds=1, fps=4, size=SIZE, legend=False, fit=True
    )
    assert state(shown) == before
    frames = pictures(path)
    assert len(frames) == 4
    assert frames[0].shape == (120, 160, 3)
    lit = [(frame.max(axis=2) > 40).mean() for frame in frames]
    assert min(lit) > 0.1
    changes = [np.abs(one - frames[0]).mean() for one in frames[1:]]
    assert min(changes) > 2
    # The body stays in the middle of every frame.
    for frame in frames:
        rows, columns = np.nonzero(frame.max(axis=2) > 20)
        middle = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
        np.testing.assert_allclose(middle, (60, 80), atol=8)


def test_a_turn_ends_where_it_began_and_keeps_its_tilt(shown, settle):
    shown.dims.ndisplay = 3
    settle()
    stage = Stage(shown, SIZE)
    camera = shown.scene.camera
    camera.angles = (10, 25, 40)
    turn = Turntable("channel")
    turn.begin(stage)
    start = np.array(camera.view_direction), np.array(camera.up_direction)
    tilts, around = [], []
    for i in range(13):
        assert turn.pose(i, 12) == f"3-D · turned by {30 * i}°"
        tilts.append(camera.view_direction[1])
        around.append(np.arctan2(camera.view_direction[0], camera.view_direction[2]))
    np.testing.assert_allclose(tilts, tilts[0], atol=1e-6)
    steps = np.diff(np.unwrap(around))
    np.testing.assert_allclose(np.abs(steps), np.pi / 6, atol=1e-6)
    assert np.ptp(np.sign(steps)) == 0
    np.testing.assert_allclose(camera.view_direction, start[0], atol=1e-6)
    np.testing.assert_allclose(camera.up_direction, start[1], atol=1e-6)
    stage.close()


def test_a_flight_shows_every_section_in_order(shown, tmp_path):
    link, image = link_of(shown.layers[0]), shown.layers[0]
    sections = len(link.volume.layout.sections)
    path = record_flight(
        shown, tmp_path / "fly", seconds=sections / 10, fps=10, size=SIZE, legend=False, fit=False
    )
    frames = pictures(path)
    assert len(frames) == sections
    for section in (0, sections // 2, sections - 1):
        shown.dims.set_point(0, section * image.scale[0])
        np.testing.assert_array_equal(frames[section], screenshot(shown, size=SIZE, legend=False))
    assert len({frame.tobytes() for frame in frames}) == sections


def test_the_captions_of_a_flight_name_what_is_passed(shown):
    link = link_of(shown.layers[0])
    last = len(link.volume.layout.sections) - 1
    stage = Stage(shown, SIZE)
    move = Sections()
    move.begin(stage)
    words = [move.pose(i, last + 1) for i in range(last + 1)]
    assert words[0].startswith(f"axial · section 0 of {link.volume.shape[0]} · token embedding")
    assert words[-1].endswith("L2 down 4/4")
    stage.close()
    stage = Stage(shown, SIZE)
    across = Sections("unit")
    across.begin(stage)
    assert across.pose(20, 64).startswith("sagittal · unit 20")
    assert across.pose(63, 64).startswith("sagittal · unit 63")
    stage.close()


def test_a_flight_in_3d_goes_from_before_the_front_to_the_end(shown, settle):
    link = link_of(shown.layers[0])
    before = state(shown)
    stage = Stage(shown, SIZE, legend=False)
    flight = Flight()
    flight.begin(stage)
    settle()
    words, centers, lit = [], [], []
    for i in range(9):
        words.append(flight.pose(i, 9))
        centers.append(shown.scene.camera.center[0])
        lit.append((stage.shoot().max(axis=2) > 20).mean())
    stage.close()
    assert state(shown) == before
    assert words[:2] == ["3-D · before the front"] * 2
    assert "3-D · section 0 of" in words[2]
    assert "L2 " in words[-1]
    assert np.diff(centers).min() > 0
    # At first the whole body is seen with air around it, inside there is no air.
    assert 0.2 < lit[0] < 0.7
    assert min(lit[3:]) > 0.9
    assert link.volume.axes[0] == "section"


def test_the_window_lives_while_a_movie_is_made(shown, tmp_path):
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(len(ticks)))
    timer.start(0)
    seen = []

    class Watch(SilentProgress):
        def advance(self, amount):
            super().advance(amount)
            seen.append(len(ticks))

    progress = Watch()
    record_flight(shown, tmp_path / "fly.mp4", seconds=1, fps=12, size=SIZE, progress=progress)
    timer.stop()
    assert (progress.total, progress.done) == (12, 12)
    # Between any two frames other events had their turn.
    assert np.diff(seen).min() >= 1
    assert (tmp_path / "fly.mp4").stat().st_size > 1000


def test_a_cancelled_movie_leaves_nothing(shown, tmp_path, settle):
    before = state(shown)

    class Impatient(SilentProgress):
        def advance(self, amount):
            super().advance(amount)
            if self.done == 3:
                raise Cancelled("enough")

    with pytest.raises(Cancelled):
        record_turntable(
            shown, tmp_path / "t.mp4", seconds=2, fps=10, size=SIZE, progress=Impatient()
        )
    ends = []
    recording = Recording(
        shown, Sections(), tmp_path / "s.gif", seconds=5, size=SIZE, on_end=ends.append
    )
    recording.cancel()
    assert isinstance(ends[0], Cancelled)
    settle()
    assert state(shown) == before
    assert not list(tmp_path.iterdir())
    assert not recording.running


def test_what_stops_the_encoder_is_told_and_all_is_as_before(shown, tmp_path, monkeypatch):
    before = state(shown)

    def full(frames, path, **options):
        next(iter(frames))
        raise TomoError("No space left on device.")

    monkeypatch.setattr(record, "write_movie", full)
    with pytest.raises(TomoError, match="No space left"):
        record_flight(shown, tmp_path / "fly.mp4", seconds=9, size=SIZE)
    assert state(shown) == before


def test_one_movie_at_a_time(shown, tmp_path, settle):
    ends = []
    first = Recording(shown, Sections(), tmp_path / "a", seconds=1, size=SIZE, on_end=ends.append)
    with pytest.raises(TomoError, match="being made: wait for it, or cancel it"):
        Recording(shown, Sections(), tmp_path / "b", seconds=1, size=SIZE)
    first.cancel()
    second = Recording(
        shown, Sections(), tmp_path / "b", seconds=0.1, fps=20, size=SIZE, on_end=ends.append
    )
    settle()
    assert ends[1] is None
    assert second.done == second.count == 2


def test_a_window_that_is_closed_ends_its_movie(make_viewer, model, tmp_path, settle):
    viewer = make_viewer()
    view(model, viewer)
    settle()
    ends = []
    frames = []

    def close(frame, done):
        frames.append(done)
        if done == 2:
            QTimer.singleShot(0, viewer.close)

    Recording(
        viewer,
        Sections(),
        tmp_path / "s.mp4",
        seconds=4,
        size=SIZE,
        on_frame=close,
        on_end=ends.append,
    )
    settle()
    assert isinstance(ends[0], Exception)
    assert len(frames) < 10
    assert not list(tmp_path.iterdir())


def test_open_panes_and_the_cursor_are_left_alone(viewer, model, tmp_path, settle):
    view(model, viewer)
    settle()
    views = open_views(viewer)
    views.move({0: 5, 1: 6, 2: 7})
    settle()
    before = [state(pane.viewer) for pane in (*views.panes, views.volume)]
    record_flight(viewer, tmp_path / "fly", seconds=0.3, fps=10, size=SIZE)
    record_turntable(viewer, tmp_path / "turn", seconds=0.3, fps=10, size=SIZE)
    settle()
    assert views.cursor.position == (5, 6, 7)
    for pane, (order, displayed, point, *_) in zip(
        (*views.panes, views.volume), before, strict=True
    ):
        assert state(pane.viewer)[:3] == (order, displayed, point)
    assert state(viewer) == before[3]
    close_views(viewer)
    settle()


def test_a_scan_that_is_removed_ends_its_movie(shown, tmp_path, settle):
    ends = []

    def remove(frame, done):
        if done == 2:
            QTimer.singleShot(0, shown.layers.clear)

    path = tmp_path / "m.gif"
    Recording(shown, Sections(), path, seconds=4, size=SIZE, on_frame=remove, on_end=ends.append)
    settle()
    assert isinstance(ends[0], TomoError)
    assert "was removed" in str(ends[0])
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_recorded_is_told_at_once(shown, viewer, tmp_path, settle):
    for call, options, message in (
        (record_turntable, {"seconds": 0}, "more than 0 seconds"),
        (record_turntable, {"size": (4, 4)}, "each from 64"),
        (record_turntable, {"axis": "depth"}, "no axis 'depth' as body, only section, channel"),
        (record_flight, {"axis": 7}, "no axis 7 as body"),
        (record_flight, {"fps": 1000}, "at most 120"),
    ):
        before = state(shown)
        with pytest.raises(TomoError, match=message):
            call(shown, tmp_path / "m.mp4", **options)
        assert state(shown) == before
    with pytest.raises(TomoError, match="no movie by its ending"):
        record_flight(shown, tmp_path / "m.mov")
    viewer.layers.clear()
    settle()
    with pytest.raises(TomoError, match="Open a checkpoint first"):
        record_flight(viewer, tmp_path / "m.mp4")
    save_file({"a": np.eye(8, dtype=np.float32)}, tmp_path / "eye.safetensors")
    with Scan(tmp_path / "eye.safetensors") as scan:
        add_scan(viewer, scan, "tensor", tensor="a")
        settle()
        with pytest.raises(TomoError, match="a volume of three axes"):
            record_turntable(viewer, tmp_path / "m.mp4")
        viewer.layers.clear()
        settle()
    assert [entry.name for entry in tmp_path.iterdir()] == ["eye.safetensors"]
