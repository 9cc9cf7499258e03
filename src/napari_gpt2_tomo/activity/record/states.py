"""The residual stream as a sequence of states, named in forward order."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from .activity import Activity

__all__ = ["StateKind", "States", "states"]

StateKind = Literal["embedding", "attention", "mlp", "block", "final"]
"""What has just been added: the embeddings, an attention, an MLP, both, or the final norm done."""


@dataclass(frozen=True)
class States:
    """States of the residual stream in forward order.

    Attributes
    ----------
    names
        For a person, e.g. ``"after L3 attention"``.
    values
        ``(state, token, channel)`` float32.
    layer
        ``(state,)``: the block that made the state; −1 before the first, the number of blocks
        after the final norm.
    kind
        What made it.
    """

    names: tuple[str, ...]
    values: NDArray[np.float32]
    layer: NDArray[np.int64]
    kind: tuple[StateKind, ...]

    def __len__(self) -> int:
        return len(self.names)


def states(activity: Activity, halves: bool = True) -> States:
    """Every state of the residual stream: before the first block, after each half of a block.

    Parameters
    ----------
    activity
        With the residual stream.
    halves
        Whether the states between attention and MLP belong to it; parallel blocks have none.

    Raises
    ------
    TomoError
        The residual stream was not recorded.
    """
    if "resid_pre" not in activity and "resid_post" not in activity:
        raise TomoError(
            "The residual stream was not recorded: run the model again with 'resid_pre', "
            "'resid_mid' and 'resid_post'."
        )
    names: list[str] = []
    kinds: list[StateKind] = []
    layers: list[int] = []
    values: list[NDArray[np.float32]] = []

    def add(name: str, kind: StateKind, layer: int, state: NDArray[np.float32]) -> None:
        names.append(name)
        kinds.append(kind)
        layers.append(layer)
        values.append(state)

    n_layers = activity.n_layers
    has_middle = halves and "resid_mid" in activity
    if "resid_pre" in activity:
        add("embedding", "embedding", -1, activity.read("resid_pre", 0))
    for layer in range(n_layers):
        if has_middle:
            middle = activity.read("resid_mid", layer)
            add(f"after L{layer} attention", "attention", layer, middle)
        if "resid_post" in activity:
            after = activity.read("resid_post", layer)
        elif layer + 1 < n_layers:
            after = activity.read("resid_pre", layer + 1)
        else:
            break
        name = f"after L{layer} MLP" if has_middle else f"after L{layer}"
        add(name, "mlp" if has_middle else "block", layer, after)
    if "final" in activity:
        add("after final norm", "final", n_layers, activity.read("final"))
    return States(tuple(names), np.stack(values), np.array(layers, np.int64), tuple(kinds))
