"""What the model expects next, and what came."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..record import Activity
from .gather_norm import weight_of
from .story import Loss, Prediction

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["LARGEST", "gather_loss", "gather_prediction", "softmax", "string_of"]

F64 = NDArray[np.float64]

TOP = 10
"""Likeliest tokens that are listed."""

AFTER = 5
"""Likeliest tokens after the whole text."""

LARGEST = 2**27
"""Numbers of an embedding that are read as a whole: 0.5 GB as float32."""


def softmax(logits: F64) -> F64:
    """Probabilities over the last axis, in float64."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def string_of(model: "LanguageModel", number: int) -> str:
    """A token of the vocabulary as text; its number where there is no tokenizer."""
    return str(number) if model.tokenizer is None else str(model.tokenizer.string(number))


def gather_prediction(model: "LanguageModel", activity: Activity, token: int) -> Prediction | None:
    """What the model expects after a token; None where it has no logits."""
    if "logits" not in activity:
        return None
    logits = activity.read("logits", token).astype(np.float64)
    shares = softmax(logits)
    order = np.argsort(-logits, kind="stable")[:TOP]
    best = int(order[0])
    state = _final(activity, token)
    column, bias = None, 0.0
    if state is not None and len(state) * len(logits) <= LARGEST:
        table = weight_of(model, "unembedding")
        # A model may narrow the stream before its unembedding (OPT): then there is no one product.
        if table is not None and table.shape[0] == len(state):
            column = table[:, best]
            biases = weight_of(model, "unembedding_bias")
            bias = 0.0 if biases is None else float(biases[best])
    worked = None if column is None or state is None else float(state @ column) + bias
    cap = worked is not None and abs(worked - logits[best]) > 5e-3 * max(1.0, abs(logits[best]))
    last = softmax(activity.read("logits", -1).astype(np.float64))
    after = np.argsort(-last, kind="stable")[:AFTER]
    safe = shares[shares > 0]
    return Prediction(
        tuple(
            (int(i), string_of(model, int(i)), float(logits[i]), float(shares[i])) for i in order
        ),
        float(logits.max()),
        float(np.exp(logits - logits.max()).sum()),
        float(-(safe * np.log(safe)).sum()),
        state,
        column,
        bias,
        cap,
        tuple((string_of(model, int(i)), float(last[i])) for i in after),
        len(logits),
    )


def _final(activity: Activity, token: int) -> F64 | None:
    if "final" in activity:
        return activity.read("final", token).astype(np.float64)
    if "resid_post" in activity:
        return activity.read("resid_post", -1, token).astype(np.float64)
    return None


def gather_loss(activity: Activity, token: int) -> Loss | None:
    """How well each true next token was foreseen; None for one token, or without logits."""
    ids = activity.tokens.ids
    if "logits" not in activity or len(ids) < 2:
        return None
    shares, ranks = np.empty(len(ids) - 1), np.empty(len(ids) - 1, np.int64)
    losses = np.empty(len(ids) - 1)
    for position, true in enumerate(ids[1:].tolist()):
        # One row at a time: all rows in float64 may be a gigabyte.
        logits = activity.read("logits", position).astype(np.float64)
        top = logits.max()
        losses[position] = top + np.log(np.exp(logits - top).sum()) - logits[true]
        shares[position] = np.exp(-losses[position])
        ranks[position] = int((logits > logits[true]).sum())
    answer = int(ids[token + 1])
    strings = activity.tokens.strings
    return Loss((answer, strings[token + 1]), shares, losses, ranks, float(losses.mean()))
