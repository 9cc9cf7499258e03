"""Two models against each other: ``compare``."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json, to_text
from .progress import terminal_progress

if TYPE_CHECKING:
    from ..comparison import Comparison
    from ..comparison.table import ChangeRow, ChangeTable

__all__ = ["compare"]

SORTED = ("relative", "rmse", "largest", "snr", "cosine", "flips", "rank", "energy")
"""Columns that the table can be sorted by."""

MEGABYTE = 1_000_000

RISING = ("snr", "cosine")
"""Columns whose smallest values mean the largest change: these come first."""


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A checkpoint, as other commands take it.")],
    b: Annotated[
        str,
        typer.Argument(metavar="B", help="Another one, or a LoRA adapter of A in peft's format."),
    ],
    kind: Annotated[
        str,
        typer.Option(help="What --html shows: absolute B − A, relative to σ of A, or sign flips."),
    ] = "absolute",
    top: Annotated[int, typer.Option(help="Rows to print; 0 prints all.", min=0)] = 20,
    by: Annotated[str, typer.Option(help=f"Sort by {', '.join(SORTED)}.")] = "relative",
    ranks: Annotated[
        bool,
        typer.Option(
            "--ranks", help="Measure the rank of every changed matrix, which takes longer."
        ),
    ] = False,
    csv: Annotated[
        Path | None, typer.Option(help="Write the whole table to this file.", dir_okay=False)
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write the difference as an offline HTML page.", dir_okay=False),
    ] = None,
    json: Json = False,
) -> None:
    """Tell what changed between two models, part by part; B may be a LoRA adapter of A."""
    from ..base import save_text
    from ..checkpoint.built_in import built_in
    from ..comparison import compare as compared

    if by not in SORTED:
        raise typer.BadParameter(f"--by is one of {', '.join(SORTED)}, not {by}")
    with terminal_progress() as progress:
        sides = [built_in(side, progress) or side for side in (a, b)]
        with compared(sides[0], sides[1], kind, progress=progress) as comparison:
            table = comparison.table(ranks=ranks, progress=progress)
            if csv is not None:
                save_text(csv, table.csv())
            if html is not None:
                from ..export.html import niivue_module, write_scanner

                niivue_module()
                volume = comparison.volume(progress=progress)
                write_scanner(comparison, volume, html, progress=progress)
            rows = [row for row in _sorted(table, by) if row.largest or row.nonfinite]
            shown = rows[: top or None]
            if json:
                typer.echo(to_text(_as_data(comparison, table, shown)))
                return
            _print(comparison, table, shown)
            _tell_rest(len(rows) - len(shown), len(table) - len(rows), _n_left_out(table))
    for path in (csv, html):
        if path is not None:
            size = path.stat().st_size
            written = f"{size / 1e6:.1f} MB" if size >= MEGABYTE else f"{size / 1e3:.0f} kB"
            typer.echo(f"{path}: {written}", err=True)


def _sorted(table: "ChangeTable", by: str) -> "list[ChangeRow]":
    rows = table.by(by)
    if by in RISING:
        valued = [row for row in rows if getattr(row, by) == getattr(row, by)]
        rows = [*reversed(valued), *(row for row in rows if row not in valued)]
    return rows


def _as_data(
    comparison: "Comparison", table: "ChangeTable", rows: "list[ChangeRow]"
) -> dict[str, object]:
    from dataclasses import asdict

    total = table.total
    return {
        "a": str(comparison.a.checkpoint.path),
        "b": str(comparison.b.checkpoint.path),
        "statement": comparison.statement.split("\n"),
        "relative": _plain(total.relative),
        "cosine": _plain(total.cosine),
        "rmse": _plain(total.rmse),
        "snr": _plain(total.snr),
        "nonfinite": _n_left_out(table),
        "parts": [{key: _plain(cell) for key, cell in asdict(row).items()} for row in rows],
    }


def _plain(value: object) -> object:
    """A value as JSON has it, which knows neither NaN nor infinity: null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _n_left_out(table: "ChangeTable") -> int:
    """Values that are NaN or infinite in one of the two."""
    return sum(row.parameters for row in table) - table.total.n


def _print(comparison: "Comparison", table: "ChangeTable", rows: "list[ChangeRow]") -> None:
    typer.echo(f"{comparison.a.name} → {comparison.b.name}")
    typer.echo(comparison.statement)
    typer.echo()
    from ..comparison.text import change_lines

    for line in change_lines(table, rows):
        typer.echo(line)


def _tell_rest(cut: int, equal: int, left_out: int) -> None:
    if cut:
        typer.echo(f"… and {cut} more parts that differ (--top 0 prints all)")
    if equal:
        typer.echo(f"{equal} parts are equal, value for value.")
    if left_out:
        typer.echo(f"{left_out:,} values are NaN or infinite; they are left out.")
