"""How a volume of each signal is drawn at first, beside its colours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["LOOKS", "RENDERINGS", "Look", "Rendering"]

Rendering = Literal["translucent", "mip", "minip", "attenuated_mip", "iso", "additive", "average"]
"""How a volume is drawn, in napari's words."""

RENDERINGS: tuple[Rendering, ...] = get_args(Rendering)


@dataclass(frozen=True, slots=True)
class Look:
    """How an image of a signal is drawn at first.

    Attributes
    ----------
    rendering
        In 3-D.
    attenuation
        Of ``attenuated_mip``: how fast what lies behind bright voxels fades.
    gamma
        Below 1 lifts what is dark: a section is full of middling weights, a
        projection of a volume of its brightest.
    symbol
        What stands at numbers of the signal on screen.
    """

    rendering: Rendering
    attenuation: float = 0.05
    gamma: float = 1.0
    symbol: str = "w"


LOOKS: Mapping[str, Look] = {
    "magnitude": Look("attenuated_mip", 0.02, 0.85, "|w|"),
    "rank": Look("attenuated_mip", 0.02, symbol="rank"),
    "signed": Look("translucent"),
    "sigma": Look("translucent", symbol="z"),
    "sigma_global": Look("translucent", symbol="z"),
    "activity": Look("translucent", symbol="a"),
    "strength": Look("attenuated_mip", 0.02, symbol="a"),
    "attention": Look("attenuated_mip", 0.02, symbol="p"),
}
"""By signal: those of weights, then what a prompt does: values of either sign, values from 0
up, and shares of attention."""
