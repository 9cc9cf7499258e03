"""Keeping what flows by: from tensors to the arrays of an activity."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ..record.sites import SITES
from ..record.store import Store

__all__ = ["Recorder"]


class Recorder:
    """Copies what it sees into one set of arrays for each text of a batch.

    Parameters
    ----------
    lengths
        Tokens of each text; what is beyond is padding.
    n_layers
        Blocks of the model.
    stores
        Where each text's arrays are made.
    """

    def __init__(self, lengths: Sequence[int], n_layers: int, stores: Sequence[Store]) -> None:
        self.lengths = lengths
        self.n_layers = n_layers
        self.stores = stores

    def see(self, site: str, layer: int | None, values: torch.Tensor) -> None:
        """Keep ``(batch, …)`` values of a site."""
        axes = SITES[site].axes
        inner = axes[1:] if axes[0] == "layer" else axes
        for row, (length, store) in enumerate(zip(self.lengths, self.stores, strict=True)):
            mine = values[row if len(values) > 1 else 0]
            if len(self.lengths) > 1:
                mine = mine[
                    tuple(slice(length) if _counts(axis) else slice(None) for axis in inner)
                ]
            self._keep(store, site, layer, mine)

    def _keep(self, store: Store, site: str, layer: int | None, values: torch.Tensor) -> None:
        kind = np.int64 if site == "experts" else np.float32
        shape = tuple(values.shape)
        if layer is None:
            array = store.array(site, shape, kind)
            _copy(array, values, lambda found: array.__setitem__(..., found))
            return
        array = store.array(site, (self.n_layers, *shape), kind)
        target = array[layer] if isinstance(array, np.ndarray) else array
        _copy(target, values, lambda found: array.__setitem__(layer, found))


def _counts(axis: str) -> bool:
    """Whether an axis counts tokens."""
    return axis in ("token", "query", "key")


def _copy(target: Any, values: torch.Tensor, put: Callable[[Any], None]) -> None:
    if isinstance(target, np.ndarray):
        torch.from_numpy(target).copy_(values)
    else:
        put(values.float().cpu().numpy())
