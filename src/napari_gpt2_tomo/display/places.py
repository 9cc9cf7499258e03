"""Where the parts of a model lie in a volume, as boxes of voxels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..anatomy.part import Part
from ..base import LayoutError
from ..volume.layouts.layout import Box
from ..volume.volume import Volume

__all__ = ["Places", "Target", "middle", "single"]


@dataclass(frozen=True, slots=True)
class Target:
    """A place in a volume.

    Attributes
    ----------
    query
        What leads here again.
    title
        What it is, in words.
    voxel
        The level-0 voxel to look at: the parameter itself, or the middle of `box`.
    box
        The level-0 voxels of what was asked for. Of what lies in several sections, those in
        the first; a single voxel where it lies scattered, as in the cube.
    part
        Name of the part, None in air.
    note
        What should be said about the choice, e.g. which of two tokens was taken.
    """

    query: str
    title: str
    voxel: tuple[int, ...]
    box: Box
    part: str | None
    note: str = ""


class Places:
    """Finds the voxels of parts and of pieces of them.

    Parameters
    ----------
    volume
        Where to look.
    shapes
        Shape of every stored tensor.
    """

    def __init__(self, volume: Volume, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._volume = volume
        # What is computed, like a circuit, is not stored: its tensor has the part's own shape.
        self._shapes = {part.tensor: part.shape for part in volume.anatomy.parts} | dict(shapes)

    def stored(self, part: Part, inner: Sequence[int]) -> tuple[int, ...]:
        """The index into the stored tensor of an element of a part."""
        flat = part.view.flat(inner)
        return tuple(int(i) for i in np.unravel_index(flat, self._shapes[part.tensor]))

    def voxel(self, part: Part, inner: Sequence[int]) -> tuple[int, ...]:
        """The voxel of an element of a part; `LayoutError` if the layout does not show it."""
        return self._volume.voxel(part.tensor, self.stored(part, inner))

    def shows(self, part: Part) -> bool:
        """Whether the layout shows a part that is not empty."""
        try:
            self.voxel(part, [0] * len(part.shape))
        except LayoutError:
            return False
        return True

    def extent(self, part: Part, ranges: Sequence[tuple[int, int]]) -> Box:
        """Voxels of a box of a part, as far as they lie in one plane of the last two axes.

        In the cube, where a part lies scattered, the voxel of its middle element.
        """
        low = [a for a, _ in ranges]
        if self._volume.layout.name == "cube":
            return single(self.voxel(part, [(a + b) // 2 for a, b in ranges]))
        first = self.voxel(part, low)
        high = list(low)
        for axis, (start, stop) in enumerate(ranges):
            # Along every axis of a part its voxels fill one plane after the other.
            inside, outside = start, stop
            while outside - inside > 1:
                half = (inside + outside) // 2
                at = self.voxel(part, [*low[:axis], half, *low[axis + 1 :]])
                if at[:-2] == first[:-2]:
                    inside = half
                else:
                    outside = half
            high[axis] = inside
        last = self.voxel(part, high)
        if last[:-2] != first[:-2]:
            last = first
        return tuple((min(a, b), max(a, b) + 1) for a, b in zip(first, last, strict=True))


def single(voxel: Sequence[int]) -> Box:
    """The box of one voxel."""
    return tuple((v, v + 1) for v in voxel)


def middle(box: Box) -> tuple[int, ...]:
    """The voxel in the middle of a box."""
    return tuple((a + b) // 2 for a, b in box)
