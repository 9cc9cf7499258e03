"""The window that a scan opens with."""

from collections.abc import Mapping

from .presets import Preset, preset
from .window import Scale

__all__ = ["FIXED", "opening_preset"]

FIXED: Mapping[str, str] = {
    "rank": "full",
    "attention": "full",
    "strength": "full",
    "activity": "p1-99",
}
"""Preset of a signal, where it does not depend on the values.

Three of the 768 channels of GPT-2's residual stream are a hundred times larger than the others,
more than one value in a thousand.
"""

USUAL, ROBUST = "p0.1-99.9", "p1-99"

WIDE = 4.0
"""Times the robust window: beyond it the few decide what is seen, and the usual one gives way.

Of a narrow model one weight in a thousand is a gain of a norm, of about 1, and a window that
hides no more than one in a thousand shows matrices of a hundredth of that as black. Wide models
(GPT-2: 1.7 times) stay far below.
"""


def opening_preset(signal: str, scale: Scale) -> Preset:
    """The preset that a signal opens with.

    Parameters
    ----------
    signal
        What is displayed.
    scale
        How its values are distributed.
    """
    if signal in FIXED:
        return preset(FIXED[signal])
    usual, robust = preset(USUAL), preset(ROBUST)
    few = usual.window(scale).width >= WIDE * robust.window(scale).width
    return robust if few else usual
