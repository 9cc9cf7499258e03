"""Norm gains per channel against how much the channel tells about position."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ..record import Activity
from .norm import NORMS, NormWhere

__all__ = ["Gains", "norm_gains", "rank_correlation"]

F32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Gains:
    """Gains of one kind of norm in every layer, and a deviation per channel.

    Attributes
    ----------
    title
        Which norms.
    gains
        ``(layer, channel)`` float32 as the computation uses them.
    sigma
        ``(layer, channel)`` float32: the standard deviation that a gain is held against.
    meaning
        What `sigma` is.
    correlation
        ``(layer,)``: rank correlation (Spearman) of gain and sigma.
    """

    title: str
    gains: F32
    sigma: F32
    meaning: str
    correlation: F32


def norm_gains(activity: Activity, where: NormWhere = "attn_norm") -> Gains:
    """Gains of a norm in every layer against the deviation of the channels.

    For learned positions that is the deviation of each channel of the position embedding over
    the positions; for other models that of the stream over the tokens of this prompt, where the
    norm reads it.

    Raises
    ------
    TomoError
        The model is not there, or its norms have no gains.
    """
    model = activity.model
    if model is None:
        raise TomoError(f"Gains need the model {activity.source.name}: run it again.")
    layers = [None] if where == "final_norm" else list(range(activity.n_layers))
    gains = np.stack([np.asarray(model.weight(where, layer=one), np.float32) for one in layers])
    sigma: F32
    if model.positions == "learned":
        position = np.asarray(model.weight("position_embedding"), np.float32)
        sigma = np.broadcast_to(position.std(axis=1), gains.shape)
        meaning = "σ of the position embedding over positions"
    else:
        site = "resid_post" if where == "final_norm" else "resid_pre"
        if where == "mlp_norm" and "resid_mid" in activity:
            site = "resid_mid"
        stream = activity.read(site)
        sigma = stream[-1:].std(axis=1) if where == "final_norm" else stream.std(axis=1)
        meaning = "σ of the stream over the tokens of the prompt"
    pairs = zip(gains, sigma, strict=True)
    correlation = np.array([rank_correlation(a, b) for a, b in pairs], np.float32)
    return Gains(NORMS[where], gains, np.asarray(sigma, np.float32), meaning, correlation)


def rank_correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Spearman's rank correlation, equal values sharing their mean rank; NaN for constants."""
    x, y = _ranks(a), _ranks(b)
    x -= x.mean()
    y -= y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else float("nan")


def _ranks(values: NDArray[np.float32]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts).astype(np.float64)
    mean: NDArray[np.float64] = last - (counts - 1) / 2
    return np.asarray(mean[inverse], np.float64)
