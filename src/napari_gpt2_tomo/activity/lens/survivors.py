"""Which tokens survive temperature, top-k and top-p, and with what probability."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...base import TomoError
from .chances import Chances, strongest

__all__ = ["Sampling", "sampling"]

F32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sampling:
    """A distribution before and after the settings that a token is drawn with.

    Attributes
    ----------
    before
        Probability of each token as the model gives it, ``(vocab,)`` float32.
    after
        With the temperature, what is cut off at 0, scaled to sum to 1, ``(vocab,)`` float32.
    kept
        Which tokens can still be drawn, ``(vocab,)`` bool.
    rules
        What was done, for a person; empty where the distribution is the model's own.
    """

    before: F32
    after: F32
    kept: NDArray[np.bool_]
    rules: tuple[str, ...]

    @property
    def mass(self) -> float:
        """Probability, before the settings, of the tokens that are kept."""
        return float(self.before[self.kept].sum(dtype=np.float64))


def sampling(
    logits: ArrayLike,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Sampling:
    """What sampling settings make of a distribution.

    They act in the order of transformers' ``generate``: the logits are divided by the temperature;
    the `top_k` largest stay; of these, in falling order, the fewest whose probabilities reach
    `top_p` stay. The likeliest token always does.

    Parameters
    ----------
    logits
        ``(vocab,)``.
    temperature
        0 takes the likeliest token.
    top_k
        Number of tokens; None or 0 for all.
    top_p
        Probability between 0 and 1; None or 1 for all.

    Raises
    ------
    TomoError
        A setting is out of its range.
    """
    if temperature < 0 or not np.isfinite(temperature):
        raise TomoError(f"The temperature is 0 or more, not {temperature}.")
    if top_k is not None and top_k < 0:
        raise TomoError(f"Top-k is a number of tokens, 0 for all, not {top_k}.")
    if top_p is not None and not 0 < top_p <= 1:
        raise TomoError(f"Top-p is above 0 and at most 1, not {top_p}.")
    model = Chances.of_logits(logits)
    rules: list[str] = []
    if temperature == 0:
        kept = np.zeros(len(model.logits), bool)
        kept[model.top(1)] = True
        return Sampling(model.probability, kept.astype(np.float32), kept, ("temperature 0",))
    scaled = model.logits / np.float32(temperature)
    if temperature != 1:
        rules.append(f"temperature {temperature:g}")
    kept = np.isfinite(scaled)
    if top_k:
        kept &= np.isin(np.arange(len(scaled)), strongest(scaled, top_k))
        rules.append(f"top-k {top_k}")
    if top_p is not None and top_p < 1:
        kept &= _nucleus(np.where(kept, scaled, -np.inf), top_p)
        rules.append(f"top-p {top_p:g}")
    after = Chances.of_logits(np.where(kept, scaled, -np.inf)).probability
    return Sampling(model.probability, after, kept, tuple(rules))


def _nucleus(logits: F32, top_p: float) -> NDArray[np.bool_]:
    """The fewest tokens whose probabilities reach `top_p`."""
    chance = Chances.of_logits(logits).probability
    order = np.argsort(-chance, kind="stable")
    before = np.cumsum(chance[order], dtype=np.float64) - chance[order]
    kept = np.zeros(len(chance), bool)
    kept[order[before < top_p]] = True
    return kept
