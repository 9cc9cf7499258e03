"""Reading the values of a GGUF header one after the other, with bounds on everything."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..source import ByteSource

__all__ = ["Array", "Cursor", "Malformed", "Scalar", "quoted", "read_numbers", "read_strings"]

MAX_HEADER = 1 << 27
"""128 MB that have to be walked through; the largest vocabularies take 15."""
MAX_KEY = 2**16 - 1
"""Bytes of a key, as the specification says; tensor names are shorter still."""
FIRST_WINDOW, LAST_WINDOW = 1 << 14, 1 << 22
"""Bytes that are read ahead: headers without a vocabulary take some kilobytes, and one read
more does not count if megabytes follow."""
MOST_TEXT = 1 << 16
"""Bytes of a text that are kept; chat templates take some thousand."""

_STRING, _ARRAY = 8, 9
_NUMBERS: dict[int, struct.Struct] = {
    number: struct.Struct(f"<{code}")
    for number, code in (
        (0, "B"), (1, "b"), (2, "H"), (3, "h"), (4, "I"), (5, "i"), (6, "f"), (7, "?"),
        (10, "Q"), (11, "q"), (12, "d"),
    )
}  # fmt: skip
_U32, _U64 = _NUMBERS[4], _NUMBERS[10]

Scalar = int | float | bool | str


class Malformed(Exception):
    """A rule of the format that is broken, and what to do."""

    def __init__(self, wrong: str, advice: str = "entry") -> None:
        super().__init__(f"{wrong}. {_ADVICE[advice]}")


_ADVICE = {
    "cut": "It is damaged or incompletely downloaded; download it again.",
    "entry": "The program that wrote it did not follow the format; convert the model again.",
}


def quoted(text: object) -> str:
    """`text` as it is safe and short enough to print."""
    shown = ascii(text)
    return shown if len(shown) <= 100 else f"{shown[:97]}…"


@dataclass(frozen=True, slots=True)
class Array:
    """An array of the metadata: where it lies in the file.

    Attributes
    ----------
    kind
        Number of the type of its elements; 8 for texts.
    count
        Number of elements.
    start, stop
        Its bytes, without type and count.
    """

    kind: int
    count: int
    start: int
    stop: int

    @property
    def is_text(self) -> bool:
        """Whether its elements are texts."""
        return self.kind == _STRING


class Cursor:
    """A place in the header that moves on with each value.

    Parameters
    ----------
    source
        The file.
    at
        Byte to begin with.
    """

    def __init__(self, source: ByteSource, at: int = 0) -> None:
        self._source = source
        self.at = at
        self._window = b""
        self._first = 0
        self._ahead = FIRST_WINDOW

    def _need(self, count: int) -> int:
        """Have the next `count` bytes in the window; their place in it."""
        place = self.at - self._first
        if place + count <= len(self._window):
            return place
        stop = self.at + count
        if stop > self._source.size:
            raise Malformed(f"its header goes on after the end of the file at {stop}", "cut")
        if stop > MAX_HEADER:
            raise Malformed(f"its header is longer than {MAX_HEADER} bytes")
        self._window = self._source.bytes(self.at, max(stop, self.at + self._ahead))
        self._ahead = min(2 * self._ahead, LAST_WINDOW)
        self._first = self.at
        return 0

    def _number(self, form: struct.Struct) -> Any:
        place = self._need(form.size)
        self.at += form.size
        return form.unpack_from(self._window, place)[0]

    def u32(self) -> int:
        """The next 4 bytes as a number."""
        value: int = self._number(_U32)
        return value

    def u64(self) -> int:
        """The next 8 bytes as a number."""
        value: int = self._number(_U64)
        return value

    def _bytes(self, count: int) -> bytes:
        place = self._need(count)
        self.at += count
        return self._window[place : place + count]

    def _skip(self, count: int, what: str) -> None:
        if count > self._source.size - self.at:
            raise Malformed(f"{what} of {count} bytes would end after the end of the file", "cut")
        self.at += count

    def text(self, what: str) -> str:
        """A short text that has to be UTF-8."""
        length = self.u64()
        if length > MAX_KEY:
            raise Malformed(f"a {what} is {length} bytes long; at most {MAX_KEY} are allowed")
        raw = self._bytes(length)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise Malformed(f"a {what} is not UTF-8: {quoted(raw)}") from None

    def long_text(self, what: str = "a text") -> str:
        """A text of any length, cut after `MOST_TEXT` bytes."""
        length = self.u64()
        start = self.at
        self._skip(length, what)
        end, self.at = self.at, start
        kept = self._bytes(min(length, MOST_TEXT)).decode("utf-8", "replace")
        self.at = end
        return kept if length <= MOST_TEXT else f"{kept}… ({length} bytes)"

    def value(self, key: str) -> Scalar | Array:
        """A metadata value with its type; arrays are stepped over."""
        kind = self.u32()
        if kind == _STRING:
            return self.long_text(f"the text of {quoted(key)}")
        if kind == _ARRAY:
            return self._array(key)
        if kind not in _NUMBERS:
            raise Malformed(f"{quoted(key)} has the unknown type {kind}")
        found: Scalar = self._number(_NUMBERS[kind])
        return found

    def _array(self, key: str) -> Array:
        kind, count = self.u32(), self.u64()
        start = self.at
        if kind == _STRING:
            self._skip_strings(key, count)
        elif kind in _NUMBERS:
            self._skip(count * _NUMBERS[kind].size, f"the array {quoted(key)}")
        else:
            what = "arrays" if kind == _ARRAY else f"elements of the unknown type {kind}"
            raise Malformed(f"the array {quoted(key)} holds {what}")
        return Array(kind, count, start, self.at)

    def _skip_strings(self, key: str, count: int) -> None:
        if count > (self._source.size - self.at) // _U64.size:
            raise Malformed(
                f"the array {quoted(key)} announces {count} texts, more than the file can hold",
                "cut",
            )
        left = count
        while left:
            place = self._need(_U64.size)
            passed, end = _step_over(self._window, place, left)
            if passed:
                left -= passed
                self.at = self._first + end
                continue
            # A text that is longer than the window.
            self._skip(self.u64(), f"a text of the array {quoted(key)}")
            left -= 1


def _step_over(window: bytes, place: int, most: int) -> tuple[int, int]:
    """How many texts, at most `most`, lie in `window` from `place`, and where they end."""
    passed, end = _short_texts(window, place, most)
    size = len(window)
    unpack = _U64.unpack_from
    while passed < most and end + 8 <= size:
        after = end + 8 + unpack(window, end)[0]
        if after > size:
            break
        end = after
        passed += 1
        if not passed % _RETRY:
            more, end = _short_texts(window, end, most - passed)
            passed += more
    return passed, end


_RETRY = 256
"""Texts that are walked one by one before the quick way is tried again."""


def _short_texts(window: bytes, place: int, most: int) -> tuple[int, int]:
    """How many texts of 1 to 255 bytes follow one another from `place`, and where they end.

    Such a text begins with its length and seven zeros, of which four are an aligned word: the
    words that are zero tell all starts at once, far faster than to go from text to text. Each
    is checked against the end of the one before, so that nothing is guessed.
    """
    data = np.frombuffer(window, np.uint8)
    words = data[: len(data) // 4 * 4].view(np.uint32)
    zeros = np.flatnonzero(words[place // 4 :] == 0)[: most + 1] * 4 + place // 4 * 4
    starts = zeros[zeros > place] - 1
    starts = starts[starts + 8 <= len(data)][:most]
    for _ in range(3):
        starts -= data[starts] == 0
    if not len(starts) or starts[0] != place:
        return 0, place
    ends = starts + 8 + data[starts]
    good = ends <= len(data)
    for after in range(1, 8):
        good &= data[starts + after] == 0
    good[1:] &= starts[1:] == ends[:-1]
    count = len(good) if good.all() else int(good.argmin())
    return count, int(ends[count - 1]) if count else place


def read_strings(source: ByteSource, array: Array, most: int | None = None) -> list[str]:
    """The texts of an array, or its first `most`; broken UTF-8 is shown as a mark."""
    cursor = Cursor(source, array.start)
    return [cursor.long_text() for _ in range(array.count if most is None else most)]


def read_numbers(source: ByteSource, array: Array, most: int | None = None) -> NDArray[Any]:
    """The numbers of an array, or its first `most`."""
    form = _NUMBERS[array.kind]
    count = array.count if most is None else most
    raw = np.frombuffer(source.bytes(array.start, array.start + count * form.size), np.uint8)
    # A byte other than 0 and 1 in a numpy bool is undefined behaviour.
    return raw != 0 if form.format == "<?" else raw.view(form.format)
