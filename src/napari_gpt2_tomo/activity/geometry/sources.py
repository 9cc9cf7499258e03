"""Weights from whatever a person holds: an activity, a loaded model or a scan."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ...facade import Scan
from ..intervention.weights import ScanWeights, Weights
from ..record import Activity

__all__ = ["Mlp", "mlps", "vocabulary_of", "weights_of"]

F32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Mlp:
    """The directions of one layer's neurons, ``(neuron, channel)`` float32 each.

    Attributes
    ----------
    gate
        What the gate of a neuron reads; None where neurons have no gate.
    reads
        What a neuron reads (its linear side if it has a gate).
    writes
        What it writes.
    """

    gate: F32 | None
    reads: F32
    writes: F32


def weights_of(source: Activity | Weights | Scan) -> Weights:
    """The weights of an activity's model, of a model, or of a scan.

    Raises
    ------
    TomoError
        An activity whose model is not there.
    """
    if isinstance(source, Scan):
        return ScanWeights(source)
    if isinstance(source, Activity):
        if source.model is None:
            raise TomoError(
                f"The weights of {source.source.name} are not at hand: run the prompt again."
            )
        return source.model
    return source


def mlps(weights: Weights, layer: int) -> Iterator[Mlp]:
    """The neurons of a layer, one expert after the other where it has several.

    Raises
    ------
    TomoError
        The layer has no MLP that was recognised.
    """
    for expert in _experts(weights, layer):
        try:
            gate = _rows(weights, "gate", layer, expert)
        except TomoError:
            gate = None
        yield Mlp(gate, _rows(weights, "up", layer, expert), _rows(weights, "down", layer, expert))


def vocabulary_of(source: Activity | Weights | Scan) -> tuple[str, ...] | None:
    """Strings of all tokens, None where nothing knows them."""
    model = source.model if isinstance(source, Activity) else source
    tokenizer = getattr(model, "tokenizer", None)
    return None if tokenizer is None else tuple(tokenizer.vocabulary)


def _experts(weights: Weights, layer: int) -> tuple[int | None, ...]:
    """Experts of a layer; some layers of a mixture are dense."""
    if not weights.sizes.n_experts:
        return (None,)
    try:
        weights.weight("up", layer=layer, expert=0)
    except TomoError:
        return (None,)
    return tuple(range(weights.sizes.n_experts))


def _rows(weights: Weights, role: str, layer: int, expert: int | None) -> F32:
    found = weights.weight(role, layer=layer, expert=expert)
    return np.ascontiguousarray(np.asarray(found, np.float32).T)
