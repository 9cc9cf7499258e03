"""Codes of a few bits that share bytes: from packed bytes to one code per byte."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Packing", "bytes_across", "bytes_down"]

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Packing:
    """Codes one after the other in a stream of bits, the lowest bit of a byte first.

    Attributes
    ----------
    bits
        Size of a code: 1 to 8. Where it does not divide 8, codes straddle bytes.
    order
        Where the codes are permuted: the place in the stream of each of so many codes that
        follow each other. As long as they are, they must fill whole bytes.
    """

    bits: int
    order: tuple[int, ...] | None = None

    @property
    def count(self) -> int:
        """Codes that together fill whole bytes."""
        return len(self.order) if self.order else math.lcm(self.bits, 8) // self.bits

    @property
    def unit(self) -> int:
        """Bytes that `count` codes take."""
        return self.count * self.bits // 8

    def per_word(self, itemsize: int) -> tuple[int, int]:
        """Codes, and words of so many bytes, that together begin and end where both do."""
        words = math.lcm(self.unit, itemsize) // itemsize
        return words * itemsize // self.unit * self.count, words

    def across(self, packed: Bytes) -> Bytes:
        """Codes of each row: ``(rows, units · unit)`` bytes to ``(rows, units · count)`` codes."""
        rows, width = packed.shape
        if self.bits == 8 and self.order is None:
            return packed
        table = _table(self)
        if table is not None:
            # One look-up gives all codes of a byte.
            return table.take(packed, mode="wrap").view(np.uint8)
        units = packed.reshape(rows, width // self.unit, self.unit)
        codes = np.empty((rows, width // self.unit, self.count), np.uint8)
        for position in range(self.count):
            self._take(np.moveaxis(units, 2, 0), position, codes[..., position])
        return codes.reshape(rows, -1)

    def down(self, packed: Bytes) -> Bytes:
        """Codes of each column: ``(units · unit, columns)`` to ``(units · count, columns)``."""
        height, columns = packed.shape
        if self.bits == 8 and self.order is None:
            return packed
        units = packed.reshape(height // self.unit, self.unit, columns)
        codes = np.empty((height // self.unit, self.count, columns), np.uint8)
        for position in range(self.count):
            self._take(np.moveaxis(units, 1, 0), position, codes[:, position])
        return codes.reshape(-1, columns)

    def _take(self, units: Bytes, position: int, out: Bytes) -> None:
        """Code number `position` of every unit; `units` has the bytes of a unit first."""
        place = self.order[position] if self.order else position
        byte, shift = divmod(place * self.bits, 8)
        np.right_shift(units[byte], np.uint8(shift), out=out)
        if shift + self.bits > 8:
            out |= units[byte + 1] << np.uint8(8 - shift)
        if shift + self.bits != 8:
            out &= np.uint8((1 << self.bits) - 1)


@cache
def _table(packing: Packing) -> NDArray[Any] | None:
    """All codes of a byte side by side in one integer, by byte; None if a byte is no unit."""
    if packing.unit != 1:
        return None
    every = np.arange(256, dtype=np.uint8)[None]
    codes = np.empty((256, packing.count), np.uint8)
    for position in range(packing.count):
        packing._take(every, position, codes[:, position])
    table = codes.view(f"u{packing.count}").reshape(256)
    table.flags.writeable = False
    return table


def bytes_across(words: NDArray[Any]) -> Bytes:
    """The little-endian bytes of each row of words."""
    return np.ascontiguousarray(words).view(np.uint8)


def bytes_down(words: NDArray[Any]) -> Bytes:
    """The little-endian bytes of each column of words."""
    rows, columns = words.shape
    if words.dtype.itemsize == 1:
        return np.ascontiguousarray(words).view(np.uint8)
    split = np.ascontiguousarray(words).view(np.uint8).reshape(rows, columns, -1)
    return np.ascontiguousarray(split.transpose(0, 2, 1)).reshape(-1, columns)
