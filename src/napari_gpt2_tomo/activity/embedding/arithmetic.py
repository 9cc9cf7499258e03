"""Sums of token vectors: king - man + woman."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from .search import TokenIndex

__all__ = ["Expression", "evaluate", "is_sum", "parse"]

F32 = NDArray[np.float32]

_TERM = re.compile(r"""\s*([+\-−])?\s*(?:"([^"]*)"|'([^']*)'|([^\s+\-−"']+))""")


@dataclass(frozen=True, slots=True)
class Expression:
    """A sum of tokens.

    Attributes
    ----------
    terms
        Sign, +1 or −1, and token id.
    """

    terms: tuple[tuple[int, int], ...]

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens in it: they are no answer to it."""
        return tuple(token for _, token in self.terms)


def parse(text: str, index: TokenIndex) -> Expression:
    """Read a sum such as ``king - man + woman``.

    A word is the token of its text as `TokenIndex.one` finds it; quotes keep spaces and signs:
    ``" Paris" - " France"``. Where none of the words is quoted and all are known with a leading
    space, those tokens are taken: they are the words as they stand in a sentence.

    Raises
    ------
    TomoError
        It cannot be read, or a word is not one token.
    """
    signs: list[int] = []
    words: list[str] = []
    quoted = False
    at = 0
    while at < len(text.rstrip()):
        match = _TERM.match(text, at)
        if match is None or (words and match[1] is None):
            raise TomoError(
                f"This sum cannot be read at “{text[at:].strip()}”: write words with + and - "
                'between them, e.g. king - man + woman, and "quotes" around signs and spaces.'
            )
        signs.append(-1 if match[1] in ("-", "−") else 1)
        quoted |= match[4] is None
        words.append(next(word for word in match.groups()[1:] if word is not None))
        at = match.end()
    if not words:
        raise TomoError("Write a sum of words, e.g. king - man + woman.")
    if not quoted:
        spaced = [index.find(f" {word}", 1) for word in words]
        if all(found and found[0].how == "exact" for found in spaced):
            ids = [found[0].id for found in spaced]
            return Expression(tuple(zip(signs, ids, strict=True)))
    return Expression(tuple(zip(signs, [index.one(word) for word in words], strict=True)))


def is_sum(text: str, index: TokenIndex) -> bool:
    """Whether a text is meant as a sum: it has a sign between words, and is no token itself."""
    if any(match.how == "exact" for match in index.find(text, 1)):
        return False
    return bool(re.search(r"""[\w"']\s+[+\-−]\s*[\w"']""", text))


def evaluate(expression: Expression, rows: F32) -> F32:
    """The sum of an expression's vectors, ``(channel,)``."""
    total = np.zeros(rows.shape[1], np.float64)
    for sign, token in expression.terms:
        total += sign * rows[token].astype(np.float64)
    return total.astype(np.float32)
