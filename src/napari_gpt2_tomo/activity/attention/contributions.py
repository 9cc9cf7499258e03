"""Why a head looks where it does, and what comes of it, for the tokens of one text."""

import numpy as np
from numpy.typing import NDArray

from ..record import Activity
from .circuits import Circuits
from .values import key_value_head, model_of

__all__ = ["score_terms", "written_logits"]

F32 = NDArray[np.float32]


def score_terms(activity: Activity, layer: int, head: int, query: int) -> F32:
    """What each dimension of a head adds to the score of a query with each key.

    Parameters
    ----------
    activity
        With ``q`` and ``k``; those after rotary positions are taken where there are such.
    layer, head
        Which head.
    query
        Position of the query.

    Returns
    -------
    numpy.ndarray
        ``(key, d_head)``: q[i, d] · k[j, d]; the sum over d is the score before it is scaled,
        capped or shifted by a bias of positions.

    Raises
    ------
    TomoError
        Queries or keys were not recorded.
    """
    rotary = "rot_q" in activity and "rot_k" in activity
    queries, keys = ("rot_q", "rot_k") if rotary else ("q", "k")
    shared = head * activity[keys].shape[1] // activity[queries].shape[1]
    terms: F32 = activity.read(queries, layer, head, query) * activity.read(keys, layer, shared)
    return terms


def written_logits(
    activity: Activity, circuits: Circuits, layer: int, head: int, source: int, query: int
) -> F32:
    """What a head adds to the logits at a query by what it takes from one source: ``(vocab,)``.

    A[i, j] W_Uᵀ W_O v(j) / σ(i), with the gain of the final norm in W_U, σ what it divides the
    last state of the query by, and W_U centred over the vocabulary. The sum over sources is the
    direct effect of the head on the logits, apart from the bias of W_O. What later layers make
    of it is not in it, nor is a norm after the attention.

    Parameters
    ----------
    activity
        With ``pattern``, ``v`` and ``resid_post``, and its model.
    circuits
        Of that model.
    layer, head
        Which head.
    source, query
        Positions.

    Raises
    ------
    TomoError
        What is needed was not recorded, the model is not loaded, or it has no logits.
    """
    model = model_of(activity, "What a head adds to the logits")
    value = activity.read("v", layer, key_value_head(activity, head), source)
    share = float(activity.read("pattern", layer, head, query, source))
    written = circuits.weights.weight("o", layer, head) @ value * share
    if "final" in activity:
        state = activity.read("resid_post", -1, query)
        written = written / float(model.norm_scale("final_norm", state)[..., 0])
    logits: F32 = (written @ circuits.unembedding).astype(np.float32)
    return logits
