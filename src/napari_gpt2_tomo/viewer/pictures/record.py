"""Movies of a viewer, frame by frame beside whatever else the window does."""

import os
import queue
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ...base import Cancelled, Progress, TomoError
from ...export.movie import check_movie, write_movie
from ..commands import current_link
from ..work import Job, when_idle
from .cover import Cover
from .moves import Flight, Move, Sections, Turntable, axis_of
from .stage import Stage

__all__ = ["Recording", "length_of_flight", "record_flight", "record_turntable"]

Frame = NDArray[np.uint8]

BETWEEN = 2
"""Milliseconds between two frames: what else waits for the window comes to its turn."""

WAITING = 4
"""Frames that may wait for the encoder: it is slower now and then, but memory has an end."""

PATIENCE = 0.05
"""Seconds after which the encoder looks whether it is to stop."""

TURN_SECONDS = 10.0
"""Of a turntable: slow enough to follow a bright channel round."""

SECTIONS_A_SECOND = 8.0
"""Of a flight through sections: what eyes can tell apart."""

FLIGHT_SECONDS = (6.0, 60.0)
"""Bounds of a flight's length where nobody asked for one."""

FPS = 25.0
"""Frames a second: even motion, and a number that GIFs can count too."""

CANCELLED = "The movie was cancelled; nothing was written."

_recording: "WeakKeyDictionary[Any, Recording]" = WeakKeyDictionary()


class Recording:
    """A movie that is being made; the window stays alive.

    The camera and the sliders of the viewer belong to it until it ends, and are
    then as they were. Work that is under way, such as a finer level being read,
    is waited for before the first frame.

    Parameters
    ----------
    viewer
        A viewer in a window.
    move
        How camera and sliders go.
    path, fps
        As `write_movie` takes them.
    seconds
        Length of the movie.
    size, legend
        As `Stage` takes them.
    on_frame
        Called with every frame and the number of frames that there are by then. An
        exception ends the recording.
    on_end
        Called once when all is as before, with None if the movie is written, `Cancelled` if
        it was cancelled, else what went wrong.

    Attributes
    ----------
    count
        Frames that the movie will have.
    done
        Frames that were taken.

    Raises
    ------
    TomoError
        The path, the length, the size or the view does not allow a movie; or
        one is being made of this window already.
    """

    def __init__(
        self,
        viewer: Any,
        move: Move,
        path: str | os.PathLike[str],
        *,
        seconds: float,
        fps: float = FPS,
        size: Sequence[int] | None = None,
        legend: bool = True,
        on_frame: Callable[[Frame, int], None] | None = None,
        on_end: Callable[[Exception | None], None] | None = None,
    ) -> None:
        self.path = check_movie(path, fps)
        self.fps = fps
        self.count, self.done = frames_of(seconds, fps), 0
        self.on_end = on_end
        self._on_frame = on_frame
        self._move = move
        self._frames: queue.Queue[Frame | None] = queue.Queue(WAITING)
        self._job: Job | None = None
        self._timer: Any = None
        self._title = ""
        self._written = False
        self._error: Exception | None = None
        self.running = True
        self._stage = Stage(viewer, size, legend=legend)
        if self._stage.viewer in _recording:
            self._stage.close()
            raise TomoError("A movie of this window is being made: wait for it, or cancel it.")
        self._link = current_link(self._stage.viewer)
        self._cover = Cover(self._stage.canvas)
        try:
            move.begin(self._stage)
        except BaseException:
            self._cover.close()
            self._stage.close()
            raise
        _recording[self._stage.viewer] = self
        when_idle_soon(self._roll)

    def cancel(self) -> None:
        """Stop, and leave nothing behind; `on_end` is called with `Cancelled`."""
        self._fail(Cancelled(CANCELLED))

    def _fail(self, error: Exception) -> None:
        if not self.running:
            return
        self._error = self._error or error
        if self._job is not None:
            # It ends when its thread has.
            self._job.cancel()
        else:
            self._finish()

    def _roll(self) -> None:
        from qtpy.QtCore import QTimer

        if not self.running:
            return
        legend = self._stage.told("")
        self._title = "" if legend is None else legend.title
        self._job = Job(self._encode, self._received, self._fail_with)
        self._job.on_end = self._finish
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(BETWEEN)

    def _tick(self) -> None:
        """Take the next frame, if the encoder keeps up."""
        if self._frames.full() or self._error is not None:
            return
        if self.done == self.count:
            self._frames.put_nowait(None)
            self._timer.stop()
            return
        try:
            if self._link is not None and not self._link.layers:
                raise TomoError("The scan was removed while its movie was made.")
            caption = self._move.pose(self.done, self.count)
            frame = self._stage.shoot(caption)
            self._cover.show(frame)
            self._frames.put_nowait(frame)
            self.done += 1
            if self._on_frame is not None:
                self._on_frame(frame, self.done)
        except Exception as error:
            self._fail(error)

    def _encode(self, report: Progress) -> Generator[object, None, None]:
        """In a thread: what is taken becomes the movie."""

        def taken() -> Iterator[Frame]:
            while True:
                try:
                    frame = self._frames.get(timeout=PATIENCE)
                except queue.Empty:
                    report.advance(0)
                    continue
                if frame is None:
                    return
                yield frame

        yield write_movie(
            taken(), self.path, fps=self.fps, count=self.count, title=self._title, progress=report
        )

    def _received(self, path: Path) -> None:
        self._written = True

    def _fail_with(self, error: Exception) -> None:
        self._error = self._error or error

    def _finish(self) -> None:
        self.running = False
        if self._timer is not None:
            self._timer.stop()
        _recording.pop(self._stage.viewer, None)
        try:
            self._stage.close()
            self._cover.close()
        except Exception as error:
            # Whoever waits must hear of the end all the same.
            self._error = self._error or error
        if self._error is None and not self._written:
            self._error = Cancelled(CANCELLED)
        if self.on_end is not None:
            self.on_end(self._error)


def record_turntable(
    viewer: Any,
    path: str | os.PathLike[str],
    *,
    seconds: float = TURN_SECONDS,
    fps: float = FPS,
    size: Sequence[int] | None = None,
    legend: bool = True,
    axis: str | int | None = None,
    fit: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Write a movie in which the volume turns once about itself; the end meets the start.

    Returns when it is written; the window stays alive meanwhile. In 2-D the
    viewer goes to 3-D for it. Sliders and camera are given back as they were.

    Parameters
    ----------
    viewer
        A viewer in a window.
    path
        ``.mp4``, ``.gif``, or no ending for a folder of numbered PNGs.
    seconds, fps
        Length of the movie, and frames a second.
    size
        Width and height in pixels; those of the canvas by default.
    legend
        Whether a strip under the picture says what it shows.
    axis
        Name or number of the axis to turn about; the one that points up by default.
    fit
        Whether the volume is zoomed so that it never leaves the picture; else the zoom stays.
    progress
        Told of each frame; may cancel.

    Returns
    -------
    path
        Of the movie.

    Raises
    ------
    TomoError
        The movie cannot be made or written; see `Recording`.
    Cancelled
        It was cancelled; nothing is left of it.
    """
    move = Turntable(axis, fit=fit)
    return _until_written(viewer, move, path, seconds, fps, size, legend, progress)


def record_flight(
    viewer: Any,
    path: str | os.PathLike[str],
    *,
    seconds: float | None = None,
    fps: float = FPS,
    size: Sequence[int] | None = None,
    legend: bool = True,
    axis: str | int = 0,
    volume: bool = False,
    fit: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Write a movie that goes along the depth of a scan.

    Parameters
    ----------
    seconds
        Length of the movie; by default as long as the sections take at 8 a second, but
        6 s to a minute.
    axis
        Name or number of the axis to go along; the first by default, which in a
        body counts the sections.
    volume
        Whether the eye flies through the volume in 3-D; else the movie shows the
        sections one after the other.
    fit
        Whether the sections are zoomed so that all of them is seen; else the zoom stays.
    viewer, path, fps, size, legend, progress
        As for `record_turntable`.

    Returns
    -------
    path
        Of the movie.

    Raises
    ------
    TomoError
        The movie cannot be made or written; see `Recording`.
    Cancelled
        It was cancelled; nothing is left of it.
    """
    move = Flight(axis) if volume else Sections(axis, fit=fit)
    if seconds is None:
        seconds = length_of_flight(viewer, axis)
    return _until_written(viewer, move, path, seconds, fps, size, legend, progress)


def length_of_flight(viewer: Any, axis: str | int = 0) -> float:
    """Seconds of a flight along an axis where nobody asks for a length."""
    link = current_link(viewer)
    shortest, longest = FLIGHT_SECONDS
    if link is None:
        return shortest
    length = Sections.length(link, axis_of(link, axis))
    return float(round(min(max(length / SECTIONS_A_SECOND, shortest), longest)))


def frames_of(seconds: float, fps: float) -> int:
    """Frames of a movie.

    Raises
    ------
    TomoError
        The length is not above 0.
    """
    if not 0 < seconds < float("inf"):
        raise TomoError(f"A movie takes more than 0 seconds, not {seconds:g}.")
    return max(1, round(seconds * fps))


def when_idle_soon(callback: Callable[[], None]) -> None:
    """Call back when the events of the moment and the work that they start are through."""
    from qtpy.QtCore import QTimer

    QTimer.singleShot(0, lambda: when_idle(callback))


def _until_written(
    viewer: Any,
    move: Move,
    path: str | os.PathLike[str],
    seconds: float,
    fps: float,
    size: Sequence[int] | None,
    legend: bool,
    progress: Progress | None,
) -> Path:
    from qtpy.QtCore import QEventLoop

    loop = QEventLoop()
    ends: list[Exception | None] = []

    def ended(error: Exception | None) -> None:
        ends.append(error)
        loop.quit()

    def told(frame: Frame, done: int) -> None:
        if progress is not None:
            progress.advance(1)

    recording = Recording(
        viewer,
        move,
        path,
        seconds=seconds,
        fps=fps,
        size=size,
        legend=legend,
        on_frame=told,
        on_end=ended,
    )
    if progress is not None:
        progress.start(recording.count, f"Recording {recording.path.name}")
    loop.exec()
    if not ends:
        # The application ends.
        recording.cancel()
        raise Cancelled(CANCELLED)
    if ends[0] is not None:
        raise ends[0]
    return recording.path
