"""What tokens can be coloured by: numbers of their vectors, and kinds of their texts."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from .clusters import CLUSTERS, clusters
from .neighbours import cosines
from .search import CONTINUED
from .space import EmbeddingSpace, Which
from .subspace import position_subspace, shares

__all__ = ["PROPERTIES", "Property", "available", "property_of"]

F32 = NDArray[np.float32]

SCRIPTS = 7
"""Scripts that get a colour of their own, the most frequent ones."""

TAIL = 0.01
"""Share of the values at each end that has the last colour."""

_known: "WeakKeyDictionary[EmbeddingSpace, dict[tuple[str, Which], Property]]"
_known = WeakKeyDictionary()

OTHER, NO_LETTER = "another script", "no letter"


@dataclass(frozen=True, eq=False)
class Property:
    """One value for each token.

    Attributes
    ----------
    name, title
        Its key, and what a person calls it.
    values
        ``(token,)`` float32; NaN where a token has none. For kinds the index into `kinds`.
    kinds
        Names of the kinds, empty for numbers.
    words
        What the values are, in a sentence.
    centred
        Whether 0 is the middle of the values (cosines).
    """

    name: str
    title: str
    values: F32
    kinds: tuple[str, ...] = ()
    words: str = ""
    centred: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        """Values of the first and the last colour: quantiles, so that extremes dim no others."""
        known = self.values[np.isfinite(self.values)]
        if not len(known):
            return 0.0, 1.0
        low, high = (float(v) for v in np.quantile(known, (TAIL, 1 - TAIL)))
        if self.centred:
            most = max(abs(low), abs(high)) or 1.0
            return -most, most
        return (low, high) if high > low else (low - 1.0, high + 1.0)

    def text(self, token: int) -> str:
        """The value of a token for a person."""
        value = float(self.values[token])
        if np.isnan(value):
            return "none"
        return self.kinds[int(value)] if self.kinds else f"{value:.4g}"


def available(space: EmbeddingSpace, which: Which = "tokens") -> list[str]:
    """Names of the properties that the tokens of a space have."""
    lacking: set[str] = set()
    if space.texts is None:
        lacking |= {"kind", "length", "space", "script"}
    tokens = space.tables.get(which)
    positions = space.tables.get("positions")
    if positions is None or tokens is None or positions.shape[1] != tokens.shape[1]:
        lacking.add("position")
    return [name for name in PROPERTIES if name not in lacking]


def property_of(
    space: EmbeddingSpace, name: str, which: Which = "tokens", selected: int | None = None
) -> Property:
    """A property of every token; computed once, cosines apart.

    Parameters
    ----------
    space
        The space.
    name
        One of `available`.
    which
        Whose vectors: ``"tokens"`` or ``"unembedding"``.
    selected
        The token that ``"cosine"`` is about.

    Raises
    ------
    TomoError
        The tokens have no such property.
    """
    if name not in available(space, which):
        raise TomoError(
            f"Tokens of {space.name} cannot be coloured by {name!r}; there are: "
            f"{', '.join(available(space, which))}."
        )
    if name == "cosine":
        return _cosine(space, which, selected)
    known = _known.setdefault(space, {})
    if (name, which) not in known:
        known[name, which] = _MAKERS[name](space, which)
    return known[name, which]


def _norm(space: EmbeddingSpace, which: Which) -> Property:
    return Property("norm", PROPERTIES["norm"], space.norms(which), words="Length of the vector.")


def _id(space: EmbeddingSpace, which: Which) -> Property:
    ids = np.arange(len(space.rows(which)), dtype=np.float32)
    words = "The token's id; merges of byte pairs have low ids where they are frequent."
    return Property("id", PROPERTIES["id"], ids, words=words)


def _length(space: EmbeddingSpace, which: Which) -> Property:
    texts = space.texts or ()
    lengths = np.array([len(text.removeprefix(CONTINUED)) for text in texts], np.float32)
    return Property("length", PROPERTIES["length"], lengths, words="Characters of its text.")


def _space(space: EmbeddingSpace, which: Which) -> Property:
    texts = space.texts or ()
    kinds: tuple[str, ...] = ("continues a word", "begins a word")
    pieces = any(text.startswith(CONTINUED) for text in texts)
    begins = [not text.startswith(CONTINUED) if pieces else text.startswith(" ") for text in texts]
    words = (
        f"Whether its text has no “{CONTINUED}”." if pieces else "Whether it starts with a space."
    )
    return Property("space", PROPERTIES["space"], np.array(begins, np.float32), kinds, words)


def _kind(space: EmbeddingSpace, which: Which) -> Property:
    codes = [_KINDS.index(_kind_of(text)) for text in space.texts or ()]
    words = "By the characters of its text, spaces apart."
    return Property("kind", PROPERTIES["kind"], np.array(codes, np.float32), _KINDS, words)


def _script(space: EmbeddingSpace, which: Which) -> Property:
    found = [_script_of(text) for text in space.texts or ()]
    scripts = Counter(name for name in found if name != NO_LETTER)
    kinds = (*(name for name, _ in scripts.most_common(SCRIPTS)), OTHER, NO_LETTER)
    places = {name: place for place, name in enumerate(kinds)}
    codes = np.array([places.get(name, places[OTHER]) for name in found], np.float32)
    words = "The script of its first letter, by the character's name in Unicode."
    return Property("script", PROPERTIES["script"], codes, kinds, words)


def _cosine(space: EmbeddingSpace, which: Which, selected: int | None) -> Property:
    rows = space.rows(which)
    title = PROPERTIES["cosine"]
    if selected is None:
        return Property("cosine", title, np.full(len(rows), np.nan, np.float32), words=NOBODY)
    values = cosines(rows, rows[selected], space.norms(which))
    values[selected] = np.nan  # Its own 1 would be the only strong colour.
    words = f"Cosine of the angle with {space.label(selected)}."
    return Property("cosine", title, values, words=words, centred=True)


def _position(space: EmbeddingSpace, which: Which) -> Property:
    rows = space.rows(which)
    subspace = position_subspace(space)
    values = shares(rows, subspace.basis, rows.mean(axis=0))
    words = (
        f"Share of the squared length (of the vector less the mean vector) in {subspace.rule}; "
        f"{subspace.expected:.1%} for a random direction."
    )
    return Property("position", PROPERTIES["position"], values, words=words)


def _cluster(space: EmbeddingSpace, which: Which) -> Property:
    codes = clusters(space, which)
    kinds = tuple(f"cluster {number + 1}" for number in range(int(codes.max(initial=0)) + 1))
    words = f"Of {CLUSTERS} by k-means on the strongest principal components, largest first."
    return Property("cluster", PROPERTIES["cluster"], codes.astype(np.float32), kinds, words)


NOBODY = "No token is selected."

PROPERTIES: Mapping[str, str] = {
    "kind": "Kind of text",
    "norm": "Norm",
    "id": "Token id",
    "length": "Length of the text",
    "space": "Begins a word",
    "script": "Script",
    "cosine": "Cosine to the selected token",
    "position": "Share in the position subspace",
    "cluster": "Cluster",
}
"""Titles of all properties by name."""

_MAKERS: Mapping[str, Callable[[EmbeddingSpace, Which], Property]] = {
    "kind": _kind,
    "norm": _norm,
    "id": _id,
    "length": _length,
    "space": _space,
    "script": _script,
    "position": _position,
    "cluster": _cluster,
}

_KINDS = (
    "lower case",
    "Capitalised",
    "UPPER CASE",
    "mixed case",
    "letters without case",
    "number",
    "punctuation",
    "special or bytes",
    "letters and others",
)


def _kind_of(text: str) -> str:
    bare = text.removeprefix(CONTINUED).strip()
    special = len(bare) > 2 and bare[0] in "<[⟨" and bare[-1] in ">]⟩"
    if not bare or special or "\\x" in bare or "\ufffd" in bare:
        return "special or bytes"
    if bare.isalpha():
        return _case_of(bare)
    if all(unicodedata.category(c)[0] == "N" for c in bare):
        return "number"
    if not any(c.isalnum() for c in bare):
        return "punctuation"
    return "letters and others"


def _case_of(word: str) -> str:
    if word.islower():
        return "lower case"
    if word.isupper():
        # A single capital begins a name as often as it stands alone.
        return "Capitalised" if len(word) == 1 else "UPPER CASE"
    if word[0].isupper() and word[1:].islower():
        return "Capitalised"
    return "mixed case" if word.lower() != word.upper() else "letters without case"


def _script_of(text: str) -> str:
    letter = next((c for c in text if c.isalpha()), None)
    if letter is None:
        return NO_LETTER
    first = unicodedata.name(letter, OTHER).split(" ")[0]
    return "Chinese characters" if first == "CJK" else first.capitalize()
