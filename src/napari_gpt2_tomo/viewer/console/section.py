"""A panel under a heading that folds it away."""

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

from .ink import ink_of

__all__ = ["Rule", "Section"]

HEADING = (
    "QToolButton { border: none; background: transparent; font-weight: 600; padding: 3px 2px; }"
)


class Section(QWidget):  # type: ignore[misc]
    """A heading with a widget below it; a click on the heading hides or shows the widget."""

    def __init__(self, title: str, content: QWidget, *, folded: bool = False) -> None:
        super().__init__()
        self.content = content
        self.heading = QToolButton()
        self.heading.setText(title)
        self.heading.setCheckable(True)
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setStyleSheet(HEADING)
        self.heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.heading.setAccessibleName(f"{title}: show or hide")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.heading)
        layout.addWidget(content)
        self.heading.toggled.connect(self.unfold)
        self.heading.setChecked(not folded)
        self.unfold(not folded)

    @property
    def folded(self) -> bool:
        """Whether only the heading is shown."""
        return not self.heading.isChecked()

    def unfold(self, on: Any = True) -> None:
        """Show the widget, or its heading only."""
        self.heading.setChecked(bool(on))
        self.heading.setArrowType(Qt.ArrowType.DownArrow if on else Qt.ArrowType.RightArrow)
        self.content.setVisible(bool(on))


class Rule(QWidget):  # type: ignore[misc]
    """A faint line between two sections, on any theme."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(1)

    def paintEvent(self, event: Any) -> None:
        """Draw."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), ink_of(self).faint)
        painter.end()
