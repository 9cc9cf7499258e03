"""What runs in a thread when a prompt is run."""

import importlib
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ....activity.record import SITES, Tokens
from ....base import Progress, TomoError
from .options import Continuation, Means

__all__ = ["Order", "Told", "reading"]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run: a model, a text, and how."""

    place: Path
    prompt: str
    means: Means = field(default_factory=Means)
    continuation: Continuation = field(default_factory=Continuation)
    sites: tuple[str, ...] | None = None


class Told:
    """A `Progress` that remembers what it was told, for whoever looks at it, and passes it on.

    Attributes
    ----------
    description
        Of the present stage.
    share
        How much of it is done, 0 to 1.
    """

    def __init__(self) -> None:
        self.description = ""
        self.share = 0.0
        self.further: Progress | None = None
        self._total = 1
        self._done = 0

    def start(self, total: int, description: str) -> None:
        """Announce work."""
        self._total, self._done = max(total, 1), 0
        self.description, self.share = description, 0.0
        if self.further is not None:
            self.further.start(total, description)

    def advance(self, amount: int) -> None:
        """Report finished work."""
        self._done += amount
        self.share = min(self._done / self._total, 1.0)
        if self.further is not None:
            self.further.advance(amount)


def reading(order: Order, told: Told) -> Any:
    """Work that yields each `Step` of the continuation and at last the `Activity`.

    torch is imported in it, which takes seconds, so that it must run in a thread.
    """

    def work(report: Progress) -> Generator[object, None, None]:
        told.further = report
        told.start(1, "Starting PyTorch")
        # What draws the plots takes most of a second, which the first dock would stand still for.
        importlib.import_module("matplotlib.backends.backend_qtagg")
        from ....activity.running.run import language_model

        means = order.means
        options: dict[str, Any] = {}
        if means.streaming != "auto":
            options["streaming"] = means.streaming == "on"
        model = language_model(order.place, means.device, means.dtype, told, **options)
        tokens = model.tokens(order.prompt)
        if order.continuation.n:
            how = order.continuation
            ids, strings = list(tokens.ids), list(tokens.strings)
            for step in model.generate(
                tokens, how.n, how.temperature, how.top_k, how.top_p, how.seed, told
            ):
                ids.append(step.id)
                strings.append(step.string)
                yield step
            text = tokens.text
            if text is not None and model.tokenizer is not None:
                text += model.tokenizer.decode(ids[len(tokens) :])
            tokens = Tokens(
                np.array(ids, np.int64),
                tuple(strings),
                text,
                unknown=tokens.unknown,
                special=tokens.special,
            )
        yield model.run(tokens, _wanted(order.sites, model.circuit.sites), told)

    return work


def _wanted(chosen: tuple[str, ...] | None, there: Iterable[str]) -> tuple[str, ...] | None:
    """Of the sites that were ticked those that the model has."""
    if chosen is None:
        return None
    found = tuple(name for name in SITES if name in chosen and name in set(there))
    if not found:
        raise TomoError("Nothing to record is ticked that this model has: tick something.")
    return found
