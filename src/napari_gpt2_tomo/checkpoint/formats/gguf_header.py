"""The header of a GGUF file, read strictly and without trust.

Layout and rules: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and
``gguf_init_from_file_impl`` in ggml's ``gguf.cpp``, which is stricter: arrays hold no arrays,
keys and names occur once. The file is

    "GGUF", version (u32), number of tensors (u64), number of metadata entries (u64),
    metadata: key, type (u32), value
    tensors: name, number of axes (u32), lengths (u64, fastest first), type (u32), offset (u64)
    padding to a multiple of ``general.alignment``, then the data

with strings as a length (u64) and UTF-8. Nothing is allocated for what a count announces:
arrays are stepped over, and stay where they are until they are asked for.
"""

import math
from dataclasses import dataclass

from ...base import CheckpointError
from ..sniff import describe
from ..source import ByteSource
from .gguf_cursor import Array, Cursor, Malformed, Scalar, quoted
from .gguf_types import TYPES

__all__ = ["Entry", "Field", "Header", "read_header"]

MAGIC = b"GGUF"
VERSIONS = (2, 3)
"""They differ only in that version 3 may be big-endian."""
ALIGNMENT = "general.alignment"
USUAL_ALIGNMENT = 32
MAX_AXES = 4
"""``GGML_MAX_DIMS``."""
MAX_ELEMENTS = 2**63 - 1
"""ggml counts elements in a signed 64-bit integer."""
MAX_EXTENT = 2**59
"""Elements of a tensor without any, its zeros left out: numpy counts 8 bytes of each in 63 bits."""
MAX_FIELDS = 1 << 16
"""Metadata entries; models have some dozens."""
MAX_TENSORS = 1 << 18
"""Tensors of a file; the largest mixtures with one for each expert have some ten thousands."""
LEAST_ENTRY = 8 + 4 + 1
"""Bytes of the shortest metadata entry: an empty key, a type and a byte."""
LEAST_TENSOR = 8 + 4 + 4 + 8
"""Bytes of the shortest tensor entry: an empty name without axes."""

Field = Scalar | Array
"""A metadata value; an array is only a place in the file until it is read."""

# A plain tuple, as in the header of safetensors.
Entry = tuple[int, tuple[int, ...], int, int]
"""A tensor: number of its type, shape in numpy order, first byte and end in the file."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of one file says.

    Attributes
    ----------
    version
        Of the format.
    entries
        Tensors in the order of their data.
    unreadable
        Tensors whose type is not known, so that their extent is not either: name → why.
    fields
        The metadata by key.
    length
        Bytes of the header, padding excluded.
    """

    version: int
    entries: dict[str, Entry]
    unreadable: dict[str, str]
    fields: dict[str, Field]
    length: int


def read_header(source: ByteSource) -> Header:
    """Read and check the header of a GGUF file; its data are not touched.

    Raises
    ------
    CheckpointError
        The file cannot be read or is not a valid GGUF file; says why.
    """
    first = source.bytes(0, 24)
    _check_start(source, first)
    try:
        return _Reading(source).header()
    except Malformed as error:
        raise CheckpointError(f"{source.path} is not a valid GGUF file: {error}") from None


def _check_start(source: ByteSource, first: bytes) -> None:
    path = source.path
    if not source.size:
        raise CheckpointError(f"{path} is empty (0 bytes); download or save it again.")
    if not first.startswith(MAGIC):
        advice = describe(source.bytes(0, 512)) or "It is damaged or another kind of file."
        raise CheckpointError(f"{path} is not a GGUF file: it does not begin with GGUF. {advice}")
    if len(first) < 24:
        raise CheckpointError(
            f"{path} is not a valid GGUF file: it has only {len(first)} bytes. Download it again."
        )
    version = int.from_bytes(first[4:8], "little")
    if version in VERSIONS:
        return
    if version == 1:
        wrong = "of version 1, from 2023; convert the model again with a current llama.cpp"
    elif int.from_bytes(first[4:8], "big") in VERSIONS:
        wrong = "big-endian; turn it around with 'gguf-convert-endian' of the gguf package"
    else:
        wrong = f"of version {version}; this version reads {VERSIONS[0]} and {VERSIONS[1]}"
    raise CheckpointError(f"{path} is a GGUF file {wrong}.")


class _Reading:
    """One reading of a header."""

    def __init__(self, source: ByteSource) -> None:
        self.cursor = Cursor(source, 4)
        self.size = source.size

    def header(self) -> Header:
        cursor = self.cursor
        version, n_tensors, n_fields = cursor.u32(), cursor.u64(), cursor.u64()
        self._affordable(n_fields, LEAST_ENTRY, MAX_FIELDS, "metadata entries")
        self._affordable(n_tensors, LEAST_TENSOR, MAX_TENSORS, "tensors")
        fields: dict[str, Field] = {}
        for _ in range(n_fields):
            key = cursor.text("key of the metadata")
            if key in fields:
                raise Malformed(f"the key {quoted(key)} occurs twice", "entry")
            fields[key] = cursor.value(key)
        alignment = _alignment(fields)
        names: set[str] = set()
        found = [self._tensor(alignment, names) for _ in range(n_tensors)]
        length = cursor.at
        data_start = -(-length // alignment) * alignment
        entries, unreadable = self._placed(found, data_start)
        return Header(version, entries, unreadable, fields, length)

    def _affordable(self, count: int, least: int, most: int, what: str) -> None:
        if count > most:
            raise Malformed(f"it announces {count} {what}; at most {most} are read")
        if count > (self.size - self.cursor.at) // least:
            raise Malformed(
                f"it announces {count} {what}, more than its {self.size} bytes can hold", "cut"
            )

    def _tensor(self, alignment: int, names: set[str]) -> tuple[str, int, tuple[int, ...], int]:
        """Name, type, shape in numpy order and offset in the data of one tensor."""
        cursor = self.cursor
        name = cursor.text("name of a tensor")
        if name in names:
            raise Malformed(f"the tensor {quoted(name)} occurs twice")
        names.add(name)
        n_axes = cursor.u32()
        if n_axes > MAX_AXES:
            raise Malformed(f"{quoted(name)} has {n_axes} axes; at most {MAX_AXES} are allowed")
        shape = tuple(cursor.u64() for _ in range(n_axes))[::-1]
        number, offset = cursor.u32(), cursor.u64()
        if math.prod(shape) > MAX_ELEMENTS or math.prod(n for n in shape if n) > MAX_EXTENT:
            raise Malformed(f"the shape of {quoted(name)} is too large: {quoted(list(shape))}")
        if offset % alignment:
            raise Malformed(
                f"the data of {quoted(name)} begin at {offset}, no multiple of {alignment}"
            )
        return name, number, shape, offset

    def _placed(
        self, found: list[tuple[str, int, tuple[int, ...], int]], data_start: int
    ) -> tuple[dict[str, Entry], dict[str, str]]:
        """Check where the data of the tensors lie: inside the file, none over another's."""
        entries: list[tuple[str, Entry]] = []
        unreadable: dict[str, str] = {}
        for name, number, shape, offset in found:
            kind = TYPES.get(number)
            if kind is None:
                unreadable[name] = f"its element type {number} is not known to this version"
                continue
            columns = shape[-1] if shape else 1
            if columns % kind.values:
                raise Malformed(
                    f"the rows of {quoted(name)} have {columns} values, which are no whole "
                    f"blocks of {kind.values} ({kind.name})"
                )
            start = data_start + offset
            stop = start + math.prod(shape) // kind.values * kind.nbytes
            if stop > self.size:
                raise Malformed(
                    f"the data of {quoted(name)} would end at {stop}, but the file has "
                    f"{self.size} bytes",
                    "cut",
                )
            if not kind.readable:
                unreadable[name] = f"values of the type {kind.name} cannot be decoded"
            entries.append((name, (number, shape, start, stop)))
        entries.sort(key=_by_place)
        end = data_start
        for name, (_, _, start, stop) in entries:
            if start < end and stop > start:
                raise Malformed(f"the data of {quoted(name)} overlap those of another tensor")
            end = max(end, stop)
        return {name: entry for name, entry in entries if name not in unreadable}, unreadable


def _by_place(item: tuple[str, Entry]) -> tuple[int, int]:
    _, (_, _, start, stop) = item
    return start, stop


def _alignment(fields: dict[str, Field]) -> int:
    found = fields.get(ALIGNMENT, USUAL_ALIGNMENT)
    if type(found) is not int or found < 1 or found & (found - 1):
        shown = "an array" if isinstance(found, Array) else quoted(found)
        raise Malformed(f"{ALIGNMENT} is {shown}, which is no power of two")
    return found
