"""The numbers of the window on the canvas while it is moved."""

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from ..display.console import Console
from ..display.looks import LOOKS

__all__ = ["Readout", "short"]

MARGIN = 12
"""Pixels between the label and the upper edge of the canvas."""

STYLE = (
    "background: rgba(16, 18, 24, 215); color: #f2f4f8; border: 1px solid #5b6270;"
    "border-radius: 6px; padding: 5px 12px; font-size: 12px;"
)
"""Dark on every theme: it stands on pictures, not on the window."""


def short(value: float) -> str:
    """A number of a window, with three or four digits."""
    return f"{value:.4g}".replace("-", "−")


class Readout(QLabel):  # type: ignore[misc]
    """A label at the top of a canvas; lets the mouse through."""

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
        self.setText(
            f"<b>W</b> {short(window.width)} &nbsp; <b>L</b> {short(window.centre)} "
            f'<span style="color:#aab2c0">{symbol} &nbsp;·&nbsp; '
            f"{short(width)} &nbsp;{short(centre)} σ</span>"
        )
        self.adjustSize()
        self.move(max((self.parent().width() - self.width()) // 2, 0), MARGIN)
        self.show()
        self.raise_()
