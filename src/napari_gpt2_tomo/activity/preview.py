"""How a text falls into tokens, told at once: without the model, without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..base import TomoError

__all__ = ["Piece", "pieces"]

VOCABULARY = "tokenizer.json"
"""The file that a fast tokenizer is stored in."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text and how many tokens it is.

    Attributes
    ----------
    text
        As it stands in the text; the name of a token that the tokenizer adds.
    n_tokens
        1, or more where tokens share a character, as those of an emoji do.
    added
        Whether the tokenizer adds it and it is not in the text.
    """

    text: str
    n_tokens: int = 1
    added: bool = False


def pieces(folder: Path, text: str) -> tuple[Piece, ...] | None:
    """The pieces that a text falls into; None where the folder has no fast tokenizer.

    Raises
    ------
    TomoError
        The folder's tokenizer cannot be read.
    """
    path = folder / VOCABULARY
    if not path.is_file():
        return None
    encoding = _tokenizer(path, path.stat().st_mtime_ns).encode(text)
    return _together(text, encoding.tokens, encoding.offsets)


@lru_cache(maxsize=4)
def _tokenizer(path: Path, changed: int) -> Any:
    from tokenizers import Tokenizer

    try:
        made = Tokenizer.from_file(str(path))
    except Exception as error:
        # The library raises plain Exceptions.
        raise TomoError(f"{path} is no tokenizer that can be read: {error}") from error
    made.no_padding()
    made.no_truncation()
    return made


def _together(
    text: str, names: Sequence[str], spans: Sequence[tuple[int, int]]
) -> tuple[Piece, ...]:
    """Tokens that share characters are one piece."""
    found: list[Piece] = []
    begin = end = -1
    for name, (first, stop) in zip(names, spans, strict=True):
        if first == stop:
            found.append(Piece(name, added=True))
            continue
        if first < end and found and not found[-1].added:
            begin, end = min(begin, first), max(end, stop)
            found[-1] = Piece(text[begin:end], found[-1].n_tokens + 1)
            continue
        begin, end = first, stop
        found.append(Piece(text[first:stop]))
    return tuple(found)
