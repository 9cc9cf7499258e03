"""What a pattern carries: attention weighted with the values that it moves.

A head adds Σ_j A[i, j] f(j) to the stream at query i, f(j) = W_O v(j): how much key j matters is
‖A[i, j] f(j)‖, not A[i, j] alone (Kobayashi et al., 2020, "Attention is not only a weight"). Heads
rest on the first token because its f is short. The bias of v is part of v; the bias of W_O and a
norm after the attention belong to no pair and are left out.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ..record import Activity

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = [
    "key_value_head",
    "layer_value_norms",
    "model_of",
    "output_norms",
    "value_norms",
    "weighted_pattern",
]

F32 = NDArray[np.float32]
Floats = NDArray[np.float64]


def model_of(activity: Activity, what: str) -> "LanguageModel":
    """The loaded model of an activity.

    Raises
    ------
    TomoError
        It is not loaded; the message says that `what` needs it.
    """
    if activity.model is None:
        raise TomoError(f"{what} needs the model: run it again on this text.")
    return activity.model


def key_value_head(activity: Activity, head: int) -> int:
    """The key/value head that a query head reads, ⌊h · n_kv / n_heads⌋."""
    heads = activity["z"].shape[1] if "z" in activity else activity["pattern"].shape[1]
    return int(head * activity["v"].shape[1] // heads)


def value_norms(activity: Activity, layer: int, head: int) -> Floats:
    """Length of what a head would add for each key if it took it whole: ‖W_O v(j)‖, ``(token,)``.

    Raises
    ------
    TomoError
        The values were not recorded, or the model is not loaded.
    """
    values = activity.read("v", layer, key_value_head(activity, head))
    model = model_of(activity, "The value-weighted pattern")
    return _lengths(values, model.weight("o", layer, head))


def layer_value_norms(activity: Activity, layer: int) -> Floats:
    """`value_norms` of all heads of a layer, ``(head, token)``; its weights are read once.

    Raises
    ------
    TomoError
        See `value_norms`.
    """
    values = activity.read("v", layer)
    out = model_of(activity, "The value-weighted pattern").weight("o", layer)
    heads = activity["pattern"].shape[1]
    size = out.shape[1] // heads
    return np.array(
        [
            _lengths(
                values[key_value_head(activity, head)], out[:, head * size : (head + 1) * size]
            )
            for head in range(heads)
        ]
    )


def weighted_pattern(activity: Activity, layer: int, head: int) -> F32:
    """``(query, key)``: A[i, j] ‖W_O v(j)‖, in units of the residual stream.

    Raises
    ------
    TomoError
        See `value_norms`.
    """
    norms = value_norms(activity, layer, head)
    return (activity.read("pattern", layer, head) * norms).astype(np.float32)


def output_norms(activity: Activity) -> Floats:
    """Length of what each head adds to the stream, mean over the tokens: ``(layer, head)``.

    Raises
    ------
    TomoError
        Neither the heads' outputs nor what they gathered was recorded, or the model is not loaded.
    """
    if "head_out" in activity:
        outputs = activity["head_out"]
        return np.array(
            [
                np.linalg.norm(np.asarray(outputs[layer], np.float64), axis=-1).mean(axis=-1)
                for layer in range(len(outputs))
            ]
        )
    gathered = activity["z"]
    model = model_of(activity, "The norm of a head's output")
    norms = []
    for layer in range(len(gathered)):
        rows = activity.read("z", layer)
        out = model.weight("o", layer)
        size = rows.shape[-1]
        norms.append(
            [
                _lengths(one, out[:, head * size : (head + 1) * size]).mean()
                for head, one in enumerate(rows)
            ]
        )
    return np.array(norms)


def _lengths(vectors: F32, weight: F32) -> Floats:
    """‖W_O x‖ for rows x ``(token, d_head)`` and W_O ``(channel, d_head)``; through W_Oᵀ W_O,
    which is small.
    """
    rows, out = np.asarray(vectors, np.float64), np.asarray(weight, np.float64)
    squares = np.einsum("td,de,te->t", rows, out.T @ out, rows, optimize=True)
    lengths: Floats = np.sqrt(np.maximum(squares, 0))
    return lengths
