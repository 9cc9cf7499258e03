"""Norms at work, and weights that may not be there."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from .facts import Facts
from .story import Norm

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["gather_norm", "weight_of"]

F64 = NDArray[np.float64]

CLOSE = 5e-3
"""Share of the largest value by which the formula may miss in a model that computes in float16."""


def weight_of(model: "LanguageModel", role: str, **where: Any) -> F64 | None:
    """A weight as float64; None where the model has none of this role."""
    try:
        return np.asarray(model.weight(role, **where), np.float64)
    except TomoError:
        return None


def gather_norm(
    model: "LanguageModel",
    facts: Facts,
    where: str,
    before: F64,
    layer: int | None = None,
    after: F64 | None = None,
) -> Norm | None:
    """What a norm does to one vector; None where the model has no such norm.

    Parameters
    ----------
    where
        ``"attn_norm"``, ``"mlp_norm"`` or ``"final_norm"``.
    before, after
        ``(channel,)``; `after` is asked of the model where it was not recorded.
    """
    if after is None:
        try:
            after = np.asarray(
                model.norm(where, before.astype(np.float32)[None], layer=layer)[0], np.float64
            )
        except TomoError:
            return None
    kind = model.norm_kind
    gain = weight_of(model, where, layer=layer)
    bias = weight_of(model, f"{where}_bias", layer=layer)
    mean = float(before.mean()) if kind == "layer" else 0.0
    variance = float(((before - mean) ** 2).mean())
    made = (before - mean) / np.sqrt(variance + (facts.epsilon or 0.0))
    if gain is not None:
        made = made * gain
    if bias is not None:
        made = made + bias
    exact = bool(np.abs(made - after).max() <= CLOSE * (np.abs(after).max() or 1.0))
    return Norm(kind, facts.epsilon, before, after, gain, bias, mean, variance, exact)
