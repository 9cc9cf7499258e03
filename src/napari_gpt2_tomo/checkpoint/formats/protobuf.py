"""Walking through a message in the wire format of protocol buffers without loading it.

Only keys and lengths are read; what a field holds is a place in the file. Layout:
https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..source import ByteSource
from .malformed import Malformed

__all__ = ["Field", "Walker", "numbers", "to_signed"]

FIRST_WINDOW, LAST_WINDOW = 1 << 8, 1 << 16
"""Bytes that are read at once: few after a jump over weights, more where fields follow one
another."""

MAX_FIELDS = 4_000_000
"""Fields of a file: the largest graphs have a hundred thousand nodes of some ten fields."""

MAX_TEXT = 1 << 16
"""Bytes of a name; longer ones are damage."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    Attributes
    ----------
    number, kind
        Its number, and how it is stored.
    value
        The number that it holds; 0 for bytes.
    start, stop
        Where its content lies in the file.
    """

    number: int
    kind: int
    value: int
    start: int
    stop: int

    @property
    def length(self) -> int:
        """Bytes of its content."""
        return self.stop - self.start


class Walker:
    """Reads the fields of messages in a file.

    Parameters
    ----------
    source
        The file.
    known
        Its first bytes, if they have been read.
    """

    def __init__(self, source: ByteSource, known: bytes = b"") -> None:
        self._source = source
        self._window = known
        self._first = 0
        self._ahead = FIRST_WINDOW
        self._fields = 0

    def fields(self, start: int, stop: int) -> Iterator[Field]:
        """The fields of the message in ``start ≤ byte < stop``.

        Raises
        ------
        Malformed
            It is damaged.
        """
        at = start
        while at < stop:
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise Malformed(f"it has more than {MAX_FIELDS} fields")
            key, at = self._varint(at, stop)
            number, kind = key >> 3, key & 7
            value, begin = 0, at
            if kind == VARINT:
                value, at = self._varint(at, stop)
            elif kind == BYTES:
                length, begin = self._varint(at, stop)
                at = begin + length
            elif kind in (FIXED32, FIXED64):
                at += 4 if kind == FIXED32 else 8
            else:
                raise Malformed(f"at byte {begin} a field is stored in an unknown way ({kind})")
            if not number or at > stop:
                raise Malformed(f"at byte {begin} a field ends after the message that it is in")
            if kind in (FIXED32, FIXED64):
                value = int.from_bytes(self._bytes(begin, at), "little")
            yield Field(number, kind, value, begin, at)

    def text(self, field: Field) -> str:
        """The text that a field holds."""
        if field.kind != BYTES or field.length > MAX_TEXT:
            raise Malformed(f"at byte {field.start} a name is none")
        return self._bytes(field.start, field.stop).decode("utf-8", "replace")

    def varints(self, field: Field, limit: int) -> list[int]:
        """The numbers that a field holds: one, or several in a row."""
        if field.kind == VARINT:
            return [field.value]
        if field.kind != BYTES or field.length > 10 * limit:
            raise Malformed(f"at byte {field.start} numbers are none")
        found: list[int] = []
        at = field.start
        while at < field.stop:
            value, at = self._varint(at, field.stop)
            found.append(value)
        return found

    def _varint(self, at: int, stop: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            if at >= stop or shift > 63:
                raise Malformed(f"at byte {at} a number has no end")
            place = at - self._first
            if not 0 <= place < len(self._window):
                self._move(at)
                place = 0
            byte = self._window[place]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, at
            shift += 7

    def _bytes(self, start: int, stop: int) -> bytes:
        place = start - self._first
        if place >= 0 and place + stop - start <= len(self._window):
            return self._window[place : place + stop - start]
        return self._source.bytes(start, stop)

    def _move(self, at: int) -> None:
        follows = at == self._first + len(self._window)
        self._ahead = min(2 * self._ahead, LAST_WINDOW) if follows else FIRST_WINDOW
        self._window = self._source.bytes(at, at + self._ahead)
        self._first = at
        if not self._window:
            raise Malformed(f"it ends at byte {at}, inside a message")


def to_signed(value: int) -> int:
    """A varint as the signed 64-bit number that it stands for."""
    return value - (1 << 64) if value >> 63 else value


def numbers(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The varints in a row of bytes.

    Raises
    ------
    Malformed
        One has no end or more than 64 bits.
    """
    ends = np.flatnonzero(data < 128) + 1
    if data.size and (not ends.size or ends[-1] != data.size):
        raise Malformed("a row of numbers ends inside one")
    starts = np.concatenate(([0], ends[:-1])).astype(np.int64) if ends.size else ends
    lengths = ends - starts
    if lengths.size and int(lengths.max()) > 10:
        raise Malformed("a number has more than 64 bits")
    values = np.zeros(ends.size, np.uint64)
    for place in range(int(lengths.max()) if lengths.size else 0):
        holds = lengths > place
        digits = (data[starts[holds] + place] & 127).astype(np.uint64)
        values[holds] |= digits << np.uint64(7 * place)
    return values
