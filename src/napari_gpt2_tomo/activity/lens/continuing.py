"""A text that grows token by token, each step looked at before it is taken."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..record import Tokens
from .prediction import StepTaken, continuation

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["Continuing", "Drawing"]

MOST = 10_000
"""Steps that one generator is asked for: it makes each only when it is taken."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How the next token is chosen; as `LanguageModel.generate` takes it."""

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0


class Continuing:
    """A text that grows, with the step that would come next.

    Parameters
    ----------
    model, tokens
        The model, and what it goes on from.
    drawing
        How the next token is chosen.
    k
        How many alternatives to name at each step.

    Attributes
    ----------
    taken
        The steps that were taken.
    """

    def __init__(
        self, model: "LanguageModel", tokens: Tokens, drawing: Drawing | None = None, k: int = 10
    ) -> None:
        self.model = model
        self.taken: list[StepTaken] = []
        self._begin = tokens
        self._drawing = drawing or Drawing()
        self._k = k
        self._steps: Iterator[StepTaken] | None = None
        self._pending: StepTaken | None = None
        self._looked = False

    @property
    def drawing(self) -> Drawing:
        """How the next token is chosen; setting it chooses anew, from where the text ends now."""
        return self._drawing

    @drawing.setter
    def drawing(self, drawing: Drawing) -> None:
        if drawing != self._drawing:
            self._drawing = drawing
            self._forget()

    @property
    def ids(self) -> tuple[int, ...]:
        """All ids of the text as it stands."""
        return (*self._begin.ids.tolist(), *(step.id for step in self.taken))

    @property
    def tokens(self) -> Tokens:
        """The text as it stands."""
        strings = (*self._begin.strings, *(step.string for step in self.taken))
        return Tokens.of_ids(self.ids, strings)

    @property
    def known(self) -> StepTaken | None:
        """The step that would come next, where it was looked at already."""
        return self._pending if self._looked else None

    @property
    def ended(self) -> bool:
        """Whether the text is known not to go on: its context is full, or the model ended it."""
        return self._looked and self._pending is None

    def pending(self) -> StepTaken | None:
        """The step that would come next: one forward pass. None where the text can't go on."""
        if not self._looked:
            if self._steps is None:
                # Another seed at each length: the same one would draw alike at each new start.
                how = self._drawing
                self._steps = continuation(
                    self.model,
                    self.tokens,
                    MOST,
                    self._k,
                    how.temperature,
                    how.top_k,
                    how.top_p,
                    how.seed + len(self.taken),
                )
            self._pending = next(self._steps, None)
            self._looked = True
        return self._pending

    def take(self, token: int | None = None) -> StepTaken | None:
        """Append the pending token, or another one of the vocabulary in its place.

        Returns
        -------
        StepTaken
            What was appended; None where the text can't go on.
        """
        step = self.pending()
        if step is None:
            return None
        if token is not None and token != step.id:
            tokenizer = self.model.tokenizer
            string = str(token) if tokenizer is None else tokenizer.string(token)
            chance = float(np.exp(step.chances.log_probability[token]))
            rank = step.chances.rank(token)
            step = StepTaken(
                token, string, chance, rank, step.chances, step.alternatives, step.strings
            )
            self._forget()
        self.taken.append(step)
        self._looked = False
        return step

    def back(self) -> None:
        """Take the last step back; nothing happens where there is none."""
        if self.taken:
            self.taken.pop()
            self._forget()

    def _forget(self) -> None:
        self._steps = self._pending = None
        self._looked = False
