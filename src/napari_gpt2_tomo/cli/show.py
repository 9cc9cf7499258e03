"""Looking at a checkpoint: ``view`` in a window, ``slice`` on a picture."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    cuts,
    open_scan,
    open_series,
)
from .progress import terminal_progress
from .screen import need_screen

if TYPE_CHECKING:
    from ..facade import Scan

__all__ = ["slice_", "view"]


def view(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="As for info; the phantom without it. Several are shown side by side in the list.",
        ),
    ] = None,
    series: Annotated[
        bool,
        typer.Option(
            "--series",
            help="Show them as the steps of one training run; a folder of step-… opens so anyway.",
        ),
    ] = False,
    layout: Layout = "auto",
    signal: Signal = "magnitude",
    tensor: Tensor = None,
    role: Role = None,
    family: Family = None,
    n_heads: Heads = None,
) -> None:
    """Open a checkpoint, or the checkpoints of a training run, in napari."""
    from ..series import is_series

    need_screen()
    given: list[str | None] = [*paths] if paths else [None]
    with ExitStack() as opened:
        scans: list[Scan]
        if paths and (series or (len(paths) == 1 and is_series(paths[0]))):
            scans = [opened.enter_context(open_series(paths, family, n_heads))]
        else:
            scans = [opened.enter_context(open_scan(path, family, n_heads)) for path in given]
        from ..viewer.view import view_until_closed

        view_until_closed(*scans, layout=layout, signal=signal, tensor=tensor, role=role)


def slice_(
    path: Checkpoint,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The PNG to write.", dir_okay=False)
    ],
    axis: Annotated[
        list[str] | None,
        typer.Option(help="Axis to cut across, by name or number; repeat it for 4-D layouts."),
    ] = None,
    at: Annotated[
        list[int] | None, typer.Option(help="Where to cut, one for each --axis; else the middle.")
    ] = None,
    layout: Layout = "auto",
    signal: Signal = "magnitude",
    tensor: Tensor = None,
    role: Role = None,
    transfer: Transfer = None,
    window: Window = None,
    family: Family = None,
    n_heads: Heads = None,
) -> None:
    """Write one section as a PNG, a pixel per parameter; non-finite values are cyan."""
    from ..display.console import Console
    from ..display.picture import save_section

    with open_scan(path, family, n_heads) as scan:
        with terminal_progress() as progress:
            volume = scan.volume(layout, signal, tensor=tensor, role=role, progress=progress)
        where = cuts(volume, axis, at)
        console = Console.of(volume)
        apply_look(console, transfer, window)
        output.parent.mkdir(parents=True, exist_ok=True)
        caption = save_section(volume, where, output, console.transfer, console.window.limits)
        typer.echo(f"{output}: {caption}")
