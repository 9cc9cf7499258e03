"""The numbers of a head by name: what they are, how they are computed, who had the idea.

In all formulas A[i, j] is the attention that query i pays to key j, T the number of tokens. The
first token of a causal model sees nothing but itself, whatever the head: it is left out as a
query.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ...base import TomoError

__all__ = ["METRICS", "Metric", "metric"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of a head.

    Attributes
    ----------
    name
        As `HeadMetrics` knows it.
    title
        For an axis or a heading.
    formula
        How it is computed.
    meaning
        What a high value says, in a sentence.
    source
        Where the idea is from.
    unit
        ``"share"`` of attention from 0 to 1, ``"bits"``, ``"tokens"``, ``"norm"`` or
        ``"score"`` from −1 to 1.
    """

    name: str
    title: str
    formula: str
    meaning: str
    source: str
    unit: str = "share"


VIG = "Vig & Belinkov, 2019, Analyzing the structure of attention in a Transformer"
CLARK = "Clark et al., 2019, What does BERT look at?"
OLSSON = "Olsson et al., 2022, In-context learning and induction heads"
WANG = "Wang et al., 2022, Interpretability in the wild"
XIAO = "Xiao et al., 2023, Efficient streaming language models with attention sinks"
ELHAGE = "Elhage et al., 2021, A mathematical framework for Transformer circuits"
KOBAYASHI = "Kobayashi et al., 2020, Attention is not only a weight"

_ALL = (
    Metric(
        "previous",
        "previous token",
        "mean over i ≥ 1 of A[i, i−1]",
        "Looks at the token before.",
        CLARK,
    ),
    Metric(
        "next",
        "next token",
        "mean over i ≤ T−2 of A[i, i+1]",
        "Looks at the token after; only encoders can.",
        CLARK,
    ),
    Metric(
        "current",
        "current token",
        "mean of A[i, i]",
        "Looks at the token itself.",
        CLARK,
    ),
    Metric(
        "first",
        "first token",
        "mean over i ≥ 1 of A[i, 0]",
        "Rests on the first token: often a head that has nothing to do here.",
        f"{VIG}; {XIAO}",
    ),
    Metric(
        "special",
        "special tokens",
        "mean of the sum of A[i, j] over special tokens j",
        "Rests on tokens that the tokenizer added.",
        CLARK,
    ),
    Metric(
        "duplicate",
        "duplicate token",
        "mean, over i that have one, of the sum of A[i, j] over other j with the same token id "
        "(earlier ones in a causal model)",
        "Finds where the same token stood before.",
        WANG,
    ),
    Metric(
        "prefix",
        "after a duplicate",
        "mean, over i that have one, of the sum of A[i, j] over j < i with the token of i at j−1",
        "Finds what followed the same token before: induction on this text.",
        OLSSON,
    ),
    Metric(
        "nowhere",
        "no token",
        "mean of 1 − Σ A[i, j], where rows do not sum to 1",
        "Rests on a sink of the model's own that is no token.",
        XIAO,
    ),
    Metric(
        "last_peak",
        "last token's peak",
        "max over j of A[T−1, j]",
        "The last token, which predicts what comes next, takes from one place.",
        VIG,
    ),
    Metric(
        "last_first",
        "last to first token",
        "A[T−1, 0]",
        "The last token rests on the first.",
        XIAO,
    ),
    Metric(
        "entropy",
        "entropy",
        "mean of H[i] = −Σ p log₂ p, p = A[i, ·] / Σ A[i, ·]",
        "Spreads its attention over many keys.",
        f"{VIG}; {CLARK}",
        "bits",
    ),
    Metric(
        "spread",
        "relative entropy",
        "mean of H[i] / log₂ n[i] over queries with n[i] ≥ 2 visible keys (n[i] = i+1 in a causal "
        "model, T in an encoder)",
        "Spreads evenly over what it may see: 1 is uniform.",
        VIG,
    ),
    Metric(
        "distance",
        "mean distance",
        "mean of Σ p |i − j|, p = A[i, ·] / Σ A[i, ·]",
        "Looks far back.",
        VIG,
        "tokens",
    ),
    Metric(
        "induction",
        "induction (random)",
        "on [BOS] s s, s random tokens all different: mean over the second s of A[i, j], j the "
        "token after the first occurrence of token i",
        "Continues what it has seen before, whatever the words.",
        OLSSON,
    ),
    Metric(
        "random_duplicate",
        "duplicate (random)",
        "on [BOS] s s: mean over the second s of A[i, j], j the first occurrence of token i",
        "Finds where the same token stood before, whatever the words.",
        WANG,
    ),
    Metric(
        "random_previous",
        "previous (random)",
        "on [BOS] s s: mean over both s of A[i, i−1]",
        "Looks at the token before, whatever the words.",
        OLSSON,
    ),
    Metric(
        "output",
        "output norm",
        "mean over tokens of ‖W_O z[i]‖, z the values that the head gathered",
        "Writes much into the residual stream for this text.",
        KOBAYASHI,
        "norm",
    ),
    Metric(
        "copying",
        "copying",
        "Re Σ λ / Σ |λ|, λ the eigenvalues of the full OV circuit W_E W_V W_O W_U with the gains "
        "of its norms",
        "Raises the chance of the tokens that it looks at; −1: lowers it.",
        ELHAGE,
        "score",
    ),
    Metric(
        "positive",
        "positive eigenvalues",
        "share of λ with Re λ > 0, λ as in copying",
        "Raises the chance of what it looks at in many directions.",
        ELHAGE,
    ),
)

METRICS: Mapping[str, Metric] = {one.name: one for one in _ALL}
"""Every metric by name."""


def metric(name: str) -> Metric:
    """The metric of this name.

    Raises
    ------
    TomoError
        There is none; the message lists them.
    """
    if name not in METRICS:
        raise TomoError(f"There is no metric {name!r} of a head; there are: {', '.join(METRICS)}.")
    return METRICS[name]
