"""A field for numbers of any size: weights of 0.001 and Hounsfield units of 2000."""

import math
from typing import Any

from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QAbstractSpinBox, QDoubleSpinBox

__all__ = ["NumberField", "shown"]

LARGEST = 1e30
"""Beyond any weight that float32 tells apart from its neighbours."""

DIGITS = 4
"""Significant digits that are shown."""

STEP = 0.02
"""Share of the field's `stride` that an arrow key or a notch of the wheel changes."""


def shown(value: float) -> str:
    """A number as people write it: four digits, a true minus."""
    return f"{value:.{DIGITS}g}".replace("-", "−")


class NumberField(QDoubleSpinBox):  # type: ignore[misc]
    """A spin box that shows four significant digits and keeps all of them.

    Attributes
    ----------
    stride
        What the steps are a share of: the width of the window.
    """

    def __init__(self, name: str, parent: Any = None) -> None:
        super().__init__(parent)
        self.stride = 1.0
        self.setDecimals(30)
        self.setRange(-LARGEST, LARGEST)
        self.setKeyboardTracking(False)
        self.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.setAccessibleName(name)
        self.setMinimumWidth(64)

    def textFromValue(self, value: float) -> str:
        """Four digits."""
        return shown(value)

    def valueFromText(self, text: str) -> float:
        """What was typed; the present value where nothing has changed."""
        if text.strip() == self.textFromValue(self.value()):
            return float(self.value())
        number = _parse(text)
        return float(self.value()) if number is None else number

    def validate(self, text: str, at: int) -> tuple[Any, str, int]:
        """Whether the text is a number, or may become one."""
        known = _parse(text) is not None
        state = QValidator.State.Acceptable if known else QValidator.State.Intermediate
        return state, text, at

    def stepBy(self, steps: int) -> None:
        """Change by a share of the window."""
        self.setValue(self.value() + steps * STEP * self.stride)


def _parse(text: str) -> float | None:
    try:
        number = float(text.strip().replace("−", "-").replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) <= LARGEST else None
