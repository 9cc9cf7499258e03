"""How each signal and each kind of part looks: tables, no code that decides."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..display.proportions import proportions, simple
from ..display.roles import ROLE_COLOURS

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
