"""Telling servers in one go what will be read: one wait instead of one for every tensor."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .region import Region
from .source import ByteSource
from .tensor import LazyTensor

__all__ = ["Wanted", "missing_bytes", "read_ahead"]

Wanted = Iterable[tuple[LazyTensor, Region]]
"""What will be read. Tensors that cannot tell their bytes are left out."""


def read_ahead(wanted: Wanted) -> None:
    """Bring what will be read into the cache, over several connections.

    Does nothing for files of this machine.
    """
    for source, ranges in _by_source(wanted):
        source.prefetch(ranges)


def missing_bytes(wanted: Wanted) -> int:
    """Bytes that servers would be asked for to read all of it; 0 if it is all at hand."""
    return sum(source.missing_bytes(ranges) for source, ranges in _by_source(wanted))


def _by_source(wanted: Wanted) -> list[tuple[ByteSource, NDArray[np.int64]]]:
    found: dict[int, tuple[ByteSource, list[NDArray[np.int64]]]] = {}
    for tensor, region in wanted:
        for source, ranges in tensor.ranges(region):
            found.setdefault(id(source), (source, []))[1].append(ranges)
    return [(source, np.concatenate(parts)) for source, parts in found.values()]
