"""What a change of a model does to what it predicts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ..record import Tokens

__all__ = ["METRICS", "Candidate", "Effect", "Metric", "Sweep"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

METRICS = ("logit", "difference", "probability", "kl")
"""Kinds of `Metric`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible next token before and after a change.

    Attributes
    ----------
    id, string
        The token.
    before, after
        Its probability.
    logit_change
        Its logit after the change minus before.
    rank_before, rank_after
        Its place by probability, 0 is the most probable.
    """

    id: int
    string: str
    before: float
    after: float
    logit_change: float
    rank_before: int
    rank_after: int


@dataclass(frozen=True, eq=False)
class Effect:
    """What changes do to the next token at one position.

    Attributes
    ----------
    tokens
        The prompt.
    position
        After which token the next one is predicted.
    changes
        Sentences that describe the changes.
    before, after
        Logits ``(vocab,)`` float32 without and with the changes.
    string
        The string of a token id.
    """

    tokens: Tokens
    position: int
    changes: tuple[str, ...]
    before: F32
    after: F32
    string: Callable[[int], str] = field(default=str, repr=False)

    @property
    def kl(self) -> float:
        """Kullback–Leibler divergence KL(before ‖ after) of the distributions, in nats.

        Σ p_before · (log p_before − log p_after); 0 where nothing changed.
        """
        return float(kl_divergence(self.before, self.after))

    def logit_change(self, ids: Sequence[int]) -> F32:
        """Logits after minus before of some tokens, ``(id,)``."""
        at = self._known(ids)
        return self.after[at] - self.before[at]

    def difference(self, token: int, other: int) -> tuple[float, float]:
        """Logit of one token minus that of another, before and after."""
        a, b = self._known([token, other])
        return float(self.before[a] - self.before[b]), float(self.after[a] - self.after[b])

    def candidates(self, count: int = 10, also: Sequence[int] = ()) -> list[Candidate]:
        """The most probable tokens before, then those only after, then those asked for.

        Parameters
        ----------
        count
            How many of each.
        also
            Token ids to list in any case.
        """
        before, after = log_softmax(self.before), log_softmax(self.after)
        ranks = [_ranks(before), _ranks(after)]
        best = [np.argsort(ranks_)[:count].tolist() for ranks_ in ranks]
        wanted = dict.fromkeys([*best[0], *best[1], *self._known(also)])
        return [
            Candidate(
                id=one,
                string=self.string(one),
                before=float(np.exp(before[one])),
                after=float(np.exp(after[one])),
                logit_change=float(self.after[one] - self.before[one]),
                rank_before=int(ranks[0][one]),
                rank_after=int(ranks[1][one]),
            )
            for one in wanted
        ]

    def _known(self, ids: Sequence[int]) -> list[int]:
        wrong = next((one for one in ids if not 0 <= one < len(self.before)), None)
        if wrong is not None:
            raise TomoError(f"The model has the tokens 0 to {len(self.before) - 1}, not {wrong}.")
        return [int(one) for one in ids]


@dataclass(frozen=True)
class Metric:
    """One number of a distribution of next tokens.

    Attributes
    ----------
    kind
        ``"logit"`` of `token`, its logit ``"difference"`` to `other`, its ``"probability"``, or
        ``"kl"``: KL(before ‖ after), the divergence of the unchanged distribution from the
        changed one, in nats.
    token, other
        Token ids.
    """

    kind: str = "kl"
    token: int | None = None
    other: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in METRICS:
            raise TomoError(f"There is no metric {self.kind!r}; there are: {', '.join(METRICS)}.")
        if self.kind != "kl" and self.token is None:
            raise TomoError(f"The metric {self.kind!r} needs a token: say which (token=…).")
        if self.kind == "difference" and self.other is None:
            raise TomoError("The difference of two logits needs a second token (other=…).")

    def __call__(self, logits: F32, unchanged: F32) -> F64:
        """The number for each row of ``(…, vocab)`` logits."""
        size = logits.shape[-1]
        for token in (self.token, self.other):
            if token is not None and not 0 <= token < size:
                raise TomoError(f"The model has the tokens 0 to {size - 1}, not {token}.")
        if self.kind == "kl":
            return kl_divergence(unchanged, logits)
        if self.kind == "probability":
            return np.asarray(np.exp(log_softmax(logits)[..., self.token]))
        chosen = logits[..., self.token].astype(np.float64)
        return chosen if self.kind == "logit" else chosen - logits[..., self.other]

    def title(self, string: Callable[[int], str] = str) -> str:
        """What it is, for an axis."""
        names = [f"“{string(one)}”" for one in (self.token, self.other) if one is not None]
        return {
            "kl": "KL(before ‖ after) in nats",
            "logit": f"logit of {names[0] if names else ''}",
            "probability": f"probability of {names[0] if names else ''}",
            "difference": f"logit of {' − '.join(names)}",
        }[self.kind]


@dataclass(frozen=True, eq=False)
class Sweep:
    """The effect of changing one component after the other.

    Attributes
    ----------
    tokens
        The prompt.
    position
        After which token the next one is predicted.
    over
        ``"heads"``: `values` are ``(layer, head)``, every head changed alone; ``"attention"``,
        ``"mlp"`` or a site of the stream: ``(layer, token)``, changed at one position alone.
    changes
        What was done to each, in a sentence.
    metric
        What is measured.
    values
        The metric with the change, float32.
    unchanged
        The metric without a change.
    source
        For patching the metric of the other prompt, at its own last position; else None.
    metric_title
        What the metric is, with the strings of its tokens.
    """

    tokens: Tokens
    position: int
    over: str
    changes: str
    metric: Metric
    values: F32
    unchanged: float
    source: float | None = None
    metric_title: str = ""

    @property
    def effects(self) -> F32:
        """The metric with the change minus that without."""
        return np.asarray(self.values - np.float32(self.unchanged), np.float32)

    @property
    def restored(self) -> F32 | None:
        """Share of the way from this prompt's metric to that of the other one, by patching.

        0 is no effect, 1 is as if the whole prompt were the other one. None where there is no
        other prompt, or both prompts have the same metric.
        """
        if self.source is None or self.source == self.unchanged:
            return None
        return np.asarray(self.effects / np.float32(self.source - self.unchanged), np.float32)

    def strongest(self, count: int = 10) -> list[tuple[int, int, float]]:
        """Places ``(layer, head or token)`` with the largest effects by magnitude, and these."""
        effects = self.effects
        order = np.argsort(-np.abs(effects), axis=None, kind="stable")[:count]
        places = (np.unravel_index(one, effects.shape) for one in order)
        return [(int(a), int(b), float(effects[a, b])) for a, b in places]


def log_softmax(logits: F32) -> F64:
    """Logarithm of the softmax over the last axis, in float64."""
    wide = logits.astype(np.float64)
    wide = wide - wide.max(-1, keepdims=True)
    return np.asarray(wide - np.log(np.exp(wide).sum(-1, keepdims=True)))


def kl_divergence(before: F32, after: F32) -> F64:
    """Σ p_before (log p_before − log p_after) over the last axis, in nats."""
    p, q = log_softmax(before), log_softmax(after)
    # A logit of −∞ has probability 0 and adds nothing.
    with np.errstate(invalid="ignore"):
        terms = np.where(np.isneginf(p), 0.0, np.exp(p) * (p - q))
    return np.asarray(np.maximum(terms.sum(-1), 0.0))


def _ranks(values: F64) -> NDArray[np.int64]:
    order = np.argsort(-values, kind="stable")
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order))
    return ranks
