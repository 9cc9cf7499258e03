"""Stored tensors seen as matrices in the model's orientation, and codes unpacked from them."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dtypes import LUT
from ..region import Region
from ..source import ByteSource
from ..stored import StoredTensor
from ..tensor import LazyTensor
from .blocks import BlockTensor
from .packing import Packing, bytes_across, bytes_down

__all__ = [
    "Constant",
    "Looked",
    "Multiplied",
    "Needed",
    "Oriented",
    "PackedCodes",
    "Plate",
    "Reshaped",
    "four_bit_floats",
    "planes",
]

Needed = Iterable[tuple[LazyTensor, Region]]


@dataclass(frozen=True)
class Plate:
    """A stored tensor as matrices of one size, one after the other.

    Attributes
    ----------
    tensor
        What is stored, in C order.
    rows, columns
        Of each matrix as the model has it.
    turned
        Whether a matrix is stored transposed.
    """

    tensor: LazyTensor
    rows: int
    columns: int
    turned: bool = False

    @classmethod
    def of(cls, tensor: LazyTensor, turned: bool) -> "Plate":
        """A stored matrix, as the model has it."""
        rows, columns = tensor.shape[::-1] if turned else tensor.shape
        return cls(tensor, rows, columns, turned)

    def region(self, plane: int, rows: slice, columns: slice) -> Region:
        """Where a box of a matrix lies, rows first."""
        step = (1, self.rows) if self.turned else (self.columns, 1)
        return Region(
            plane * self.rows * self.columns + rows.start * step[0] + columns.start * step[1],
            (rows.stop - rows.start, columns.stop - columns.start),
            step,
        )

    @property
    def stored_shape(self) -> tuple[int, int]:
        """Rows and columns of a matrix in the file."""
        return (self.columns, self.rows) if self.turned else (self.rows, self.columns)


def planes(rows: slice, height: int) -> Iterator[tuple[int, slice, slice]]:
    """Matrices of `height` rows that some rows of all of them belong to.

    Yields the number of each, its rows, and where they are among the rows that were given.
    """
    first = rows.start
    while first < rows.stop:
        plane, inside = divmod(first, height)
        count = min(height - inside, rows.stop - first)
        at = first - rows.start
        yield plane, slice(inside, inside + count), slice(at, at + count)
        first += count


class Oriented(BlockTensor):
    """A stored tensor in another shape: its matrices transposed, or its axes drawn together.

    Parameters
    ----------
    name, shape
        As it is seen.
    plate
        What is stored.
    """

    def __init__(self, name: str, shape: tuple[int, ...], plate: Plate) -> None:
        raw = plate.tensor
        super().__init__(name, shape, raw.stored, grain=(1, 1), nbytes=raw.nbytes, dtype=raw.dtype)
        self.plate = plate
        self.column_major = plate.turned

    def needs(self, rows: slice, columns: slice) -> Needed:
        """What is stored of a box."""
        for plane, inside, _ in planes(rows, self.plate.rows):
            yield self.plate.tensor, self.plate.region(plane, inside, columns)

    def decode(self, rows: slice, columns: slice) -> NDArray[Any]:
        """A box, as it is stored."""
        parts = [tensor.read(region) for tensor, region in self.needs(rows, columns)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class PackedCodes(BlockTensor):
    """Codes of a few bits each, packed along one axis.

    Parameters
    ----------
    name, shape
        Of the codes.
    plate
        The words that hold them, in the model's orientation: one axis is shorter.
    packing
        How codes lie in a word.
    down
        Whether the codes of a word lie below each other rather than side by side.
    plus
        Is added to each code, modulo the number of codes that there are.
    """

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        plate: Plate,
        packing: Packing,
        *,
        down: bool,
        plus: int = 0,
    ) -> None:
        itemsize = plate.tensor.nbytes // max(1, plate.tensor.size)
        codes, words = packing.per_word(itemsize)
        super().__init__(
            name,
            shape,
            f"{packing.bits}-bit",
            grain=(codes, 1) if down else (1, codes),
            nbytes=plate.tensor.nbytes,
            dtype=np.uint8,
        )
        self.plate, self.packing, self.down, self.plus = plate, packing, down, plus
        self.words = words
        self.height = shape[-2] if len(shape) > 1 else 1
        self.column_major = plate.turned

    def needs(self, rows: slice, columns: slice) -> Needed:
        """The words of a box."""
        for plane, inside, _ in planes(rows, self.height):
            if self.down:
                box = self._packed(inside, self.grain[0], self.plate.rows), columns
            else:
                box = inside, self._packed(columns, self.grain[1], self.plate.columns)
            yield self.plate.tensor, self.plate.region(plane, *box)

    def decode(self, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """Codes of a box, uint8."""
        parts = [self._unpack(tensor.raw(region)) for tensor, region in self.needs(rows, columns)]
        codes = parts[0] if len(parts) == 1 else np.concatenate(parts)
        codes = codes[: rows.stop - rows.start, : columns.stop - columns.start]
        if self.plus:
            codes = (codes + np.uint8(self.plus)) & np.uint8((1 << self.packing.bits) - 1)
        return codes

    def _unpack(self, words: NDArray[Any]) -> NDArray[np.uint8]:
        if self.down:
            return self.packing.down(bytes_down(self._whole(words, 0)))
        return self.packing.across(bytes_across(self._whole(words, 1)))

    def _whole(self, packed: NDArray[Any], axis: int) -> NDArray[Any]:
        """The words, with empty ones where the last codes end before their unit does."""
        lacking = -packed.shape[axis] % self.words
        if not lacking:
            return packed
        return np.pad(packed, [(0, lacking if axis == i else 0) for i in range(2)])

    def _packed(self, codes: slice, grain: int, most: int) -> slice:
        """The words of a run of codes that begins with a grain."""
        stop = -(-codes.stop // grain) * self.words
        return slice(codes.start // grain * self.words, min(stop, most))


class Constant(BlockTensor):
    """One integer everywhere; takes no bytes.

    Parameters
    ----------
    name, shape
        Of the tensor.
    value
        0 to 255.
    """

    def __init__(self, name: str, shape: tuple[int, ...], value: int) -> None:
        super().__init__(name, shape, "U8", grain=(1, 1), nbytes=0, dtype=np.uint8)
        self.value = value

    def decode(self, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """A box of it."""
        shape = rows.stop - rows.start, columns.stop - columns.start
        return np.full(shape, self.value, np.uint8)


class Multiplied(BlockTensor):
    """A tensor times a number.

    Parameters
    ----------
    name
        Of the product.
    base
        The tensor.
    factor
        The number, or a stored tensor that holds it alone.
    divides
        Whether it is divided by the number instead.
    """

    def __init__(
        self, name: str, base: LazyTensor, factor: LazyTensor | float, *, divides: bool = False
    ) -> None:
        nbytes = base.nbytes + (0 if isinstance(factor, float) else factor.nbytes)
        super().__init__(name, base.shape, base.stored, grain=(1, 1), nbytes=nbytes)
        self.base, self.factor, self.divides = base, factor, divides
        self.column_major = base.column_major

    def needs(self, rows: slice, columns: slice) -> Needed:
        """The same box of the tensor, and the number."""
        yield self.base, Plate(self.base, self.rows, self.columns).region(0, rows, columns)
        if isinstance(self.factor, LazyTensor):
            yield self.factor, Region.whole(self.factor.shape)

    def decode(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """A box, float32."""
        box = Plate(self.base, self.rows, self.columns).region(0, rows, columns)
        values = np.array(self.base.read(box), np.float32)
        number = np.asarray(self.factor, np.float32).reshape(-1)[0]
        (np.divide if self.divides else np.multiply)(values, number, out=values)
        return values


class Looked(BlockTensor):
    """Elements of a few bits that each stand for a float.

    Parameters
    ----------
    name, shape
        Of the tensor.
    codes
        Its elements' bits, of this shape.
    stored
        The key of `dtypes.LUT` that says what they stand for.
    """

    def __init__(self, name: str, shape: tuple[int, ...], codes: BlockTensor, stored: str) -> None:
        super().__init__(name, shape, stored, grain=codes.grain, nbytes=codes.nbytes)
        self.bits = codes

    def needs(self, rows: slice, columns: slice) -> Needed:
        """What the codes of a box need."""
        return self.bits.needs(rows, columns)

    def decode(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """A box, float32."""
        values: NDArray[np.float32] = LUT[self.stored].take(self.bits.decode(rows, columns))
        return values


class Reshaped(BlockTensor):
    """A tensor of one axis seen as a matrix, transposed if need be.

    Parameters
    ----------
    name, shape
        Of the matrix as the model has it.
    flat
        Its elements in C order, or those of its transpose.
    turned
        Whether they are those of its transpose.
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], flat: LazyTensor, *, turned: bool = False
    ) -> None:
        if flat.size != math.prod(shape):
            raise ValueError(f"{flat.name} does not have as many elements as {shape}")
        super().__init__(
            name, shape, flat.stored, grain=(1, 1), nbytes=flat.nbytes, dtype=flat.dtype
        )
        self.flat = flat
        self.plate = Plate(flat, self.rows, self.columns, turned)
        self.column_major = turned

    def needs(self, rows: slice, columns: slice) -> Needed:
        """The elements of a box."""
        yield self.flat, self.plate.region(0, rows, columns)

    def decode(self, rows: slice, columns: slice) -> NDArray[Any]:
        """A box."""
        return self.flat.read(self.plate.region(0, rows, columns))


def four_bit_floats(
    name: str, shape: tuple[int, ...], source: ByteSource, start: int
) -> LazyTensor:
    """A tensor of E2M1 floats, two in a byte, the first in the lower half as in PyTorch.

    Parameters
    ----------
    name, shape
        As in the checkpoint; an even number of elements.
    source, start
        The file, and the byte of it at which they begin.
    """
    size = math.prod(shape)
    packed = StoredTensor(name, (size // 2,), "U8", source, start)
    plate = Plate(packed, 1, size // 2)
    if len(shape) < 2 or shape[-1] % 2:
        codes = PackedCodes(f"{name}.codes", (size,), plate, Packing(4), down=False)
        return Reshaped(name, shape, Looked(name, (size,), codes, "F4"))
    plate = Plate(packed, math.prod(shape[:-1]), shape[-1] // 2)
    rows = (plate.rows, shape[-1])
    codes = PackedCodes(f"{name}.codes", rows, plate, Packing(4), down=False)
    return Looked(name, shape, codes, "F4")
