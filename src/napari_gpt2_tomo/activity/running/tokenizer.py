"""Texts to tokens and back, with strings that a person can read."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ...base import TomoError
from ..record import Tokens
from .pieces import Spelling, spelling_of
from .quiet import quiet

__all__ = ["Tokenizer", "load_tokenizer"]


class Tokenizer(Protocol):
    """What a model's tokenizer can do."""

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Strings of all ids."""

    def encode(self, text: str) -> Tokens:
        """The tokens of a text, with those that the tokenizer adds."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""

    def string(self, id: int) -> str:
        """How a person reads one id."""

    def find(self, text: str) -> tuple[int, ...]:
        """The ids of a text alone, without what the tokenizer adds."""

    @property
    def begin(self) -> int | None:
        """The token that begins a text; None if the tokenizer has none."""

    @property
    def special(self) -> frozenset[int]:
        """Ids that stand for no text."""


def load_tokenizer(folder: Path, n_ids: int) -> Tokenizer | None:
    """The tokenizer of a model's folder; None if it has none.

    Parameters
    ----------
    folder
        Of the model.
    n_ids
        Rows of the token embedding.
    """
    names = {path.name for path in folder.iterdir()}
    if "vocab.json" in names and not names & {
        "merges.txt",
        "tokenizer.json",
        "tokenizer_config.json",
    }:
        return WordTokenizer(folder / "vocab.json", n_ids)
    if not names & _FILES:
        return None
    from transformers import AutoTokenizer

    try:
        with quiet():
            made = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise TomoError(
            f"The tokenizer in {folder} cannot be loaded: "
            f"{str(error).strip().partition(chr(10))[0]} Without its files the model runs on ids."
        ) from error
    return HubTokenizer(made, n_ids)


_FILES = frozenset(
    {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model",
     "sentencepiece.bpe.model", "tokenizer_config.json"}
)  # fmt: skip


class HubTokenizer:
    """A tokenizer of transformers.

    Parameters
    ----------
    made
        The tokenizer.
    n_ids
        Rows of the token embedding.
    """

    def __init__(self, made: Any, n_ids: int) -> None:
        self._made = made
        self._n_ids = n_ids
        backend = getattr(made, "backend_tokenizer", None)
        self._spelling: Spelling = spelling_of(backend)

    @cached_property
    def _special(self) -> frozenset[int]:
        named = dict.fromkeys((*self._made.all_special_ids, *self._made.added_tokens_decoder))
        pieces = self._made.convert_ids_to_tokens(list(named))
        # Some call a plain space their unknown token; it is text all the same.
        return frozenset(id for id, piece in zip(named, pieces, strict=True) if piece.strip())

    @property
    def special(self) -> frozenset[int]:
        """Ids that stand for no text."""
        return self._special

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Strings of all ids."""
        pieces = self._made.convert_ids_to_tokens(list(range(self._n_ids)))
        return tuple(
            f"⟨{id}⟩" if piece is None else self._read(id, piece) for id, piece in enumerate(pieces)
        )

    def string(self, id: int) -> str:
        """How a person reads one id."""
        if "vocabulary" in self.__dict__ and 0 <= id < self._n_ids:
            return self.vocabulary[id]
        piece = self._made.convert_ids_to_tokens(int(id))
        return f"⟨{id}⟩" if piece is None else self._read(id, piece)

    def _read(self, id: int, piece: str) -> str:
        return piece if id in self._special else self._spelling.read(piece)

    def encode(self, text: str) -> Tokens:
        """The tokens of a text, with those that the tokenizer adds."""
        with quiet():
            found = self._made(
                text, return_offsets_mapping=self._made.is_fast, return_special_tokens_mask=True
            )
        ids = np.asarray(found["input_ids"], np.int64)
        added = np.flatnonzero(found["special_tokens_mask"])
        strings = [self.string(int(id)) for id in ids]
        if not self._made.is_fast:
            return Tokens(ids, tuple(strings), text, special=tuple(map(int, added)))
        special = tuple(int(at) for at in added if _is_empty(found["offset_mapping"][at]))
        spans = [(int(a), int(b)) for a, b in found["offset_mapping"]]
        unknown = self._unknown(ids, strings, spans, text)
        strings, spans = self._spelling.settle(text, strings, spans, special)
        return Tokens(ids, tuple(strings), text, tuple(spans), unknown, special)

    def _unknown(
        self, ids: Any, strings: Sequence[str], spans: Sequence[tuple[int, int]], text: str
    ) -> tuple[int, ...]:
        """Positions of the unknown token, unless the text itself says what its string says."""
        unknown = self._made.unk_token_id
        return tuple(
            at
            for at, (id, string, (start, stop)) in enumerate(zip(ids, strings, spans, strict=True))
            if id == unknown and stop > start and text[start:stop] != string
        )

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        found: str = self._made.decode(
            [int(id) for id in ids], clean_up_tokenization_spaces=False, skip_special_tokens=False
        )
        return found

    def find(self, text: str) -> tuple[int, ...]:
        """The ids of a text alone, without what the tokenizer adds."""
        return tuple(int(id) for id in self._made(text, add_special_tokens=False)["input_ids"])

    @property
    def begin(self) -> int | None:
        """The token that begins a text; None if the tokenizer has none."""
        made = self._made
        found = made.bos_token_id if made.bos_token_id is not None else made.cls_token_id
        return None if found is None else int(found)


class WordTokenizer:
    """A vocabulary and nothing else: the longest entry that fits is taken, again and again.

    Parameters
    ----------
    path
        ``vocab.json``, strings and their ids.
    n_ids
        Rows of the token embedding.
    """

    def __init__(self, path: Path, n_ids: int) -> None:
        try:
            self._ids = {str(k): int(v) for k, v in json.loads(path.read_text("utf-8")).items()}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise TomoError(f"{path} is no vocabulary: {error}.") from error
        strings = {id: string for string, id in self._ids.items()}
        self.vocabulary = tuple(strings.get(id, f"⟨{id}⟩") for id in range(n_ids))
        self._longest = max((len(string) for string in self._ids), default=0)
        self.begin = None
        self.special: frozenset[int] = frozenset()

    def string(self, id: int) -> str:
        """How a person reads one id."""
        return self.vocabulary[id] if 0 <= id < len(self.vocabulary) else f"⟨{id}⟩"

    def encode(self, text: str) -> Tokens:
        """The tokens of a text.

        Raises
        ------
        TomoError
            The text has a character that the vocabulary lacks.
        """
        ids, spans, at = [], [], 0
        while at < len(text):
            lengths = range(min(self._longest, len(text) - at), 0, -1)
            fits = next((n for n in lengths if text[at : at + n] in self._ids), 0)
            if not fits:
                raise TomoError(
                    f"The model's vocabulary has nothing for {text[at]!r}, character {at + 1} of "
                    f"the text; it has: {self._sample()}."
                )
            ids.append(self._ids[text[at : at + fits]])
            spans.append((at, at + fits))
            at += fits
        strings = tuple(self.string(id) for id in ids)
        return Tokens(np.asarray(ids, np.int64), strings, text, tuple(spans))

    def _sample(self) -> str:
        shown = [repr(string) for string in self.vocabulary[:20]]
        return ", ".join(shown) + (" …" if len(self.vocabulary) > len(shown) else "")

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return "".join(self.string(int(id)) for id in ids)

    def find(self, text: str) -> tuple[int, ...]:
        """The ids of a text."""
        return tuple(int(id) for id in self.encode(text).ids)


def _is_empty(span: Sequence[int]) -> bool:
    return int(span[0]) == int(span[1])
