"""The tokens of a text: ids, and how a person reads them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Tokens"]


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of one text.

    Attributes
    ----------
    ids
        ``(token,)`` int64.
    strings
        One for each id, as it stands in the text: with its spaces, without the marks that a
        tokenizer's vocabulary puts in their place. A token that holds only some bytes of a
        character shows them as ``⟨F0 9F⟩``; a special token has its own name, e.g.
        ``<|endoftext|>``.
    text
        The text that was tokenized, None where only ids are known.
    spans
        Where each token stands in `text`, as half-open character intervals; None where that is
        not known. Tokens that share a character have overlapping spans.
    unknown
        Positions of tokens that stand for something that the vocabulary lacks.
    special
        Positions of tokens that the tokenizer added (begin of text, CLS, SEP).
    """

    ids: NDArray[np.int64]
    strings: tuple[str, ...]
    text: str | None = None
    spans: tuple[tuple[int, int], ...] | None = None
    unknown: tuple[int, ...] = ()
    special: tuple[int, ...] = ()

    @classmethod
    def of_ids(cls, ids: Sequence[int], strings: Sequence[str] | None = None) -> "Tokens":
        """Tokens of which only the ids are known; without strings the ids are shown."""
        numbers = np.asarray(ids, np.int64)
        return cls(numbers, tuple(strings or (str(int(one)) for one in numbers)))

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.strings)

    @property
    def labels(self) -> tuple[str, ...]:
        """Strings that can be read on an axis: a space shows as ``·``, a line feed as ``⏎``."""
        return tuple(visible(one) for one in self.strings)


def visible(string: str) -> str:
    """A token's string with its white space and control characters made visible; never empty."""
    return string.translate(_MARKS) or "∅"


_MARKS = {code: chr(0x2400 + code) for code in range(32)} | {
    ord(a): b for a, b in {" ": "·", "\n": "⏎", "\t": "⇥", "\x7f": "␡"}.items()
}
"""What is drawn for what cannot be seen; control characters have pictures from U+2400 on."""
