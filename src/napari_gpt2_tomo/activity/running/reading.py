"""Texts that a model is asked to read: tokens, and what is no text for it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...anatomy.part import HyperParameters
from ...base import TomoError
from ..record import Tokens
from .tokenizer import Tokenizer

__all__ = ["Reader", "Text"]

Text = str | Sequence[int] | NDArray[np.integer[Any]] | Tokens
"""What a model can be asked to read: a text, ids, or tokens."""


class Reader:
    """The side of a language model that reads texts.

    Attributes
    ----------
    name, sizes, device, causal, tokenizer
        See `LanguageModel`.
    """

    name: str
    sizes: HyperParameters
    device: str
    causal: bool
    tokenizer: Tokenizer | None

    def tokens(self, text: Text) -> Tokens:
        """The tokens of a text, of ids, or of numbers in a text where there is no tokenizer.

        Of an empty text this is the token that begins a text, if the model has one.

        Raises
        ------
        TomoError
            There is nothing to read, or an id that the model does not have.
        """
        if isinstance(text, Tokens):
            found = self._known(text)
        elif not isinstance(text, str):
            found = self._of_ids([int(one) for one in text])
        elif self.tokenizer is not None:
            found = self._known(self.tokenizer.encode(text))
        else:
            found = self._of_ids(self._numbers(text))
        return found if len(found) else self._beginning(found)

    def _numbers(self, text: str) -> list[int]:
        try:
            return [int(word) for word in text.replace(",", " ").split()]
        except ValueError as error:
            raise TomoError(
                f"{self.name} has no tokenizer, so it reads no words: give ids, such as '12 7 9'."
            ) from error

    def _of_ids(self, ids: Sequence[int]) -> Tokens:
        strings = None if self.tokenizer is None else [self.tokenizer.string(id) for id in ids]
        return self._known(Tokens.of_ids(ids, strings))

    def _known(self, tokens: Tokens) -> Tokens:
        n_ids = self.sizes.vocab or 0
        wrong = next((int(id) for id in tokens.ids if not 0 <= id < n_ids), None)
        if wrong is not None:
            raise TomoError(f"{self.name} has the tokens 0 to {n_ids - 1}, there is no {wrong}.")
        return tokens

    def _beginning(self, tokens: Tokens) -> Tokens:
        begin = getattr(self.tokenizer, "begin", None)
        if begin is None:
            raise TomoError(
                f"There is nothing to read: the text has no tokens, and {self.name} has none that "
                "begins a text. Type something."
            )
        return replace(self._of_ids([begin]), text=tokens.text, special=(0,))

    def _fitting(self, tokens: Tokens, truncate: bool) -> tuple[Tokens, tuple[str, ...]]:
        """Tokens that the model has room for, and a note if some had to go.

        Raises
        ------
        TomoError
            There are too many, and they may not be cut.
        """
        context = self.sizes.context
        if context is None or len(tokens) <= context:
            return tokens, ()
        over = len(tokens) - context
        if not truncate:
            raise TomoError(
                f"The text has {len(tokens):,} tokens, {over:,} more than {self.name} has room "
                f"for ({context:,}). Shorten it; in Python, truncate=True cuts it."
            )
        # A causal model is asked what comes next, so its end counts; tokenizers cut the text of an
        # encoder at its end. What the tokenizer added stays.
        free = [at for at in range(len(tokens)) if at not in tokens.special]
        gone = set(free[:over] if self.causal else free[len(free) - over :])
        kept = [at for at in range(len(tokens)) if at not in gone]
        end = "first" if self.causal else "last"
        note = (
            f"The {end} {over:,} of {len(tokens):,} tokens were cut off: {self.name} has room for "
            f"{context:,}."
        )
        return picked(tokens, kept), (note,)

    def _ids(self, tokens: Tokens) -> torch.Tensor:
        """``(1, token)`` on the model's device."""
        return torch.as_tensor(tokens.ids, device=self.device)[None]

    def _padded(self, batch: Sequence[Tokens]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """``(text, token)`` ids of several texts, and which of them are no padding."""
        lengths = [len(tokens) for tokens in batch]
        ids = torch.zeros(len(batch), max(lengths), dtype=torch.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = torch.as_tensor(tokens.ids)
        ids = ids.to(self.device)
        if len(set(lengths)) == 1:
            return ids, None
        counts = torch.tensor(lengths)[:, None]
        mask = torch.arange(max(lengths))[None] < counts
        return ids, mask.long().to(self.device)


def picked(tokens: Tokens, kept: Sequence[int]) -> Tokens:
    """Some of the tokens of a text."""
    place = {at: new for new, at in enumerate(kept)}
    return Tokens(
        tokens.ids[list(kept)],
        tuple(tokens.strings[at] for at in kept),
        tokens.text,
        None if tokens.spans is None else tuple(tokens.spans[at] for at in kept),
        tuple(place[at] for at in tokens.unknown if at in place),
        tuple(place[at] for at in tokens.special if at in place),
    )
