"""Values of quantised tensors: codes times the scale of their group."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base import CheckpointError
from ..dtypes import LUT
from ..region import Region, c_strides
from ..tensor import LazyTensor
from .blocks import BlockTensor
from .plates import Constant, Needed, Plate, Reshaped, planes

__all__ = ["FlatTensor", "ScaledTensor"]

Values = NDArray[np.float32]


class ScaledTensor(BlockTensor):
    """Dequantised values: ``(code - zero) · scale``, or ``table[code] · scale``.

    Scales and zero points belong to groups of codes, which are blocks of rows and columns,
    except where a list says of each row or column in which group it is.

    Parameters
    ----------
    name, shape
        Of the tensor as the unquantised model has it.
    scheme
        In words, e.g. ``"GPTQ 4-bit, groups of 128"``; up to the comma it is `stored`.
    codes
        Integers, of this shape.
    scales
        One number a group; its last two axes are those of the groups.
    block
        Rows and columns of a group.
    zeros
        The code of 0, shaped like `scales`; None if codes count from 0.
    table
        What each code stands for, by code, or the key of `dtypes.LUT` that says so; None if
        it is the code itself.
    listed
        Where groups are no blocks: the axis (0 or 1) along which they are listed, and the list.
    offset
        Is added to all values.
    nbytes
        Bytes of all that it is stored as.
    """

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        scheme: str,
        codes: LazyTensor,
        scales: LazyTensor,
        block: tuple[int, int],
        *,
        zeros: LazyTensor | None = None,
        table: LazyTensor | str | None = None,
        listed: tuple[int, LazyTensor] | None = None,
        offset: float = 0.0,
        nbytes: int,
    ) -> None:
        grain = codes.grain if isinstance(codes, BlockTensor) else (1, 1)
        super().__init__(name, shape, scheme.split(",")[0], grain=grain, nbytes=nbytes)
        self.scheme = scheme
        self._codes, self._scales, self._zeros = codes, scales, zeros
        self._table, self._offset = table, offset
        self._block, self._listed = block, listed
        # What is read once and kept, but not sent on.
        self._list: NDArray[np.int64] | None = None
        self._in_blocks = False
        self._meanings: Values | None = None
        self.column_major = codes.column_major
        self._height = shape[-2] if len(shape) > 1 else 1
        tail = scales.shape[-2:]
        self._groups = (1,) * (2 - len(tail)) + tail

    @property
    def codes(self) -> LazyTensor:
        """The integers, as they are stored."""
        return self._codes

    @property
    def scales(self) -> LazyTensor:
        """What codes are multiplied with, one number a group."""
        return self._scales

    @property
    def zeros(self) -> LazyTensor | None:
        """The code of 0 in each group."""
        return self._zeros

    def scale_index(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Where in `scales` the group of an element is."""
        at = [0] * (2 - len(index)) + list(index[-2:])
        group = [i // n for i, n in zip(at, self._block, strict=True)]
        numbers = self._in_groups()
        if self._listed is not None and numbers is not None:
            axis, _ = self._listed
            group[axis] = int(numbers[at[axis]])
        inner = group[2 - len(self._scales.shape[-2:]) :]
        return (*index[: len(self._scales.shape) - len(inner)], *inner)

    def needs(self, rows: slice, columns: slice) -> Needed:
        """The codes of a box, and the scales and zero points of its groups."""
        if isinstance(self._codes, BlockTensor):
            yield from self._codes.needs(rows, columns)
        else:
            yield self._codes, self._at(rows, columns)
        if isinstance(self._table, LazyTensor) and self._meanings is None:
            yield self._table, Region.whole(self._table.shape)
        if self._listed and self._list is None and not self._in_blocks:
            # Which groups are needed is known when their list is read.
            whole = [self._listed[1], self._scales, self._zeros]
            yield from ((one, Region.whole(one.shape)) for one in whole if one is not None)
            return
        for plane, inside, _ in planes(rows, self._height):
            groups = [self._along(axis, span)[1] for axis, span in enumerate((inside, columns))]
            for one in (self._scales, self._zeros):
                if one is not None:
                    yield one, self._grid_region(one, plane, groups)

    def decode(self, rows: slice, columns: slice) -> Values:
        """Values of a box, float32."""
        if isinstance(self._codes, BlockTensor):
            codes = self._codes.decode(rows, columns)
        else:
            codes = self._codes.raw(self._at(rows, columns))
        values = self._unscaled(codes)
        for plane, inside, at_rows in planes(rows, self._height):
            self._scale(values[at_rows], plane, (inside, columns))
        if self._offset:
            values += np.float32(self._offset)
        return values

    def _at(self, rows: slice, columns: slice) -> Region:
        return Plate(self._codes, self.rows, self.columns).region(0, rows, columns)

    def _unscaled(self, codes: NDArray[Any]) -> Values:
        """What codes stand for, as a new array in C order."""
        if self._table is None:
            return codes.astype(np.float32, order="C")
        if self._meanings is None:
            table = LUT[self._table] if isinstance(self._table, str) else np.asarray(self._table)
            self._meanings = table.astype(np.float32, copy=False).reshape(-1)
        values = np.empty(codes.shape, np.float32)
        # Codes are always inside the table: "wrap" skips the bounds check.
        self._meanings.take(codes, out=values, mode="wrap")
        return values

    def _scale(self, values: Values, plane: int, box: tuple[slice, slice]) -> None:
        """Take off zero points and multiply by scales, in place; `box` lies in one matrix."""
        axes = [self._along(axis, span) for axis, span in enumerate(box)]
        split = tuple(n for sizes, _, _ in axes for n in sizes)
        spread = [at for _, _, at in axes]
        groups = tuple(span for _, span, _ in axes)
        scales = self._read(self._scales, plane, groups)
        target = values.reshape(split)
        if isinstance(self._zeros, Constant):
            target -= np.float32(self._zeros.value)
        elif self._zeros is not None:
            target -= _spread(self._read(self._zeros, plane, groups), spread, split, axes)
        with np.errstate(over="ignore", invalid="ignore"):  # as large as the file says
            target *= _spread(scales, spread, split, axes)

    def _along(self, axis: int, span: slice) -> tuple[tuple[int, ...], slice, Any]:
        """How a run of rows or columns falls into groups.

        Returns
        -------
        sizes
            ``(groups, lines)`` if it consists of whole groups, else ``(lines,)``.
        groups
            Those that it needs.
        which
            Number of the group of each line, counted from the first of them; None if they
            need not be told apart.
        """
        n = span.stop - span.start
        listed = self._in_groups() if self._listed and self._listed[0] == axis else None
        if listed is not None:
            numbers = listed[span]
            first, last = int(numbers.min()), int(numbers.max())
            which = None if first == last else numbers - first
            return (n,), slice(first, last + 1), which
        block = self._block[axis]
        first, stop = span.start // block, -(-span.stop // block)
        if stop == first + 1:
            return (n,), slice(first, stop), None
        if span.start % block == 0 and n % block == 0:
            return (n // block, block), slice(first, stop), None
        which = np.arange(span.start, span.stop) // block - first
        return (n,), slice(first, stop), which

    def _in_groups(self) -> NDArray[np.int64] | None:
        """The group of every line of the axis that has a list of them; None if they are blocks."""
        if self._listed is None or self._in_blocks:
            return None
        if self._list is None:
            axis, tensor = self._listed
            numbers = np.asarray(tensor, np.int64).reshape(-1)
            groups = self._groups[axis]
            if numbers.size and (numbers.min() < 0 or numbers.max() >= groups):
                raise CheckpointError(
                    f"{self.name} cannot be dequantised: its {tensor.name} names groups "
                    f"{numbers.min()} to {numbers.max()}, but there are {groups}. "
                    f"Download or quantise the checkpoint again."
                )
            # Some tools leave the list empty where groups follow each other.
            in_turn = np.arange(numbers.size) // self._block[axis]
            if not numbers.any() or np.array_equal(numbers, in_turn):
                self._in_blocks = True
                return None
            self._list = numbers
        return self._list

    def _read(self, tensor: LazyTensor, plane: int, groups: Sequence[slice]) -> Values:
        """Numbers of some groups of one matrix as float32, a row for each group of rows."""
        region = self._grid_region(tensor, plane, groups)
        return np.asarray(tensor.read(region), np.float32)

    def _grid_region(self, tensor: LazyTensor, plane: int, groups: Sequence[slice]) -> Region:
        rows, columns = self._groups
        at = plane if tensor.size > rows * columns else 0
        return Plate(tensor, rows, columns).region(at, groups[0], groups[1])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_list": None, "_in_blocks": False, "_meanings": None}


def _spread(
    numbers: Values, which: Sequence[Any], split: tuple[int, ...], axes: Sequence[Any]
) -> Values:
    """Numbers of groups in the shape in which they multiply the values of a box."""
    shape: list[int] = []
    for axis, (sizes, _, _) in enumerate(axes):
        if which[axis] is not None:
            numbers = numbers.take(which[axis], axis=axis)
        shape += [numbers.shape[axis], 1] if len(sizes) == 2 else [numbers.shape[axis]]
    return numbers.reshape(shape)


class FlatTensor(Reshaped):
    """A quantised tensor whose groups go over the ends of rows.

    Parameters
    ----------
    name, shape
        As the model has it.
    flat
        Its values in C order, or those of its transpose.
    turned
        Whether they are those of its transpose.
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], flat: ScaledTensor, *, turned: bool
    ) -> None:
        super().__init__(name, shape, flat, turned=turned)
        self.scheme = flat.scheme
        self._values = flat

    @property
    def codes(self) -> LazyTensor:
        """The integers, as they are stored."""
        flat = self._values.codes
        return Reshaped(f"{self.name}.codes", self.shape, flat, turned=self.plate.turned)

    @property
    def scales(self) -> LazyTensor:
        """What codes are multiplied with, one number a group, in the order of the file."""
        return self._values.scales

    def scale_index(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Where in `scales` the group of an element is."""
        stored = index[::-1] if self.plate.turned else index
        shape = self.shape[::-1] if self.plate.turned else self.shape
        flat = sum(i * step for i, step in zip(stored, c_strides(shape), strict=True))
        return self._values.scale_index((flat,))
