"""What a checkpoint holds: ``info`` and ``probe``."""

from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    Checkpoint,
    Family,
    Heads,
    Json,
    Layout,
    Role,
    integers,
    open_scan,
    to_text,
)

if TYPE_CHECKING:
    from ..facade import Scan

__all__ = ["info", "probe"]


def info(
    path: Checkpoint, family: Family = None, n_heads: Heads = None, json: Json = False
) -> None:
    """Print the anatomy of a checkpoint: its sizes, its parts, what is not known, its types."""
    from ..checkpoint.inventory import Inventory

    with open_scan(path, family, n_heads) as scan:
        held = Inventory.of(scan.checkpoint)
        if json:
            typer.echo(to_text(scan.anatomy.to_json() | {"checkpoint": held.to_json()}))
        else:
            typer.echo(f"{scan.anatomy.describe()}\n\n{held.describe()}")
        _tell_traffic(scan)


def _tell_traffic(scan: "Scan") -> None:
    """Say what was read of a checkpoint on a server."""
    if not scan.checkpoint.is_remote:
        return
    from ..base.sizes import megabytes
    from ..checkpoint.remote.traffic import Traffic

    traffic = Traffic.of(str(scan.checkpoint.path))
    read, total = megabytes(traffic.received), megabytes(traffic.total)
    typer.echo(f"{read} of {total} read, in {traffic.requests} requests", err=True)


def probe(
    path: Checkpoint,
    tensor: Annotated[str | None, typer.Argument(help="Name of a stored tensor.")] = None,
    index: Annotated[
        list[int] | None, typer.Argument(help="Index of one element of it, by axis.")
    ] = None,
    voxel: Annotated[
        str | None, typer.Option(help="A voxel instead, e.g. 105,412,265.", metavar="I,J,K")
    ] = None,
    layout: Layout = "auto",
    role: Role = None,
    family: Family = None,
    n_heads: Heads = None,
    json: Json = False,
) -> None:
    """Tell which parameter a voxel is, or which voxel a parameter is."""
    if (tensor is None) == (voxel is None):
        raise typer.BadParameter("give either a tensor and an index, or --voxel")
    with open_scan(path, family, n_heads) as scan:
        volume = scan.volume(layout, tensor=tensor, role=role)
        try:
            if voxel is not None:
                at = integers(voxel, volume.ndim, "--voxel")
            else:
                at = volume.voxel(str(tensor), tuple(index or ()))
            address = volume.address(at)
        except IndexError as error:
            raise typer.BadParameter(str(error)) from error
        if json:
            from dataclasses import asdict

            found = None if address is None else asdict(address)
            typer.echo(to_text({"layout": volume.layout.name, "voxel": at, "address": found}))
            return
        axes = ", ".join(f"{axis} {i}" for axis, i in zip(volume.axes, at, strict=True))
        typer.echo(str(address) if address else "air: no parameter lies there")
        if quantum := getattr(address, "quantum", ""):
            typer.echo(quantum)
        typer.echo(f"{volume.layout.name}: {axes}")
        _tell_traffic(scan)
