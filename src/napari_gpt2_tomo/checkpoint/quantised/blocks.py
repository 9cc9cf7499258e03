"""Tensors that are decoded block by block: a region is read by decoding only its blocks."""

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..region import Region
from ..source import ByteSource
from ..tensor import LazyTensor

__all__ = ["BlockTensor"]

BAND = 1 << 20
"""Elements that are decoded at once: 4 MB of values, and as much again for what decoding
needs, stay in the processor's cache or near it, and memory does not grow with the tensor."""

_ELEMENTS = {
    np.dtype(code): name
    for name, code in (
        ("F64", "<f8"), ("F32", "<f4"), ("F16", "<f2"), ("I64", "<i8"), ("I32", "<i4"),
        ("I16", "<i2"), ("I8", "i1"), ("U64", "<u8"), ("U32", "<u4"), ("U16", "<u2"), ("U8", "u1"),
    )
}  # fmt: skip


class BlockTensor(LazyTensor):
    """A tensor whose elements are computed from stored blocks; seen as a matrix.

    The matrix has the tensor's last axis as columns and all others as rows, in C order; a
    tensor of one axis is one row. A subclass says in which boxes it can be decoded, and
    decodes one.

    Parameters
    ----------
    name, shape
        As in the checkpoint.
    stored
        The format's own name of its elements, e.g. ``"Q4_K"``, ``"GPTQ 4-bit"``.
    grain
        Rows and columns of the smallest box that can be decoded. Boxes begin at multiples of
        it, and end there or at the end of the matrix.
    nbytes
        Bytes that it occupies in the file, scales and the like included.
    dtype
        Of the decoded elements.
    """

    takes_steps: bool = False
    """Whether `decode` can leave out rows between those of a box, at no more than their cost."""

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        stored: str,
        *,
        grain: tuple[int, int],
        nbytes: int,
        dtype: Any = np.float32,
    ) -> None:
        self.name = name
        self.shape = shape
        self.stored = stored
        self.dtype = np.dtype(dtype)
        self.nbytes = nbytes
        self.grain = grain
        self.columns = shape[-1] if shape else 1
        self.rows = math.prod(shape[:-1]) if shape else 1

    @abstractmethod
    def decode(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Elements of a box of the matrix, dtype `dtype`, that begins and ends as `grain` says.

        Parameters
        ----------
        rows, columns
            With start and stop, without step (rows may have one if `takes_steps`); at most
            about `BAND` elements, but at least one grain.
        """

    @property
    def element(self) -> str:
        """The key of `dtypes.STORED_TYPES` that says what `raw` returns."""
        return _ELEMENTS[self.dtype]

    def read(self, region: Region) -> NDArray[Any]:
        """Elements of a strided box, decoded; read-only."""
        self._check(region)
        out = np.empty(region.shape, self.dtype)
        self._fill(region, out)
        out.flags.writeable = False
        # A view, so that nobody makes it writable again: others may hold it too.
        return out[...]

    raw = read

    def read_into(self, region: Region, out: NDArray[np.float32]) -> None:
        """Write the values of a strided box into a float32 array of its shape."""
        self._check(region)
        self._fill(region, out)

    def needs(self, rows: slice, columns: slice) -> Iterable[tuple[LazyTensor, Region]]:
        """What `decode` reads for a box: regions of other tensors. Nothing if it cannot tell."""
        return ()

    def ranges(self, region: Region) -> Iterable[tuple[ByteSource, NDArray[np.int64]]]:
        """Bytes on servers that reading a strided box needs: those of the box around it."""
        if region.size == 0:
            return
        first, last = divmod(region.offset, self.columns), divmod(region.stop - 1, self.columns)
        box = _box(region, self.columns)
        height, width = self.grain
        low, high = (0, self.columns - 1) if box is None else _ends(box.columns)
        rows = slice(
            first[0] // height * height, min(last[0] // height * height + height, self.rows)
        )
        columns = slice(low // width * width, min(high // width * width + width, self.columns))
        for tensor, part in self.needs(rows, columns):
            yield from tensor.ranges(part)

    def _check(self, region: Region) -> None:
        if region.size and (region.offset < 0 or region.stop > self.size):
            raise IndexError(f"{region} is outside {self.name} of shape {self.shape}")

    def _fill(self, region: Region, out: NDArray[Any]) -> None:
        if region.size == 0:
            return
        box = _box(region, self.columns)
        if box is not None:
            self._fill_box(box, out)
            return
        if region.is_contiguous and out.flags.c_contiguous:
            self._fill_line(region.offset, 1, out.reshape(-1))
            return
        # Runs that go over the end of a row; lines of the axis that takes the largest steps.
        axis = max(range(len(region.shape)), key=lambda i: _reach(region, i))
        if sum(n > 1 for n in region.shape) > 1:
            rest = (*region.shape[:axis], *region.shape[axis + 1 :])
            steps = (*region.strides[:axis], *region.strides[axis + 1 :])
            for i in range(region.shape[axis]):
                inner = Region(region.offset + i * region.strides[axis], rest, steps)
                self._fill(inner, np.moveaxis(out, axis, 0)[i])
            return
        line = out.reshape(-1) if out.flags.c_contiguous else np.empty(out.size, out.dtype)
        self._fill_line(region.offset, region.strides[axis], line)
        if not out.flags.c_contiguous:
            out[...] = line.reshape(out.shape)

    def _fill_line(self, offset: int, step: int, line: NDArray[Any]) -> None:
        """Elements ``offset + i·step`` of the flat tensor."""
        if step != 1:
            per_band = max(1, BAND // max(step, 1))
            for first in range(0, line.size, per_band):
                count = min(per_band, line.size - first)
                run = np.empty((count - 1) * step + 1, self.dtype)
                self._fill_line(offset + first * step, 1, run)
                line[first : first + count] = run[:: max(step, 1)] if step else run[0]
            return
        done = 0
        while done < line.size:
            row, column = divmod(offset + done, self.columns)
            rest = line.size - done
            whole = rest // self.columns if column == 0 else 0
            shape = (whole, self.columns) if whole else (1, min(rest, self.columns - column))
            count = math.prod(shape)
            rows, columns = np.arange(shape[0]) + row, np.arange(shape[1]) + column
            box = _Box(rows, columns, (0,), (1,))
            self._fill_box(box, line[done : done + count].reshape(shape))
            done += count

    def _fill_box(self, box: "_Box", out: NDArray[Any]) -> None:
        """Decode the rows × columns of a box, each block once, and put them into their places."""
        rows, row_at = _in_order(box.rows)
        columns, column_at = _in_order(box.columns)
        in_order = row_at is None and column_at is None
        values = _matrix(box, out) if in_order else None
        direct = values is not None
        if values is None:
            values = np.empty((rows.size, columns.size), self.dtype)
        fill = self._fill_upright if self.column_major else self._fill_rows
        fill(rows, columns, values)
        if not direct:
            found = values
            if not in_order:
                row_at = np.arange(rows.size) if row_at is None else row_at
                column_at = np.arange(columns.size) if column_at is None else column_at
                found = values[np.ix_(row_at, column_at)]
            found = found.reshape((*box.rows.shape, *box.columns.shape))
            order = np.argsort((*box.row_axes, *box.column_axes))
            out[...] = found.transpose(order).reshape(out.shape)

    def _fill_rows(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[Any]
    ) -> None:
        """Decode some rows and columns in bands of rows."""
        height, width = self.grain
        for c0, c1 in _runs(columns, width, self.columns):
            inside = slice(*np.searchsorted(columns, (c0, c1)))
            per_band = max(1, BAND // (c1 - c0) // height) * height
            step = _step(rows) if self.takes_steps and height == 1 else 1
            for start, stop in _bands(rows, height, self.rows, per_band, step):
                lines = slice(*np.searchsorted(rows, (start, stop)))
                if lines.start == lines.stop:
                    continue
                taken = slice(start, stop) if step == 1 else slice(start, stop, step)
                block = self.decode(taken, slice(c0, c1))
                picked = _pick(block, (rows[lines] - start) // step, columns[inside] - c0)
                values[lines, inside] = picked

    def _fill_upright(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[Any]
    ) -> None:
        """Decode some rows and columns in bands of columns, as they lie in the file."""
        height, width = self.grain
        for r0, r1 in _runs(rows, height, self.rows):
            lines = slice(*np.searchsorted(rows, (r0, r1)))
            per_band = max(1, BAND // (r1 - r0) // width) * width
            for start, stop in _bands(columns, width, self.columns, per_band, 1):
                inside = slice(*np.searchsorted(columns, (start, stop)))
                if inside.start == inside.stop:
                    continue
                block = self.decode(slice(r0, r1), slice(start, stop))
                values[lines, inside] = _pick(block, rows[lines] - r0, columns[inside] - start)


@dataclass(frozen=True)
class _Box:
    """Rows × columns of the matrix, and which axes of a region they run along."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    row_axes: tuple[int, ...]
    column_axes: tuple[int, ...]


def _box(region: Region, columns: int) -> _Box | None:
    """The region as rows × columns of a matrix of so many columns; None if it is none."""
    row, column = divmod(region.offset, columns)
    rows, across = np.array(row), np.array(column)
    row_axes: list[int] = []
    column_axes: list[int] = []
    for axis, (n, step) in enumerate(zip(region.shape, region.strides, strict=True)):
        if n == 1:
            continue
        if step % columns == 0 and columns > 1:
            rows = np.add.outer(rows, np.arange(n) * (step // columns))
            row_axes.append(axis)
        elif columns == 1:
            rows = np.add.outer(rows, np.arange(n) * step)
            row_axes.append(axis)
        else:
            across = np.add.outer(across, np.arange(n) * step)
            column_axes.append(axis)
    if across.size and int(across.max()) >= columns:
        return None
    return _Box(rows, across, tuple(row_axes), tuple(column_axes))


def _matrix(box: _Box, out: NDArray[Any]) -> NDArray[Any] | None:
    """The target of a box seen as rows × columns, None if it is no such matrix."""
    if len(box.row_axes) <= 1 and len(box.column_axes) <= 1:
        # Axes of length 1 come and go without a copy.
        order = [*box.row_axes, *box.column_axes]
        order += [axis for axis in range(out.ndim) if axis not in order]
        return out.transpose(order).reshape(box.rows.size, box.columns.size)
    axes = (*box.row_axes, *box.column_axes)
    if out.flags.c_contiguous and axes == tuple(sorted(axes)):
        return out.reshape(box.rows.size, box.columns.size)
    return None


def _ends(at: NDArray[np.int64]) -> tuple[int, int]:
    return int(at.min()), int(at.max())


def _reach(region: Region, axis: int) -> int:
    return region.strides[axis] if region.shape[axis] > 1 else -1


def _in_order(
    at: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
    """Positions sorted, each once, and where each was among them; None if they are so already."""
    flat = at.reshape(-1)
    if bool((flat[1:] > flat[:-1]).all()):
        return flat, None
    found, back = np.unique(flat, return_inverse=True)
    return found, back


def _runs(sorted_at: NDArray[np.int64], grain: int, end: int) -> Iterator[tuple[int, int]]:
    """Half-open intervals of whole grains that hold the positions; neighbours are joined."""
    grains = sorted_at // grain
    grains = grains[np.concatenate(([True], grains[1:] > grains[:-1]))]
    cuts = np.flatnonzero(np.diff(grains) > 1) + 1
    for piece in np.split(grains, cuts):
        yield int(piece[0]) * grain, min((int(piece[-1]) + 1) * grain, end)


def _bands(
    rows: NDArray[np.int64], grain: int, end: int, per_band: int, step: int
) -> Iterator[tuple[int, int]]:
    """Half-open intervals of whole grains that hold the rows, cut into bands."""
    if step > 1:
        for first in range(0, rows.size, per_band):
            band = rows[first : first + per_band]
            yield int(band[0]), int(band[-1]) + 1
        return
    for first, last in _runs(rows, grain, end):
        for start in range(first, last, per_band):
            yield start, min(start + per_band, last)


def _step(rows: NDArray[np.int64]) -> int:
    """How far apart sorted rows are, if it is the same everywhere; else 1."""
    steps = np.diff(rows)
    return int(steps[0]) if rows.size > 1 and bool((steps == steps[0]).all()) else 1


def _pick(block: NDArray[Any], rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[Any]:
    """Some rows and columns of a decoded box, as a view where they are evenly spaced."""
    picked: NDArray[Any] = block[_as_slice(rows)][:, _as_slice(columns)]
    return picked


def _as_slice(at: NDArray[np.int64]) -> Any:
    """Sorted positions as a slice if they are evenly spaced."""
    if at.size == 1:
        return slice(int(at[0]), int(at[0]) + 1)
    steps = np.diff(at)
    if (steps == steps[0]).all():
        return slice(int(at[0]), int(at[-1]) + 1, int(steps[0]))
    return at
