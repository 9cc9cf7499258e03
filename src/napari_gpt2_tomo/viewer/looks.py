"""How each signal and each kind of part looks: tables, no code that decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["DIVERGING", "LOOKS", "ROLE_COLOURS", "Look", "proportions", "simple"]

Stop = tuple[float, tuple[float, float, float, float]]
"""Position in 0…1 and the colour there: red, green, blue, opacity, each in 0…1."""

DIVERGING: tuple[Stop, ...] = (
    (0.00, (0.78, 0.93, 1.00, 1.00)),
    (0.20, (0.34, 0.70, 1.00, 0.92)),
    (0.38, (0.16, 0.44, 0.88, 0.64)),
    (0.50, (0.04, 0.04, 0.06, 0.00)),
    (0.62, (0.88, 0.34, 0.12, 0.64)),
    (0.80, (1.00, 0.60, 0.24, 0.92)),
    (1.00, (1.00, 0.93, 0.70, 1.00)),
)
"""Blue below 0, orange above, dark and clear at 0.

Most weights are close to 0: with an opaque middle a volume of them is a solid
block. Napari takes the opacity of a colormap's stops in *translucent* rendering.
"""


@dataclass(frozen=True, slots=True)
class Look:
    """How an image of a signal is drawn at first.

    Attributes
    ----------
    colormap
        Name of a napari colormap, or the stops of one.
    rendering
        In 3-D.
    attenuation
        Of ``attenuated_mip``: how fast what lies behind bright voxels fades.
    gamma
        Below 1 lifts what is dark: a section is full of middling weights, a
        projection of a volume of its brightest.
    """

    colormap: str | tuple[Stop, ...]
    rendering: str
    attenuation: float = 0.05
    gamma: float = 1.0


LOOKS: Mapping[str, Look] = {
    "magnitude": Look("inferno", "attenuated_mip", 0.02, 0.85),
    "rank": Look("magma", "attenuated_mip", 0.02),
    "signed": Look(DIVERGING, "translucent"),
    "sigma": Look(DIVERGING, "translucent"),
    "sigma_global": Look(DIVERGING, "translucent"),
}
"""By signal."""

ROLE_COLOURS: Mapping[str, tuple[float, float, float]] = {
    # Attention in blues and greens, the MLP in warm colours, what belongs to no
    # layer in violets, so that a body reads from afar.
    "q": (0.26, 0.56, 0.96),
    "k": (0.16, 0.76, 0.83),
    "v": (0.23, 0.75, 0.47),
    "o": (0.62, 0.82, 0.31),
    "gate": (0.98, 0.76, 0.25),
    "up": (0.97, 0.56, 0.22),
    "down": (0.89, 0.34, 0.25),
    "router": (0.94, 0.36, 0.60),
    "token_embedding": (0.61, 0.43, 0.90),
    "position_embedding": (0.80, 0.48, 0.90),
    "type_embedding": (0.90, 0.62, 0.90),
    "unembedding": (0.45, 0.40, 0.80),
    "norm": (0.86, 0.86, 0.80),
    "bias": (0.66, 0.70, 0.66),
    "other": (0.55, 0.55, 0.60),
}
"""Colour of a role in the atlas; a role that is not here has its group's, or that of `other`."""

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
