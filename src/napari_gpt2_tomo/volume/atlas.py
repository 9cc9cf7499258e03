"""The atlas: which voxel belongs to which part."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ..anatomy.anatomy import Anatomy
from .address import part_title
from .reading.reader import LevelReader
from .reading.virtual import VirtualVolume

if TYPE_CHECKING:
    import dask.array as da

__all__ = ["Atlas", "Region"]


@dataclass(frozen=True, slots=True)
class Region:
    """A labelled part: its label in the atlas, its name and what it is."""

    label: int
    name: str
    title: str
    role: str
    group: str
    layer: int | None
    expert: int | None
    tensor: str
    size: int


class Atlas:
    """Labels over a volume, computed where they are looked at; air is 0."""

    def __init__(self, anatomy: Anatomy, reader: LevelReader, token: str) -> None:
        self._reader = reader
        self._token = token
        self.regions: tuple[Region, ...] = tuple(
            Region(
                i + 1,
                part.name,
                part_title(part.role, part.layer, part.expert)
                if part.role != "other"
                else part.name,
                part.role,
                part.group,
                part.layer,
                part.expert,
                part.tensor,
                part.size,
            )
            for i, part in enumerate(anatomy.parts)
        )

    @cached_property
    def _by_name(self) -> dict[str, Region]:
        return {region.name: region for region in self.regions}

    def region(self, name: str) -> Region:
        """The region of a part; KeyError if there is none."""
        return self._by_name[name]

    def level(self, level: int) -> VirtualVolume:
        """Labels of one level as an array-like, int32."""
        layout = self._reader.layout
        shape = layout.level_shape(level)
        return VirtualVolume(shape, np.int32, lambda box: self._reader.labels(box, level))

    @cached_property
    def levels(self) -> "Sequence[da.Array]":
        """Labels as lazy dask arrays, int32, finest first."""
        from .reading.lazy import dask_level

        return [
            dask_level(self.level(i), f"tomo-atlas-{self._token}-{i}")
            for i in range(len(self._reader.layout.factors))
        ]
