"""The window that a series opens with."""

from ..base import DisplayError
from ..display.console import Console

__all__ = ["open_window"]

WIDE = 4.0
"""Times the window of all but one weight in a hundred: beyond it the few decide what is seen.

Of a narrow model one weight in a thousand is a gain of a norm, of about 1, and a window that
hides no more than one in a thousand shows matrices of a hundredth of that as black: their growth
would not be seen.
"""

ROBUST = "p1-99"
"""The preset of a window that leaves one weight in a hundred out at either end."""


def open_window(console: Console) -> None:
    """Open with the window of most weights where the usual one is that of a few large ones."""
    usual, preset = console.window, console.preset
    try:
        console.apply_preset(ROBUST)
    except DisplayError:
        return
    if usual.width < WIDE * console.window.width:
        console.window = usual
        console.preset = preset
