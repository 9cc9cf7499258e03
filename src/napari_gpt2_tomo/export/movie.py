"""Frames to a movie: MP4, GIF, or a folder of numbered PNGs, frame by frame.

Only the frame in hand is in memory, here and in the encoder: a movie may be as
long as the disk is large. It is written beside its place under a name that
begins with a dot and gets its own name when it is whole.
"""

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..base import Progress, SilentProgress, TomoError

__all__ = ["ENDINGS", "FASTEST", "check_movie", "write_movie"]

Frame = NDArray[np.uint8]
"""Pixels of shape (rows, columns, 3 or 4), sRGB; an opacity is not kept."""

FILTERS: Mapping[str, str] = {
    # Players take a large video without a tag as BT.709, so it is written as that, and tagged.
    ".mp4": "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p",
    # A palette per frame needs no second pass over the movie. An ordered dither stays where it
    # is from frame to frame; error diffusion would crawl.
    ".gif": "split[a][b];[a]palettegen=stats_mode=single[p];"
    "[b][p]paletteuse=new=1:dither=bayer:bayer_scale=4",
}

OPTIONS: Mapping[str, tuple[str, ...]] = {
    ".mp4": (
        *("-c:v", "libx264", "-preset", "medium"),
        # Constant quality, at which thin bright lines on black keep their edges.
        *("-crf", "18"),
        *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"),
        # The index comes first, so that a browser starts before it has everything.
        *("-movflags", "+faststart", "-f", "mp4"),
    ),
    ".gif": ("-loop", "0", "-f", "gif"),
}
"""What ffmpeg is told, by ending."""

ENDINGS = (*OPTIONS, "")
"""Endings of a movie's path; none is a folder of PNGs."""

FASTEST: Mapping[str, float] = {".mp4": 120.0, ".gif": 50.0, "": 1000.0}
"""Most frames a second by ending. A GIF counts hundredths of a second, and browsers show
one hundredth as ten."""

DIGITS = 5
"""Of a frame's number in its name: an hour at 25 frames a second has 90,000."""


class _Encoder(Protocol):
    def add(self, frame: Frame) -> None: ...
    def finish(self) -> None: ...
    def abort(self) -> None: ...


def write_movie(
    frames: Iterable[Frame],
    path: str | os.PathLike[str],
    *,
    fps: float = 25.0,
    count: int | None = None,
    title: str = "",
    progress: Progress | None = None,
) -> Path:
    """Write frames as they come to an MP4, a GIF or a folder of PNGs.

    Parameters
    ----------
    frames
        uint8 arrays of one shape ``(rows, columns, 3 or 4)``. Closed at the end
        if it is a generator.
    path
        The ending chooses: ``.mp4`` (H.264, yuv420p; odd sides are made even by
        repeating the last row or column), ``.gif`` (endless, 256 colours per
        frame), or none: a folder ``path/00001.png, 00002.png, …``. A file of
        that name is replaced; so is a folder of such frames, but none that
        holds anything else.
    fps
        Frames a second, at most `FASTEST`. A folder does not keep it.
    count
        Number of frames, for the progress.
    title
        What the movie shows; kept in MP4 and PNGs.
    progress
        Told of each frame. What it raises ends the work and leaves nothing behind.

    Returns
    -------
    path
        Of the movie.

    Raises
    ------
    TomoError
        The ending is unknown, the folder is missing, there is no ffmpeg, a
        frame has another shape, there is no frame, or the disk does not take it.
    """
    target, progress = check_movie(path, fps), progress or SilentProgress()
    progress.start(count or 0, f"Writing {target.name}")
    with _closing(frames) as source, _complaints(target):
        first = next(source, None)
        if first is None:
            raise TomoError(f"{target} was not written: there is no frame to show.")
        shape = _shape(first)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            encoder = _encoder(beside, target, shape, fps, title)
            try:
                frame: Frame | None = first
                first = None
                while frame is not None:
                    if frame.shape[:2] != shape:
                        raise TomoError(
                            f"{target} was not written: its frames have different sizes, "
                            f"{_size(shape)} and {_size(frame.shape)} pixels."
                        )
                    encoder.add(np.ascontiguousarray(frame[..., :3], np.uint8))
                    progress.advance(1)
                    frame = next(source, None)
                encoder.finish()
            except BaseException:
                encoder.abort()
                raise
            _put(beside, target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return target


def check_movie(path: str | os.PathLike[str], fps: float = 25.0) -> Path:
    """The path, if `write_movie` would take it; for those who have much to do before.

    Raises
    ------
    TomoError
        As `write_movie` does.
    """
    target = Path(path)
    ending = target.suffix.lower()
    if ending not in ENDINGS or not target.name:
        raise TomoError(
            f"{target} is no movie by its ending: use .mp4, .gif, or none for a folder of PNGs."
        )
    if not 0 < fps <= FASTEST[ending]:
        raise TomoError(
            f"{fps:g} frames a second are not possible: give more than 0 and at most "
            f"{FASTEST[ending]:g}" + (f" for a {ending} file." if ending else ".")
        )
    if not target.parent.is_dir():
        raise TomoError(f"There is no folder {target.parent}: make it, or write elsewhere.")
    if ending:
        if target.is_dir():
            raise TomoError(f"{target} is a folder: choose another name for the movie.")
        _ffmpeg()
    elif target.exists() and not _holds_only_frames(target):
        raise TomoError(f"{target} holds other things than frames: choose a new name.")
    return target


def _ffmpeg() -> str:
    from imageio_ffmpeg import get_ffmpeg_exe

    try:
        return str(get_ffmpeg_exe())
    except RuntimeError as error:
        raise TomoError(
            "There is no ffmpeg for MP4 and GIF: install it, or name it in the environment "
            "variable IMAGEIO_FFMPEG_EXE. PNGs need none: give a path without an ending."
        ) from error


def _encoder(
    beside: Path, target: Path, shape: tuple[int, int], fps: float, title: str
) -> _Encoder:
    ending = target.suffix.lower()
    return _Video(beside, ending, shape, fps, title) if ending else _Pictures(beside, title)


class _Video:
    """ffmpeg, fed through a pipe."""

    def __init__(
        self, folder: Path, ending: str, shape: tuple[int, int], fps: float, title: str
    ) -> None:
        # Colour at half the resolution, as every player takes it, needs even sides.
        even = 2 if ending == ".mp4" else 1
        self._missing = [(0, -n % even) for n in shape] + [(0, 0)]
        rows, columns = (n + -n % even for n in shape)
        self._complaints = (folder / "complaints").open("w+b")
        given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{columns}x{rows}"]
        given += ["-framerate", f"{fps:g}", "-i", "pipe:0"]
        options = ["-vf", FILTERS[ending], *OPTIONS[ending], "-metadata", f"title={title}"]
        self._process = subprocess.Popen(
            [_ffmpeg(), "-loglevel", "error", *given, *options, str(folder / "whole")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._complaints,
            # On Windows a program of the console would open one.
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )

    def add(self, frame: Frame) -> None:
        assert self._process.stdin is not None
        if any(more for _, more in self._missing):
            frame = np.pad(frame, self._missing, mode="edge")
        try:
            self._process.stdin.write(frame.data)
        except OSError:
            self._fail()

    def finish(self) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            # A pipe that broke: the exit status tells.
            self._process.stdin.close()
        if self._process.wait() != 0:
            self._fail()
        self._complaints.close()

    def abort(self) -> None:
        self._process.kill()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        self._process.wait()
        self._complaints.close()

    def _fail(self) -> None:
        self._process.wait()
        self._complaints.seek(0)
        said = self._complaints.read().decode(errors="replace").split("\n")
        text = "; ".join(dict.fromkeys(line.strip() for line in said if line.strip()))
        if os.strerror(errno.ENOSPC) in text:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise TomoError(f"ffmpeg stopped: {text or f'status {self._process.returncode}'}.")


class _Pictures:
    """Numbered PNGs in a folder."""

    def __init__(self, folder: Path, title: str) -> None:
        from PIL.PngImagePlugin import PngInfo

        self._folder = folder / "whole"
        self._folder.mkdir()
        self._count = 0
        self._text = PngInfo()
        if title:
            self._text.add_itxt("Title", title)

    def add(self, frame: Frame) -> None:
        from PIL import Image

        self._count += 1
        path = self._folder / f"{self._count:0{DIGITS}}.png"
        Image.fromarray(frame).save(path, "PNG", pnginfo=self._text)

    def finish(self) -> None:
        """Every frame is on the disk."""

    def abort(self) -> None:
        """The folder goes with the one that it is in."""


def _put(beside: Path, target: Path) -> None:
    """Give the finished movie its name."""
    whole = beside / "whole"
    if target.is_dir():
        # No system replaces a folder that is not empty in one step.
        target.rename(beside / "old")
    os.replace(whole, target)


def _holds_only_frames(folder: Path) -> bool:
    return folder.is_dir() and all(
        entry.suffix == ".png" and len(entry.stem) >= DIGITS and entry.stem.isdecimal()
        for entry in folder.iterdir()
    )


def _shape(frame: Frame) -> tuple[int, int]:
    if frame.ndim != 3 or frame.shape[2] not in (3, 4) or frame.dtype != np.uint8:
        raise TypeError(f"a frame is (rows, columns, 3 or 4) uint8, not {frame.shape}")
    return frame.shape[0], frame.shape[1]


def _size(shape: Sequence[int]) -> str:
    return f"{shape[1]} × {shape[0]}"


@contextmanager
def _closing(frames: Iterable[Frame]) -> Iterator[Iterator[Frame]]:
    source = iter(frames)
    try:
        yield source
    finally:
        close: Callable[[], None] | None = getattr(source, "close", None)
        if close is not None:
            close()


@contextmanager
def _complaints(target: Path) -> Iterator[None]:
    """Errors of the system as ours."""
    try:
        yield
    except OSError as error:
        advice = ""
        if error.errno == errno.ENOSPC:
            advice = " Free some space, or write elsewhere."
        raise TomoError(f"{target} was not written: {error.strerror or error}.{advice}") from error
