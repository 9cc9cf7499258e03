"""Numbers out of files that anyone may have written."""

import math

__all__ = ["finite_number"]


def finite_number(value: object) -> float | None:
    """A number as a float; None if it is none (truth values are none) or not finite.

    JSON has integers of any length: those beyond every float are not finite here.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
