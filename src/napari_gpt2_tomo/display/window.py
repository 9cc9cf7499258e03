"""Windows, as in radiology: a centre and a width, in the units of what is shown."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from ..base import DisplayError

__all__ = ["FROM_ZERO", "HU_PER_SIGMA", "SIGNED", "UNITS", "Scale", "Unit", "Window"]

Unit = Literal["weight", "sigma", "hu"]
"""What a number of a window counts: the displayed signal itself, its deviation from the
mean in standard deviations, or the same in the unit of a CT.
"""

UNITS: tuple[Unit, ...] = get_args(Unit)

HU_PER_SIGMA = 500.0
"""Hounsfield-like units per standard deviation: HU = 500 · (w − mean) / σ."""

RESOLUTION, SMALLEST = 2.0**-20, 1e-30
"""Narrowest window as a share of its centre, and at 0: float32 resolves little more."""

SIGNED = frozenset({"signed", "sigma", "sigma_global", "activity"})
"""Signals that have a sign: 0 is their neutral value."""

FROM_ZERO = frozenset({"magnitude", "strength"})
"""Signals whose window begins at 0: nothing is below it."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which values are spread over the colours, in the units of the displayed signal.

    Attributes
    ----------
    centre
        The value shown in the middle colour.
    width
        From the first to the last colour, above 0.

    Raises
    ------
    DisplayError
        The width is not above 0, or a number is not finite.
    """

    centre: float
    width: float

    def __post_init__(self) -> None:
        for name in ("centre", "width"):
            value = getattr(self, name)
            try:
                number = float(value)
            except (TypeError, ValueError, OverflowError):
                raise DisplayError(
                    f"The {name} of a window must be a number, not {value!r}."
                ) from None
            if not math.isfinite(number):
                raise DisplayError(f"The {name} of a window must be finite, not {number}.")
            object.__setattr__(self, name, number)
        low, high = self.limits
        if self.width <= 0 or not low < high:
            raise DisplayError(
                f"A window of width {self.width:g} around {self.centre:g} shows nothing: "
                "choose a width above 0."
            )

    @property
    def limits(self) -> tuple[float, float]:
        """The values shown in the first and in the last colour."""
        return self.centre - self.width / 2, self.centre + self.width / 2

    @classmethod
    def of_limits(cls, low: float, high: float) -> "Window":
        """The window between two values.

        Raises
        ------
        DisplayError
            The first is not below the second.
        """
        if not low < high:
            raise DisplayError(
                f"A window from {low:g} to {high:g} shows nothing: its first value must be "
                "below its second."
            )
        return cls((low + high) / 2, high - low)

    def moved(self, centre: float = 0.0, width: float = 0.0) -> "Window":
        """The window with its centre and width changed by these amounts.

        The width shrinks by at most a tenth of itself at a time, so that no
        number of moves brings it to 0.
        """
        middle = self.centre + centre
        finest = max(abs(middle) * RESOLUTION, SMALLEST)
        return Window(middle, max(self.width + width, 0.9 * self.width, finest))


@dataclass(frozen=True, slots=True)
class Scale:
    """What σ, HU and percentages of a displayed signal refer to.

    Attributes
    ----------
    mean, sigma
        Mean and standard deviation of the signal.
    low, high
        Its smallest and largest value.
    quantile
        Gives the value below which a share (0…1) lies.
    signal
        Name of the signal.
    """

    mean: float
    sigma: float
    low: float
    high: float
    quantile: Callable[[float], float]
    signal: str = "signed"

    @property
    def two_sided(self) -> bool:
        """Whether values lie on both sides of 0, the neutral value of a signed signal."""
        return self.signal in SIGNED and self.low < 0 < self.high

    def to(self, value: float, unit: Unit) -> float:
        """A value of the signal in another unit; constant data have no deviation."""
        if _known(unit) == "weight":
            return value
        score = (value - self.mean) / self.sigma if self.sigma else 0.0
        return score * HU_PER_SIGMA if unit == "hu" else score

    def from_(self, value: float, unit: Unit) -> float:
        """The value of the signal that a number in another unit stands for."""
        if _known(unit) == "weight":
            return value
        return self.mean + self.length_from(value, unit)

    def length_to(self, width: float, unit: Unit) -> float:
        """A difference of two values of the signal in another unit."""
        return self.to(self.mean + width, unit) - self.to(self.mean, unit)

    def length_from(self, width: float, unit: Unit) -> float:
        """The difference of two values that a width in another unit stands for."""
        if _known(unit) == "weight":
            return width
        return width * self.sigma / (HU_PER_SIGMA if unit == "hu" else 1.0)

    def window(self, low: float, high: float) -> Window:
        """The window between two values that suits the signal.

        Magnitudes begin at 0, signed signals that lie on both sides of it are
        centred on it; constant data get value ± 1.
        """
        if self.signal in FROM_ZERO:
            low = 0.0
        elif self.two_sided and low < 0 < high:
            high = max(-low, high)
            low = -high
        return self.exactly(low, high)

    def exactly(self, low: float, high: float) -> Window:
        """The window between two values as they are; value ± 1 where they do not differ."""
        if self.low == self.high or not low < high:
            low, high = self.high - 1, self.high + 1
        return Window.of_limits(low, high)


def _known(unit: str) -> str:
    if unit not in UNITS:
        raise DisplayError(f"There is no unit {unit!r}; choose one of {', '.join(UNITS)}.")
    return unit
