"""A level of which only a box, or only some parts, are shown; the rest is air."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from ...anatomy.anatomy import Anatomy
from ..layouts.layout import Box
from .virtual import VirtualVolume

__all__ = ["coarse_box", "kept_labels", "masked"]


def coarse_box(box: Box, factors: Sequence[int]) -> Box:
    """The voxels of a coarse level that a box of level 0 touches."""
    return tuple((a // f, -(-b // f)) for (a, b), f in zip(box, factors, strict=True))


def kept_labels(
    anatomy: Anatomy, shown: Collection[str] | None, hidden: Collection[str]
) -> NDArray[np.bool_] | None:
    """Which labels of an atlas are shown, one entry each and one for air; None if all are.

    Parameters
    ----------
    shown
        Names of the parts that alone are shown; None is all.
    hidden
        Names of parts that are not, whether `shown` names them or not.
    """
    if shown is None and not hidden:
        return None
    keep = [
        (shown is None or part.name in shown) and part.name not in hidden for part in anatomy.parts
    ]
    return np.array([True, *keep], bool)


def masked(
    level: VirtualVolume,
    labels: VirtualVolume,
    box: Box | None,
    keep: NDArray[np.bool_] | None,
) -> VirtualVolume:
    """A level without what lies outside a box or in parts that are not kept.

    Reads nothing outside the box, of values or labels.

    Parameters
    ----------
    level, labels
        Values, and the atlas of the same level.
    box
        In voxels of the level; None keeps all.
    keep
        By label, see `kept_labels`; None keeps all.
    """
    if box is not None and len(box) != level.ndim:
        box = None  # Of another layout, which is about to go.
    if box is None and keep is None:
        return level

    def read(wanted: Box) -> NDArray[np.float32]:
        limits = wanted if box is None else box
        inner = tuple(
            (min(max(a, low), b), min(max(a, high), b))
            for (a, b), (low, high) in zip(wanted, limits, strict=True)
        )
        out = np.zeros([b - a for a, b in wanted], level.dtype)
        if any(a >= b for a, b in inner):
            return out
        at = tuple(slice(a, b) for a, b in inner)
        values = np.asarray(level[at])
        if keep is not None:
            values = np.where(keep[np.asarray(labels[at])], values, np.float32(0))
        out[tuple(slice(a - c, b - c) for (a, b), (c, _) in zip(inner, wanted, strict=True))] = (
            values
        )
        return out

    return VirtualVolume(level.shape, level.dtype, read)
