"""Where recorded arrays are kept: in memory, or, beyond a budget, in a zarr group on disk."""

import shutil
import uuid
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError, cache_folder

__all__ = ["BUDGET", "Layers", "Store"]

BUDGET = 1 << 30
"""Bytes of one activity that are kept in memory; arrays beyond go to disk as they are recorded."""


class Layers:
    """An array of which each layer still lies where the model left it.

    Most of what is recorded is never looked at, so it is put together when it is.

    Attributes
    ----------
    parts
        One array for each layer, all of one shape.
    """

    def __init__(self, parts: list[NDArray[Any]]) -> None:
        self.parts = parts

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole."""
        return (len(self.parts), *self.parts[0].shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.stack(self.parts) if dtype is None else np.stack(self.parts).astype(dtype)


class Store:
    """Keeps the arrays of one activity while they are recorded, layer by layer.

    An array that still fits in the budget stays in memory, one that does not becomes a zarr array
    in a folder of its own in the cache, with one chunk for each layer, which goes away with the
    store.

    Parameters
    ----------
    budget
        Bytes that may be kept in memory.

    Attributes
    ----------
    arrays
        What was recorded: numpy or zarr arrays, and `Layers`.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.left = budget
        self.arrays: dict[str, Any] = {}
        self._group: Any = None

    def put(self, name: str, values: NDArray[Any]) -> None:
        """Keep an array without layers; it must not change any more."""
        if self._takes(values.nbytes):
            self.arrays[name] = values
        else:
            self._made(name, values.shape, values.shape, values.dtype)[...] = values

    def put_layer(self, name: str, layer: int, n_layers: int, values: NDArray[Any]) -> None:
        """Keep one layer of an array; it must not change any more. Layers come in any order."""
        known = self.arrays.get(name)
        if known is None:
            if self._takes(n_layers * values.nbytes):
                known = Layers([values] * n_layers)
                self.arrays[name] = known
            else:
                shape = (n_layers, *values.shape)
                known = self._made(name, shape, (1, *values.shape), values.dtype)
        if isinstance(known, Layers):
            known.parts[layer] = values
        else:
            known[layer] = values

    def _takes(self, n_bytes: int) -> bool:
        """Whether there is room for so many bytes in memory; takes it if so."""
        fits = n_bytes <= self.left
        self.left -= n_bytes if fits else 0
        return fits

    @property
    def folder(self) -> Path | None:
        """Where the arrays on disk are; None while there are none."""
        return None if self._group is None else self._folder

    def _made(self, name: str, shape: Sequence[int], chunks: Sequence[int], dtype: Any) -> Any:
        """A new array on disk."""
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
        cells = tuple(max(1, n) for n in chunks)
        array = self._group.create_array(name, shape=tuple(shape), chunks=cells, dtype=dtype)
        self.arrays[name] = array
        return array
