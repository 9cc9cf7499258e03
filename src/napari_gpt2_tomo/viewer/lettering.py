"""How long words on a canvas are, and where their lines break."""

from collections.abc import Callable, Sequence
from functools import lru_cache

__all__ = ["INDENT", "text_width", "wrapped"]

INDENT = "   "
"""Before what is left of a line that was broken."""

DOT = " · "
"""Between the parts of a caption."""

FIXED = "\N{NO-BREAK SPACE}"
"""A value stays behind its sign."""

INCH = 72.0
"""Points of an inch."""


@lru_cache(maxsize=512)
def text_width(text: str, points: float) -> float:
    """Pixels that a line of a canvas' text overlay takes.

    Measured with napari 0.9.2: letters are larger than Qt's of the same points, by the
    screen's dots per inch over 72.
    """
    from qtpy.QtGui import QFont, QFontMetricsF, QGuiApplication

    font = QFont(QGuiApplication.font().family())
    font.setPointSizeF(points)
    larger = QGuiApplication.primaryScreen().logicalDotsPerInch() / INCH
    width: float = QFontMetricsF(font).horizontalAdvance(text) * larger
    return width


def wrapped(
    lines: Sequence[str], width: float, first: float, measure: Callable[[str], float]
) -> list[str]:
    """Lines broken so that each fits: after a dot in the middle where that is enough, else at
    spaces. A word that is too long stays whole.

    Parameters
    ----------
    lines
        The text.
    width, first
        What a line may measure, and what the first may.
    measure
        Gives the length of a text.
    """
    found: list[str] = []
    for line in lines:
        present = ""
        longest = (width if found else min(first, width)) - measure(INDENT)
        for piece in _pieces(line, longest, measure):
            longer = f"{present} {piece}" if present else piece
            if present.strip() and measure(longer) > (width if found else first):
                found.append(present)
                longer = INDENT + piece
            present = longer
        found.append(present)
    return found


def _pieces(line: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """Parts of a line that belong together."""
    found: list[str] = []
    parts = line.split(DOT)
    for i, part in enumerate(parts):
        whole = part if i == len(parts) - 1 else part + DOT.rstrip()
        if measure(whole) <= width:
            found.append(whole)
        else:
            found += whole.replace("= ", f"={FIXED}").split(" ")
    return [piece.replace(FIXED, " ") for piece in found]
