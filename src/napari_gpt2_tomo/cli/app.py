"""The command itself: its name, its version, and errors as one line."""

from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from ..base import Cancelled, TomoError

__all__ = ["app", "main"]

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
