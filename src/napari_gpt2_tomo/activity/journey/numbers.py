"""What a token's path through the residual stream is made of, as numbers per state."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..record import Activity
from ..record.states import States, states
from .outliers import norms

__all__ = ["Journey", "Updates", "cosine", "journey", "updates"]

F32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Journey:
    """Numbers of every state of every token; NaN where there is nothing to compare with.

    Attributes
    ----------
    states
        The states, in forward order.
    norm
        ``(state, token)``: Euclidean norm.
    own
        ``(state, token)``: cosine to the token's own embedding.
    following
        ``(state, token)``: cosine to the embedding of the token that follows in the text; NaN
        for the last one.
    predicted
        ``(state, token)``: cosine to the direction in the unembedding of the token that the model
        puts first in its place; None where the model or its logits are not there.
    predicted_ids
        ``(token,)``: ids of those tokens; None as `predicted`.
    last
        ``(state, token)``: cosine to the token's last state before the final norm, where all that
        the blocks do has been done.
    distance
        ``(state, token)``: Euclidean distance from the centroid of the tokens' states.
    spread
        ``(state,)``: trace of the tokens' covariance: the mean square of `distance`.
    """

    states: States
    norm: F32
    own: F32 | None
    following: F32 | None
    predicted: F32 | None
    predicted_ids: NDArray[np.int64] | None
    last: F32
    distance: F32
    spread: F32


@dataclass(frozen=True, eq=False)
class Updates:
    """What attention and MLPs add to the stream, ``(layer, token)`` each.

    Attributes
    ----------
    attention, mlp
        Norm of what is added.
    attention_share, mlp_share
        That norm over the norm of the stream that it is added to.
    attention_cosine, mlp_cosine
        Its cosine with that stream: above 0 it strengthens what is there, below 0 it takes away.
    """

    attention: F32
    mlp: F32
    attention_share: F32
    mlp_share: F32
    attention_cosine: F32
    mlp_cosine: F32


def cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> F32:
    """Cosine of the angle along the last axis, broadcast over the others; NaN for a zero vector."""
    dot = np.einsum("...c,...c->...", a, b, dtype=np.float64)
    lengths = norms(a).astype(np.float64) * norms(b)
    out = np.full(np.broadcast(dot, lengths).shape, np.nan)
    np.divide(dot, lengths, out=out, where=lengths > 0)
    return np.asarray(np.clip(out, -1.0, 1.0), np.float32)


def journey(activity: Activity, halves: bool = True) -> Journey:
    """The numbers of every path.

    Parameters
    ----------
    activity
        With the residual stream; token embeddings, logits and the model add to what is known.
    halves
        Whether the states between attention and MLP are steps of their own.

    Raises
    ------
    TomoError
        The residual stream was not recorded.
    """
    found = states(activity, halves=halves)
    values = np.asarray(found.values, np.float32)
    own, following = _to_embeddings(activity, values)
    predicted, ids = _to_predicted(activity, values)
    before = [index for index, kind in enumerate(found.kind) if kind != "final"]
    centroid = values.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    distance = norms(values - centroid)
    return Journey(
        states=found,
        norm=norms(values),
        own=own,
        following=following,
        predicted=predicted,
        predicted_ids=ids,
        last=cosine(values, values[before[-1]]),
        distance=distance,
        spread=np.square(distance, dtype=np.float64).mean(axis=1).astype(np.float32),
    )


def updates(activity: Activity) -> Updates | None:
    """What attention and MLPs add; None where that or the stream before it was not recorded."""
    if not {"attn_out", "mlp_out", "resid_pre"} <= set(activity):
        return None
    attention, mlp = activity.read("attn_out"), activity.read("mlp_out")
    before = activity.read("resid_pre")
    # In parallel blocks both are added to the same stream.
    middle = activity.read("resid_mid") if "resid_mid" in activity else before
    return Updates(
        attention=norms(attention),
        mlp=norms(mlp),
        attention_share=_share(attention, before),
        mlp_share=_share(mlp, middle),
        attention_cosine=cosine(attention, before),
        mlp_cosine=cosine(mlp, middle),
    )


def _share(update: F32, stream: F32) -> F32:
    lengths = norms(stream)
    out = np.full_like(lengths, np.nan)
    return np.divide(norms(update), lengths, out=out, where=lengths > 0)


def _to_embeddings(activity: Activity, values: F32) -> tuple[F32 | None, F32 | None]:
    if "embed" not in activity or activity["embed"].shape != values.shape[1:]:
        return None, None
    embeddings = activity.read("embed")
    following = np.full(values.shape[:2], np.nan, np.float32)
    following[:, :-1] = cosine(values[:, :-1], embeddings[1:])
    return cosine(values, embeddings), following


def _to_predicted(activity: Activity, values: F32) -> tuple[F32 | None, NDArray[np.int64] | None]:
    if "logits" not in activity or activity.model is None:
        return None, None
    ids = activity.read("logits").argmax(axis=-1).astype(np.int64)
    table = activity.model.weight("unembedding")
    if table.shape[0] != values.shape[-1]:
        return None, None
    return cosine(values, np.ascontiguousarray(table[:, ids].T)), ids
