"""The numbers of the window on the canvas while it is moved."""

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from ..display.console import Console
from ..display.looks import LOOKS
from .console.numbers import shown

__all__ = ["Readout"]

MARGIN = 12
"""Pixels between the label and the lower edge of the canvas: captions are at the upper."""

STYLE = (
    "background: rgba(16, 18, 24, 215); color: #f2f4f8; border: 1px solid #5b6270;"
    "border-radius: 6px; padding: 5px 12px; font-size: 12px;"
)
"""Dark on every theme: it stands on pictures, not on the window."""


FAINT = "#aab2c0"
"""Colour of the numbers in σ, which stand back."""


class Readout(QLabel):  # type: ignore[misc]
    """A label at the foot of a canvas; lets the mouse through."""

    def __init__(self, canvas: Any) -> None:
        super().__init__(canvas)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setStyleSheet(STYLE)

    def write(self, console: Console) -> None:
        """Show the width and the centre of a console's window."""
        window, scale = console.window, console.scale()
        symbol = LOOKS[console.signal].symbol
        centre, width = scale.to(window.centre, "sigma"), scale.length_to(window.width, "sigma")
        said = f"<b>W</b> {shown(window.width)} &nbsp; <b>L</b> {shown(window.centre)} {symbol}"
        scores = f"W {shown(width)} &nbsp; L {shown(centre)} σ"
        self.setText(f'{said} <span style="color: {FAINT}">&nbsp;·&nbsp; {scores}</span>')
        self.adjustSize()
        canvas = self.parent()
        left = max((canvas.width() - self.width()) // 2, 0)
        self.move(left, max(canvas.height() - self.height() - MARGIN, 0))
        self.show()
        self.raise_()
