"""The gradient of the loss, and one step against it."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...anatomy.part import HyperParameters
from ...base import Progress, TomoError
from ..record import Activity
from .gather_words import softmax, string_of
from .story import Gradient

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["choose_rate", "count_parameters", "gather_gradient", "is_tied"]

INSIDE = ("q", "k", "v", "o", "gate", "up", "down", "router")
"""Matrices of a block."""

NORMS = ("attn_norm", "attn_post_norm", "mlp_norm", "mlp_post_norm", "q_norm", "k_norm")
"""Norms of a block; their lengths are told together."""

OUTSIDE = ("token_embedding", "position_embedding", "type_embedding", "final_norm", "unembedding")
"""Parts outside of the blocks."""

SHARE = 0.05
"""Part of the loss that the first step is to take off, were the loss a straight line."""

TRIED = (0.25, 0.5, 2.0, 4.0, 8.0)
"""Other rates, as multiples of the first: enough to see the straight line bend."""

MANY, MOST = 300_000_000, 2_000_000_000
"""Parameters beyond which one rate must do, for each takes a pass through the model; and
beyond which there is no gradient, for it takes as much memory as the weights three times over."""

SHOWN = 6
"""Logits whose slopes are told."""


def gather_gradient(
    model: "LanguageModel", activity: Activity, token: int, progress: Progress | None = None
) -> Gradient:
    """The gradient of the mean loss of a text, and what a step against it does.

    Parameters
    ----------
    model
        Causal; its weights stay what they are.
    activity
        With logits and at least two tokens.
    token
        Where the slopes along the logits are told.
    progress
        Told of the gradient and the steps.

    Raises
    ------
    TomoError
        The weights are not in memory.
    """
    size = count_parameters(model.sizes)
    if size > MOST:
        raise TomoError(
            f"The model has some {size / 1e9:.0f} billion parameters, and its gradient as many: "
            "more "
            "than this page computes. Take a smaller model of the family."
        )
    tokens = activity.tokens
    if progress is not None:
        progress.start(3, "The gradient, and steps against it")

    def done() -> None:
        if progress is not None:
            progress.advance(1)

    before, _, norm = model.stepped_losses(tokens, [])
    done()
    found = model.gradient(tokens, _parts(model))
    count = sum(one.size for one in found.values())
    done()
    rate = choose_rate(before, norm)
    factors = TRIED if count <= MANY else ()
    losses = model.stepped_losses(tokens, [rate * one for one in (1.0, *factors)])[1]
    done()
    steepest = max(found, key=lambda name: float(np.abs(found[name]).max()))
    index = np.unravel_index(int(np.abs(found[steepest]).argmax()), found[steepest].shape)
    layer, role = _named(steepest)
    value = float(model.weight(role, layer=layer)[index])
    return Gradient(
        error=_error(model, activity, token),
        norms=tuple((_column(name), _named(name)[0], _length(one)) for name, one in found.items()),
        norm=norm,
        rate=rate,
        before=before,
        after=losses[0],
        tried=tuple((rate * f, loss) for f, loss in zip(factors, losses[1:], strict=True)),
        weight=(steepest, tuple(int(i) for i in index), value, float(found[steepest][index])),
        n_parameters=count,
    )


def count_parameters(sizes: HyperParameters) -> int:
    """About how many parameters a model has, from its sizes; what is not known counts as 0."""
    width, experts = sizes.d_model or 0, sizes.n_experts or 1
    block = 4 * width**2 + 3 * width * (sizes.d_mlp or 4 * width) * experts
    return (sizes.n_layers or 0) * block + 2 * width * (sizes.vocab or 0)


def choose_rate(loss: float, norm: float) -> float:
    """A rate with one digit, for which the straight line falls by some `SHARE` of the loss."""
    wanted = SHARE * loss / norm**2 if norm > 0 else 1.0
    power = 10.0 ** math.floor(math.log10(wanted)) if wanted > 0 else 1.0
    return float(f"{max(1, round(wanted / power)) * power:.6g}")


def _parts(model: "LanguageModel") -> list[str]:
    """Names of the parts that this model has; one that is two at once only the first time."""
    found = []
    candidates = [(role, None) for role in OUTSIDE]
    layers = range(model.sizes.n_layers or 0)
    candidates += [(f"L{i}.{role}", i) for i in layers for role in (*INSIDE, *NORMS)]  # type: ignore[misc]
    for name, layer in candidates:
        role = name.rpartition(".")[2]
        for one in (role, f"{role}_bias"):
            try:
                model.weight(one, layer=layer)
            except TomoError:
                continue
            found.append(one if layer is None else f"L{layer}.{one}")
    if "unembedding" in found and is_tied(model):
        found.remove("unembedding")
    return found


def is_tied(model: "LanguageModel") -> bool:
    """Whether the output vectors are the embeddings, as far as the first tokens tell."""
    first, last = model.weight("token_embedding"), model.weight("unembedding")
    return first.shape == last.shape and bool(np.array_equal(first[:, :64], last[:, :64]))


def _named(part: str) -> tuple[int | None, str]:
    first, _, role = part.rpartition(".")
    return (int(first[1:]) if first else None), role


def _column(part: str) -> str:
    """Under what the length of a part's gradient is told."""
    layer, role = _named(part)
    if layer is None:
        return role
    if role.removesuffix("_bias") in NORMS:
        return "norm"
    return "bias" if role.endswith("_bias") else role


def _length(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).sum()))


def _error(
    model: "LanguageModel", activity: Activity, token: int
) -> tuple[tuple[int, str, float, float], ...]:
    """p − y of the truth and of the likeliest others."""
    shares = softmax(activity.read("logits", token).astype(np.float64))
    true = int(activity.tokens.ids[token + 1])
    order = [true, *(int(i) for i in np.argsort(-shares, kind="stable") if i != true)][:SHOWN]
    return tuple(
        (i, string_of(model, i), float(shares[i]), float(shares[i]) - (i == true)) for i in order
    )
