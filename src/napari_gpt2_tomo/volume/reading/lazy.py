"""Array-likes as dask arrays, chunked for slicing along any axis."""

import math

import dask.array as da
import numpy as np

from .virtual import VirtualVolume

__all__ = ["CHUNK_VOXELS", "chunk_shape", "dask_level"]

CHUNK_VOXELS = 2**28
"""Voxels a chunk may hold: 1 GB of float32 if somebody computes over a whole level."""


def chunk_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Chunks as large as `CHUNK_VOXELS` allows, never cut along the leading axis first.

    dask turns a slice of a chunk into a read of that slice alone, whatever the
    chunk's size, and spends about 0.2 ms on every chunk that the slice crosses.
    One chunk over all sections makes a coronal slice cost 1.3 ms, one chunk per
    section 64 ms.
    """
    chunks = list(shape)
    while math.prod(chunks) > CHUNK_VOXELS:
        longest = max(range(max(0, len(chunks) - 2), len(chunks)), key=lambda i: chunks[i])
        if chunks[longest] == 1:
            longest = max(range(len(chunks)), key=lambda i: chunks[i])
        chunks[longest] = -(-chunks[longest] // 2)
    return tuple(chunks)


def dask_level(level: VirtualVolume, name: str) -> da.Array:
    """A dask array over a level; `name` must be unique for its content (dask caches by it)."""
    meta = np.empty((0,) * level.ndim, level.dtype)
    return da.from_array(
        level, chunks=chunk_shape(level.shape), name=name, asarray=False, meta=meta
    )
