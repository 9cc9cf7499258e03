"""Colours of what the console draws itself, right on dark and on light themes."""

from dataclasses import dataclass
from typing import Any

from qtpy.QtGui import QColor, QPalette

__all__ = ["Ink", "ink_of"]

AMBER = (QColor(255, 183, 77), QColor(178, 84, 0))
BLUE = (QColor(120, 170, 255), QColor(30, 84, 190))
"""For dark and for light themes; blue and orange are told apart by everybody."""


@dataclass(frozen=True, slots=True)
class Ink:
    """Colours to draw with.

    Attributes
    ----------
    text, faint, ground
        Text, lines and bars that stand back, and what lies under them.
    window, curve
        The window, and the distribution function.
    """

    text: QColor
    faint: QColor
    ground: QColor
    window: QColor
    curve: QColor


def ink_of(widget: Any) -> Ink:
    """The colours for a widget as its theme is now."""
    palette = widget.palette()
    text = QColor(palette.color(QPalette.ColorRole.WindowText))
    ground = QColor(palette.color(QPalette.ColorRole.Window))
    light = int(ground.lightnessF() > 0.5)
    faint = QColor(text)
    faint.setAlphaF(0.32)
    sunk = ground.darker(104) if light else ground.darker(135)
    return Ink(text, faint, sunk, AMBER[light], BLUE[light])
