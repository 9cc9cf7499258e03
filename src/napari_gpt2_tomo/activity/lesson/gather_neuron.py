"""The neuron that adds most to the stream of the followed token."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ..record import Activity
from .facts import Facts, activation_of
from .gather_norm import weight_of
from .story import Neuron

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["gated", "gather_neuron"]

F64 = NDArray[np.float64]

WORDS = 5
"""Tokens that a neuron raises, and lowers, that are named."""

CLOSE = 5e-3
"""Share of its size by which the worked sum may miss the recorded value."""


def gather_neuron(
    model: "LanguageModel", activity: Activity, facts: Facts, layer: int, token: int
) -> Neuron | None:
    """The neuron of a layer that adds the longest vector at a token.

    None where the neurons were not recorded, or their weights are not known.
    """
    if "mlp_post" not in activity:
        return None
    expert, slot, experts = _expert(activity, layer, token)
    at: tuple[Any, ...] = (layer, token) if slot is None else (layer, token, slot)
    where: dict[str, Any] = {"layer": layer} | ({} if expert is None else {"expert": expert})
    down = weight_of(model, "down", **where)
    if down is None:
        return None
    after = activity.read("mlp_post", *at).astype(np.float64)
    before = activity.read("mlp_pre", *at).astype(np.float64) if "mlp_pre" in activity else after
    linear = (
        activity.read("mlp_linear", *at).astype(np.float64) if "mlp_linear" in activity else None
    )
    number = int(np.abs(after * np.linalg.norm(down, axis=0)).argmax())
    side = "gate" if linear is not None else "up"
    reads = weight_of(model, side, **where)
    if reads is None:
        return None
    biases = weight_of(model, f"{side}_bias", **where)
    bias = 0.0 if biases is None else float(biases[number])
    entry, normed = _entry(model, activity, layer, token)
    weights = reads[:, number]
    output = down[:, number]
    value = float(before[number])
    exact = bool(abs(float(entry @ weights) + bias - value) <= CLOSE * max(1.0, abs(value)))
    promotes, demotes = _words(model, output * float(after[number]))
    return Neuron(
        layer,
        number,
        expert,
        experts,
        linear is not None,
        entry,
        weights,
        bias,
        value,
        None if linear is None else float(linear[number]),
        float(after[number]),
        before,
        after,
        output,
        promotes,
        demotes,
        activation_of(facts.activation, *gated(before, after, linear)),
        exact,
        normed,
    )


def gated(before: F64, after: F64, linear: F64 | None) -> tuple[F64, F64]:
    """What goes in to the activation function, and what comes out of it, neuron by neuron.

    A gate that is multiplied by next to nothing tells nothing about it, and is left out.
    """
    if linear is None:
        return before, after
    told = np.abs(linear) > 1e-3 * (np.abs(linear).max() or 1.0)
    return before[told], after[told] / linear[told]


def _expert(
    activity: Activity, layer: int, token: int
) -> tuple[int | None, int | None, tuple[tuple[int, float], ...]]:
    """The expert that counts most at a token, its slot, and all that were chosen."""
    if "experts" not in activity:
        return None, None, ()
    chosen = activity.read("experts", layer, token).astype(int)
    router = activity.read("router", layer, token).astype(float) if "router" in activity else None
    shares = [1 / len(chosen) if router is None else float(router[one]) for one in chosen]
    slot = int(np.argmax(shares))
    return int(chosen[slot]), slot, tuple(zip(chosen.tolist(), shares, strict=True))


def _entry(model: "LanguageModel", activity: Activity, layer: int, token: int) -> tuple[F64, bool]:
    """What the MLP reads, and whether that is the stream after a norm."""
    stream = "resid_mid" if "resid_mid" in activity else "resid_pre"
    before = activity.read(stream, layer, token)
    for where in ("mlp_norm", "attn_norm") if stream == "resid_pre" else ("mlp_norm",):
        if model.scheme == "post-norm":
            break
        try:
            return np.asarray(model.norm(where, before[None], layer=layer)[0], np.float64), True
        except TomoError:
            continue
    return np.asarray(before, np.float64), False


def _words(
    model: "LanguageModel", added: F64
) -> tuple[tuple[tuple[str, float], ...], tuple[tuple[str, float], ...]]:
    """What a vector in the stream does to the logits, without the final norm."""
    if not model.causal:
        return (), ()
    try:
        both = np.stack([added, np.zeros_like(added)]).astype(np.float32)
        logits = np.asarray(model.unembed(both, norm=False), np.float64)
    except TomoError:
        return (), ()
    change = logits[0] - logits[1]
    order = np.argsort(-change, kind="stable")
    string = model.tokenizer.string if model.tokenizer is not None else str

    def named(ids: NDArray[np.intp]) -> tuple[tuple[str, float], ...]:
        return tuple((string(int(one)), float(change[one])) for one in ids)

    return named(order[:WORDS]), named(order[::-1][:WORDS])
