"""What a prompt does in a model, without a screen: ``activity``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .progress import terminal_progress

__all__ = ["activity"]


def activity(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A model's folder or file, a name of the Hugging Face cache such as gpt2, or "
            "'functional-phantom', which is built in.",
        ),
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="The text that the model reads.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report; made, or replaced if it is one.")
    ] = None,
    svg: Annotated[bool, typer.Option(help="Write each figure as a drawing too.")] = True,
    theme: Annotated[str, typer.Option(help="Colours of figures and page: light or dark.")] = (
        "light"
    ),
    continue_: Annotated[
        int,
        typer.Option(
            "--continue", metavar="N", help="Let the model go on for N tokens first.", min=0
        ),
    ] = 0,
    temperature: Annotated[
        float, typer.Option(help="0 takes the likeliest token; 1 draws as the model says.", min=0)
    ] = 0.0,
    top_k: Annotated[
        int | None, typer.Option(help="Draw among the K likeliest tokens.", min=1)
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(help="Draw among the likeliest tokens that have this probability together."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws the same tokens.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    list_prompts: Annotated[
        bool, typer.Option("--list-prompts", help="Print prompts to begin with, and what for.")
    ] = False,
) -> None:
    """Run a prompt and write every figure of it, the numbers behind them, and one page."""
    if list_prompts:
        _list_prompts()
        return
    if model is None or prompt is None or out is None:
        raise typer.BadParameter("give a MODEL, --prompt and --out; --list-prompts has examples")
    from ..display.plots import THEMES

    if theme not in THEMES:
        raise typer.BadParameter(f"--theme is light or dark, not {theme}")
    from ..activity.catalogue import local_path
    from ..activity.report import write_report
    from ..activity.report.folder import check_target

    check_target(out)
    place = local_path(model) if not Path(model).exists() else None
    with terminal_progress() as progress:
        progress.start(1, "Starting PyTorch")
        from ..activity.running.run import language_model

        loaded = language_model(place or model, device, dtype, progress=progress)
        text: Any = prompt
        if continue_:
            text = loaded.continued(
                prompt,
                continue_,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                seed=seed,
                progress=progress,
            )
        read = loaded.run(text, progress=progress)
        count = len(read.tokens)
        typer.echo(f"{read.source.name} read {count} token{'s' * (count != 1)}", err=True)
        with _scan_of(loaded.path) as scan:
            report = write_report(read, out, scan, theme=THEMES[theme], svg=svg, progress=progress)
    for one in report.left:
        typer.echo(f"not drawn ({one.room.name}): {one.reason}", err=True)
    typer.echo(f"{report.page}: {len(report.figures)} figures")


def _scan_of(path: Path) -> Any:
    """The checkpoint of a model for the figures of its weights; none if it is no scan."""
    from contextlib import nullcontext

    from ..base import TomoError
    from ..facade import Scan

    try:
        return Scan(path)
    except TomoError:
        # A model of another format, e.g. pytorch_model.bin.
        return nullcontext(None)


def _list_prompts() -> None:
    from ..activity.examples import PROMPTS

    for example in PROMPTS:
        typer.echo(f"{example.title}\n  {example.text!r}\n  {example.shows}\n")
