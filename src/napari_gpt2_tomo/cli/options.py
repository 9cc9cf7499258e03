"""Arguments and options that commands share, and what their text means."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .progress import terminal_progress

if TYPE_CHECKING:
    from ..display.console import Console
    from ..facade import Scan
    from ..series.series import Series
    from ..volume.volume import Volume

__all__ = [
    "Checkpoint",
    "Family",
    "Heads",
    "Json",
    "Layout",
    "Role",
    "Signal",
    "Tensor",
    "Transfer",
    "Window",
    "apply_look",
    "cuts",
    "integers",
    "open_scan",
    "open_series",
    "to_text",
    "window_of",
]

Checkpoint = Annotated[
    str,
    typer.Argument(
        metavar="PATH",
        help="A .safetensors file, one shard, an .index.json, a folder, or an address: "
        "hf://org/name, https://…, s3://…; 'phantom' and 'functional-phantom' are built in.",
    ),
]
Family = Annotated[
    str | None, typer.Option(help="Read the names as this family's, e.g. llama.", metavar="NAME")
]
Heads = Annotated[
    int | None,
    typer.Option("--n-heads", help="Number of query heads, where the file does not tell.", min=1),
]
Layout = Annotated[str, typer.Option(help="auto, body, cube, tensor, heads, experts or circuits.")]
Signal = Annotated[str, typer.Option(help="signed, magnitude, sigma, sigma_global or rank.")]
Tensor = Annotated[str | None, typer.Option(help="The tensor that the layout 'tensor' shows.")]
Role = Annotated[
    str | None,
    typer.Option(
        help="What 'heads' shows (q, k, v, o; q if not given), 'experts' (gate, up, down, all; "
        "all) or 'circuits' (qk, ov; qk)."
    ),
]
Transfer = Annotated[
    str | None,
    typer.Option(
        "--transfer",
        "--colormap",
        help="Colours: a transfer function of the console, or a colormap of cmap.",
        metavar="NAME",
    ),
]
Window = Annotated[
    str | None,
    typer.Option(
        help="Values shown in the first and the last colour, or a preset of the console.",
        metavar="LOW,HIGH",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


@contextmanager
def open_scan(path: str | None, family: str | None, n_heads: int | None) -> Iterator["Scan"]:
    """The scan of a path or a built-in checkpoint, by default the phantom; closed afterwards."""
    from ..checkpoint.built_in import BUILT_IN, built_in
    from ..checkpoint.remote.traffic import watched
    from ..facade import Scan

    with terminal_progress() as progress, watched(progress):
        made = BUILT_IN["phantom"](progress) if path is None else built_in(path, progress)
        scan = Scan(made or str(path), family=family, n_heads=n_heads)
    try:
        yield scan
    finally:
        scan.close()


@contextmanager
def open_series(paths: list[str], family: str | None, n_heads: int | None) -> Iterator["Series"]:
    """The series of a folder, a pattern or several checkpoints; closed afterwards."""
    from ..series.series import Series

    series = Series(paths[0] if len(paths) == 1 else paths, family, n_heads=n_heads)
    try:
        yield series
    finally:
        series.close()


def cuts(volume: "Volume", axes: list[str] | None, at: list[int] | None) -> dict[int, int]:
    """Axis → place of every axis that the picture does not show."""
    count = volume.ndim - 2
    names = axes if axes else list(volume.axes[:count])
    if len(names) != count:
        raise typer.BadParameter(
            f"the layout {volume.layout.name} has the axes {', '.join(volume.axes)}: "
            f"cut across {count} of them"
        )
    found = [_axis(volume, name) for name in names]
    if len(set(found)) != count:
        raise typer.BadParameter(f"cut across {count} different axes, not {', '.join(names)}")
    places = at if at else [volume.shape[axis] // 2 for axis in found]
    if len(places) != count:
        raise typer.BadParameter(f"--at is needed {count} times, once for each axis")
    for axis, place in zip(found, places, strict=True):
        if not 0 <= place < volume.shape[axis]:
            raise typer.BadParameter(
                f"{volume.axes[axis]} goes from 0 to {volume.shape[axis] - 1}, not to {place}"
            )
    return dict(zip(found, places, strict=True))


def _axis(volume: "Volume", name: str) -> int:
    if name in volume.axes:
        return volume.axes.index(name)
    if name.isdecimal() and int(name) < volume.ndim:
        return int(name)
    raise typer.BadParameter(f"there is no axis {name!r}, only {', '.join(volume.axes)}")


def integers(text: str, count: int, option: str) -> tuple[int, ...]:
    """So many whole numbers with commas between them."""
    try:
        numbers = tuple(int(item) for item in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise typer.BadParameter(f"{option} takes {count} whole numbers, e.g. 1,2,3: not {text}")
    return numbers


def apply_look(console: "Console", transfer: str | None, window: str | None) -> None:
    """Give a console the colours and the window that were asked for."""
    if transfer:
        console.transfer = transfer
    wanted = window_of(window)
    if isinstance(wanted, str):
        console.apply_preset(wanted)
    elif wanted is not None:
        console.set_limits(*wanted)


def window_of(text: str | None) -> tuple[float, float] | str | None:
    """What ``--window`` means: two rising numbers, or the name of a preset."""
    if text is None:
        return None
    try:
        low, high = (float(item) for item in text.split(","))
    except ValueError:
        if "," in text:
            raise typer.BadParameter(
                f"--window takes two numbers, e.g. 0,0.5, or a preset: not {text}"
            ) from None
        return text
    if not low < high:
        raise typer.BadParameter(f"--window takes two rising numbers, e.g. 0,0.5: not {text}")
    return low, high


def to_text(data: Any) -> str:
    """JSON for people."""
    return json.dumps(data, indent=2, default=str)
