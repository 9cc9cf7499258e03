"""How strongly a prompt used each head, neuron, channel and token of a model.

Heads and neurons are measured by what they write into the residual stream: the length of the
vector that they add. For a head it is ‖z·W_O‖, for a neuron |a|·‖w_out‖; both are lengths in the
same space. Norms after a block (post-norm models) are not applied.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from ..anatomy import Anatomy, Part
from ..base import Progress, SilentProgress, TomoError
from ..volume.painting import Paint
from .record import Activity

__all__ = ["MEASURES", "SUMS", "Measure", "Strengths", "Sum", "Weights"]

F32 = NDArray[np.float32]

Measure = Literal["written", "activity", "channels"]
"""What counts: what heads and neurons write into the stream; what they hold (‖z‖, |a|); how
large each channel of the stream is, whatever uses it."""

MEASURES: tuple[Measure, ...] = get_args(Measure)

Sum = Literal["token", "max", "mean"]
"""Of which tokens: of one, the largest over all, or the mean."""

SUMS: tuple[Sum, ...] = get_args(Sum)

FULL = 99.9
"""Percentile of the strengths of a kind that counts as full: one neuron in a thousand may be
far stronger than all others."""

HEAD_ROLES = ("q", "k", "v", "o")
NEURON_ROLES = ("gate", "up", "down")


class Weights(Protocol):
    """Where weights come from: a `Scan`."""

    anatomy: Anatomy

    def values(self, part: Part) -> NDArray[Any]:
        """The values of a part."""


@dataclass(frozen=True, slots=True)
class Used:
    """Something that was used, for a list.

    Attributes
    ----------
    kind, layer, index
        ``"head"`` or ``"neuron"``, and which.
    strength
        0 to 1, 1 is as strong as the strongest of its kind.
    """

    kind: str
    layer: int
    index: int
    strength: float


class Strengths:
    """How strongly a prompt used the parts of a model.

    Parameters
    ----------
    activity
        With ``z`` for heads, ``mlp_post`` for neurons, the residual stream for channels; what is
        absent is not painted.
    weights
        A scan of the same model.
    progress
        Told of the layers whose output weights are read.

    Raises
    ------
    TomoError
        The activity is of a model of other sizes.
    """

    def __init__(
        self, activity: Activity, weights: Weights, progress: Progress | None = None
    ) -> None:
        self.activity = activity
        self.anatomy = weights.anatomy
        _check_sizes(activity, self.anatomy)
        self._parts = {part.name: part for part in self.anatomy.parts}
        report = progress or SilentProgress()
        report.start(activity.n_layers, "How strongly heads and neurons write")
        self.heads: F32 | None = None
        self._out: dict[int, F32] = {}
        heads = []
        for layer in range(activity.n_layers):
            if "z" in activity:
                heads.append(
                    _written_by_heads(activity, weights, self._parts.get(f"L{layer}.o"), layer)
                )
            down = self._parts.get(f"L{layer}.down")
            if down is not None and "mlp_post" in activity:
                self._out[layer] = _lengths(np.asarray(weights.values(down), np.float32))
            report.advance(1)
        if heads and all(found is not None for found in heads):
            self.heads = np.stack([found for found in heads if found is not None])

    def paints(
        self,
        measure: Measure = "written",
        sum: Sum = "max",
        token: int = 0,
        *,
        by_channel: bool = False,
    ) -> dict[str, Paint]:
        """A paint for every matrix that the prompt used, by name of its part; from 0 to 1.

        Parameters
        ----------
        measure, sum
            What counts, of which tokens.
        token
            The one, for ``sum="token"``.
        by_channel
            Whether the channels of the stream weigh the units of a layer.
        """
        found: dict[str, Paint] = {}
        channels = self._channels(sum, token) if by_channel or measure == "channels" else None
        if measure != "channels":
            self._paint_heads(found, self.of_heads(measure, sum, token), channels)
            self._paint_neurons(found, measure, sum, token, channels)
        elif channels is not None:
            for part in self._matrices():
                if part.layer is not None and part.layer < len(channels):
                    found[part.name] = Paint(np.ones(part.shape[1]), channels[part.layer])
        self._paint_tokens(found, sum, token)
        return found

    def of_heads(self, measure: Measure, sum: Sum, token: int) -> F32 | None:
        """``(layer, head)`` from 0 to 1; None where the heads were not recorded."""
        if measure == "written" and self.heads is not None:
            return _full(_summed(self.heads, 2, sum, token))
        if "z" not in self.activity:
            return None
        z = np.linalg.norm(self.activity.read("z"), axis=-1)
        return _full(_summed(z, 2, sum, token))

    def of_neurons(self, measure: Measure, sum: Sum, token: int) -> F32 | None:
        """``(layer, neuron)`` from 0 to 1; None for mixtures and where they were not recorded."""
        if "mlp_post" not in self.activity or self.activity["mlp_post"].ndim != 3:
            return None
        layers = []
        for layer in range(self.activity.n_layers):
            values = np.abs(_of_tokens(self.activity["mlp_post"], layer, sum, token))
            if measure == "written" and layer in self._out:
                values = values * self._out[layer]
            layers.append(_summed(values, 0, sum, 0))
        return _full(np.stack(layers))

    def strongest(self, measure: Measure, sum: Sum, token: int, count: int = 12) -> list[Used]:
        """The heads and neurons that were used most, heads first, each kind by strength."""
        found: list[Used] = []
        for kind, strengths in (
            ("head", self.of_heads(measure, sum, token)),
            ("neuron", self.of_neurons(measure, sum, token)),
        ):
            if strengths is None:
                continue
            order = np.argsort(-strengths, axis=None, kind="stable")[:count]
            for layer, index in zip(*np.unravel_index(order, strengths.shape), strict=True):
                strength = float(strengths[layer, index])
                found.append(Used(kind, int(layer), int(index), strength))
        return found

    def _matrices(self) -> list[Part]:
        width = self.anatomy.hyper.d_model
        return [
            part
            for part in self.anatomy.parts
            if part.axes == ("channel", "unit") and part.shape[0] == width
        ]

    def _paint_heads(
        self, found: dict[str, Paint], strengths: F32 | None, channels: F32 | None
    ) -> None:
        if strengths is None:
            return
        for part in self._matrices():
            if part.role not in HEAD_ROLES or part.layer is None or not part.d_head:
                continue
            if part.layer >= len(strengths):
                continue
            heads = strengths[part.layer]
            n_heads = part.shape[1] // part.d_head
            # A key or value head is as strong as the strongest query head that reads it.
            group = max(len(heads) // n_heads, 1)
            shared = heads[: n_heads * group].reshape(n_heads, group).max(axis=1)
            units = np.repeat(shared, part.d_head)
            found[part.name] = Paint(units, _row(channels, part.layer))

    def _paint_neurons(
        self,
        found: dict[str, Paint],
        measure: Measure,
        sum: Sum,
        token: int,
        channels: F32 | None,
    ) -> None:
        if "mlp_post" not in self.activity:
            return
        strengths = self.of_neurons(measure, sum, token)
        experts = self._of_experts(sum, token) if strengths is None else {}
        for part in self._matrices():
            if part.role not in NEURON_ROLES or part.layer is None:
                continue
            if strengths is None:
                units = experts.get((part.layer, part.expert or 0))
            else:
                units = strengths[part.layer] if part.layer < len(strengths) else None
            if units is not None and part.shape[1] == len(units):
                found[part.name] = Paint(units, _row(channels, part.layer))

    def _of_experts(self, sum: Sum, token: int) -> dict[tuple[int, int], F32]:
        """``(neuron,)`` by layer and expert, from 0 to 1; experts that nothing was sent to lack."""
        if "experts" not in self.activity:
            return {}
        sums: dict[tuple[int, int], F32] = {}
        tokens = [token] if sum == "token" else range(len(self.activity.tokens))
        for layer in range(self.activity.n_layers):
            values = np.abs(self.activity.read("mlp_post", layer))
            chosen = self.activity.read("experts", layer)
            for at in tokens:
                for slot, expert in enumerate(chosen[at].tolist()):
                    key = layer, int(expert)
                    before = sums.get(key, np.zeros(values.shape[-1], np.float32))
                    more = values[at, slot]
                    share = more / len(tokens)
                    sums[key] = before + share if sum == "mean" else np.maximum(before, more)
        most = max((float(np.percentile(one, FULL)) for one in sums.values()), default=0.0)
        return {key: _capped(one, most) for key, one in sums.items()}

    def _channels(self, sum: Sum, token: int) -> F32 | None:
        """``(layer, channel)`` from 0 to 1."""
        name = next((one for one in ("resid_post", "resid_pre") if one in self.activity), None)
        if name is None:
            return None
        layers = [
            _summed(np.abs(_of_tokens(self.activity[name], layer, sum, token)), 0, sum, 0)
            for layer in range(self.activity.n_layers)
        ]
        # A few channels are a hundred times larger than the others in every layer.
        return np.stack([_capped(one, float(np.percentile(one, 99.0))) for one in layers])

    def _paint_tokens(self, found: dict[str, Paint], sum: Sum, token: int) -> None:
        """The columns of the tokens that were read, and of the tokens that may follow."""
        tokens = self.activity.tokens
        at = [token] if sum == "token" else list(range(len(tokens)))
        for part in self._matrices():
            units = np.zeros(part.shape[1], np.float32)
            if part.role == "token_embedding":
                ids = tokens.ids[at]
                units[ids[ids < len(units)]] = 1.0
            elif part.role == "position_embedding":
                units[[i for i in at if i < len(units)]] = 1.0
            elif part.role == "unembedding" and "logits" in self.activity:
                chances = _softmax(self.activity.read("logits", at[-1]))
                most = float(chances.max())
                units[: len(chances)] = (chances / most)[: len(units)] if most else 0.0
            if units.any():
                found[part.name] = Paint(units)


def _check_sizes(activity: Activity, anatomy: Anatomy) -> None:
    read, body = activity.source.sizes.known(), anatomy.hyper.known()
    for name, title in (("d_model", "channels"), ("n_layers", "layers"), ("n_heads", "heads")):
        if name in read and name in body and read[name] != body[name]:
            raise TomoError(
                f"{activity.source.name}, which read the prompt, has {read[name]} {title}; the "
                f"scan has {body[name]}. Run the prompt through the model of the scan."
            )


def _written_by_heads(
    activity: Activity, weights: Weights, part: Part | None, layer: int
) -> F32 | None:
    """``(head, token)`` lengths of what the heads of a layer add to the stream."""
    z = activity.read("z", layer)
    n_heads, _, size = z.shape
    if part is None or part.shape[-1] != n_heads * size:
        return None
    out = np.asarray(weights.values(part), np.float32).reshape(-1, n_heads, size)
    # ‖z·W‖² = z·(WᵀW)·z: the heads' own small matrices, not a stream per head.
    gram = np.einsum("chd,che->hde", out, out)
    squares = np.einsum("htd,hde,hte->ht", z, gram, z)
    lengths: F32 = np.sqrt(np.maximum(squares, 0.0)).astype(np.float32)
    return lengths


def _lengths(matrix: F32) -> F32:
    """``(unit,)`` lengths of the columns of a ``(channel, unit)`` matrix."""
    lengths: F32 = np.sqrt(np.einsum("cu,cu->u", matrix, matrix))
    return lengths


def _of_tokens(array: Any, layer: int, sum: Sum, token: int) -> F32:
    """``(token, …)`` of a layer; only the one that counts is read."""
    rows = slice(token, token + 1) if sum == "token" else slice(None)
    return np.asarray(array[layer, rows], np.float32)


def _summed(values: NDArray[Any], axis: int, sum: Sum, token: int) -> F32:
    if sum == "token":
        return np.asarray(values.take(token, axis), np.float32)
    found = values.max(axis=axis) if sum == "max" else values.mean(axis=axis)
    return np.asarray(found, np.float32)


def _full(strengths: F32) -> F32:
    """Strengths from 0 to 1."""
    return _capped(strengths, float(np.percentile(strengths, FULL)) if strengths.size else 0.0)


def _capped(strengths: F32, most: float) -> F32:
    most = most or float(strengths.max(initial=0.0))
    if not np.isfinite(most) or most <= 0:
        return np.zeros_like(strengths)
    capped: F32 = np.clip(np.nan_to_num(strengths / most), 0.0, 1.0).astype(np.float32)
    return capped


def _row(channels: F32 | None, layer: int) -> F32 | None:
    return None if channels is None or layer >= len(channels) else channels[layer]


def _softmax(logits: F32) -> F32:
    weights: F32 = np.exp(logits - logits.max())
    weights /= weights.sum()
    return weights
