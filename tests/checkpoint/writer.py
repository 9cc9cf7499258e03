"""Writes safetensors files byte by byte, valid or not, independently of what reads them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

ORACLE: dict[str, np.dtype[Any]] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F8_E4M3FNUZ": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "F8_E5M2FNUZ": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "F8_E8M0": np.dtype(ml_dtypes.float8_e8m0fnu),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
    "C64": np.dtype(np.complex64),
}
"""The same element types as somebody else implemented them."""

FLOAT32 = {"BF16", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0"}


@dataclass(frozen=True)
class Sample:
    """A tensor to write: its element type and the bits of its elements."""

    stored: str
    bits: NDArray[Any]

    @property
    def values(self) -> NDArray[Any]:
        """What a reader has to return."""
        values = self.bits.view(ORACLE[self.stored])
        return values.astype(np.float32) if self.stored in FLOAT32 else values

    @classmethod
    def random(cls, stored: str, shape: tuple[int, ...], seed: int = 0) -> "Sample":
        """Every bit random, so NaN, infinities and subnormals occur."""
        itemsize = ORACLE[stored].itemsize
        rng = np.random.default_rng(seed)
        high = 2 if stored == "BOOL" else 256
        n_bytes = int(np.prod(shape)) * itemsize
        data = rng.integers(0, high, n_bytes, np.uint8)
        return cls(
            stored, data.view(f"V{itemsize}" if itemsize > 8 else f"u{itemsize}").reshape(shape)
        )


def with_header(header: str | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """A file with this header, right or wrong."""
    text = header.encode() if isinstance(header, str) else header
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def safetensors_bytes(
    tensors: Mapping[str, Sample],
    metadata: Mapping[str, str] | None = None,
    *,
    order: Sequence[str] | None = None,
    pad: int = 0,
) -> bytes:
    """A valid file: data in the order of `tensors`, header in the order of `order`."""
    entries: dict[str, Any] = {}
    data = b""
    for name, sample in tensors.items():
        payload = sample.bits.tobytes()
        entries[name] = {
            "dtype": sample.stored,
            "shape": list(sample.bits.shape),
            "data_offsets": [len(data), len(data) + len(payload)],
        }
        data += payload
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    header |= {name: entries[name] for name in order or entries}
    return with_header(json.dumps(header) + " " * pad, data)


def write_safetensors(path: Path, tensors: Mapping[str, Sample], **options: Any) -> Path:
    """Write `safetensors_bytes` to a file."""
    path.write_bytes(safetensors_bytes(tensors, **options))
    return path
