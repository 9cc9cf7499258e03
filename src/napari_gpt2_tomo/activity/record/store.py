"""Where recorded arrays are kept: in memory, or, beyond a budget, in a zarr group on disk."""

import math
import shutil
import uuid
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from ...base import TomoError, cache_folder

__all__ = ["BUDGET", "Store"]

BUDGET = 1 << 30
"""Bytes of one activity that are kept in memory; arrays beyond go to disk as they are recorded."""


class Store:
    """Makes the arrays of one activity.

    An array that still fits in the budget is a numpy array; one that does not is a zarr array in a
    folder of its own in the cache, with one chunk for each layer, which goes away with the store.

    Parameters
    ----------
    budget
        Bytes that may be kept in memory.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.left = budget
        self.arrays: dict[str, Any] = {}
        self._group: Any = None

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        """The array of this name; made when it is first asked for, its values not set."""
        if name in self.arrays:
            return self.arrays[name]
        needs = math.prod(shape) * np.dtype(dtype).itemsize
        if needs <= self.left:
            self.left -= needs
            made: Any = np.empty(shape, dtype)
        else:
            chunks = (1, *shape[1:]) if len(shape) > 2 else shape
            made = self._on_disk().create_array(name, shape=shape, chunks=chunks, dtype=dtype)
        self.arrays[name] = made
        return made

    @property
    def folder(self) -> Path | None:
        """Where the arrays on disk are; None while there are none."""
        return None if self._group is None else self._folder

    def _on_disk(self) -> Any:
        if self._group is None:
            import zarr

            self._folder = cache_folder("activity") / uuid.uuid4().hex
            try:
                self._folder.mkdir(parents=True)
            except OSError as error:
                raise TomoError(
                    f"What was recorded is too large for the memory it may use, and "
                    f"{self._folder} cannot be made to hold it: {error.strerror or error}. Ask "
                    "for less, or allow more memory."
                ) from error
            self._group = zarr.open_group(self._folder, mode="w")
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._group
