"""What keys and mouse do, as a list in the console."""

import sys
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel

from ..link import Link
from ..shortcuts import MOUSE, SHORTCUTS
from .panel import Panel

__all__ = ["HelpPanel"]


class HelpPanel(Panel):
    """Lists the keys and what the mouse does."""

    title = "Keys and mouse"
    folded = True
    scans_only = False

    def __init__(self, viewer: Any, parent: Any = None) -> None:
        super().__init__(viewer, parent)
        grid = QGridLayout(self)
        grid.setContentsMargins(4, 0, 4, 4)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        rows = [*MOUSE, *((_shown(one.key), one.does) for one in SHORTCUTS)]
        for number, (keys, does) in enumerate(rows):
            key = QLabel(f"<b>{keys}</b>")
            text = QLabel(does)
            text.setWordWrap(True)
            grid.addWidget(key, number, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(text, number, 1)

    def set_link(self, link: Link | None) -> None:
        """The same for every scan."""


def _shown(key: str) -> str:
    words = key.replace("PageUp", "Page↑").replace("PageDown", "Page↓").split("-")
    return ("" if sys.platform == "darwin" else " + ").join(words)
