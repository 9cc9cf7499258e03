"""Two prompts in one model, or two models on one prompt, side by side."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ..record import Activity, Tokens
from ..record.states import states
from .chances import F64, strongest
from .prediction import NextToken, next_token

__all__ = ["NextComparison", "StreamComparison", "compare_next", "compare_streams", "titles"]

LONGEST = 28
"""Characters of a title; a longer prompt shows its end, which is what is continued."""


@dataclass(frozen=True, eq=False)
class NextComparison:
    """Two predictions of the next token.

    Attributes
    ----------
    titles
        What tells the two apart: prompts, or names of models.
    labels
        The likeliest tokens of both, white space visible, ``(row,)``; the likeliest in either
        come first.
    first, second
        Their probabilities, ``(row,)`` float64. NaN where a vocabulary lacks the token.
    kl_first, kl_second
        KL(first‖second) and KL(second‖first) in nats.
    jensen_shannon
        Jensen–Shannon divergence in nats, from 0 to ln 2.
    covered
        Probability that each model gives to tokens that both vocabularies have. The divergences
        are between what is left when both are scaled to sum to 1 over these.
    notes
        What could not be compared.
    """

    titles: tuple[str, str]
    labels: tuple[str, ...]
    first: F64
    second: F64
    kl_first: float
    kl_second: float
    jensen_shannon: float
    covered: tuple[float, float]
    notes: tuple[str, ...] = ()

    @property
    def difference(self) -> F64:
        """`second` − `first`, ``(row,)``; a token that a vocabulary lacks counts as 0 there."""
        difference: F64 = np.nan_to_num(self.second) - np.nan_to_num(self.first)
        return difference


@dataclass(frozen=True, eq=False)
class StreamComparison:
    """How alike the residual streams of two activities are.

    Attributes
    ----------
    titles
        What tells the two apart.
    names, layers
        The states, ``(state,)``.
    cosine
        Cosine of the two streams, ``(state, position)`` float64; NaN where one is zero.
    labels
        The tokens that stand at these positions, as ``first`` or ``first | second``.
    notes
        What limits the comparison.
    """

    titles: tuple[str, str]
    names: tuple[str, ...]
    layers: NDArray[np.int64]
    cosine: F64
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()


def titles(first: Activity, second: Activity) -> tuple[str, str]:
    """What tells two activities apart: the models, or else the prompts, or their changes."""
    if _model(first) != _model(second):
        names = first.source.name, second.source.name
        return names if names[0] != names[1] else (f"{names[0]} (1)", f"{names[1]} (2)")
    if first.text != second.text:
        return _short(first.text), _short(second.text)
    if first.source.changes != second.source.changes:
        return _changes(first), _changes(second)
    return "first", "second"


def compare_next(
    first: Activity, second: Activity, position: int = -1, other_position: int = -1, k: int = 10
) -> NextComparison:
    """Two predictions of the next token, also of models with different vocabularies.

    Tokens are compared by id where both models have the same vocabulary, else by their strings.

    Parameters
    ----------
    first, second
        With their logits.
    position, other_position
        Where each is read; −1 is the last token.
    k
        How many of the likeliest tokens of each to name.

    Raises
    ------
    TomoError
        A model does not predict next tokens, or the two have no token in common.
    """
    one, other = next_token(first, position, k), next_token(second, other_position, k)
    notes: tuple[str, ...] = ()
    words = _vocabulary(first, one), _vocabulary(second, other)
    if words[0] == words[1]:
        p, q = (item.chances.probability.astype(np.float64) for item in (one, other))
        names = words[0]
        shared = np.ones(len(p), bool)
    else:
        p, q, names = _by_string(words, (one, other))
        shared = np.isfinite(p) & np.isfinite(q)
        if not shared.any():
            raise TomoError(
                f"{first.source.name} and {second.source.name} have no token in common."
            )
        notes = _what_is_left_out(first, second, p, q, shared)
    known = np.nan_to_num(p), np.nan_to_num(q)
    rows = _rows(*known, k)
    covered = float(known[0][shared].sum()), float(known[1][shared].sum())
    a, b = known[0][shared] / covered[0], known[1][shared] / covered[1]
    middle = (a + b) / 2
    strings = [names[row] for row in rows]
    return NextComparison(
        titles(first, second),
        Tokens.of_ids(rows.tolist(), strings).labels,
        p[rows],
        q[rows],
        _relative(a, b),
        _relative(b, a),
        (_relative(a, middle) + _relative(b, middle)) / 2,
        covered,
        notes,
    )


def compare_streams(first: Activity, second: Activity, halves: bool = True) -> StreamComparison:
    """Cosine of two residual streams, state by state.

    Position by position where both texts have as many tokens, else at their last tokens.

    Raises
    ------
    TomoError
        The two streams have different widths or depths.
    """
    one, other = states(first, halves=halves), states(second, halves=halves)
    if one.values.shape[-1] != other.values.shape[-1] or one.names != other.names:
        raise TomoError(
            f"The stream of {first.source.name} has {one.values.shape[-1]} channels and "
            f"{first.n_layers} layers, that of {second.source.name} {other.values.shape[-1]} and "
            f"{second.n_layers}: there is no cosine between them."
        )
    a, b = np.asarray(one.values, np.float64), np.asarray(other.values, np.float64)
    strings = first.tokens.labels, second.tokens.labels
    notes = []
    if len(strings[0]) != len(strings[1]):
        notes.append(
            f"The texts have {len(strings[0])} and {len(strings[1])} tokens: compared at the last."
        )
        a, b = a[:, -1:], b[:, -1:]
        strings = strings[0][-1:], strings[1][-1:]
    if _model(first) != _model(second):
        notes.append(
            "The models have bases of their own: only for models that were trained from the same "
            "start does a cosine between them mean something."
        )
    length = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    cosine = np.full(length.shape, np.nan)
    np.divide((a * b).sum(axis=-1), length, out=cosine, where=length > 0)
    pairs = zip(*strings, strict=True)
    labels = tuple(x if x == y else f"{x} | {y}" for x, y in pairs)
    return StreamComparison(
        titles(first, second), one.names, one.layer, cosine, labels, tuple(notes)
    )


def _model(activity: Activity) -> tuple[str | None, str]:
    return activity.source.path, activity.source.name


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"…{line[1 - LONGEST :]}"


def _changes(activity: Activity) -> str:
    return _short("; ".join(activity.source.changes) or "unchanged")


def _vocabulary(activity: Activity, found: NextToken) -> tuple[str, ...]:
    tokenizer = None if activity.model is None else activity.model.tokenizer
    if tokenizer is None:
        return tuple(f"#{id}" for id in range(len(found.chances.logits)))
    words = tuple(tokenizer.vocabulary)
    return words + tuple(f"#{id}" for id in range(len(words), len(found.chances.logits)))


def _by_string(
    words: tuple[tuple[str, ...], tuple[str, ...]], found: tuple[NextToken, NextToken]
) -> tuple[F64, F64, tuple[str, ...]]:
    """Probabilities over the strings of both vocabularies, NaN where one lacks a string."""
    places = {string: place for place, string in enumerate(dict.fromkeys(words[0] + words[1]))}
    columns = []
    for own, item in zip(words, found, strict=True):
        sums = np.zeros(len(places))
        index = np.array([places[string] for string in own])
        # Several ids may read alike; a reader cannot tell them apart, so they count together.
        np.add.at(sums, index, item.chances.probability[: len(own)].astype(np.float64))
        known = np.zeros(len(places), bool)
        known[index] = True
        columns.append(np.where(known, sums, np.nan))
    return columns[0], columns[1], tuple(places)


def _what_is_left_out(
    first: Activity, second: Activity, p: F64, q: F64, shared: NDArray[np.bool_]
) -> tuple[str, ...]:
    known = f"The vocabularies differ: {int(shared.sum()):,} tokens are in both, compared by text."
    parts = [
        f"{activity.source.name} puts {np.nansum(values[~shared]):.1%} of its probability on "
        "tokens that the other lacks"
        for activity, values in ((first, p), (second, q))
        if np.isfinite(values[~shared]).any()
    ]
    return (known, *(f"{part}." for part in parts))


def _rows(p: F64, q: F64, k: int) -> NDArray[np.int64]:
    """The likeliest of both, the likeliest in either first."""
    best = np.union1d(strongest(p.astype(np.float32), k), strongest(q.astype(np.float32), k))
    larger = np.maximum(p[best], q[best])
    rows: NDArray[np.int64] = best[np.argsort(-larger, kind="stable")].astype(np.int64)
    return rows


def _relative(a: F64, b: F64) -> float:
    """KL(a‖b) in nats, for probabilities."""
    possible = a > 0
    with np.errstate(divide="ignore"):
        terms = a[possible] * (np.log(a[possible]) - np.log(b[possible]))
    return max(0.0, float(terms.sum()))
