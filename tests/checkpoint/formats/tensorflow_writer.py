"""Writes TensorFlow checkpoints byte by byte, as ``tensorflow/core/util/tensor_bundle`` does."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from checkpoint.formats.protobuf_writer import fixed32, message, varint
from checkpoint.writer import Sample

__all__ = ["TYPES", "entry", "header", "table", "write"]

# tensorflow/core/framework/types.proto
TYPES = {
    "F32": 1, "F64": 2, "I32": 3, "U8": 4, "I16": 5, "I8": 6, "C64": 8, "I64": 9, "BOOL": 10,
    "BF16": 14, "U16": 17, "F16": 19, "U32": 22, "U64": 23, "F8_E5M2": 24, "F8_E4M3": 25,
}  # fmt: skip
MAGIC = 0xDB4775248B80FB57


def header(shards: int, order: int = 0) -> bytes:
    return message((1, shards), *([(2, order)] if order else []), (3, message((1, 1))))


def entry(kind: int, shape: Sequence[int], shard: int, offset: int, size: int) -> bytes:
    """Fields that are 0 are left out, as protocol buffers do."""
    dims = message(*((2, message((1, n)) if n else b"") for n in shape))
    fields = [(1, kind), (2, dims), (3, shard), (4, offset), (5, size)]
    return message(*((n, v) for n, v in fields if v or n == 2)) + fixed32(6, 0x12345678)


def block(entries: Sequence[tuple[bytes, bytes]], interval: int = 16) -> bytes:
    out, restarts, last = b"", [], b""
    for i, (key, value) in enumerate(entries):
        shared = 0
        if i % interval:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        else:
            restarts.append(len(out))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        last = key
    restarts = restarts or [0]
    return out + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def table(entries: Mapping[bytes, bytes], per_block: int = 7, compression: int = 0) -> bytes:
    pairs = sorted(entries.items())
    out, handles = b"", []

    def add(content: bytes) -> bytes:
        nonlocal out
        handle = varint(len(out)) + varint(len(content))
        out += content + bytes([compression]) + b"\1\2\3\4"
        return handle

    for first in range(0, len(pairs), per_block):
        part = pairs[first : first + per_block]
        handles.append((part[-1][0], add(block(part))))
    meta = add(block([]))
    places = meta + add(block(handles, interval=1))
    return out + places + bytes(40 - len(places)) + MAGIC.to_bytes(8, "little")


def write(
    folder: Path, tensors: Mapping[str, Sample], *, shards: int = 1, name: str = "model.ckpt"
) -> Path:
    """Write an index and its data files; tensors lie in the order of their names."""
    data = [b""] * shards
    entries = {b"": header(shards)}
    for i, key in enumerate(sorted(tensors)):
        sample = tensors[key]
        payload, shard = sample.bits.tobytes(), i % shards
        entries[key.encode()] = entry(
            TYPES[sample.stored], sample.bits.shape, shard, len(data[shard]), len(payload)
        )
        data[shard] += payload
    for i, content in enumerate(data):
        (folder / f"{name}.data-{i:05}-of-{shards:05}").write_bytes(content)
    path = folder / f"{name}.index"
    path.write_bytes(table(entries))
    return path
