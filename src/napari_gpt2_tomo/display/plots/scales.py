"""Logarithmic axes with plain numbers."""

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["log_scale"]

FEW_DECADES = 30.0
"""End of an axis over its beginning up to which 2 and 5 are named beside the powers of ten."""

ONE_STEP = 2.5
"""The same up to which each tick is named: there may be no power of ten, nor 2 or 5."""


def log_scale(axes: "Axes", which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic.

    matplotlib writes powers of ten as formulas, which figures leave unread: a token may hold a
    dollar sign. They are written as numbers here: 0.01, 1,000, 1e-06.
    """
    from matplotlib.ticker import FuncFormatter

    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")

    def between(value: float, place: int | None = None) -> str:
        low, high = sorted(axis.get_view_interval())
        ratio = high / low if low > 0 else np.inf
        leading = round(value / 10.0 ** np.floor(np.log10(value))) if value > 0 else 0
        named = ratio <= ONE_STEP or (ratio <= FEW_DECADES and leading in (2, 5))
        return _number(value) if named else ""

    axis.set_major_formatter(FuncFormatter(_number))
    axis.set_minor_formatter(FuncFormatter(between))


def _number(value: float, place: int | None = None) -> str:
    return f"{value:,.9g}"
