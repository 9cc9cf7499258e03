"""What a window shows, as a file: ``picture`` and ``movie``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..base import Progress
from .options import (
    Checkpoint,
    Family,
    Heads,
    Layout,
    Role,
    Signal,
    Tensor,
    Transfer,
    Window,
    apply_look,
    integers,
    open_scan,
)
from .progress import terminal_progress
from .screen import need_screen

if TYPE_CHECKING:
    from ..facade import Scan

__all__ = ["movie", "picture"]

View = Literal["four", "axial", "coronal", "sagittal", "3d"]
Legend = Annotated[
    bool, typer.Option("--legend/--no-legend", help="Say under the picture what it shows.")
]

PLANES = ("axial", "coronal", "sagittal")
"""The views that cut across the first, second and third of the last three axes."""

MOVIE_SIZE = "1280x720"
"""Width and height of a movie in pixels: sharp on every screen, and no large file."""

PICTURE_SIZES = {"four": "1600x1500"}
"""Of a picture: four views are about as high as they are wide, one fills a screen."""


def picture(
    path: Checkpoint,
    output: Annotated[Path, typer.Argument(metavar="OUT", help="The PNG to write.")],
    view: Annotated[View, typer.Option(help="What it shows.")] = "four",
    at: Annotated[
        int | None,
        typer.Option(help="Where a plane cuts; else where there is something to see.", min=0),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Width and height in pixels.", metavar="WxH")
    ] = None,
    legend: Legend = True,
    layout: Layout = "auto",
    signal: Signal = "magnitude",
    tensor: Tensor = None,
    role: Role = None,
    transfer: Transfer = None,
    window: Window = None,
    family: Family = None,
    n_heads: Heads = None,
) -> None:
    """Write four views of a checkpoint, one plane or the volume to a PNG."""
    from ..display.png import check_png
    from ..viewer.pictures.shots import screenshot

    need_screen()
    wanted = _size(size or PICTURE_SIZES.get(view, MOVIE_SIZE))
    output.parent.mkdir(parents=True, exist_ok=True)
    check_png(output)
    options = {"layout": layout, "signal": signal, "tensor": tensor, "role": role}
    with (
        open_scan(path, family, n_heads) as scan,
        terminal_progress() as progress,
        _window(scan, progress, transfer, window, options) as viewer,
    ):
        _turn_to(viewer, view, at)
        views: Literal["four", "canvas"] = "four" if view == "four" else "canvas"
        screenshot(viewer, output, views=views, size=wanted, legend=legend)
    typer.echo(str(output))


def movie(
    path: Checkpoint,
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="Ends with .mp4 or .gif; without an ending a folder of PNGs."
        ),
    ],
    turntable: Annotated[
        bool,
        typer.Option("--turntable/--flight", help="Turn the volume, or go along its depth."),
    ] = True,
    volume: Annotated[
        bool, typer.Option("--3d", help="Fly through the volume, not through its sections.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(help="Length; else 10 for a turn, and 8 sections a second for a flight."),
    ] = None,
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 25.0,
    size: Annotated[
        str, typer.Option(help="Width and height in pixels.", metavar="WxH")
    ] = MOVIE_SIZE,
    axis: Annotated[
        str | None, typer.Option(help="Axis to turn about or to go along, by name or number.")
    ] = None,
    legend: Legend = True,
    layout: Layout = "auto",
    signal: Signal = "magnitude",
    tensor: Tensor = None,
    role: Role = None,
    transfer: Transfer = None,
    window: Window = None,
    family: Family = None,
    n_heads: Heads = None,
) -> None:
    """Write a movie: the volume on a turntable, or a flight along its depth."""
    from ..export.movie import check_movie
    from ..viewer.pictures.record import TURN_SECONDS, record_flight, record_turntable

    need_screen()
    shared: dict[str, Any] = {"fps": fps, "size": _size(size), "legend": legend}
    output.parent.mkdir(parents=True, exist_ok=True)
    check_movie(output, fps)
    options = {"layout": layout, "signal": signal, "tensor": tensor, "role": role}
    with (
        open_scan(path, family, n_heads) as scan,
        terminal_progress() as progress,
        _window(scan, progress, transfer, window, options) as viewer,
    ):
        shared["progress"] = progress
        if turntable:
            length = TURN_SECONDS if seconds is None else seconds
            record_turntable(viewer, output, seconds=length, axis=axis, **shared)
        else:
            along = 0 if axis is None else axis
            record_flight(viewer, output, seconds=seconds, axis=along, volume=volume, **shared)
    typer.echo(str(output))


@contextmanager
def _window(
    scan: "Scan",
    progress: Progress,
    transfer: str | None,
    window: str | None,
    options: dict[str, Any],
) -> Iterator[Any]:
    """A viewer on a scan that looks as it was asked for."""
    from ..viewer.commands import current_link
    from ..viewer.pictures.window import in_a_window

    with in_a_window(scan, progress=progress, **options) as viewer:
        link = current_link(viewer)
        assert link is not None
        apply_look(link.console, transfer, window)
        yield viewer


def _turn_to(viewer: Any, view: View, at: int | None) -> None:
    """Show one view; four are taken from any."""
    from ..viewer.work import finish_all

    dims = viewer.dims
    if view in PLANES:
        axes = list(range(max(dims.ndim - 3, 0), dims.ndim))
        if len(axes) < 3:
            raise typer.BadParameter("a volume of two axes has one plane: use --view four")
        cut = axes[PLANES.index(view)]
        # Down and across as in the four views.
        rest = [axis for axis in axes if axis != cut]
        dims.order = (*range(axes[0]), cut, *(rest if view != "sagittal" else rest[::-1]))
        if at is not None:
            _cut(viewer, cut, at)
    elif view == "3d":
        dims.ndisplay = 3
        # 3-D begins coarse: the finest level that fits is read in the background.
        finish_all()
    viewer.fit_to_view()


def _cut(viewer: Any, axis: int, at: int) -> None:
    from ..viewer.commands import current_link

    link = current_link(viewer)
    assert link is not None
    if at >= link.volume.shape[axis]:
        raise typer.BadParameter(
            f"{link.volume.axes[axis]} goes from 0 to {link.volume.shape[axis] - 1}, not to {at}"
        )
    viewer.dims.set_point(axis, at * viewer.layers[0].scale[axis])


def _size(text: str) -> tuple[int, int]:
    width, height = integers(text.replace("x", ","), 2, "--size")
    return width, height
