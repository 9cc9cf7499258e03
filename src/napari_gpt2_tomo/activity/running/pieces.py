"""How tokenizers write their pieces, and how a person reads them.

Vocabularies put marks in the place of what a file of words cannot hold: byte-level BPE a letter
for each byte (the table of GPT-2's ``encoder.py``), sentencepiece ``▁`` for a space and ``<0x0A>``
for a byte, WordPiece ``##`` before what continues a word, the BPE of GPT-1 ``</w>`` after a word.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["Spelling", "bytes_shown", "spelling_of"]

Span = tuple[int, int]

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@cache
def _byte_letters() -> dict[str, int]:
    """The letter that stands for each byte in a byte-level vocabulary."""
    own = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    own += range(ord("®"), ord("ÿ") + 1)
    others = [byte for byte in range(256) if byte not in own]
    letters = {chr(byte): byte for byte in own}
    # Bytes without a letter of their own get those after the 256 of Latin-1, in order.
    letters.update({chr(256 + place): byte for place, byte in enumerate(others)})
    return letters


def bytes_shown(data: bytes) -> str:
    """UTF-8 as text; bytes that are only part of a character as ``⟨F0 9F⟩``."""
    shown: list[str] = []
    rest = data
    while rest:
        try:
            shown.append(rest.decode("utf-8"))
            break
        except UnicodeDecodeError as error:
            shown.append(rest[: error.start].decode("utf-8"))
            broken = rest[error.start : error.end]
            rest = rest[error.end :]
            previous = shown[-2] if len(shown) > 1 and not shown[-1] else ""
            numbers = broken.hex(" ").upper()
            if previous.endswith("⟩"):
                del shown[-1]
                shown[-1] = f"{previous[:-1]} {numbers}⟩"
            else:
                shown.append(f"⟨{numbers}⟩")
    return "".join(shown)


@dataclass(frozen=True)
class Spelling:
    """How one tokenizer writes its pieces.

    Attributes
    ----------
    read
        From a piece of the vocabulary to the string that a person reads.
    from_text
        Whether a token of a text is read in the text, because its piece does not say how it
        stands there: lower-cased, without its space.
    added_space
        Whether a space is put before a text, which is not in it.
    always_added
        Whether it is put there also before a text that begins with a space.
    """

    read: Callable[[str], str]
    from_text: bool = False
    added_space: bool = False
    always_added: bool = False

    def settle(
        self, text: str, strings: Sequence[str], spans: Sequence[Span], special: Sequence[int]
    ) -> tuple[list[str], list[Span]]:
        """Strings and spans of tokens as they stand in the text."""
        new_strings, new_spans = list(strings), list(spans)
        first = next((at for at in range(len(strings)) if at not in special), None)
        for at, (start, stop) in enumerate(spans):
            if at in special or stop == start:
                continue
            if self.from_text:
                new_strings[at] = text[start:stop]
            elif at == first and self.always_added:
                new_strings[at] = strings[at].removeprefix(" ")
            elif strings[at].startswith(" ") and not text[start:stop].startswith(" "):
                if start > 0 and text[start - 1] == " ":
                    new_spans[at] = (start - 1, stop)
                elif self.added_space and at == first:
                    new_strings[at] = strings[at][1:]
        return new_strings, new_spans


def spelling_of(backend: Any) -> Spelling:
    """The spelling of a tokenizer of the tokenizers library; of an unknown one if None."""
    if backend is None:
        return Spelling(_sentencepiece, added_space=True)
    plan = json.loads(backend.to_str())
    kinds = set(_types(plan.get("pre_tokenizer"))) | set(_types(plan.get("decoder")))
    model = plan["model"]
    if "ByteLevel" in kinds:
        return Spelling(_byte_level)
    if model["type"] == "WordPiece":
        return Spelling(_same, from_text=True)
    if ending := model.get("end_of_word_suffix"):
        return Spelling(lambda piece: _end_of_word(piece, ending))
    normalizers = set(_types(plan.get("normalizer")))
    if "Metaspace" in kinds or "Prepend" in normalizers or "Replace" in kinds:
        return Spelling(_sentencepiece, added_space=True, always_added="Prepend" in normalizers)
    return Spelling(_same)


def _types(part: Any) -> list[str]:
    """Types of the steps of a part of a tokenizer."""
    if not isinstance(part, dict):
        return []
    found = [str(part.get("type"))]
    for name in ("pretokenizers", "decoders", "normalizers"):
        for step in part.get(name) or ():
            found += _types(step)
    return found


def _same(piece: str) -> str:
    return piece


def _byte_level(piece: str) -> str:
    letters = _byte_letters()
    if any(letter not in letters for letter in piece):
        return piece
    return bytes_shown(bytes(letters[letter] for letter in piece))


def _sentencepiece(piece: str) -> str:
    if match := _BYTE.fullmatch(piece):
        return bytes_shown(bytes([int(match[1], 16)]))
    return piece.replace("▁", " ")


def _end_of_word(piece: str, ending: str) -> str:
    whole = piece.removesuffix(ending)
    return f"{whole} " if whole != piece else piece
