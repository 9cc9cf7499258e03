"""Volumes as array-likes: nothing is held, every index reads what it needs."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layouts.layout import Box

__all__ = ["VirtualVolume"]


class VirtualVolume:
    """One level of a volume as an array-like, for `dask.array.from_array` and for people.

    Parameters
    ----------
    shape, dtype
        Of the level.
    read
        Gives the voxels of a box, shape and dtype as asked.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: Any, read: Callable[[Box], NDArray[Any]]
    ) -> None:
        self.shape = shape
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._read = read

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of the whole level if it were held in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Voxels of a numpy basic index of integers, slices and an ellipsis."""
        items = index if isinstance(index, tuple) else (index,)
        if Ellipsis in items:
            at = items.index(Ellipsis)
            fill = (slice(None),) * (self.ndim - len(items) + 1)
            items = (*items[:at], *fill, *items[at + 1 :])
        if len(items) > self.ndim:
            raise IndexError(f"{len(items)} indices for {self.ndim} axes")
        items = (*items, *(slice(None),) * (self.ndim - len(items)))
        box: list[tuple[int, int]] = []
        after: list[int | slice] = []
        for item, length in zip(items, self.shape, strict=True):
            if isinstance(item, slice):
                found = range(*item.indices(length))
                if not found:
                    box.append((0, 0))
                    after.append(slice(None))
                    continue
                low, high = min(found[0], found[-1]), max(found[0], found[-1])
                box.append((low, high + 1))
                after.append(slice(None, None, found.step))
            else:
                at = int(item)
                if not -length <= at < length:
                    raise IndexError(f"index {at} is out of bounds for an axis of size {length}")
                box.append((at % length, at % length + 1))
                after.append(0)
        return self._read_box(tuple(box), after)

    def _read_box(self, box: Box, after: list[int | slice]) -> NDArray[Any]:
        if any(a == b for a, b in box):
            return np.zeros([b - a for a, b in box], self.dtype)[tuple(after)]
        first = after[0]
        if isinstance(first, slice) and first.step not in (None, 1):
            # Sections lie far apart in the file: those that a step leaves out are not read.
            (a, b), *rest = box
            chosen = range(a, b)[:: first.step]
            parts = [self._read(((k, k + 1), *rest)) for k in chosen]
            return np.concatenate(parts)[(slice(None), *after[1:])]
        return self._read(box)[tuple(after)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        values = self._read(tuple((0, n) for n in self.shape))
        return values if dtype is None else values.astype(dtype, copy=False)

    def __repr__(self) -> str:
        return f"<VirtualVolume {self.dtype} {self.shape}>"
