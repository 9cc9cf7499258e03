"""A model from a server onto this machine's disk: ``download``."""

from pathlib import Path
from typing import Annotated

import typer

from .progress import terminal_progress

__all__ = ["download"]


def download(
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS",
            help="hf://org/name@revision, https://… or s3://… of a checkpoint or its folder.",
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="Where to; if not given, the hub's own cache, or this program's.",
            file_okay=False,
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Download a model with its configuration and tokenizer, after telling how large it is."""
    from ..base import Cancelled
    from ..base.sizes import megabytes
    from ..checkpoint.remote.download import download_plan, fetch_plan
    from ..checkpoint.remote.traffic import watched

    with terminal_progress() as progress, watched(progress):
        plan = download_plan(address, folder)
    typer.echo(
        f"{len(plan.files)} files, {megabytes(plan.size)}, of which {megabytes(plan.missing)} are "
        f"missing from {plan.folder}",
        err=True,
    )
    if plan.missing and not yes and not typer.confirm("Download them?", err=True):
        raise Cancelled("Nothing was downloaded.")
    with terminal_progress() as progress, watched(progress):
        typer.echo(fetch_plan(plan, progress))
