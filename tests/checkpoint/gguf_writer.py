"""Writes GGUF files byte by byte, valid or not, independently of what reads them."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

NUMBERS = {one.name: int(one) for one in gguf.GGMLQuantizationType}
"""Numbers of the element types, from the gguf package."""


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return u64(len(raw)) + raw


STRING, ARRAY = 8, 9
FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def value(kind: int, content: Any) -> bytes:
    """A metadata value with its type; `content` of an array is (type, elements)."""
    if kind == STRING:
        return u32(STRING) + text(content)
    if kind == ARRAY:
        inner, elements = content
        if inner == STRING:
            body = b"".join(text(one) for one in elements)
        else:
            body = struct.pack(f"<{len(elements)}{FORMS[inner]}", *elements)
        return u32(ARRAY) + u32(inner) + u64(len(elements)) + body
    return u32(kind) + struct.pack(f"<{FORMS[kind]}", content)


def field(key: str | bytes, kind: int, content: Any) -> bytes:
    return text(key) + value(kind, content)


def tensor(
    name: str | bytes = "a",
    shape: Sequence[int] = (4,),
    kind: int = 0,
    offset: int = 0,
    n_axes: int | None = None,
) -> bytes:
    """An entry of the header; `shape` in numpy's order."""
    axes = b"".join(u64(n) for n in reversed(shape))
    count = len(shape) if n_axes is None else n_axes
    return text(name) + u32(count) + axes + u32(kind) + u64(offset)


def file(
    fields: Sequence[bytes] = (),
    tensors: Sequence[bytes] = (),
    data: bytes = b"",
    *,
    version: int = 3,
    n_fields: int | None = None,
    n_tensors: int | None = None,
    alignment: int = 32,
) -> bytes:
    """A file of these pieces, right or wrong."""
    head = b"GGUF" + u32(version)
    head += u64(len(tensors) if n_tensors is None else n_tensors)
    head += u64(len(fields) if n_fields is None else n_fields)
    head += b"".join(fields) + b"".join(tensors)
    return head + bytes(-len(head) % alignment if tensors else 0) + data


@dataclass(frozen=True)
class Raw:
    """A tensor to write: the name of its type, its shape in numpy's order, and its bytes."""

    kind: str
    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def random(cls, kind: str, shape: tuple[int, ...], seed: int = 0) -> "Raw":
        """Blocks of random bytes: scales may be anything, NaN and infinity too."""
        values, nbytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
        size = int(np.prod(shape)) // values * nbytes
        rng = np.random.default_rng(seed)
        return cls(kind, shape, rng.integers(0, 256, size, np.uint8).tobytes())

    @classmethod
    def of(cls, values: NDArray[Any]) -> "Raw":
        """Plain float32."""
        return cls("F32", values.shape, np.ascontiguousarray(values, "<f4").tobytes())

    @classmethod
    def quantised(cls, kind: str, values: NDArray[np.float32]) -> "Raw":
        """Values quantised by the gguf package."""
        packed = gguf.quants.quantize(values, gguf.GGMLQuantizationType[kind])
        return cls(kind, values.shape, packed.tobytes())

    @property
    def values(self) -> NDArray[Any]:
        """The values as the gguf package gives them."""
        kind = gguf.GGMLQuantizationType[self.kind]
        rows = np.frombuffer(self.data, np.uint8).reshape(*self.shape[:-1], -1)
        with np.errstate(all="ignore"):
            return gguf.quants.dequantize(rows, kind).reshape(self.shape)


def whole(
    tensors: Mapping[str, Raw],
    metadata: Mapping[str, Any] | None = None,
    *,
    alignment: int = 32,
    version: int = 3,
) -> bytes:
    """A valid file: data in the order of `tensors`."""
    fields = [field(key, *kind_of(entry)) for key, entry in (metadata or {}).items()]
    if alignment != 32:
        fields.append(field("general.alignment", 4, alignment))
    entries, data = [], b""
    for name, raw in tensors.items():
        entries.append(tensor(name, raw.shape, NUMBERS[raw.kind], len(data)))
        data += raw.data + bytes(-len(raw.data) % alignment)
    return file(fields, entries, data, alignment=alignment, version=version)


def kind_of(entry: Any) -> tuple[int, Any]:
    """Type and content of a metadata value."""
    if isinstance(entry, str):
        return STRING, entry
    if isinstance(entry, bool):
        return 7, entry
    if isinstance(entry, int):
        return 4, entry
    if isinstance(entry, float):
        return 6, entry
    inner = STRING if isinstance(entry[0], str | bytes) else 5 if isinstance(entry[0], int) else 6
    return ARRAY, (inner, entry)


def write(path: Path, tensors: Mapping[str, Raw], **options: Any) -> Path:
    path.write_bytes(whole(tensors, **options))
    return path
