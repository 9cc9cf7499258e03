"""The patterns of all heads in one picture: layers downwards, heads to the right."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .patterns import resampled

__all__ = ["Mosaic"]

F32 = NDArray[np.float32]

GAP = 2
"""Pixels between two thumbnails."""


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Where the thumbnails of a grid of heads lie.

    Attributes
    ----------
    layers, heads
        Rows and columns.
    cell
        Pixels along a side of a thumbnail.
    gap
        Pixels between two.
    """

    layers: int
    heads: int
    cell: int
    gap: int = GAP

    @classmethod
    def fitting(cls, layers: int, heads: int, width: int, height: int, least: int = 10) -> "Mosaic":
        """The largest that fits a space in pixels, with cells of at least `least`."""
        across = (width + GAP) // max(heads, 1) - GAP
        down = (height + GAP) // max(layers, 1) - GAP
        return cls(layers, heads, max(least, min(across, down)))

    @property
    def size(self) -> tuple[int, int]:
        """Pixels of width and height."""
        step = self.cell + self.gap
        return max(0, self.heads * step - self.gap), max(0, self.layers * step - self.gap)

    def corner(self, layer: int, head: int) -> tuple[int, int]:
        """x and y of the upper left pixel of a head."""
        step = self.cell + self.gap
        return head * step, layer * step

    def at(self, x: float, y: float) -> tuple[int, int] | None:
        """Layer and head at a pixel; a gap belongs to the head before it. None outside."""
        step = self.cell + self.gap
        head, layer = int(x // step), int(y // step)
        if 0 <= layer < self.layers and 0 <= head < self.heads:
            return layer, head
        return None

    def picture(self, pictures: NDArray[np.float32]) -> F32:
        """One picture ``(row, column)`` of heads ``(layer, head, row, column)``, NaN between."""
        width, height = self.size
        step = self.cell + self.gap
        out = np.full((self.layers, step, self.heads, step), np.nan, np.float32)
        small = resampled(pictures, self.cell)
        out[:, : self.cell, :, : self.cell] = small.transpose(0, 2, 1, 3)
        return out.reshape(self.layers * step, self.heads * step)[:height, :width]
