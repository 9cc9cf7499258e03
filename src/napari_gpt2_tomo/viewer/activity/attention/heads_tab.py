"""The tab with thumbnails of all heads."""

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from .grid import HeadGrid

__all__ = ["HeadsTab"]

LINES = 5
"""Lines of text below the thumbnails: a name and a dozen metrics at the dock's own width."""


class HeadsTab(QWidget):  # type: ignore[misc]
    """The grid of all heads, and in words the one under the mouse, else the selected one.

    Parameters
    ----------
    describe
        What is said of a head.

    Attributes
    ----------
    grid
        The thumbnails.
    """

    def __init__(self, describe: Callable[[int, int], str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._describe = describe
        self._selected = (0, 0)
        self.grid = HeadGrid()
        self.grid.hovered.connect(self._say)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(self.grid)
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.line.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addWidget(area, stretch=1)
        layout.addWidget(self.line)

    def select(self, layer: int, head: int) -> None:
        """Mark a head."""
        self._selected = (layer, head)
        self.grid.select(layer, head)
        # The letters are known once it is shown.
        self.line.setMinimumHeight(LINES * self.line.fontMetrics().lineSpacing())
        self._say(None)

    def _say(self, under: Any) -> None:
        self.line.setText(self._describe(*(under or self._selected)))
