"""``series``: how the parts of a model change over the checkpoints of a training run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import Family, Heads, Signal, open_series
from .progress import terminal_progress

if TYPE_CHECKING:
    from ..display.plots import Plot
    from ..series.growth import Growth
    from ..series.lines import Line
    from ..series.series import Series

__all__ = ["series"]

Metric = Literal[
    "norm",
    "sigma",
    "change",
    "relative_change",
    "change_from_first",
    "relative_change_from_first",
    "cosine_to_previous",
    "cosine_to_last",
]
Lines = Literal["roles", "layers", "role", "layer", "part", "all"]

WIDEST = 18
"""Letters of a column's heading."""


def series(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="A folder that holds the checkpoints (step-1000/, checkpoint-500/, …), a pattern "
            "in quotes, or the checkpoints themselves.",
        ),
    ],
    metric: Annotated[Metric, typer.Option(help="What is printed.")] = "norm",
    lines: Annotated[
        Lines, typer.Option(help="What is taken together: roles, layers, or those of --part.")
    ] = "roles",
    part: Annotated[
        str | None, typer.Option(help="For role, layer and part, e.g. L3.q.", metavar="NAME")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write every part at every step, all metrics.")
    ] = None,
    parquet: Annotated[Path | None, typer.Option(help="The same as Parquet.")] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Write a plot of every metric, and a section at every step, as PNGs."),
    ] = None,
    signal: Signal = "magnitude",
    family: Family = None,
    n_heads: Heads = None,
) -> None:
    """Print how parts change over the checkpoints of a training run."""
    from ..series.lines import lines_of
    from ..series.table import save_growth

    with open_series(paths, family, n_heads) as opened:
        for note in opened.notes:
            typer.echo(note, err=True)
        with terminal_progress() as progress:
            growth = opened.growth(progress)
        chosen = lines_of(opened.anatomy, lines, _known(opened, part))
        typer.echo(_text(opened, growth, chosen, metric))
        for target in (csv, parquet):
            if target is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                typer.echo(f"{save_growth(opened, growth, target)}: every part at every step")
        if picture is not None:
            picture.mkdir(parents=True, exist_ok=True)
            for file in _pictures(opened, growth, chosen, picture, signal):
                typer.echo(str(file))


def _known(opened: "Series", part: str | None) -> str | None:
    if part is not None and part not in opened.anatomy.by_name:
        raise typer.BadParameter(f"this model has no part named {part!r}, see 'info'")
    return part


def _text(opened: "Series", growth: "Growth", lines: "list[Line]", metric: str) -> str:
    """A row for each step, a column for each line."""
    from ..series.growth import metric_named

    values = [growth.of(metric, line.parts) for line in lines]
    heads = ["", *(line.label[:WIDEST] for line in lines)]
    rows = [
        [step.title, *("–" if v[i] != v[i] else f"{v[i]:.4g}" for v in values)]
        for i, step in enumerate(opened.steps)
    ]
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    shown = metric_named(metric)
    out = [f"{opened.name}: {shown.title}, {shown.symbol}"]
    for row in [heads, *rows]:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        out.append("  ".join(cells).rstrip())
    return "\n".join(out)


def _pictures(
    opened: "Series", growth: "Growth", lines: "list[Line]", folder: Path, signal: str
) -> list[Path]:
    from ..display.console import Console
    from ..display.picture import save_section
    from ..series.growth import METRICS

    written = []
    for metric in METRICS:
        plot = _plot(opened, growth, lines, metric.name)
        written.append(folder / f"{plot.name}.png")
        plot.save(written[-1])
    volume = opened.volume("auto", signal, exact=False)
    with terminal_progress() as progress:
        volume.refine(progress)
    console = Console.of(volume)
    fixed = {axis: volume.shape[axis] // 3 for axis in range(1, volume.ndim - 2)}
    for i, step in enumerate(opened.steps):
        written.append(folder / f"section-{i:04d}-{step.name}.png")
        save_section(volume, {0: i, **fixed}, written[-1], console.transfer, console.window.limits)
    return written


def _plot(opened: "Series", growth: "Growth", lines: "list[Line]", metric: str) -> "Plot":
    from ..series.plots import growth_plot, places_of, wants_log, wants_log_y

    return growth_plot(
        growth,
        opened.steps,
        lines,
        metric,
        log_x=wants_log(places_of(opened.steps)),
        log_y=wants_log_y(growth, lines, metric),
        losses=opened.losses,
    )
