"""Finding tokens by their text."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ...base import TomoError
from ..record.tokens import visible

__all__ = ["PARTIAL", "Match", "TokenIndex"]

CONTINUED = "##"
"""What a WordPiece vocabulary puts before a piece that continues a word."""

PARTIAL = ("begins so", "contains it")
"""Why tokens are found that are more than the text."""


@dataclass(frozen=True, slots=True)
class Match:
    """A token that a search found.

    Attributes
    ----------
    id
        The token.
    how
        Why it was found: ``"exact"``, ``"with a leading space"``, ``"without a leading space"``,
        ``"as a continuation"``, ``"other case"``, ``"begins so"``, ``"contains it"``, ``"id"``.
    """

    id: int
    how: str


class TokenIndex:
    """The texts of a vocabulary, made ready to be searched.

    Parameters
    ----------
    texts
        Text of each token, by id.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = tuple(texts)

    def __len__(self) -> int:
        return len(self._texts)

    def find(self, query: str, limit: int = 50) -> list[Match]:
        """Tokens for a text, the best first.

        First the token of exactly this text, then its variants: with a leading space, without,
        as a continuation. Then those that differ in case only, those that begin so, and those
        that contain it; of these the shorter first, then the lower id. ``#42`` is the token of
        that id. A ``·`` stands for a space, as in the labels.

        Parameters
        ----------
        query
            What is looked for.
        limit
            How many tokens at most.
        """
        text = query.replace("·", " ")
        if not text:
            return []
        found: dict[int, str] = {}
        number = text.strip().removeprefix("#")
        if text.strip().startswith("#") and number.isdecimal() and int(number) < len(self):
            found[int(number)] = "id"
        bare = text.removeprefix(" ")
        variants = {
            "exact": text,
            "with a leading space": f" {bare}",
            "without a leading space": bare,
            "as a continuation": f"{CONTINUED}{bare}",
        }
        for how, variant in variants.items():
            if variant.strip() or how == "exact":
                for token in self._by_text.get(variant, ()):
                    found.setdefault(token, how)
        wanted = bare.strip().casefold()
        if wanted:
            for token in self._by_folded.get(wanted, ()):
                found.setdefault(token, "other case")
            if len(found) < limit:
                self._add_partial(wanted, found)
        return [Match(token, how) for token, how in list(found.items())[:limit]]

    def one(self, query: str) -> int:
        """The best token for a text, as far as it differs in spaces and case only.

        Raises
        ------
        TomoError
            There is none; the message names tokens like it.
        """
        found = self.find(query, 8)
        whole = [match for match in found if match.how not in PARTIAL]
        if whole:
            return whole[0].id
        near = ", ".join(f"“{visible(self._texts[match.id])}”" for match in found[:5])
        hint = f" Near it: {near}." if near else ""
        raise TomoError(f"“{query}” is not one token of this vocabulary.{hint}")

    def _add_partial(self, wanted: str, found: dict[int, str]) -> None:
        holding = [token for token, text in enumerate(self._folded) if wanted in text]
        holding.sort(key=lambda token: (len(self._folded[token]), token))
        for begins in (True, False):
            how = PARTIAL[0] if begins else PARTIAL[1]
            for token in holding:
                if self._folded[token].startswith(wanted) == begins:
                    found.setdefault(token, how)

    @cached_property
    def _by_text(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for token, text in enumerate(self._texts):
            found.setdefault(text, []).append(token)
        return found

    @cached_property
    def _folded(self) -> list[str]:
        """Texts without what marks their place in a word, whatever their case."""
        return [text.removeprefix(CONTINUED).strip().casefold() for text in self._texts]

    @cached_property
    def _by_folded(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for token, text in enumerate(self._folded):
            found.setdefault(text, []).append(token)
        return found
