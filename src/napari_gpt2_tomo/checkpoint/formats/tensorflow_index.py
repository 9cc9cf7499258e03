"""The index of a TensorFlow checkpoint: a sorted table of names, each with a tensor's place.

The file is a table as LevelDB writes it (``leveldb/doc/table_format.md``); the values are the
messages of ``tensorflow/core/protobuf/tensor_bundle.proto``.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ..source import ByteSource
from .malformed import Malformed, quoted
from .protobuf import Field, Walker, to_signed

__all__ = ["BundleEntry", "read_index"]

MAX_INDEX = 1 << 26
"""64 MiB; that of GPT-2 XL has 30 kB."""

MAX_AXES = 64
"""The limit of numpy."""

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5
"""Bytes after each block: how it is compressed, and a checksum."""

_HEADER = {"shards": 1, "order": 2}
_ENTRY = {"type": 1, "shape": 2, "shard": 3, "offset": 4, "size": 5, "slices": 7}
_DIMENSION, _LENGTH, _UNKNOWN_RANK = 2, 1, 3


@dataclass(slots=True)
class BundleEntry:
    """Where a tensor lies.

    Attributes
    ----------
    kind
        Number of the element type.
    shape
        Its shape.
    shard, offset, size
        Which data file, and where in it.
    is_sliced
        Whether other entries hold pieces of it.
    """

    kind: int = 0
    shape: tuple[int, ...] = ()
    shard: int = 0
    offset: int = 0
    size: int = 0
    is_sliced: bool = False


def read_index(source: ByteSource) -> tuple[int, dict[str, BundleEntry]]:
    """Number of data files, and the tensors by name, sorted as in the file.

    Raises
    ------
    Malformed
        It is damaged or no index of a checkpoint.
    """
    if source.size > MAX_INDEX:
        raise Malformed(f"it has {source.size} bytes, more than {MAX_INDEX}")
    data = source.bytes(0, source.size)
    if len(data) < _FOOTER or int.from_bytes(data[-8:], "little") != _MAGIC:
        raise Malformed("it does not end as an index of TensorFlow does")
    # The footer: place and size of a table that is not needed, then those of the blocks' own.
    _, at = _varint(data, len(data) - _FOOTER)
    _, at = _varint(data, at)
    start, at = _varint(data, at)
    size, _ = _varint(data, at)
    walker = Walker(source, data)
    shards = 0
    entries: dict[str, BundleEntry] = {}
    for _, first, last in _block(data, start, size):
        begin, at = _varint(data, first)
        length, at = _varint(data, at)
        if at > last:
            raise Malformed("the place of a block is damaged")
        for key, value, stop in _block(data, begin, length):
            if not key:
                shards = _read_header(walker, value, stop)
            else:
                entries[key.decode("utf-8", "replace")] = _read_entry(walker, value, stop)
    if not shards:
        raise Malformed("it does not say how many data files there are")
    return shards, entries


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise Malformed(f"at byte {at} a number has no end")


def _block(data: bytes, start: int, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Keys of a block, and where the value of each lies in the file."""
    stop = start + size
    if stop + _TRAILER > len(data) or size < 4:
        raise Malformed("a block ends after the end of the file")
    if data[stop]:
        raise Malformed("its blocks are compressed", "Save it with TensorFlow again.")
    (restarts,) = struct.unpack_from("<I", data, stop - 4)
    end = stop - 4 - 4 * restarts
    if end < start:
        raise Malformed("a block is damaged")
    at, key = start, b""
    while at < end:
        shared, at = _varint(data, at)
        own, at = _varint(data, at)
        length, at = _varint(data, at)
        value = at + own
        if shared > len(key) or value + length > end or shared + own > _MAX_NAME:
            raise Malformed("an entry of a block is damaged")
        key = key[:shared] + data[at:value]
        at = value + length
        yield key, value, at


_MAX_NAME = 4096


def _read_header(walker: Walker, start: int, stop: int) -> int:
    shards = 0
    for part in walker.fields(start, stop):
        if part.number == _HEADER["shards"]:
            shards = part.value
        elif part.number == _HEADER["order"] and part.value:
            raise Malformed("its bytes are in big-endian order", "Save it on another machine.")
    if not 0 < shards < 100_000:
        raise Malformed(f"it announces {shards} data files")
    return shards


def _read_entry(walker: Walker, start: int, stop: int) -> BundleEntry:
    entry = BundleEntry()
    for part in walker.fields(start, stop):
        if part.number == _ENTRY["type"]:
            entry.kind = part.value
        elif part.number == _ENTRY["shape"]:
            entry.shape = _read_shape(walker, part)
        elif part.number == _ENTRY["shard"]:
            entry.shard = part.value
        elif part.number == _ENTRY["offset"]:
            entry.offset = part.value
        elif part.number == _ENTRY["size"]:
            entry.size = part.value
        elif part.number == _ENTRY["slices"]:
            entry.is_sliced = True
    return entry


def _read_shape(walker: Walker, whole: Field) -> tuple[int, ...]:
    shape: list[int] = []
    for part in walker.fields(whole.start, whole.stop):
        if part.number == _UNKNOWN_RANK and part.value:
            raise Malformed("a tensor has no shape")
        if part.number == _DIMENSION:
            length = 0
            for inner in walker.fields(part.start, part.stop):
                if inner.number == _LENGTH:
                    length = to_signed(inner.value)
            shape.append(length)
    if len(shape) > MAX_AXES or any(n < 0 for n in shape):
        raise Malformed(f"the shape {quoted(tuple(shape))} is none")
    return tuple(shape)
