"""Interventions carried out: a model runs while some of its components give something else."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...base import Progress, TomoError
from ..intervention.change import (
    Change,
    Component,
    Mean,
    Patch,
    check_positions,
    describe,
)
from ..intervention.effect import Effect
from ..record import Activity, Tokens
from .hooks import Hook
from .measure import measure
from .model import LanguageModel, Text

__all__ = [
    "Given",
    "batch_of",
    "effect",
    "hooks_for",
    "logits_at",
    "part_of",
    "position_in",
    "put_values",
    "run_changed",
    "strings_of",
]

F32 = NDArray[np.float32]


def run_changed(
    model: LanguageModel,
    text: Text,
    changes: Sequence[Change],
    what: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> Activity:
    """What happens inside a model while it reads a text under changes.

    What is recorded at a changed site is what flows on from there. The changes are told in
    ``activity.source.changes``.

    Parameters
    ----------
    model
        A loaded model.
    text
        The prompt: a text, ids, or tokens.
    changes
        What is changed; all at once.
    what, progress
        See `LanguageModel.run`.

    Raises
    ------
    TomoError
        The model has no such component or position, or prompts do not fit together.
    Cancelled
        `progress` asked to stop.
    """
    tokens = model.tokens(text)
    activity = model.run(tokens, what, progress, hooks_for(model, tokens, changes))
    activity.source = replace(activity.source, changes=describe(changes, tokens))
    return activity


def effect(
    model: LanguageModel,
    text: Text,
    changes: Sequence[Change],
    position: int = -1,
    progress: Progress | None = None,
) -> Effect:
    """What changes do to the next token.

    Parameters
    ----------
    model, text, changes
        See `run_changed`.
    position
        After which token the next one is predicted; negative ones count from the end.
    progress
        Told of the two runs.

    Raises
    ------
    TomoError
        See `run_changed`; or the model predicts no tokens.
    Cancelled
        `progress` asked to stop.
    """
    tokens = model.tokens(text)
    at = position_in(position, len(tokens))
    hooks = hooks_for(model, tokens, changes)
    if progress is not None:
        progress.start(2 * (model.sizes.n_layers or 0), f"{model.name} reads twice")
    before = logits_at(model, batch_of(model, tokens, 1), at, (), progress)[0]
    after = logits_at(model, batch_of(model, tokens, 1), at, hooks, progress)[0]
    return Effect(tokens, at, describe(changes, tokens), before, after, strings_of(model))


def hooks_for(
    model: LanguageModel,
    text: Text,
    changes: Sequence[Change],
    progress: Progress | None = None,
) -> list[Hook]:
    """The hooks that carry out changes; runs the model where they need its activity.

    Raises
    ------
    TomoError
        See `run_changed`.
    """
    tokens = model.tokens(text)
    for change in changes:
        change.component.check(model.sizes)
        if change.tokens is not None:
            check_positions(change.tokens, len(tokens), "The prompt")
    given = Given(model, tokens, changes, progress)
    return [_hook(change, *given.values(change)) for change in changes]


def _hook(change: Change, positions: Sequence[int], values: F32) -> Hook:
    component = change.component

    def put(tensor: torch.Tensor) -> torch.Tensor:
        put_values(part_of(tensor, component), positions, values)
        return tensor

    return Hook(component.site, put, component.layer)


def part_of(array: Any, component: Component) -> Any:
    """A view of what a component gives, ``(batch, token, …)``, in a tensor of its site."""
    if component.kind == "head":
        return array[:, component.index]
    if component.index is not None:
        return array[:, :, component.index]
    return array


def put_values(part: torch.Tensor, positions: Sequence[int], values: F32) -> None:
    """Put values, one for each position or one for all, into ``(batch, token, …)``."""
    part[:, list(positions)] = torch.as_tensor(values).to(part)


class Given:
    """What components give instead: 0, a mean, or what they give for another prompt.

    Runs the model once for each prompt that is needed, for all changes together.
    """

    def __init__(
        self,
        model: LanguageModel,
        tokens: Tokens,
        changes: Sequence[Change],
        progress: Progress | None = None,
    ) -> None:
        self.tokens = tokens
        sites: defaultdict[Any, set[str]] = defaultdict(set)
        for change in changes:
            for source in _sources(change):
                sites[source].add(change.component.site)
        self.activities = {
            source: model.run(tokens if source is None else source, wanted, progress)
            for source, wanted in sites.items()
        }

    def values(self, change: Change) -> tuple[Sequence[int], F32]:
        """Positions to change, and what stands there instead: for each one, or for all alike."""
        everywhere = range(len(self.tokens))
        mine = everywhere if change.tokens is None else change.tokens
        if isinstance(change, Patch):
            activity = self.activities[change.source]
            mine, theirs = change.aligned(len(self.tokens), len(activity.tokens))
            return mine, _given(activity, change.component)[list(theirs)]
        if isinstance(change, Mean):
            given = [_given(self.activities[one], change.component) for one in _sources(change)]
            return mine, np.concatenate(given).mean(0, dtype=np.float64).astype(np.float32)
        return mine, np.zeros((), np.float32)


def _sources(change: Change) -> tuple[Any, ...]:
    """Prompts whose activity a change needs; None is the prompt itself."""
    if isinstance(change, Patch):
        return (change.source,)
    if isinstance(change, Mean):
        return change.over or (None,)
    return ()


def _given(activity: Activity, component: Component) -> F32:
    """What a component gives, ``(token, …)``."""
    array = activity.read(component.site, component.layer)
    found: F32 = part_of(array[None], component)[0]
    return found


def logits_at(
    model: LanguageModel,
    ids: torch.Tensor,
    position: int,
    hooks: Sequence[Hook],
    progress: Progress | None,
) -> F32:
    """``(batch, vocab)`` logits after one position."""
    found: list[F32] = []

    def keep(logits: torch.Tensor) -> torch.Tensor:
        found.append(logits[:, position].float().cpu().numpy())
        return logits

    with model.lock:
        measure(model.circuit, ids, None, (), (), [*hooks, Hook("logits", keep)], progress)
    if not found:
        raise TomoError(f"{model.name} is an encoder without a head: it predicts no tokens.")
    return found[0]


def batch_of(model: LanguageModel, tokens: Tokens, rows: int) -> torch.Tensor:
    """The same tokens in each row of a batch."""
    return torch.as_tensor(tokens.ids, device=model.device)[None].repeat(rows, 1)


def position_in(position: int, length: int) -> int:
    """A position counted from the start; a negative one counts from the end."""
    at = position + length if position < 0 else position
    check_positions([at], length, "The prompt")
    return at


def strings_of(model: LanguageModel) -> Callable[[int], str]:
    """What gives a token's string; its id where there is no tokenizer."""
    return str if model.tokenizer is None else model.tokenizer.string
