"""What a layer slices: levels that stay the same objects while their voxels get better.

A layer holds the levels that it was given. Were they plain arrays, every
refinement of the overview would have to assign ``layer.data``, which drops a
locked level and draws the coarsest one for a moment. A `LiveLevel` instead asks
its volume for the present array on each read, so ``layer.refresh()`` is enough.
"""

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

__all__ = ["LazyView", "LiveLevel", "PlayedLevel", "compose"]

Range = tuple[int, int, int]
"""Start, count and step along one axis, all in voxels of the level; the step may be negative."""

Source = Callable[[], Any]
"""Gives the present array-like of a level."""


def compose(ranges: Sequence[Range | int], index: Any) -> tuple[Range | int, ...]:
    """Apply a numpy basic index (integers, slices, an ellipsis) to a view that earlier ones made.

    An integer in `ranges` is an axis that an earlier index removed.
    """
    items = list(index) if isinstance(index, tuple) else [index]
    live = [axis for axis, item in enumerate(ranges) if not isinstance(item, int)]
    if Ellipsis in items:
        at = items.index(Ellipsis)
        items[at : at + 1] = [slice(None)] * (len(live) - len(items) + 1)
    if len(items) > len(live):
        raise IndexError(f"too many indices: the array has {len(live)} axes")
    out = list(ranges)
    for axis, item in zip(live, items, strict=False):
        start, count, step = ranges[axis]  # type: ignore[misc]
        if isinstance(item, slice):
            chosen = range(*item.indices(count))
            out[axis] = (start + chosen.start * step, len(chosen), step * chosen.step)
        else:
            at = int(item)
            if not -count <= at < count:
                raise IndexError(f"index {at} is out of bounds for an axis of size {count}")
            out[axis] = start + (at % count) * step
    return tuple(out)


class LazyView:
    """A box of a level that is read when numpy asks for its values.

    napari indexes the displayed axes first and the others afterwards; reading
    at the first index would read every section to show one.
    """

    def __init__(self, source: Source, dtype: np.dtype[Any], ranges: Sequence[Range | int]) -> None:
        self._source = source
        self._ranges = tuple(ranges)
        self.dtype = dtype
        self.shape = tuple(item[1] for item in self._ranges if not isinstance(item, int))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> "LazyView":
        return LazyView(self._source, self.dtype, compose(self._ranges, index))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        index: list[int | slice] = []
        flips: list[int | slice] = []
        for item in self._ranges:
            if isinstance(item, int):
                index.append(item)
                continue
            start, count, step = item
            if not count:
                index.append(slice(0, 0))
                flips.append(slice(None))
                continue
            if step < 0:
                start += (count - 1) * step
            index.append(slice(start, start + (count - 1) * abs(step) + 1, abs(step)))
            flips.append(slice(None, None, -1 if step < 0 else 1))
        values = np.asarray(self._source()[tuple(index)])[tuple(flips)]
        return np.array(values, dtype=dtype or self.dtype, copy=copy)

    def __repr__(self) -> str:
        return f"<LazyView {self.dtype} {self.shape}>"


class LiveLevel:
    """One level of a volume or of its atlas as napari slices it.

    Parameters
    ----------
    source
        Gives the level's present array-like, of always the same shape and dtype.
    shape, dtype
        Of the level.
    index
        Number of the level, 0 is the finest.
    """

    def __init__(self, source: Source, shape: Sequence[int], dtype: Any, index: int) -> None:
        self._present = source
        self._held: NDArray[Any] | None = None
        self._holders: WeakSet[object] = WeakSet()
        self.shape = tuple(int(n) for n in shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.index = index

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
        """Bytes of the whole level in memory."""
        return self.size * self.dtype.itemsize

    @property
    def held(self) -> NDArray[Any] | None:
        """The whole level, while somebody holds it in memory."""
        return self._held if len(self._holders) else None

    def read(self) -> NDArray[Any]:
        """The whole level, read anew; may be called from any thread."""
        return np.asarray(self._present()[(slice(None),) * self.ndim], self.dtype)

    def hold(self, values: NDArray[Any] | None, holder: object) -> None:
        """Keep the whole level in memory for `holder`; None keeps what is held already."""
        self._holders.add(holder)
        if values is not None:
            self._held = values

    def release(self, holder: object) -> None:
        """End a hold; the memory is free when nobody holds the level."""
        self._holders.discard(holder)
        if not len(self._holders):
            self._held = None

    def is_held_by(self, holder: object) -> bool:
        """Whether `holder` holds the level."""
        return holder in self._holders and self._held is not None

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> LazyView:
        whole = [(0, n, 1) for n in self.shape]
        return LazyView(self._array, self.dtype, compose(whole, index))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        held = self.held
        values = self.read() if held is None else held
        return np.array(values, dtype=dtype or self.dtype, copy=copy)

    def __deepcopy__(self, memo: dict[int, Any]) -> "LiveLevel":
        # napari copies the data of a layer that is duplicated.
        return self

    def __repr__(self) -> str:
        return f"<LiveLevel {self.index} {self.dtype} {self.shape}>"

    def _array(self) -> Any:
        held = self.held
        return self._present() if held is None else held


HELD_BYTES = 2**29
"""Bytes (512 MB) of the frames of one level that stay in memory while it is drawn in 3-D: a
series that is played a second time reads nothing.
"""


class PlayedLevel(LiveLevel):
    """A level whose first axis is played frame by frame: only whole frames are held.

    Parameters
    ----------
    source, shape, dtype, index
        As of `LiveLevel`; the first axis counts the frames.
    frame
        Gives the frame that is looked at.
    """

    def __init__(
        self,
        source: Source,
        shape: Sequence[int],
        dtype: Any,
        index: int,
        frame: Callable[[], int],
    ) -> None:
        super().__init__(source, shape, dtype, index)
        self._frame = frame
        self._frames: dict[int, NDArray[Any]] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of one frame in memory."""
        return super().nbytes // max(1, self.shape[0])

    def read(self) -> NDArray[Any]:
        """The frame that is looked at, read anew: a level that has this one only."""
        frame = self._frame()
        self._read_at = frame
        return self._whole(frame)[None]

    def hold(self, values: NDArray[Any] | None, holder: object) -> None:
        """Keep frames in memory for `holder`, beginning with the one that was read."""
        if values is not None:
            self._frames = {self._read_at: np.asarray(values)[0]}
        super().hold(values, holder)

    def release(self, holder: object) -> None:
        """End a hold; the memory is free when nobody holds the level."""
        super().release(holder)
        if self.held is None:
            self._frames = {}

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        values = np.asarray(self._present()[(slice(None),) * self.ndim])
        return np.array(values, dtype=dtype or self.dtype, copy=copy)

    _read_at = 0

    def _whole(self, frame: int) -> NDArray[Any]:
        index = (frame, *(slice(None),) * (self.ndim - 1))
        return np.asarray(self._present()[index], self.dtype)

    def _array(self) -> Any:
        return self._present() if self.held is None else _Frames(self)

    def frame(self, frame: int) -> NDArray[Any]:
        """A whole frame, held from now on; the oldest go when there are too many."""
        held = self._frames
        if frame not in held:
            values = self._whole(frame)
            while held and (len(held) + 1) * values.nbytes > HELD_BYTES:
                del held[next(iter(held))]
            held[frame] = values
        return held[frame]


class _Frames:
    """Frames of a held level, as an array-like."""

    def __init__(self, level: PlayedLevel) -> None:
        self._level = level

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        first, *rest = index
        inner = tuple(rest)
        frames = range(*first.indices(self._level.shape[0])) if isinstance(first, slice) else ()
        if not isinstance(first, slice) or len(frames) == 1:
            cut = self._level.frame(frames[0] if frames else int(first))[inner]
            return np.asarray(cut[None] if frames else cut)
        # Several steps at once are a cut along the time; it must not read whole volumes.
        return np.asarray(self._level._present()[index])
