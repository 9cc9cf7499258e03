"""A page that explains a model with its own numbers: ``lesson``."""

from pathlib import Path
from typing import Annotated

import typer

from .progress import terminal_progress

__all__ = ["lesson"]


def lesson(
    path: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model's folder or a file in it, or its name in the Hugging Face cache.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Argument(
            metavar="OUT",
            help="The .html file to write; lesson-MODEL.html here if not given.",
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    prompt: Annotated[
        str, typer.Option("--prompt", "-p", help="The text; its last token is the answer.")
    ] = "The cat sat on the mat",
    layer: Annotated[int | None, typer.Option(help="Layer of the first head.", min=0)] = None,
    head: Annotated[int | None, typer.Option(help="The first head.", min=0)] = None,
    token: Annotated[
        int | None, typer.Option(help="Position of the token that is followed.", min=0)
    ] = None,
    gradient: Annotated[
        bool, typer.Option(help="Whether to compute the gradient, which takes the most memory.")
    ] = True,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, float16 or bfloat16.")] = "auto",
) -> None:
    """Write one offline HTML page that walks a text through a model, number by number."""
    from ..activity.lesson import lesson as write

    with terminal_progress() as progress:
        made = write(
            path,
            prompt,
            output,
            layer=layer,
            head=head,
            token=token,
            training=gradient,
            device=device,
            dtype=dtype,
            progress=progress,
        )
    typer.echo(f"{made}: {made.stat().st_size / 1e6:.1f} MB")
