"""Heads on random text that repeats itself: what they do whatever the words are.

A sequence [BOS] s s is read, s random tokens that are all different. A head that attends from a
token of the second s to the token after its first occurrence can only know by looking for it:
that is induction (Olsson et al., 2022, "In-context learning and induction heads", where the mean
of that attention is the prefix-matching score).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...base import Progress, TomoError
from .metrics import HeadMetrics

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["Repeated", "repeated_metrics", "repeated_scores", "repeated_sequence"]

LENGTH = 50
"""Tokens of s: long enough that chance attention, about 1/LENGTH, is small."""

SEQUENCES = 4
"""Random sequences that are averaged."""

SHORTEST = 2
"""Tokens of s at least: of one token, the previous token is the first occurrence itself."""


@dataclass(frozen=True, eq=False)
class Repeated:
    """A random sequence that repeats itself.

    Attributes
    ----------
    ids
        ``(token,)`` int64: [BOS] s s.
    length
        Tokens of s.
    begin
        Where the first s begins: 1 after a BOS, 0 without one.
    """

    ids: NDArray[np.int64]
    length: int
    begin: int


def repeated_sequence(model: "LanguageModel", length: int = LENGTH, seed: int = 0) -> Repeated:
    """A random sequence that repeats itself, of the tokens of a model's vocabulary.

    Parameters
    ----------
    model
        Gives the vocabulary, and BOS if its tokenizer has one.
    length
        Tokens of s; fewer where the context or the vocabulary is small. Special tokens and ids
        without a text are not drawn.
    seed
        Of NumPy's PCG64.

    Raises
    ------
    TomoError
        The vocabulary or the context is too small for any.
    """
    tokenizer = model.tokenizer
    n_ids = model.sizes.vocab or 0
    begin = None if tokenizer is None else tokenizer.begin
    drawn = np.arange(n_ids)
    if tokenizer is not None:
        strings, special = tokenizer.vocabulary, tokenizer.special
        drawn = np.array(
            [id for id in range(n_ids) if id not in special and strings[id] != f"⟨{id}⟩"], np.int64
        )
    offset = 0 if begin is None else 1
    room = len(drawn) if model.sizes.context is None else (model.sizes.context - offset) // 2
    length = min(length, len(drawn), room)
    if length < SHORTEST:
        raise TomoError(
            f"{model.name} has too few tokens or too short a context for a text that repeats "
            "itself."
        )
    chosen = np.random.default_rng(seed).choice(drawn, length, replace=False)
    head = [] if begin is None else [begin]
    return Repeated(np.concatenate([head, chosen, chosen]).astype(np.int64), length, offset)


def repeated_scores(pattern: NDArray[np.float32], repeated: Repeated) -> HeadMetrics:
    """``induction``, ``random_duplicate`` and ``random_previous`` of a pattern on such a sequence.

    Parameters
    ----------
    pattern
        ``(layer, head, query, key)`` of the model that read ``repeated.ids``.
    repeated
        The sequence.
    """
    first = repeated.begin + np.arange(repeated.length)
    second = first + repeated.length
    both = np.concatenate([first, second])
    both = both[both > 0]
    pairs = {
        "induction": (second, first + 1),
        "random_duplicate": (second, first),
        "random_previous": (both, both - 1),
    }
    return HeadMetrics(
        {
            name: np.asarray(pattern, np.float64)[:, :, queries, keys].mean(axis=-1)
            for name, (queries, keys) in pairs.items()
        }
    )


def repeated_metrics(
    model: "LanguageModel",
    length: int = LENGTH,
    sequences: int = SEQUENCES,
    seed: int = 0,
    progress: Progress | None = None,
) -> HeadMetrics:
    """`repeated_scores` of a model, mean over some sequences.

    Parameters
    ----------
    model
        What reads them.
    length
        Tokens of s.
    sequences
        How many are read.
    seed
        The first is drawn with this seed, the next with the next.
    progress
        Told of each run.

    Raises
    ------
    TomoError
        The model is an encoder, or too small for such a text.
    Cancelled
        `progress` asked to stop.
    """
    if not model.causal:
        raise TomoError(
            f"{model.name} is an encoder: it sees the whole text at once, so induction, which "
            "guesses what comes next, is not defined for it."
        )
    found = []
    for number in range(sequences):
        repeated = repeated_sequence(model, length, seed + number)
        activity = model.run(repeated.ids, what=("pattern",), progress=progress)
        found.append(repeated_scores(activity.read("pattern"), repeated))
    return HeadMetrics({name: np.mean([one[name] for one in found], axis=0) for name in found[0]})
