"""Array-likes as dask arrays, chunked for slicing along any axis."""

import math
from types import EllipsisType
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from numpy.typing import NDArray

from .virtual import VirtualVolume

__all__ = ["CHUNK_VOXELS", "LevelArray", "chunk_shape", "dask_level"]

CHUNK_VOXELS = 2**28
"""Voxels a chunk may hold: 1 GB of float32 if somebody computes over a whole level."""


def chunk_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Chunks as large as `CHUNK_VOXELS` allows, never cut along the leading axis first.

    A slice reads what it needs whatever the chunk's size, and dask spends about
    0.2 ms on every chunk that the slice crosses. One chunk over all sections makes
    a coronal slice cost 1.3 ms, one chunk per section 64 ms.
    """
    chunks = list(shape)
    while math.prod(chunks) > CHUNK_VOXELS:
        longest = max(range(max(0, len(chunks) - 2), len(chunks)), key=lambda i: chunks[i])
        if chunks[longest] == 1:
            longest = max(range(len(chunks)), key=lambda i: chunks[i])
        chunks[longest] = -(-chunks[longest] // 2)
    return tuple(chunks)


class LevelArray(da.Array):  # type: ignore[misc]
    """A dask array over a level that a basic index narrows before there is a graph.

    dask otherwise turns a slice of a chunk into a read of that slice only when it
    may fuse tasks, which napari switches off: every slice would read its whole chunk.
    """

    level: VirtualVolume

    @classmethod
    def of(cls, level: VirtualVolume, name: str) -> "LevelArray":
        """An array over `level`; `name` must be unique for its content (dask caches by it)."""
        meta = np.empty((0,) * level.ndim, level.dtype)
        chunks = chunk_shape(level.shape)
        array: LevelArray
        if chunks == level.shape:
            # One task, which costs dask half of what a cut of an array of one chunk does.
            graph = {(name, *(0,) * level.ndim): (_whole, level)}
            parts = tuple((n,) for n in chunks)
            array = da.Array.__new__(cls, graph, name, parts, meta=meta)
        else:
            made = da.from_array(level, chunks=chunks, name=name, asarray=False, meta=meta)
            array = da.Array.__new__(cls, made.dask, made.name, made.chunks, meta=made._meta)
        array.level = level
        return array

    def __getitem__(self, index: Any) -> da.Array:
        items = index if isinstance(index, tuple) else (index,)
        if not all(isinstance(item, (int, np.integer, slice, EllipsisType)) for item in items):
            return super().__getitem__(index)
        name = f"{self.name}-{tokenize(items)}"
        return LevelArray.of(self.level.view(items), name)


def _whole(level: VirtualVolume) -> NDArray[Any]:
    return level[...]


def dask_level(level: VirtualVolume, name: str) -> da.Array:
    """A dask array over a level; `name` must be unique for its content (dask caches by it)."""
    return LevelArray.of(level, name)
