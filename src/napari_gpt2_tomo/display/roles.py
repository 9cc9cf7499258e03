"""The colour of every kind of part: one table for layers, legends and pages."""

import colorsys
from collections.abc import Mapping

__all__ = ["ROLE_COLOURS", "role_colour"]

Colour = tuple[float, float, float]
"""Red, green, blue in 0…1, sRGB."""

ROLE_COLOURS: Mapping[str, Colour] = {
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

ODD_LAYERS = 0.72
"""Lightness of odd layers as a share of that of even ones: neighbours can be told apart."""


def role_colour(role: str, group: str, layer: int | None = None) -> Colour:
    """Colour of a part: its role's hue, or its group's, a shade darker in every other layer."""
    base = ROLE_COLOURS.get(role) or ROLE_COLOURS.get(group, ROLE_COLOURS["other"])
    hue, light, saturation = colorsys.rgb_to_hls(*base)
    if layer is not None and layer % 2:
        light *= ODD_LAYERS
    return colorsys.hls_to_rgb(hue, light, saturation)
