"""Movies, decoded again by another program's hand."""

import os
import re
import stat
import subprocess
import sys
import weakref

import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from napari_gpt2_tomo.base import Cancelled, SilentProgress, TomoError
from napari_gpt2_tomo.export import movie as module
from napari_gpt2_tomo.export.movie import check_movie, write_movie

SIDES = (49, 65)
"""Rows and columns of the test's frames: both odd."""

RED, TEAL = (200, 30, 60), (20, 160, 140)


def frames(count, shape=SIDES, channels=3):
    """Two colours; the border between them moves with the frame."""
    for i in range(count):
        frame = np.full((*shape, channels), 255, np.uint8)
        frame[..., :3] = RED
        frame[:, : (i + 1) * shape[1] // count, :3] = TEAL
        yield frame


def decoded(path):
    """What ffmpeg says of a video, and its frames."""
    command = [get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    facts = done.stderr.decode().split("Output #0")[0]
    columns, rows = map(int, re.search(r", (\d+)x(\d+)", facts).groups())
    return facts, np.frombuffer(done.stdout, np.uint8).reshape(-1, rows, columns, 3)


def border(frame):
    """Share of a frame's columns that are teal."""
    row = frame[frame.shape[0] // 2].astype(int)
    return (np.abs(row - TEAL).sum(axis=1) < np.abs(row - RED).sum(axis=1)).mean()


def test_an_mp4_has_every_frame_in_the_format_of_browsers(tmp_path):
    path = write_movie(frames(30, channels=4), tmp_path / "move.MP4", fps=10)
    facts, found = decoded(path)
    assert "Video: h264" in facts
    assert "yuv420p(tv, bt709" in facts
    assert "Duration: 00:00:03.00" in facts
    assert found.shape == (30, 50, 66, 3)
    shown = [border(frame) for frame in found]
    np.testing.assert_allclose(shown, np.arange(1, 31) / 30, atol=0.05)
    # Colours come back as they were, to what the colour's half resolution costs.
    assert np.abs(found[-1].astype(int) - TEAL).mean() < 4
    # The index is before the data, so that a browser plays while it loads.
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert [entry.name for entry in tmp_path.iterdir()] == ["move.MP4"]


def test_a_gif_has_every_frame_and_its_length(tmp_path):
    path = write_movie(frames(12), tmp_path / "move.gif", fps=20)
    with Image.open(path) as image:
        assert image.size == SIDES[::-1]
        assert image.info["loop"] == 0
        shown, length = [], 0
        for i in range(image.n_frames):
            image.seek(i)
            length += image.info["duration"]
            shown.append(border(np.asarray(image.convert("RGB"))))
    assert length == 600
    np.testing.assert_allclose(shown, np.arange(1, 13) / 12, atol=0.03)


def test_a_path_without_an_ending_is_a_folder_of_exact_pictures(tmp_path):
    path = write_movie(frames(3), tmp_path / "move", title="A body")
    names = sorted(entry.name for entry in path.iterdir())
    assert names == ["00001.png", "00002.png", "00003.png"]
    for name, frame in zip(names, frames(3), strict=True):
        with Image.open(path / name) as image:
            np.testing.assert_array_equal(np.asarray(image), frame)
            assert image.text["Title"] == "A body"


def test_a_movie_replaces_the_one_before(tmp_path):
    for name in ("move.gif", "move"):
        write_movie(frames(5), tmp_path / name)
        path = write_movie(frames(2), tmp_path / name)
    assert sorted(entry.name for entry in path.iterdir()) == ["00001.png", "00002.png"]
    with Image.open(tmp_path / "move.gif") as image:
        assert image.n_frames == 2
    assert len(list(tmp_path.iterdir())) == 2


def test_it_holds_no_more_than_the_frame_in_hand(tmp_path):
    made, alive = [], []

    def watched():
        for frame in frames(40):
            alive.append(sum(earlier() is not None for earlier in made))
            made.append(weakref.ref(frame))
            yield frame

    write_movie(watched(), tmp_path / "move.mp4")
    # One in the loop, one that the generator has not let go of.
    assert len(alive) == 40
    assert max(alive) <= 2


@pytest.mark.parametrize("name", ["move.mp4", "move.gif", "move"])
def test_what_is_not_finished_leaves_nothing(tmp_path, name):
    class Impatient(SilentProgress):
        def advance(self, amount):
            super().advance(amount)
            if self.done == 3:
                self.cancel()

    closed = []

    def endless():
        try:
            while True:
                yield from frames(5)
                assert not (tmp_path / name).exists()
        finally:
            closed.append(True)

    (tmp_path / "other").write_text("kept")
    with pytest.raises(Cancelled):
        write_movie(endless(), tmp_path / name, progress=Impatient())
    assert closed
    assert [entry.name for entry in tmp_path.iterdir()] == ["other"]


def test_a_failure_keeps_the_movie_before(tmp_path):
    path = write_movie(frames(2), tmp_path / "move.gif")
    before = path.read_bytes()

    def failing():
        yield from frames(2)
        raise RuntimeError("the window was closed")

    with pytest.raises(RuntimeError, match="window"):
        write_movie(failing(), path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_progress_hears_of_every_frame(tmp_path):
    progress = SilentProgress()
    write_movie(frames(7), tmp_path / "move", count=7, progress=progress)
    assert (progress.total, progress.done) == (7, 7)


@pytest.mark.parametrize(
    ("name", "fps", "message"),
    [
        ("move.avi", 25, r"move\.avi is no movie by its ending: use \.mp4, \.gif, or none"),
        ("missing/move.mp4", 25, "no folder .*missing: make it"),
        ("move.mp4", 0, "0 frames a second"),
        ("move.gif", 60, r"at most 50 for a \.gif"),
        ("full", 25, "full holds other things"),
        ("full.mp4", 25, r"full\.mp4 is a folder"),
    ],
)
def test_a_mistake_is_told_before_any_frame_is_made(tmp_path, name, fps, message):
    for folder in ("full", "full.mp4"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "notes.txt").write_text("mine")
    asked = []

    def never():
        asked.append(True)
        yield from frames(1)

    with pytest.raises(TomoError, match=message):
        check_movie(tmp_path / name, fps)
    with pytest.raises(TomoError, match=message):
        write_movie(never(), tmp_path / name, fps=fps)
    assert not asked
    assert (tmp_path / "full" / "notes.txt").read_text() == "mine"


def test_frames_of_two_sizes_and_no_frames_are_told(tmp_path):
    def growing():
        yield from frames(1)
        yield from frames(1, shape=(10, 20))

    with pytest.raises(TomoError, match="65 × 49 and 20 × 10 pixels"):
        write_movie(growing(), tmp_path / "move.mp4")
    with pytest.raises(TomoError, match="there is no frame"):
        write_movie(frames(0), tmp_path / "move.mp4")
    assert not list(tmp_path.iterdir())


def test_without_ffmpeg_pngs_are_offered(tmp_path, monkeypatch):
    def missing():
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", missing)
    with pytest.raises(TomoError, match=r"no ffmpeg for MP4 and GIF: install it.*PNGs need none"):
        write_movie(frames(1), tmp_path / "move.gif")
    assert write_movie(frames(1), tmp_path / "move").is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands for ffmpeg")
@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("av_interleaved_write_frame(): No space left on device", "No space left.*Free some"),
        ("[libx264] broken", r"ffmpeg stopped: \[libx264\] broken"),
    ],
)
def test_what_stops_ffmpeg_is_told(tmp_path, monkeypatch, said, message):
    fake = tmp_path / "ffmpeg"
    fake.write_text(f"#!/bin/sh\nhead -c 5000 > /dev/null\necho '{said}' >&2\nexit 1\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(module, "_ffmpeg", lambda: str(fake))
    with pytest.raises(TomoError, match=message):
        write_movie(frames(50), tmp_path / "move.mp4")
    assert [entry.name for entry in tmp_path.iterdir()] == ["ffmpeg"]


def test_a_full_disk_is_told_for_pictures_too(tmp_path, monkeypatch):
    import errno

    def full(*args, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(TomoError, match=r"No space left.*Free some"):
        write_movie(frames(2), tmp_path / "move")
    assert not list(tmp_path.iterdir())
