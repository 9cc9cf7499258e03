"""The command line: ``napari-gpt2-tomo view | info | probe | slice | cache``.

Everything heavy is imported inside the command that needs it: ``--help`` answers at once.
"""

import json
import signal as signals
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from .base import Cancelled, TomoError

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from .facade import Scan
    from .volume.volume import Volume

__all__ = ["app", "main"]

CACHED = ("overviews", "phantoms", "statistics")
"""Folders that this program makes in the cache."""

CANCELLED = 130
"""Exit status of a command that Ctrl-C ended, as shells have it (128 + SIGINT)."""


class _Commands(TyperGroup):
    """Shows an error that the user can cause as one line instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Cancelled as cancelled:
            _fail(str(cancelled), CANCELLED)
        except TomoError as error:
            _fail(str(error), 1)


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(f"napari-gpt2-tomo: {message}", err=True)
    raise typer.Exit(status)


app = typer.Typer(
    cls=_Commands,
    help="Scan language models in napari the way a hospital scans a body.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Checkpoint = Annotated[
    str,
    typer.Argument(
        metavar="PATH", help="A .safetensors file, one shard, an .index.json, or a folder."
    ),
]
Family = Annotated[
    str | None, typer.Option(help="Read the names as this family's, e.g. llama.", metavar="NAME")
]
Heads = Annotated[
    int | None,
    typer.Option("--n-heads", help="Number of query heads, where the file does not tell.", min=1),
]
Layout = Annotated[str, typer.Option(help="auto, body, cube, tensor, heads or circuits.")]
Signal = Annotated[str, typer.Option(help="signed, magnitude, sigma, sigma_global or rank.")]
Tensor = Annotated[str | None, typer.Option(help="The tensor that the layout 'tensor' shows.")]
Role = Annotated[
    str | None,
    typer.Option(
        help="What 'heads' shows (q, k, v, o; q if not given) or 'circuits' (qk, ov; qk)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


def main() -> None:
    """Entry point of the installed command."""
    app(prog_name="napari-gpt2-tomo")


@app.callback(invoke_without_command=True)
def _start(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"napari-gpt2-tomo {installed('napari-gpt2-tomo')}")
        raise typer.Exit


@app.command()
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
    with _open(path, family, n_heads) as scan:
        options: dict[str, Any] = {"layout": layout, "signal": signal, "tensor": tensor}
        options["role"] = _role(layout, role)
        if picture is not None:
            from .viewer.plates import save_views

            with terminal_progress() as progress:
                save_views(scan, picture, progress=progress, **options)
            typer.echo(str(picture))
            return

        from .viewer.view import view_until_closed

        view_until_closed(scan, **options)


@app.command()
def info(
    path: Checkpoint, family: Family = None, n_heads: Heads = None, json: Json = False
) -> None:
    """Print the anatomy of a checkpoint: its sizes, its parts and what is not known."""
    with _open(path, family, n_heads) as scan:
        typer.echo(_to_text(scan.anatomy.to_json()) if json else scan.anatomy.describe())


@app.command()
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
    with _open(path, family, n_heads) as scan:
        volume = scan.volume(layout, tensor=tensor, role=_role(layout, role))
        try:
            if voxel is not None:
                at = _integers(voxel, volume.ndim, "--voxel")
            else:
                at = volume.voxel(str(tensor), tuple(index or ()))
            address = volume.address(at)
        except IndexError as error:
            raise typer.BadParameter(str(error)) from error
        if json:
            from dataclasses import asdict

            found = None if address is None else asdict(address)
            typer.echo(_to_text({"layout": volume.layout.name, "voxel": at, "address": found}))
            return
        axes = ", ".join(f"{axis} {i}" for axis, i in zip(volume.axes, at, strict=True))
        typer.echo(str(address) if address else "air: no parameter lies there")
        typer.echo(f"{volume.layout.name}: {axes}")


@app.command(name="slice")
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
    colormap: Annotated[str, typer.Option(help="Name of a colormap that cmap knows.")] = "",
    window: Annotated[
        str | None,
        typer.Option(help="Values shown darkest and brightest.", metavar="LOW,HIGH"),
    ] = None,
    family: Family = None,
    n_heads: Heads = None,
) -> None:
    """Write one section as a PNG, a pixel per parameter; non-finite values are cyan."""
    from .display.picture import save_section

    with _open(path, family, n_heads) as scan:
        with terminal_progress() as progress:
            volume = scan.volume(
                layout, signal, tensor=tensor, role=_role(layout, role), progress=progress
            )
        where = _cuts(volume, axis, at)
        limits = _limits(window) if window is not None else volume.window()
        output.parent.mkdir(parents=True, exist_ok=True)
        caption = save_section(volume, where, output, colormap or None, limits)
        typer.echo(f"{output}: {caption}")


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete everything in it.")] = False,
    json: Json = False,
) -> None:
    """Show the cache: overviews and phantoms, all of which can be computed again."""
    from .base import cache_folder

    folder = cache_folder()
    entries = sorted(_entries(folder))
    if clear:
        for name, _ in entries:
            _delete(folder / name)
    if json:
        listed = [{"name": name, "bytes": size} for name, size in entries]
        total = sum(size for _, size in entries)
        typer.echo(
            _to_text({"path": str(folder), "cleared": clear, "bytes": total, "entries": listed})
        )
        return
    typer.echo(f"{folder}{' (cleared)' if clear else ''}")
    for name, size in entries:
        typer.echo(f"{_megabytes(size):>12}  {name}")
    typer.echo(f"{_megabytes(sum(size for _, size in entries)):>12}  in {len(entries)} entries")


@contextmanager
def terminal_progress() -> Iterator["TerminalProgress"]:
    """A progress bar on stderr. The first Ctrl-C cancels between two steps, the next at once."""
    progress = TerminalProgress()

    def interrupt(number: int, frame: FrameType | None) -> None:
        progress.cancel()
        signals.signal(signals.SIGINT, previous)

    previous = signals.signal(signals.SIGINT, interrupt)
    try:
        yield progress
    finally:
        signals.signal(signals.SIGINT, previous)
        progress.close()


class TerminalProgress:
    """`Progress` as a bar of rich's, which appears when work is announced."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: Any = None
        self._cancelled = False

    def start(self, total: int, description: str) -> None:
        """Show a new bar."""
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress as Bar

            console = Console(stderr=True)
            self._bar = Bar(console=console, transient=True, disable=not console.is_terminal)
            self._bar.start()
        self._task = self._bar.add_task(description, total=total)

    def advance(self, amount: int) -> None:
        """Move the bar, and raise `Cancelled` after Ctrl-C."""
        if self._cancelled:
            raise Cancelled("Cancelled. What was finished is kept.")
        if self._bar is not None:
            self._bar.advance(self._task, amount)

    def cancel(self) -> None:
        """Make the next `advance` raise `Cancelled`."""
        self._cancelled = True

    def close(self) -> None:
        """Take the bars off the terminal."""
        if self._bar is not None:
            self._bar.stop()


@contextmanager
def _open(path: str | None, family: str | None, n_heads: int | None) -> Iterator["Scan"]:
    from .facade import Scan

    if path is None:
        from .checkpoint.phantom import phantom_checkpoint

        with terminal_progress() as progress:
            path = str(phantom_checkpoint(progress=progress))
    scan = Scan(path, family=family, n_heads=n_heads)
    try:
        yield scan
    finally:
        scan.close()


def _role(layout: str, role: str | None) -> str:
    return role or ("qk" if layout == "circuits" else "q")


def _cuts(volume: "Volume", axes: list[str] | None, at: list[int] | None) -> dict[int, int]:
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


def _integers(text: str, count: int, option: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(item) for item in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise typer.BadParameter(f"{option} takes {count} whole numbers, e.g. 1,2,3: not {text}")
    return numbers


def _limits(text: str) -> tuple[float, float]:
    try:
        low, high = (float(item) for item in text.split(","))
    except ValueError:
        low, high = 0.0, 0.0
    if not low < high:
        raise typer.BadParameter(f"--window takes two rising numbers, e.g. 0,0.5: not {text}")
    return low, high


def _entries(folder: Path) -> Iterator[tuple[str, int]]:
    # Only what this program makes: the user chooses the folder, and it may hold other things.
    for room in CACHED:
        for entry in (folder / room).glob("*"):
            files = entry.rglob("*") if entry.is_dir() else (entry,)
            yield f"{room}/{entry.name}", sum(f.stat().st_size for f in files if f.is_file())


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


def _to_text(data: Any) -> str:
    return json.dumps(data, indent=2, default=str)


if __name__ == "__main__":
    main()
