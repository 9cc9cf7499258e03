"""How a logit reads the residual stream: a direction in it, once the norms' scales are frozen.

A norm divides by its input's spread, which depends on everything that was written; with that
number held at what it was in this text, the rest of it is linear, and a logit is a sum over what
each part wrote (Elhage et al., "A mathematical framework for transformer circuits", 2021).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ..record import Activity
from .chances import F64

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["Directions", "directions"]


@dataclass(frozen=True, eq=False)
class Directions:
    """What of each part's output a logit reads, at one position.

    The dot product of an output with its direction is the part's share of the logit.

    Attributes
    ----------
    stream
        Direction at the end of the stream, before the final norm, ``(channel,)`` float64.
    mlp, attention
        Of what a block's MLP and its attention add, ``(layer, channel)``.
    heads
        Of what its heads give, which differs from `attention` where a norm follows the heads
        inside the branch, ``(layer, channel)``.
    embedding
        At the beginning of the stream, ``(channel,)``.
    constants
        Shares of the norms' and the unembedding's biases: name, layer (−1 for none), value.
    """

    stream: F64
    mlp: F64
    attention: F64
    heads: F64
    embedding: F64
    constants: tuple[tuple[str, int, float], ...]


def directions(
    activity: Activity, model: "LanguageModel", target: F64, bias: float, position: int
) -> Directions:
    """How a linear function of the final state reads each part's output.

    Parameters
    ----------
    activity
        With the residual stream.
    model
        Its model.
    target, bias
        The function of the stream after the final norm: a column of the unembedding or a
        difference of two, ``(channel,)``, and what is added.
    position
        Where it is read, from 0.
    """
    constants: list[tuple[str, int, float]] = []
    if bias:
        constants.append(("unembedding bias", -1, bias))
    read = target
    layers = activity.n_layers
    before = _row(activity, "resid_post", layers - 1, position)
    share, read = _back(model, "final_norm", None, before, read)
    if share:
        constants.append(("final norm bias", -1, share))
    stream = read
    post = model.scheme == "post-norm"
    mlp, attention, heads = np.zeros((3, layers, len(read)))
    for layer in reversed(range(layers)):
        if post:
            before = _row(activity, "resid_mid", layer, position)
            before = before + _row(activity, "mlp_out", layer, position)
            share, read = _back(model, "mlp_post_norm", layer, before, read)
            if share:
                constants.append((f"L{layer} MLP norm bias", layer, share))
        mlp[layer] = read
        if post:
            before = _row(activity, "resid_pre", layer, position)
            before = before + _row(activity, "attn_out", layer, position)
            share, read = _back(model, "attn_post_norm", layer, before, read)
            if share:
                constants.append((f"L{layer} attention norm bias", layer, share))
        attention[layer] = heads[layer] = read
        if model.scheme == "sandwich":
            before = gathered(activity, model, layer, position)
            share, heads[layer] = _back(model, "attn_post_norm", layer, before, read)
            if share:
                constants.append((f"L{layer} attention norm bias", layer, share))
    return Directions(stream, mlp, attention, heads, read, tuple(reversed(constants)))


def gathered(activity: Activity, model: "LanguageModel", layer: int, position: int) -> F64:
    """What the heads of a layer give together, before a norm of their branch, ``(channel,)``."""
    values = activity.read("z", layer, slice(None), position).astype(np.float64)
    total = sum(
        model.weight("o", layer=layer, head=head).astype(np.float64) @ one
        for head, one in enumerate(values)
    )
    found = optional(model, "o_bias", layer)
    return np.asarray(total if found is None else total + found, np.float64)


def optional(model: "LanguageModel", role: str, layer: int | None = None) -> F64 | None:
    """A weight as float64, None where the model has none."""
    try:
        return model.weight(role, layer=layer).astype(np.float64)
    except TomoError:
        return None


def _back(
    model: "LanguageModel", role: str, layer: int | None, before: F64, read: F64
) -> tuple[float, F64]:
    """A direction behind a norm as one before it, and the share of the norm's bias.

    Where there is no such norm both sides are the same.
    """
    try:
        scale = model.norm_scale(role, before.astype(np.float32), layer=layer)
    except TomoError:
        return 0.0, read
    bias = optional(model, f"{role}_bias", layer)
    gain = optional(model, role, layer)
    share = 0.0 if bias is None else float(bias @ read)
    inner = read if gain is None else gain * read
    if model.norm_kind == "layer":
        inner = inner - inner.mean()
    return share, inner / float(np.asarray(scale).squeeze())


def _row(activity: Activity, name: str, layer: int, position: int) -> F64:
    values: NDArray[np.float64] = activity.read(name, layer, position).astype(np.float64)
    return values
