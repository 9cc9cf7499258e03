"""The voxel of another volume of the same checkpoint that shows the same parameter."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base import LayoutError
from .circuits import CircuitAddress
from .volume import Volume

__all__ = ["counterpart"]

NAMES = {"d_head": "dim"}
"""Axes of layouts whose name is another than that of the coordinate in an address."""


def counterpart(voxel: Sequence[int], old: Volume, new: Volume) -> tuple[int, ...]:
    """Where a voxel of one volume lies in another.

    The same parameter where `new` shows it. Else what is closest in the words of
    the model (the same layer, head, channel), and where a word is missing, or the
    voxel is air, as far along the axis as before or in its middle.

    Parameters
    ----------
    voxel
        Of level 0 of `old`.

    Returns
    -------
    tuple of int
        A voxel of level 0 of `new`.
    """
    if old.lead and old.lead == new.lead:
        step = tuple(voxel[: old.lead])
        return step + counterpart(voxel[old.lead :], old.still, new.still)
    address: Any = old.address(voxel)
    if address is None:
        return _as_far_along(voxel, old, new)
    if isinstance(address, CircuitAddress):
        exact = _factor(address, new)
        known: dict[str, int | None] = {
            "layer": address.layer,
            "head": address.head,
            "channel": address.rows[0][1],
        }
    else:
        exact = (address.tensor, address.index)
        known = {
            name: getattr(address, name) for name in ("layer", "head", "dim", "channel", "unit")
        }
    if exact is not None:
        try:
            return new.voxel(*exact)
        except (LayoutError, IndexError):
            pass
    return _by_name(known, new)


def _factor(address: CircuitAddress, new: Volume) -> tuple[str, tuple[int, ...]] | None:
    """The first weight of the first row that a voxel of a circuit is the product of."""
    name, channel = address.rows[0]
    part = new.anatomy.by_name.get(name)
    if part is None or part.d_head is None:
        return None
    shared = address.kv_head if part.role in ("k", "v") else address.head
    flat = part.view.flat((channel, shared * part.d_head))
    shape = new.checkpoint[part.tensor].shape
    return part.tensor, tuple(int(i) for i in np.unravel_index(flat, shape))


def _by_name(known: dict[str, Any], new: Volume) -> tuple[int, ...]:
    found = []
    for axis, length in zip(new.axes, new.shape, strict=True):
        name = "channel" if "channel" in axis else NAMES.get(axis, axis)
        index = known.get(name)
        found.append(length // 2 if index is None else min(int(index), length - 1))
    return tuple(found)


def _as_far_along(voxel: Sequence[int], old: Volume, new: Volume) -> tuple[int, ...]:
    if old.ndim != new.ndim:
        return tuple(n // 2 for n in new.shape)
    return tuple(v * n // m for v, m, n in zip(voxel, old.shape, new.shape, strict=True))
