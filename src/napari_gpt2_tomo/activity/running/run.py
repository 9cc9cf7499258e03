"""Running a model on a text in one call; models stay loaded for the next."""

import os
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...base import Progress
from ..record import Activity, Tokens
from .model import LanguageModel
from .places import find_place
from .reading import Text

__all__ = ["language_model", "run"]

MOST_MODELS = 2
"""Models that stay loaded: two can be compared side by side, more would fill the memory."""

_models: dict[tuple[Any, ...], LanguageModel] = {}
_lock = threading.Lock()


def language_model(
    path: "str | os.PathLike[str] | Any",
    device: str = "auto",
    dtype: str = "auto",
    progress: Progress | None = None,
    **options: Any,
) -> LanguageModel:
    """A model, loaded if it is not loaded yet; the two that were asked for last stay loaded.

    Parameters
    ----------
    path
        A folder, a file in it, an open `Scan`, or the name of a model in the Hugging Face cache.
    device, dtype, progress, **options
        See `LanguageModel.load`.

    Raises
    ------
    TomoError
        There is no model, tensors are missing (they are named), or it cannot be run.
    """
    if isinstance(path, LanguageModel):
        return path
    key = (find_place(path).key, device, dtype, *sorted(options.items()))
    with _lock:
        model = _models.pop(key, None)
        if model is None or model.closed:
            model = LanguageModel.load(path, device, dtype, progress=progress, **options)
        _models[key] = model
        while len(_models) > MOST_MODELS:
            _models.pop(next(iter(_models)))
    return model


def run(
    scan: "str | os.PathLike[str] | Any",
    prompt: Text | Sequence[Text],
    what: Iterable[str] | None = None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    max_new_tokens: int = 0,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Activity | list[Activity]:
    """What happens inside a model while it reads a text.

    Parameters
    ----------
    scan
        An open `Scan`, a folder, a file in it, the name of a model in the Hugging Face cache, or
        a model that `language_model` gave.
    prompt
        A text, its token ids, or its `Tokens`; or a list of such, which are run as a batch.
    what
        Names of the sites to record; None is all but the largest, see `LanguageModel.run`.
    device, dtype
        See `LanguageModel.load`.
    max_new_tokens
        The text is continued by so many tokens before it is measured.
    temperature, top_k, top_p, seed
        How the continuation is chosen, see `LanguageModel.generate`.
    progress
        Told of each block.

    Raises
    ------
    TomoError
        The model cannot be loaded, or a text is empty or too long.
    """
    model = language_model(scan, device, dtype)
    is_one = _is_one(prompt)
    prompts: Any = [prompt] if is_one else prompt
    texts = [model.tokens(one) for one in prompts]
    lengths = [len(text) for text in texts]
    if max_new_tokens:
        sampling = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
        texts = [
            model.continued(text, max_new_tokens, **sampling, progress=progress) for text in texts
        ]
    if is_one:
        found = [model.run(texts[0], what, progress)]
    else:
        found = model.run_batch(texts, what, progress=progress)
    for activity, length in zip(found, lengths, strict=True):
        if max_new_tokens:
            added = len(activity.tokens) - length
            activity.notes = (_generated(added, max_new_tokens), *activity.notes)
    return found[0] if is_one else found


def _is_one(prompt: Any) -> bool:
    """Whether a prompt is one text and not several: numbers in a row are the ids of one."""
    return isinstance(prompt, str | Tokens) or all(
        isinstance(one, int | np.integer) for one in prompt
    )


def _generated(added: int, wanted: int) -> str:
    """The note about tokens that the model added to a text."""
    if not added:
        return "The model added no token: the text fills its context."
    what = "token was" if added == 1 else f"{added} tokens were"
    early = "" if added == wanted else f", which ended before the {wanted} that were asked for"
    return f"The last {what} written by the model{early}."
