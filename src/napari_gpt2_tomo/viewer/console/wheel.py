"""Scrolling the console must not change what happens to pass under the mouse."""

from typing import Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QWidget

__all__ = ["WheelGuard"]

FIELDS = (QAbstractSlider, QAbstractSpinBox, QComboBox)
"""What changes its value with the wheel, even where it has not been clicked."""


class WheelGuard(QObject):  # type: ignore[misc]
    """Gives the wheel to the fields of a widget only while they have the focus."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        for child in widget.findChildren(QWidget):
            if isinstance(child, FIELDS):
                child.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Leave the wheel to whoever scrolls."""
        if event.type() == QEvent.Type.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False
