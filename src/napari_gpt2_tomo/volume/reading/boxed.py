"""A level of which only a box is shown; the rest is air."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layouts.layout import Box
from .virtual import VirtualVolume

__all__ = ["boxed", "coarse_box"]


def coarse_box(box: Box, factors: Sequence[int]) -> Box:
    """The voxels of a coarse level that a box of level 0 touches."""
    return tuple((a // f, -(-b // f)) for (a, b), f in zip(box, factors, strict=True))


def boxed(level: Any, shape: tuple[int, ...], dtype: Any, box: Box) -> VirtualVolume:
    """A level without what lies outside a box; reads nothing there.

    Parameters
    ----------
    level
        An array-like that takes a basic index.
    shape, dtype
        Of the level.
    box
        In voxels of the level.
    """

    def read(wanted: Box) -> NDArray[Any]:
        inner = tuple(
            (min(max(a, low), b), min(max(a, high), b))
            for (a, b), (low, high) in zip(wanted, box, strict=True)
        )
        out = np.zeros([b - a for a, b in wanted], dtype)
        if all(a < b for a, b in inner):
            to = tuple(slice(a - c, b - c) for (a, b), (c, _) in zip(inner, wanted, strict=True))
            out[to] = np.asarray(level[tuple(slice(a, b) for a, b in inner)])
        return out

    return VirtualVolume(shape, dtype, read)
