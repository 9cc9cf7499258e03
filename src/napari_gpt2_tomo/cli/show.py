"""Looking at a checkpoint: ``view`` in a window, ``slice`` on a picture."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import (
    Checkpoint,
    Family,
    Heads,
    Layout,
    Role,
    Signal,
    Tensor,
    cuts,
    limits,
    open_scan,
    role_of,
)
from .progress import terminal_progress

__all__ = ["slice_", "view"]


def view(
    path: Annotated[
        str | None, typer.Argument(metavar="[PATH]", help="As for info; the phantom without it.")
    ] = None,
    layout: Layout = "auto",
    signal: Signal = "magnitude",
    tensor: Tensor = None,
    role: Role = None,
    family: Family = None,
    n_heads: Heads = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Write axial, coronal, sagittal and 3-D pictures to this PNG, and leave.",
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Open a checkpoint in napari."""
    with open_scan(path, family, n_heads) as scan:
        options: dict[str, Any] = {"layout": layout, "signal": signal, "tensor": tensor}
        options["role"] = role_of(layout, role)
        if picture is not None:
            from ..viewer.plates import save_views

            with terminal_progress() as progress:
                save_views(scan, picture, progress=progress, **options)
            typer.echo(str(picture))
            return

        from ..viewer.view import view_until_closed

        view_until_closed(scan, **options)


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
    colormap: Annotated[str, typer.Option(help="A transfer function, or a colormap of cmap.")] = "",
    window: Annotated[
        str | None,
        typer.Option(help="Values shown darkest and brightest.", metavar="LOW,HIGH"),
    ] = None,
    family: Family = None,
    n_heads: Heads = None,
) -> None:
    """Write one section as a PNG, a pixel per parameter; non-finite values are cyan."""
    from ..display.picture import save_section

    with open_scan(path, family, n_heads) as scan:
        with terminal_progress() as progress:
            volume = scan.volume(
                layout, signal, tensor=tensor, role=role_of(layout, role), progress=progress
            )
        where = cuts(volume, axis, at)
        shown = limits(window) if window is not None else volume.window()
        output.parent.mkdir(parents=True, exist_ok=True)
        caption = save_section(volume, where, output, colormap or None, shown)
        typer.echo(f"{output}: {caption}")
