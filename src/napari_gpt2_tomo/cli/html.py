"""A scan for somebody else: ``html``."""

from pathlib import Path
from typing import Annotated

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
    open_scan,
    window_of,
)
from .progress import terminal_progress

__all__ = ["html"]


def html(
    path: Checkpoint,
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="The .html file to write.", dir_okay=False)
    ],
    layout: Layout = "auto",
    signal: Signal = "magnitude",
    reduction: Annotated[
        str | None, typer.Option(help="rms, extreme or mean; the signal's own if not given.")
    ] = None,
    tensor: Tensor = None,
    role: Role = None,
    max_voxels: Annotated[
        int, typer.Option(help="Show the finest level with at most so many voxels.", min=1)
    ] = 128**3,
    transfer: Transfer = None,
    window: Window = None,
    family: Family = None,
    n_heads: Heads = None,
) -> None:
    """Write one offline HTML page with the slices and the volume, for any browser."""
    from ..export.html import choose_resolution, niivue_module, write_scanner

    niivue_module()
    with open_scan(path, family, n_heads) as scan, terminal_progress() as progress:
        volume = scan.volume(
            layout,
            signal,
            reduction,
            tensor=tensor,
            role=role,
            progress=progress,
        )
        resolution = choose_resolution(volume, max_voxels)
        typer.echo(f"{output}: {resolution.words}", err=True)
        size = write_scanner(
            scan,
            volume,
            output,
            max_voxels=max_voxels,
            window=window_of(window),
            transfer=transfer,
            progress=progress,
        )
    typer.echo(f"{output}: {size / 1e6:.1f} MB")
