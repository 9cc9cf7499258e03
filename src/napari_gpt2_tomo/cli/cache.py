"""The cache: ``cache``."""

import json as json_
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ..base import TomoError
from .options import Json, to_text

__all__ = ["cache"]

CACHED = ("comparisons", "models", "overviews", "phantoms", "remote", "statistics")
"""Folders that this program makes in the cache."""


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete everything in it.")] = False,
    json: Json = False,
) -> None:
    """Show the cache: overviews, phantoms, blocks of remote models and downloads from the web.

    All of it can be computed or fetched again.
    """
    from ..base import cache_folder

    folder = cache_folder()
    entries = sorted(_entries(folder))
    titles = {name: _of(folder / name) for name, _ in entries}
    if clear:
        for name, _ in entries:
            _delete(folder / name)
    if json:
        listed = [
            {"name": name, "bytes": size, **({"of": titles[name]} if titles[name] else {})}
            for name, size in entries
        ]
        total = sum(size for _, size in entries)
        typer.echo(
            to_text({"path": str(folder), "cleared": clear, "bytes": total, "entries": listed})
        )
        return
    typer.echo(f"{folder}{' (cleared)' if clear else ''}")
    for name, size in entries:
        of = titles[name]
        typer.echo(f"{_megabytes(size):>12}  {name}{f'  {of}' if of else ''}")
    typer.echo(f"{_megabytes(sum(size for _, size in entries)):>12}  in {len(entries)} entries")


def _entries(folder: Path) -> Iterator[tuple[str, int]]:
    # Only what this program makes: the user chooses the folder, and it may hold other things.
    for room in CACHED:
        for entry in (folder / room).glob("*"):
            files = entry.rglob("*") if entry.is_dir() else (entry,)
            yield f"{room}/{entry.name}", sum(f.stat().st_size for f in files if f.is_file())


def _of(entry: Path) -> str:
    """The address whose blocks a folder of the cache holds; empty for all else."""
    from ..checkpoint.remote.blocks import ABOUT

    try:
        told = json_.loads((entry / ABOUT).read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    return str(told.get("name", "")) if isinstance(told, dict) else ""


def _delete(entry: Path) -> None:
    import shutil

    try:
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if not any(entry.parent.iterdir()):
            entry.parent.rmdir()
    except OSError as error:
        raise TomoError(
            f"{entry} could not be deleted: {error}. Close what has it open, and try again."
        ) from error


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
