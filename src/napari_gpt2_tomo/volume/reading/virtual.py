"""Volumes as array-likes: nothing is held, every index reads what it needs."""

import operator
from collections.abc import Callable, Iterator
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

    def view(self, index: Any) -> "VirtualVolume":
        """The part that a numpy basic index selects; reads nothing yet."""
        items = self._items(index)
        ranges = [item for item in items if isinstance(item, range)]

        def read(box: Box) -> NDArray[Any]:
            inner = iter(box)
            return np.asarray(self[tuple(_part(item, inner) for item in items)])

        return VirtualVolume(tuple(len(item) for item in ranges), self.dtype, read)

    def _items(self, index: Any) -> list[int | range]:
        """A basic index of integers, slices and an ellipsis, as one item per axis."""
        items = index if isinstance(index, tuple) else (index,)
        if any(item is Ellipsis for item in items):
            at = next(i for i, item in enumerate(items) if item is Ellipsis)
            fill = (slice(None),) * (self.ndim - len(items) + 1)
            items = (*items[:at], *fill, *items[at + 1 :])
        if len(items) > self.ndim:
            raise IndexError(f"{len(items)} indices for {self.ndim} axes")
        items = (*items, *(slice(None),) * (self.ndim - len(items)))
        found: list[int | range] = []
        for item, length in zip(items, self.shape, strict=True):
            if isinstance(item, slice):
                found.append(range(*item.indices(length)))
                continue
            at = _integer(item)
            if not -length <= at < length:
                raise IndexError(f"index {at} is out of bounds for an axis of size {length}")
            found.append(at % length)
        return found

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Voxels of a numpy basic index of integers, slices and an ellipsis."""
        box: list[tuple[int, int]] = []
        after: list[int | slice] = []
        for item in self._items(index):
            if isinstance(item, int):
                box.append((item, item + 1))
                after.append(0)
            elif not item:
                box.append((0, 0))
                after.append(slice(None))
            else:
                box.append((min(item[0], item[-1]), max(item[0], item[-1]) + 1))
                after.append(slice(None, None, item.step))
        return self._read_box(tuple(box), after)

    def _read_box(self, box: Box, after: list[int | slice]) -> NDArray[Any]:
        if not box:
            return self._read(box)
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


def _integer(item: Any) -> int:
    try:
        return operator.index(item)
    except TypeError:
        raise IndexError(f"only integers, slices and '...' index a volume, not {item!r}") from None


def _part(item: int | range, inner: Iterator[tuple[int, int]]) -> int | slice:
    """What an interval of a view is of its parent's axis."""
    if isinstance(item, int):
        return item
    a, b = next(inner)
    piece = item[a:b]
    return slice(piece.start, piece.stop if piece.stop >= 0 else None, piece.step)
