"""A selection for other programs: ``save``."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Checkpoint, Family, Heads, Layout, Role, Tensor, open_scan
from .progress import terminal_progress

__all__ = ["save"]


def save(
    path: Checkpoint,
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="The .safetensors, .npy, .tif file to write.", dir_okay=False
        ),
    ],
    part: Annotated[
        str | None, typer.Option(help="A part by its name, e.g. L3.q.", metavar="NAME")
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            help="Voxels: first and one past the last of each axis; nothing before or after the "
            "colon means the end.",
            metavar="A:B,C:D,E:F",
        ),
    ] = None,
    section: Annotated[
        str | None,
        typer.Option(
            help="One section, margins included; two numbers with a comma for 4-D layouts.",
            metavar="N",
        ),
    ] = None,
    layout: Layout = "auto",
    role: Role = None,
    tensor: Tensor = None,
    signal: Annotated[
        str | None,
        typer.Option(
            help="Save magnitude, sigma, sigma_global or rank as float32; the weights if not given."
        ),
    ] = None,
    nan_air: Annotated[
        bool, typer.Option("--nan-air", help="Write NaN instead of 0 where no parameter is.")
    ] = False,
    family: Family = None,
    n_heads: Heads = None,
) -> None:
    """Save a part, a box of voxels or a section, with the address of every value."""
    from ..export.selection import save_selection

    if sum(given is not None for given in (part, box, section)) != 1:
        raise typer.BadParameter("give one of --part, --box and --section")
    with open_scan(path, family, n_heads) as scan, terminal_progress() as progress:
        volume = None
        if part is None:
            # Box and section are voxels of a layout; what shows signals comes from statistics.
            volume = scan.volume(
                layout, signal or "signed", tensor=tensor, role=role, progress=progress
            )
        output.parent.mkdir(parents=True, exist_ok=True)
        written = save_selection(
            volume or scan,
            output,
            part=part,
            box=None if box is None else intervals(box),
            section=None if section is None else whole_numbers(section),
            signal=signal,
            air=float("nan") if nan_air else 0.0,
            progress=progress,
        )
    typer.echo(f"{written}: {written.stat().st_size / 1e6:.1f} MB")


def intervals(text: str) -> list[slice]:
    """What ``--box`` means: ``3:5,:,10:20``."""
    found = []
    for item in text.split(","):
        ends = item.split(":")
        try:
            numbers = [int(end) if end.strip() else None for end in ends]
        except ValueError:
            numbers = []
        if len(numbers) != 2:
            raise typer.BadParameter(
                f"--box takes first:stop for each axis, e.g. 3:5,:,10:20: not {text}"
            )
        found.append(slice(*numbers))
    return found


def whole_numbers(text: str) -> tuple[int, ...]:
    """What ``--section`` means: ``105``, or ``3,7``."""
    try:
        return tuple(int(item) for item in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--section takes whole numbers, e.g. 105: not {text}") from None
