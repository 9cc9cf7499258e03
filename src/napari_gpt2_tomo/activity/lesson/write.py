"""Writing the lesson of a model and a text."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...base import Progress, TomoError
from ...page import write_page
from ..record import Activity
from .gather import WHAT, gather
from .look import make_page
from .story import Story

if TYPE_CHECKING:
    from ...facade import Scan
    from ..running.model import LanguageModel

__all__ = ["lesson", "lesson_name", "tell", "write_lesson"]


def lesson(
    scan: "str | os.PathLike[str] | Scan | LanguageModel",
    prompt: "str | Sequence[int]",
    path: str | os.PathLike[str] | None = None,
    *,
    layer: int | None = None,
    head: int | None = None,
    token: int | None = None,
    training: bool = True,
    device: str = "auto",
    dtype: str = "auto",
    progress: Progress | None = None,
) -> Path:
    """Write one offline HTML page that explains a model with its own numbers for one text.

    The page follows one token from the tokenizer to the loss and the gradient; it needs no
    program and no network.

    Parameters
    ----------
    scan
        An open `Scan`, a folder, a file in it, the name of a model in the Hugging Face cache, or
        a loaded `LanguageModel`.
    prompt
        The text, or token ids. Its last token is what a causal model is asked to foresee.
    path
        The file; ``lesson-<model>.html`` in the working folder by default. An older one is
        replaced when the new one is complete.
    layer, head
        The attention head to begin with; by default one that looks at one token strongly.
    token
        Position of the token that is followed; by default the last but one, so that the last is
        what it is asked to foresee.
    training
        Whether to compute the gradient, for which a model must fit into memory twice.
    device, dtype
        Where and in what to compute, as `tomo.run` takes them.
    progress
        Told of the stages.

    Returns
    -------
    path
        The file.

    Raises
    ------
    TomoError
        The model cannot be loaded or run, there is no such layer, head or token, or the file
        cannot be written.
    """
    from ..running.run import language_model

    model = language_model(scan, device, dtype)
    if progress is not None:
        progress.start(1, f"Running {model.name}")
    activity = model.run(prompt, what=_wanted(model))
    if progress is not None:
        progress.advance(1)
    target = Path(path) if path is not None else Path(lesson_name(model.name))
    write_lesson(
        activity, target, layer=layer, head=head, token=token, training=training, progress=progress
    )
    return target


def _wanted(model: "LanguageModel") -> list[str]:
    return [name for name in WHAT if name in model.circuit.sites]


def lesson_name(model: str) -> str:
    """The name of the file that a lesson gets by itself."""
    return f"lesson-{re.sub(r'[^A-Za-z0-9._-]+', '-', model).strip('-') or 'model'}.html"


def tell(
    activity: Activity,
    *,
    layer: int | None = None,
    head: int | None = None,
    token: int | None = None,
    training: bool = True,
    progress: Progress | None = None,
) -> Story:
    """The numbers of a lesson about an activity; its model reads the text again where it must.

    Raises
    ------
    TomoError
        The activity was stored without its model.
    """
    model: Any = activity.model
    if model is None:
        raise TomoError(
            "The lesson needs the model, not only what it did: run it again on the text."
        )
    changes = activity.source.changes
    if changes or any(name not in activity for name in _wanted(model)):
        activity = model.run(activity.tokens, what=_wanted(model))
    story = gather(
        model, activity, layer=layer, head=head, token=token, training=training, progress=progress
    )
    if changes:
        said = "The lesson is about the model as it is, without: " + "; ".join(changes) + "."
        story = replace(story, notes=(*story.notes, said))
    return story


def write_lesson(
    activity: Activity,
    path: str | os.PathLike[str],
    *,
    layer: int | None = None,
    head: int | None = None,
    token: int | None = None,
    training: bool = True,
    progress: Progress | None = None,
) -> int:
    """Write the lesson of an activity whose model is loaded; see `lesson`.

    Returns
    -------
    size
        Bytes of the file.
    """
    story = tell(
        activity, layer=layer, head=head, token=token, training=training, progress=progress
    )
    return write_page(make_page(story), path)
