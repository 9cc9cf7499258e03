"""Direct logit attribution: what each head, MLP, embedding and bias adds to a logit."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ..record import Activity
from .chances import F64, NOT_FINITE
from .directions import Directions, directions, optional
from .words import labels_of, model_of, position_of, token_of

if TYPE_CHECKING:
    from ..running.model import LanguageModel

__all__ = ["Attribution", "logit_attribution", "source_attribution"]

MEAN = "mean"
"""Stands for the mean logit of the whole vocabulary where a second token is named."""

NEGLIGIBLE = 1e-5
"""Share of all that was written below which a difference is the rounding of float32."""

Kind = Literal["embedding", "head", "bias", "mlp", "rest"]


@dataclass(frozen=True, eq=False)
class Attribution:
    """A logit as a sum over the parts that wrote to the stream at one position.

    Attributes
    ----------
    activity
        What was looked at.
    position
        Where the logit is read.
    token, against
        The token whose logit it is; the one whose logit is taken off, None for none, ``"mean"``
        for the mean of all.
    names, kinds, layers, heads
        The parts in forward order, ``(part,)`` each; layer and head are −1 where there is none.
        A part of the kind `rest` is what the recorded outputs do not account for: rounding of
        16-bit models, and what an intervention added.
    values
        Their shares, ``(part,)`` float64. They sum to `total`.
    """

    activity: Activity
    position: int
    token: int
    against: int | str | None
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    layers: NDArray[np.int64]
    heads: NDArray[np.int64]
    values: F64

    @property
    def total(self) -> float:
        """The logit, or the difference; before a soft cap where the model has one."""
        return float(self.values.sum())

    @property
    def target(self) -> str:
        """What is explained, for a title: ``logit of ·Mary − logit of ·John``."""
        first = labels_of(self.activity, [self.token])[0]
        if self.against is None:
            return f"logit of {first}"
        if self.against == MEAN:
            return f"logit of {first} − mean logit"
        second = labels_of(self.activity, [int(self.against)])[0]
        return f"logit of {first} − logit of {second}"

    def by_head(self) -> F64:
        """Shares of the heads, ``(layer, head)``."""
        found = np.zeros((self.activity.n_layers, int(self.heads.max(initial=-1)) + 1))
        chosen = self.heads >= 0
        found[self.layers[chosen], self.heads[chosen]] = self.values[chosen]
        return found

    def strongest(self, count: int) -> NDArray[np.int64]:
        """Parts with the largest shares of either sign, largest first."""
        return np.argsort(-np.abs(self.values), kind="stable")[:count]

    def steps(self) -> tuple[tuple[str, ...], F64]:
        """Shares summed to steps: embedding, attention and MLP of each block, biases at the end.

        Returns
        -------
        names
            ``(step,)``.
        shares
            ``(step,)``; their running sum is the logit as it builds up.
        """
        found: dict[str, float] = {}
        for name, kind, layer, value in zip(
            self.names, self.kinds, self.layers, self.values, strict=True
        ):
            if layer >= 0:
                step = f"L{layer} MLP" if "MLP" in name else f"L{layer} attention"
            else:
                step = "embedding" if kind == "embedding" else "biases" if kind == "bias" else name
            found[step] = found.get(step, 0.0) + value
        return tuple(found), np.array(list(found.values()))


def logit_attribution(
    activity: Activity,
    token: int | str | None = None,
    against: int | str | None = None,
    position: int = -1,
) -> Attribution:
    """What each head, MLP, embedding and bias adds to a logit, or to a difference of two.

    The scale of the final norm (and of every norm that stands in the stream or on a branch) is
    held at what it was; its centring, gain and bias are exact, so that the shares sum to the logit.

    Parameters
    ----------
    activity
        With the residual stream, ``attn_out``, ``mlp_out``, ``z``, and the model.
    token
        An id or a text that is one token; None for what the model predicts.
    against
        A second token whose logit is taken off, or ``"mean"`` for the mean of the vocabulary: a
        logit alone says little, as adding a number to all of them changes no probability.
    position
        Where the logit is read; −1 is the last token.

    Raises
    ------
    TomoError
        The model is not there or has no unembedding, a token or the position is not there, or
        something that is needed was not recorded.
    """
    model = model_of(activity, "The attribution of a logit")
    place = position_of(activity, position)
    _must_be_finite(activity, place)
    first, second = _targets(activity, model, token, against, place)
    target, bias = _function(model, first, second)
    reads = directions(activity, model, target, bias, place)
    return Attribution(activity, place, first, second, *_shares(activity, model, reads, place))


def source_attribution(
    activity: Activity,
    token: int | str | None = None,
    against: int | str | None = None,
    position: int = -1,
) -> F64:
    """What each head adds to a logit by each token that it attends to.

    Parameters
    ----------
    activity, token, against, position
        As `logit_attribution`; also ``v`` and ``pattern`` are needed.

    Returns
    -------
    ndarray
        ``(layer, head, key)`` float64. Its sum over keys is a head's share.
    """
    model = model_of(activity, "The attribution of a logit")
    place = position_of(activity, position)
    _must_be_finite(activity, place)
    reads = directions(
        activity,
        model,
        *_function(model, *_targets(activity, model, token, against, place)),
        place,
    )
    n_heads = activity["pattern"].shape[1]
    found = np.zeros((activity.n_layers, n_heads, len(activity.tokens)))
    for layer in range(activity.n_layers):
        values = activity.read("v", layer).astype(np.float64)
        pattern = activity.read("pattern", layer, slice(None), place).astype(np.float64)
        for head in range(n_heads):
            read = model.weight("o", layer=layer, head=head).T @ reads.heads[layer]
            shared = values[head * len(values) // n_heads]
            found[layer, head] = pattern[head] * (shared @ read)
    return found


def _must_be_finite(activity: Activity, place: int) -> None:
    if not np.isfinite(activity.read("resid_post", -1, place)).all():
        raise TomoError(NOT_FINITE)


def _targets(
    activity: Activity,
    model: "LanguageModel",
    token: int | str | None,
    against: int | str | None,
    place: int,
) -> tuple[int, int | str | None]:
    if not model.causal:
        raise TomoError(
            f"{model.name} is an encoder: its logits go through a head of its own that is no "
            "matrix, so they are no sum over parts."
        )
    if token is None:
        state = activity.read("resid_post", -1, slice(place, place + 1))
        token = int(model.unembed(state)[0].argmax())
    second = against if against is None or against == MEAN else token_of(activity, against)
    return token_of(activity, token), second


def _function(model: "LanguageModel", token: int, against: int | str | None) -> tuple[F64, float]:
    """The logit as a linear function of the stream after the final norm."""
    columns = model.weight("unembedding")
    biases = optional(model, "unembedding_bias")
    target = columns[:, token].astype(np.float64)
    bias = 0.0 if biases is None else float(biases[token])
    if against == MEAN:
        target = target - columns.mean(axis=1, dtype=np.float64)
        bias -= 0.0 if biases is None else float(biases.mean())
    elif against is not None:
        target = target - columns[:, int(against)]
        bias -= 0.0 if biases is None else float(biases[int(against)])
    return target, bias


def _shares(
    activity: Activity, model: "LanguageModel", reads: Directions, place: int
) -> tuple[tuple[str, ...], tuple[Kind, ...], NDArray[np.int64], NDArray[np.int64], F64]:
    rows: list[tuple[str, Kind, int, int, float]] = []
    rows.extend(_embedding(activity, reads, place))
    constants = list(reads.constants)
    for layer in range(activity.n_layers):
        gathered = activity.read("z", layer, slice(None), place).astype(np.float64)
        for head, values in enumerate(gathered):
            read = model.weight("o", layer=layer, head=head).T @ reads.heads[layer]
            rows.append((f"L{layer}H{head}", "head", layer, head, float(values @ read)))
        bias = optional(model, "o_bias", layer)
        if bias is not None:
            share = float(bias @ reads.heads[layer])
            rows.append((f"L{layer} attention bias", "bias", layer, -1, share))
        written = activity.read("mlp_out", layer, place).astype(np.float64)
        share = float(written @ reads.mlp[layer])
        rows.append((f"L{layer} MLP", "mlp", layer, -1, share))
        rows.extend(
            (name, "bias", layer, -1, value) for name, at, value in constants if at == layer
        )
    rows.extend((name, "bias", -1, -1, value) for name, at, value in constants if at < 0)
    shares = np.array([row[-1] for row in rows])
    end = activity.read("resid_post", -1, place).astype(np.float64)
    logit = float(end @ reads.stream) + sum(value for _, at, value in constants if at < 0)
    if abs(rest := logit - shares.sum()) > NEGLIGIBLE * np.abs(shares).sum():
        rows.append(("not accounted for", "rest", -1, -1, rest))
    names, kinds, layers, heads, values = zip(*rows, strict=True)
    return names, kinds, np.array(layers), np.array(heads), np.array(values)


def _embedding(
    activity: Activity, reads: Directions, place: int
) -> list[tuple[str, Kind, int, int, float]]:
    """The embeddings one by one where their sum is where the stream begins, else together."""
    begin = activity.read("resid_pre", 0, place)
    names = {"embed": "token embedding", "pos_embed": "position embedding"}
    parts = {names[site]: activity.read(site, place) for site in names if site in activity}
    if not parts or not np.allclose(sum(parts.values()), begin, rtol=1e-3, atol=1e-5):
        parts = {"embedding": begin}
    return [
        (name, "embedding", -1, -1, float(values.astype(np.float64) @ reads.embedding))
        for name, values in parts.items()
    ]
