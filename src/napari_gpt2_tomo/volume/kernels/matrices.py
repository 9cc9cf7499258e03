"""Regions of tensors as plain float32 matrices, in pieces that stay in the cache."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...anatomy.view import Digits
from ...checkpoint.dtypes import LUT, decode
from ...checkpoint.region import Region
from ...checkpoint.stored import StoredTensor
from ...checkpoint.tensor import LazyTensor
from ..reading.signal import Signal

__all__ = ["Matrix", "MatrixPiece", "Source", "split_digits"]

PIECE = 2**18
"""Elements decoded at once: 1 MB of float32 stays in a core's cache."""

BAND = 2**20
"""Elements of a tensor that is computed (dequantised, a difference) that are asked for at once:
4 MB, whatever the size of the tensor."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of float32 values for a kernel: row i is ``values[i·stride : i·stride + columns]``."""

    values: NDArray[np.float32]
    stride: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class MatrixPiece:
    """A matrix of one tensor with a single digit an axis, and its place in a plane.

    Attributes
    ----------
    tensor, part
        Where it comes from.
    offset, shape, strides
        The region of the tensor.
    start
        Row and column of the plane at which it begins.
    every
        Every how many rows its values enter the histogram.
    """

    tensor: str
    part: int
    offset: int
    start: tuple[int, int]
    shape: tuple[int, int]
    strides: tuple[int, int]
    every: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.shape[0] * self.shape[1]

    @property
    def runs_down(self) -> bool:
        """Whether neighbours in the file lie below each other rather than side by side."""
        return self.strides[0] < self.strides[1] and self.shape[0] > 1

    def transposed(self) -> "MatrixPiece":
        """The same elements in the transposed plane."""
        return MatrixPiece(
            self.tensor,
            self.part,
            self.offset,
            self.start[::-1],
            self.shape[::-1],
            self.strides[::-1],
            self.every,
        )


def split_digits(
    row_digits: Digits, column_digits: Digits, offset: int
) -> Iterator[tuple[int, int, int, tuple[int, int], tuple[int, int]]]:
    """Matrices with one digit an axis that together make up two axes of several digits.

    Yields ``(row, column, offset, (rows, row stride), (columns, column stride))``.
    """
    (*row_major, rows), (*column_major, columns) = row_digits, column_digits
    major = [*row_major, *column_major]
    for digits in itertools.product(*(range(n) for n, _ in major)):
        at = offset + sum(d * stride for d, (_, stride) in zip(digits, major, strict=True))
        row = _compose(digits[: len(row_major)], row_major) * rows[0]
        column = _compose(digits[len(row_major) :], column_major) * columns[0]
        yield row, column, at, rows, columns


def _compose(digits: Sequence[int], sizes: Sequence[tuple[int, int]]) -> int:
    position = 0
    for digit, (n, _) in zip(digits, sizes, strict=True):
        position = position * n + digit
    return position


class Source:
    """Gives matrices of a tensor to one thread; not shared between threads.

    Parameters
    ----------
    signal
        Applied to the weights; None leaves them as they are. A signal that is
        the weight itself costs nothing.
    """

    def __init__(self, signal: Signal | None) -> None:
        self._signal = None if signal is None or signal.is_weight else signal
        self._scratch = np.empty(0, np.float32)

    def pieces(
        self, tensor: LazyTensor, part: int, region: Region, group: int = 1
    ) -> Iterator[tuple[int, Matrix]]:
        """Row ranges of a two-dimensional region: first row and matrix, each valid until the next.

        The second axis of the region should be the one that is contiguous in
        the file; if it is not, its elements are gathered. All ranges but the
        last hold a multiple of `group` rows.
        """
        rows, columns = region.shape
        if region.size > BAND and not isinstance(tensor, StoredTensor):
            # A stored tensor is a view of its file; what is computed must not be so all at once.
            height = max(1, BAND // max(1, columns * group)) * group
            for first in range(0, rows, height):
                start = region.offset + first * region.strides[0]
                shape = (min(height, rows - first), columns)
                for row, matrix in self._pieces(
                    tensor, part, Region(start, shape, region.strides), group
                ):
                    yield first + row, matrix
            return
        yield from self._pieces(tensor, part, region, group)

    def _pieces(
        self, tensor: LazyTensor, part: int, region: Region, group: int
    ) -> Iterator[tuple[int, Matrix]]:
        rows, columns = region.shape
        raw = tensor.raw(region)
        if self._signal is None and raw.dtype == np.float32 and _ready(raw):
            # Not the stride in the file: elements from afar lie closer together in memory.
            yield 0, Matrix(_flat(raw), raw.strides[0] // raw.itemsize, rows, columns)
            return
        per_piece = max(1, PIECE // max(1, columns * group)) * group
        for first in range(0, rows, per_piece):
            piece = raw[first : first + per_piece]
            out = self._room(piece.shape)
            if self._signal is None:
                _decode(tensor, piece, out)
            else:
                count, _ = piece.shape
                at = region.offset + first * region.strides[0]
                inner = Region(at, (count, columns), region.strides)
                self._signal.write(tensor.read(inner), part, out)
            values = out.reshape(-1)
            values.flags.writeable = False
            yield first, Matrix(values, columns, len(piece), columns)

    def _room(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        size = shape[0] * shape[1]
        if self._scratch.size < size:
            self._scratch = np.empty(size, np.float32)
        return self._scratch[:size].reshape(shape)


def _ready(raw: NDArray[Any]) -> bool:
    """Whether rows can be handed to a kernel as they lie in memory."""
    along = raw.strides[1] == raw.itemsize or raw.shape[1] == 1
    return raw.flags.aligned and along and raw.strides[0] >= 0


def _flat(matrix: NDArray[Any]) -> NDArray[Any]:
    """The memory from a matrix' first to its last element as one axis, read-only."""
    if matrix.flags.c_contiguous:
        return matrix.reshape(-1)
    rows, columns = matrix.shape
    span = (rows - 1) * (matrix.strides[0] // matrix.itemsize) + columns
    return np.lib.stride_tricks.as_strided(matrix, (span,), (matrix.itemsize,), writeable=False)


def _decode(tensor: LazyTensor, raw: NDArray[Any], out: NDArray[np.float32]) -> None:
    from . import codes as compiled

    if raw.dtype.itemsize <= 2 and raw.flags.aligned and raw.strides[1] == raw.itemsize:
        stride = raw.strides[0] // raw.itemsize
        if tensor.element == "BF16":
            compiled.widen(_flat(raw), stride, out.view(np.uint32))
            return
        if tensor.element in LUT:
            codes = _flat(raw)
            if codes.dtype.kind == "f":
                codes = codes.view(np.uint16)
            compiled.look_up(codes, stride, LUT[tensor.element], out)
            return
    with np.errstate(over="ignore", invalid="ignore"):
        np.copyto(out, decode(raw, tensor.element), casting="unsafe")
