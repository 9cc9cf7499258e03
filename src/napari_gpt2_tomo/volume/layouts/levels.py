"""How a volume is halved into coarser levels."""

import math
from collections.abc import Sequence

__all__ = ["PLANE_LIMIT", "VOXEL_LIMIT", "halvings", "round_up"]

PLANE_LIMIT = 32
"""Voxels: the plane axes are halved until they are no longer than this."""

VOXEL_LIMIT = 2**17
"""Voxels: the leading axes are then halved until a level holds no more than this."""


def round_up(n: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is at least `n`."""
    return -(-n // multiple) * multiple


def halvings(
    shape: Sequence[int], plane_axes: Sequence[int]
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Padded shape and the factors of each level.

    The plane axes are halved, each while it is longer than `PLANE_LIMIT`, then
    the others while the level holds more than `VOXEL_LIMIT` voxels.

    Returns
    -------
    padded
        The shape, rounded up so that every halving is exact.
    factors
        Level-0 voxels per voxel for each level and axis, finest first.
    """
    ndim = len(shape)
    factor = [1] * ndim
    factors = [tuple(factor)]

    def length(axis: int) -> int:
        return -(-shape[axis] // factor[axis])

    while any(length(axis) > PLANE_LIMIT for axis in plane_axes):
        for axis in plane_axes:
            if length(axis) > PLANE_LIMIT:
                factor[axis] *= 2
        factors.append(tuple(factor))
    others = [axis for axis in range(ndim) if axis not in plane_axes]
    while math.prod(length(axis) for axis in range(ndim)) > VOXEL_LIMIT:
        candidates = [axis for axis in others if length(axis) > 1]
        if not candidates:
            break
        factor[max(candidates, key=length)] *= 2
        factors.append(tuple(factor))
    padded = tuple(round_up(n, f) for n, f in zip(shape, factor, strict=True))
    return padded, tuple(factors)
