"""Whether neurons write what they read: cosines of their input, gate and output directions."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...base import Progress, SilentProgress, TomoError
from ...facade import Scan
from ..intervention.weights import Weights
from ..journey.numbers import cosine
from ..record import Activity
from .sources import Mlp, mlps, weights_of

__all__ = ["PAIRS", "Alignment", "alignment"]

F32 = NDArray[np.float32]

PAIRS: Mapping[str, str] = {
    "in_out": "cos(in, out)",
    "gate_in": "cos(gate, in)",
    "gate_out": "cos(gate, out)",
}
"""Pairs of directions of a neuron; those with a gate are of gated neurons only."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Cosines between the directions of every neuron.

    Attributes
    ----------
    cosines
        By the names of `PAIRS`: for each layer ``(neuron,)`` float32; the neurons of all its
        experts one after the other. A model without gates has ``in_out`` alone.
    sigma
        1/√d: the standard deviation of the cosine of two random directions in d channels.
    """

    cosines: Mapping[str, tuple[F32, ...]]
    sigma: float


def alignment(source: Activity | Weights | Scan, progress: Progress | None = None) -> Alignment:
    """Cosines between what each neuron reads and what it writes, for every layer.

    A neuron with cos(in, out) > 0 strengthens the direction that it detects, one with < 0 takes
    it away.

    Raises
    ------
    TomoError
        There are no weights, or no MLP was recognised in them.
    Cancelled
        `progress` asked to stop.
    """
    weights = weights_of(source)
    count, d = weights.sizes.n_layers, weights.sizes.d_model
    if not count or not d:
        raise TomoError(f"How many layers and channels {weights.name} has is not known.")
    report = progress or SilentProgress()
    report.start(count, "Comparing what neurons read and write")
    layers: list[dict[str, F32]] = []
    for layer in range(count):
        parts = [_of(one) for one in mlps(weights, layer)]
        layers.append({name: np.concatenate([one[name] for one in parts]) for name in parts[0]})
        report.advance(1)
    shared = [name for name in PAIRS if all(name in one for one in layers)]
    return Alignment(
        {name: tuple(one[name] for one in layers) for name in shared}, float(d) ** -0.5
    )


def _of(mlp: Mlp) -> dict[str, F32]:
    found = {"in_out": cosine(mlp.reads, mlp.writes)}
    if mlp.gate is not None:
        found["gate_in"] = cosine(mlp.gate, mlp.reads)
        found["gate_out"] = cosine(mlp.gate, mlp.writes)
    return found
