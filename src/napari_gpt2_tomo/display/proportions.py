"""How long the axes of a volume are drawn."""

from collections.abc import Mapping, Sequence

__all__ = ["proportions", "simple"]

GOLDEN = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20, 24, 25, 30, 32, 40, 48, 50, 60, 64, 80, 100)
"""Numbers that are easy to read off a scale."""


def simple(ratio: float) -> float:
    """The number close to `ratio` (> 0) that is easiest to read: an integer or one over one."""
    if ratio < 1:
        return 1 / simple(1 / ratio)
    if ratio > GOLDEN[-1]:
        return float(round(ratio))
    return float(min(GOLDEN, key=lambda n: abs(n - ratio) / n))


SHARES: Mapping[str, Mapping[int, float]] = {
    "body": {0: 1.0},
    "heads": {1: 1.0, 2: 0.5},
    "experts": {0: 0.5},
    "circuits": {1: 1.0},
}
"""By layout: how long an axis is drawn, as a share of the longest of the last two.

A body becomes about as deep as it is wide. The axes of other layouts are drawn
as long as they are.
"""


def proportions(layout: str, shape: Sequence[int]) -> tuple[float, ...]:
    """World units per voxel and axis that give a volume sensible proportions.

    Parameters
    ----------
    layout
        Name of the layout.
    shape
        Voxels per axis, without the margins of a body.
    """
    scale = [1.0] * len(shape)
    widest = max(shape[-2:])
    for axis, share in SHARES.get(layout, {}).items():
        scale[axis] = simple(share * widest / max(shape[axis], 1))
    return tuple(scale)
