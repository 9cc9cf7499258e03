"""Keeping what flows by: from tensors to the arrays of an activity."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..record.sites import SITES
from ..record.store import Store

__all__ = ["Recorder"]


class Recorder:
    """Keeps what it sees in one store for each text of a batch.

    Float32 on the processor is kept where it lies, without a copy; everything else is converted.

    Parameters
    ----------
    lengths
        Tokens of each text; what is beyond is padding.
    n_layers
        Blocks of the model.
    stores
        One for each text.
    copies
        Whether to copy always, for models that write into what they have computed before.

    Attributes
    ----------
    is_stale
        Whether the model has written into something that was kept without a copy.
    """

    def __init__(
        self, lengths: Sequence[int], n_layers: int, stores: Sequence[Store], copies: bool = False
    ) -> None:
        self.lengths = lengths
        self.n_layers = n_layers
        self.stores = stores
        self.copies = copies
        self._kept: list[tuple[torch.Tensor, int]] = []

    def see(self, site: str, layer: int | None, values: torch.Tensor) -> None:
        """Keep ``(batch, …)`` values of a site."""
        if self.copies:
            values = values.clone()
        elif site != "experts" and values.dtype == torch.float32:
            self._kept.append((values, values._version))
        if len(self.stores) == 1:
            self._keep(self.stores[0], site, layer, values[0])
            return
        axes = SITES[site].axes
        inner = axes[1:] if axes[0] == "layer" else axes
        for row, (length, store) in enumerate(zip(self.lengths, self.stores, strict=True)):
            # Positions are the same for all texts, and stored once.
            mine = values[row if len(values) > 1 else 0]
            cut = tuple(slice(length) if _counts(axis) else slice(None) for axis in inner)
            self._keep(store, site, layer, mine[cut])

    def _keep(self, store: Store, site: str, layer: int | None, values: torch.Tensor) -> None:
        array = _numpy(values, torch.int64 if site == "experts" else torch.float32)
        if layer is None:
            store.put(site, array)
        else:
            store.put_layer(site, layer, self.n_layers, array)

    @property
    def is_stale(self) -> bool:
        """Whether the model has written into something that was kept without a copy."""
        return any(values._version != version for values, version in self._kept)


def _counts(axis: str) -> bool:
    """Whether an axis counts tokens."""
    return axis in ("token", "query", "key")


def _numpy(values: torch.Tensor, dtype: torch.dtype) -> NDArray[np.generic]:
    return values.detach().to(device="cpu", dtype=dtype).numpy()
