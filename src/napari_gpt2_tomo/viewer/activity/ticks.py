"""Which labels stand beside a picture, and where: plain arithmetic in canvas pixels."""

import math
from dataclasses import dataclass

from .sites import Axis

__all__ = ["Tick", "nice_step", "ticks"]

APART = 64.0
"""Pixels between two numbers on an axis."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of an axis.

    Attributes
    ----------
    index
        What it names.
    at
        Where its middle lies along the axis, canvas pixels.
    text
        What it says.
    """

    index: int
    at: float
    text: str


def ticks(
    axis: Axis, begin: float, step: float, room: tuple[float, float], least: float
) -> list[Tick]:
    """The labels of an axis that fit on a canvas.

    Parameters
    ----------
    axis
        What is labelled.
    begin, step
        Pixels of the middle of the first, and from one to the next; the step may be negative.
    room
        First and last pixel of the canvas along the axis.
    least
        Pixels that a label needs along the axis.
    """
    if not step or not axis.size:
        return []
    size = abs(step)
    labels = axis.labels
    every = math.ceil(least / size) if labels is not None else nice_step(APART / size)
    low, high = room
    bounds = sorted(((low - begin) / step, (high - begin) / step))
    first = max(math.ceil(bounds[0] - 0.5), 0)
    last = min(math.floor(bounds[1] + 0.5), axis.size - 1)
    first += -first % every
    return [
        Tick(i, min(max(begin + step * i, low), high), labels[i] if labels is not None else f"{i}")
        for i in range(first, last + 1, every)
    ]


def nice_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50 … that is at least `least`."""
    if least <= 1:
        return 1
    power = 10 ** math.floor(math.log10(least))
    return int(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least))
