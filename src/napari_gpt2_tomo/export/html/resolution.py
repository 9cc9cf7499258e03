"""Which level of a volume a page shows, and how large that makes the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...base import DisplayError
from ...page import packed_size
from ...volume.volume import Volume

__all__ = ["DEFAULT_VOXELS", "MOST_VOXELS", "Resolution", "choose_resolution", "resolutions"]

DEFAULT_VOXELS = 128**3
"""Voxels of a page by default: some 3 MB, ready in a second or two on any machine."""

MOST_VOXELS = 512 * 512 * 256
"""Voxels of the largest page: 64 MB of memory, four times that on the graphics card."""

BASE_BYTES = 1_200_000
"""Bytes of a page without voxels: niivue takes nine tenths of it."""

VOXEL_BYTES = 0.82
"""Compressed bytes of a voxel: weights look like noise, so little is gained."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A level of a volume, without margins and in at most three axes.

    Attributes
    ----------
    level
        Number of the level, 0 is the finest.
    factors
        Level-0 voxels per voxel, for each axis of the volume.
    index
        What to take of the level: a slice for each axis of the volume.
    shape
        Voxels per axis of the page; leading axes of a volume of more than three are merged.
    """

    level: int
    factors: tuple[int, ...]
    index: tuple[slice, ...]
    shape: tuple[int, int, int]

    def voxel(self, at: Sequence[int]) -> list[int]:
        """The page's voxel that shows a voxel of level 0; the nearest one for the margins.

        Raises
        ------
        DisplayError
            It has not one index for each axis of the volume.
        """
        stops = [piece.stop for piece in self.index]
        if len(at) != len(stops):
            raise DisplayError(f"A place in this volume has {len(stops)} indices, not {len(at)}.")
        inside = [
            min(max(int(v) // f, 0), stop - 1)
            for v, f, stop in zip(at, self.factors, stops, strict=True)
        ]
        *leading, row, column = inside
        merged = 0
        for v, stop in zip(leading, stops, strict=False):
            merged = merged * stop + v
        return [merged, row, column]

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """About how large the page will be."""
        return BASE_BYTES + packed_size(VOXEL_BYTES * self.voxels)

    @property
    def words(self) -> str:
        """Shape and size for a person, e.g. ``"212 × 96 × 96 voxels, about 3.2 MB"``."""
        return f"{' × '.join(map(str, self.shape))} voxels, about {self.bytes / 1e6:.1f} MB"


def resolutions(volume: Volume) -> list[Resolution]:
    """Every level of a volume, finest first."""
    core = volume.core or (slice(None),) * volume.ndim
    found = []
    for level, factors in enumerate(volume.factors):
        stops = [
            n // f if piece.stop is None else piece.stop // f
            for n, f, piece in zip(volume.shape, factors, core, strict=True)
        ]
        *leading, rows, columns = stops
        found.append(
            Resolution(
                level,
                factors,
                tuple(slice(0, stop) for stop in stops),
                (math.prod(leading), rows, columns),
            )
        )
    return found


def choose_resolution(volume: Volume, max_voxels: int = DEFAULT_VOXELS) -> Resolution:
    """The finest level with at most `max_voxels` voxels; its axes are not resampled.

    Raises
    ------
    DisplayError
        There is no such level, or the number is out of range.
    """
    if not 0 < max_voxels <= MOST_VOXELS:
        raise DisplayError(
            f"A page shows 1 to {MOST_VOXELS:,} voxels, not {max_voxels:,}: choose a number "
            f"between, e.g. {DEFAULT_VOXELS:,}."
        )
    found = resolutions(volume)
    for resolution in found:
        if resolution.voxels <= max_voxels:
            return resolution
    coarsest = found[-1]
    raise DisplayError(
        f"The coarsest level of this {volume.layout.name} has {coarsest.voxels:,} voxels, more "
        f"than {max_voxels:,}: allow at least as many with max_voxels."
    )
