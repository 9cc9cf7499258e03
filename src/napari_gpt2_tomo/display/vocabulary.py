"""The words of a tokenizer: token ids by their text, read without any tokenizer library.

Only whole tokens are looked up, so the vocabulary is all that is needed. How its
entries are spelled is known for the usual kinds: bytes as printable characters
(GPT-2, Radford et al. 2019), a space as ``▁`` and single bytes as ``<0x0A>``
(SentencePiece), continuations with ``##`` (WordPiece, Devlin et al. 2018).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..base import CheckpointError, DisplayError
from ..checkpoint import Checkpoint

__all__ = ["Token", "Vocabulary", "quoted"]

MAX_BYTES = 256 << 20
"""Bytes: the largest vocabularies in use take some 35 MB."""

NEAR = 5
"""Tokens that an error suggests."""

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was found, its text, and in words which of several it is."""

    id: int
    text: str
    note: str

    def __str__(self) -> str:
        return f"token {self.id} {quoted(self.text)}"


class Vocabulary:
    """Tokens by id.

    Parameters
    ----------
    ids
        Id of each entry as the file spells it.
    source
        Where they come from, for messages.
    """

    def __init__(self, ids: Mapping[str, int], source: str) -> None:
        self._ids = dict(ids)
        self._source = source

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Vocabulary | None":
        """The vocabulary in a checkpoint's files, else beside them; None if there is none.

        Raises
        ------
        DisplayError
            There is one, but it cannot be read.
        """
        try:
            entries = checkpoint.vocabulary
        except CheckpointError as error:
            raise DisplayError(f"The vocabulary cannot be read: {error}") from error
        if entries is not None:
            ids = {entry: i for i, entry in enumerate(entries)}
            return cls(ids, f"the vocabulary in {checkpoint.path.name}")
        return None if checkpoint.tokenizer is None else cls.read(checkpoint.tokenizer)

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """The vocabulary of a ``tokenizer.json``, ``vocab.json`` or ``vocab.txt``.

        Raises
        ------
        DisplayError
            The file cannot be read or holds no vocabulary.
        """
        try:
            if path.stat().st_size > MAX_BYTES:
                raise DisplayError(f"{path} is larger than any vocabulary.")
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".txt":
                return cls({line: i for i, line in enumerate(text.splitlines())}, path.name)
            if path.suffix != ".json":
                raise DisplayError(
                    f"{path.name} is not read as a vocabulary; put a tokenizer.json beside the "
                    "checkpoint."
                )
            return cls(_entries(json.loads(text)), path.name)
        except DisplayError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DisplayError(f"{path} holds no vocabulary: {error}.") from error

    def __len__(self) -> int:
        return len(self._ids)

    def text(self, token: int) -> str | None:
        """What a token stands for; None if there is no such token."""
        return self._texts.get(token)

    def find(self, text: str) -> Token:
        """The token of exactly this text.

        Where there is none, the variant with a space before it is taken, the one
        without, and last one that differs in case only; `Token.note` tells which.

        Raises
        ------
        DisplayError
            The text is not one token; the message names tokens like it.
        """
        exact = self._by_text.get(text)
        bare = text.removeprefix(" ")
        variants = {
            "with a leading space": f" {bare}",
            "without a leading space": bare,
            "as a continuation": f"##{bare}",
        }
        others = {
            how: other
            for how, other in variants.items()
            if other != text and other in self._by_text
        }
        if exact is not None:
            also = "".join(f"; {quoted(t)} is token {self._by_text[t]}" for t in others.values())
            return Token(exact, text, f"exactly {quoted(text)}{also}")
        for how, other in others.items():
            return Token(self._by_text[other], other, f"{how}, there is no {quoted(text)}")
        if text in self._ids:
            token = self._ids[text]
            return Token(token, self._texts[token], f"spelled {text} in {self._source}")
        folded = self._by_folded.get(bare.casefold(), ())
        if len(folded) == 1:
            return Token(folded[0], self._texts[folded[0]], f"there is no {quoted(text)}")
        near = ", ".join(f"{quoted(self._texts[i])} ({i})" for i in self._near(bare))
        hint = f" Near it: {near}." if near else ""
        raise DisplayError(f"{quoted(text)} is not one token of {self._source}.{hint}")

    def starting_with(self, text: str, limit: int) -> list[str]:
        """Texts of the tokens that begin with a text, with or without a leading space, by id."""
        found: list[str] = []
        for token in self._texts.values():
            if token.removeprefix(" ").startswith(text) and token.strip():
                found.append(token)
                if len(found) == limit:
                    break
        return found

    @cached_property
    def _texts(self) -> dict[int, str]:
        spell = _speller(self._ids)
        return {i: spell(entry) for entry, i in sorted(self._ids.items(), key=lambda e: e[1])}

    @cached_property
    def _by_text(self) -> dict[str, int]:
        # The first of several entries of one text: specials and bytes precede words.
        found: dict[str, int] = {}
        for token, text in self._texts.items():
            found.setdefault(text, token)
        return found

    @cached_property
    def _by_folded(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for token, text in self._texts.items():
            found.setdefault(text.strip().casefold(), []).append(token)
        return found

    def _near(self, text: str) -> list[int]:
        """Tokens that differ in case, then those that the text begins with, then that begin so."""
        wanted = text.strip().casefold()
        found = dict.fromkeys(self._by_folded.get(wanted, ()))
        for length in range(len(wanted) - 1, 1, -1):
            found.update(dict.fromkeys(self._by_folded.get(wanted[:length], ())))
            if len(found) >= NEAR:
                break
        if wanted:
            longer = (
                i for key, ids in self._by_folded.items() if key.startswith(wanted) for i in ids
            )
            found.update(dict.fromkeys(longer))
        return list(found)[:NEAR]


def quoted(text: str) -> str:
    """A text in double quotes, with invisible characters spelled out."""
    return json.dumps(text, ensure_ascii=False)


def _entries(data: Any) -> dict[str, int]:
    """Entries of a parsed ``tokenizer.json``, or of a plain ``vocab.json``."""
    if not isinstance(data.get("model"), dict):
        return {str(entry): int(i) for entry, i in data.items()}
    vocabulary = data["model"]["vocab"]
    if isinstance(vocabulary, dict):
        found = {str(entry): int(i) for entry, i in vocabulary.items()}
    else:
        # A unigram model lists (text, score); the place is the id.
        found = {str(entry[0]): i for i, entry in enumerate(vocabulary)}
    for added in data.get("added_tokens") or ():
        found[str(added["content"])] = int(added["id"])
    return found


def _speller(ids: Mapping[str, int]) -> Callable[[str], str]:
    """What turns an entry into text, judged by how the entries are spelled."""
    if any(entry.startswith("Ġ") for entry in ids):
        letters = _byte_letters()

        def from_bytes(entry: str) -> str:
            try:
                return bytes(letters[c] for c in entry).decode("utf-8", "backslashreplace")
            except KeyError:
                return entry  # A special token is written as it is.

        return from_bytes
    if any(entry.startswith("▁") for entry in ids):

        def from_pieces(entry: str) -> str:
            byte = _BYTE.fullmatch(entry)
            if byte:
                return bytes([int(byte[1], 16)]).decode("utf-8", "backslashreplace")
            return entry.replace("▁", " ")

        return from_pieces
    return str


def _byte_letters() -> dict[str, int]:
    """The byte that each letter of a byte-level vocabulary stands for.

    Printable bytes stand for themselves, the others follow from U+0100 on.
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    found = {chr(byte): byte for byte in printable}
    found.update({chr(0x100 + i): byte for i, byte in enumerate(others)})
    return found
