"""What a model predicts next, and how well it foresaw the prompt that it read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ..record import Activity, Tokens
from .chances import F32, F64, NOT_FINITE, Chances, entropies, log_chances, ranks
from .words import position_of, strings_of

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["NextToken", "Reading", "StepTaken", "continuation", "next_token", "reading"]

LOGITS = 2**23
"""Logits that are held at a time."""


@dataclass(frozen=True, eq=False)
class NextToken:
    """What comes after a position, as a model sees it.

    Attributes
    ----------
    tokens
        The text up to and with the position.
    chances
        The whole distribution.
    ids
        Its likeliest tokens, ``(rank,)`` int64.
    strings
        Their strings.
    true
        Id of the token that does come next in the text, None at its end.
    model
        Name of the model.
    """

    tokens: Tokens
    chances: Chances
    ids: NDArray[np.int64]
    strings: tuple[str, ...]
    true: int | None
    model: str

    @property
    def labels(self) -> tuple[str, ...]:
        """`strings` with white space made visible."""
        return Tokens.of_ids(self.ids.tolist(), self.strings).labels

    @property
    def probability(self) -> F32:
        """Probabilities of `ids`, ``(rank,)`` float32."""
        return np.exp(self.chances.log_probability[self.ids])

    @property
    def rest(self) -> float:
        """Probability of all other tokens together."""
        return max(0.0, 1.0 - float(self.probability.sum(dtype=np.float64)))


@dataclass(frozen=True, eq=False)
class Reading:
    """How well a model foresaw each token of a text.

    The first token has nothing before it: its numbers are NaN, its rank 0.

    Attributes
    ----------
    tokens
        The text.
    surprisal
        −ln p of each token, given those before it, ``(token,)`` float64 nats.
    rank
        Its rank among all tokens, from 1, ``(token,)`` int64.
    entropy
        Uncertainty before it came, ``(token,)`` float64 nats.
    model
        Name of the model.
    """

    tokens: Tokens
    surprisal: F64
    rank: NDArray[np.int64]
    entropy: F64
    model: str

    @property
    def mean(self) -> float:
        """Mean surprisal in nats, which is the cross entropy; NaN for one token."""
        return float(self.surprisal[1:].mean()) if len(self.surprisal) > 1 else float("nan")

    @property
    def perplexity(self) -> float:
        """exp of the mean surprisal; NaN for one token."""
        return float(np.exp(self.mean))


@dataclass(frozen=True, eq=False)
class StepTaken:
    """One token of a continuation.

    Attributes
    ----------
    id, string
        The token that was taken.
    probability, rank
        Its probability as the model gives it, and its rank, from 1.
    chances
        The distribution that it was taken from.
    alternatives
        Ids of the likeliest tokens at this step, ``(rank,)``.
    strings
        Their strings.
    """

    id: int
    string: str
    probability: float
    rank: int
    chances: Chances
    alternatives: NDArray[np.int64]
    strings: tuple[str, ...]

    @property
    def label(self) -> str:
        """The token that was taken, white space visible."""
        return Tokens.of_ids([self.id], [self.string]).labels[0]

    @property
    def labels(self) -> tuple[str, ...]:
        """`strings` with white space made visible."""
        return Tokens.of_ids(self.alternatives.tolist(), self.strings).labels


def next_token(activity: Activity, position: int = -1, k: int = 10) -> NextToken:
    """What a model predicts after a position.

    Parameters
    ----------
    activity
        With its logits.
    position
        −1 is the last token of the text.
    k
        How many of the likeliest tokens to name.

    Raises
    ------
    TomoError
        The position is not there, or the model does not predict next tokens.
    """
    _must_predict(activity)
    place = position_of(activity, position)
    chances = Chances.of_logits(activity.read("logits", place))
    ids = chances.top(k)
    following = place + 1
    return NextToken(
        first_tokens(activity.tokens, following),
        chances,
        ids,
        strings_of(activity, ids),
        int(activity.tokens.ids[following]) if following < len(activity.tokens) else None,
        activity.source.name,
    )


def reading(activity: Activity) -> Reading:
    """How well a model foresaw each token of the text that it read.

    Raises
    ------
    TomoError
        The model does not predict next tokens, or its logits were not recorded.
    """
    _must_predict(activity)
    tokens = activity.tokens
    count, vocab = activity["logits"].shape
    surprisal, entropy = np.full((2, count), np.nan)
    rank = np.zeros(count, np.int64)
    step = max(1, LOGITS // vocab)
    for start in range(0, count - 1, step):
        stop = min(start + step, count - 1)
        logits = activity.read("logits", slice(start, stop))
        if not np.isfinite(logits.max()):
            raise TomoError(NOT_FINITE)
        chance = log_chances(logits)
        true = tokens.ids[start + 1 : stop + 1, None]
        surprisal[start + 1 : stop + 1] = -np.take_along_axis(chance, true, -1)[:, 0]
        rank[start + 1 : stop + 1] = ranks(chance, true)[:, 0]
        entropy[start + 1 : stop + 1] = entropies(chance)
    return Reading(tokens, surprisal, rank, entropy, activity.source.name)


def continuation(
    model: "LanguageModel",
    text: "str | Tokens",
    n: int = 20,
    k: int = 10,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[StepTaken]:
    """A text's continuation, token by token, each with what could have come instead.

    Parameters
    ----------
    model, text
        The model, and what it goes on from.
    n
        Tokens to add; fewer where the model ends its text.
    k
        How many alternatives to name at each step.
    temperature, top_k, top_p, seed
        As `LanguageModel.generate`; 0 takes the likeliest token.
    """
    names = str if model.tokenizer is None else model.tokenizer.string
    steps = model.generate(text, n, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    for step in steps:
        chances = Chances.of_logits(step.logits)
        ids = chances.top(k)
        yield StepTaken(
            int(step.id),
            step.string,
            float(np.exp(chances.log_probability[step.id])),
            chances.rank(int(step.id)),
            chances,
            ids,
            tuple(names(id) for id in ids.tolist()),
        )


def first_tokens(tokens: Tokens, count: int) -> Tokens:
    """The first tokens of a text."""
    return Tokens.of_ids(tokens.ids[:count].tolist(), tokens.strings[:count])


def _must_predict(activity: Activity) -> None:
    if activity.model is not None and not activity.model.causal:
        raise TomoError(
            f"{activity.source.name} is an encoder: it reads a text as a whole and does not "
            "predict next tokens."
        )
