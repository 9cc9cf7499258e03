"""Element types that checkpoints store, and what each decodes to.

The names are those of the safetensors format; other formats translate theirs
into this table. Types that numpy has are stored and decoded as they are. The
others are read as codes (unsigned integers) and decode to the smallest numpy
type that holds every value exactly.

References
----------
bfloat16
    The upper half of an IEEE binary32, hence ``uint16 << 16``.
F8_E4M3, F8_E5M2
    Micikevicius et al., "FP8 formats for deep learning", arXiv:2209.05433.
    E4M3 has no infinity, and NaN only at S.1111.111.
F8_E4M3FNUZ, F8_E5M2FNUZ
    Noune et al., "8-bit numerical formats for deep neural networks",
    arXiv:2206.02915: one NaN at 0x80, no infinity, no negative zero.
F8_E8M0, F6_E2M3, F6_E3M2, F4
    OCP Microscaling Formats (MX) specification 1.0. E8M0 is a power of two.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LUT", "STORED_TYPES", "StoredType", "decode"]


@dataclass(frozen=True, slots=True)
class StoredType:
    """One element type of a file.

    Attributes
    ----------
    name
        Name in the file, e.g. ``"BF16"``.
    bits
        Size of an element; less than 8 where several share a byte.
    storage
        Numpy dtype of the stored element or of its code, always little-endian.
        None where elements share bytes, which no numpy dtype describes.
    decoded
        Numpy dtype of its values.
    """

    name: str
    bits: int
    storage: np.dtype[Any] | None
    decoded: np.dtype[Any]

    @property
    def is_coded(self) -> bool:
        """Whether `decode` has to turn codes into values."""
        return self.storage != self.decoded


def _table() -> dict[str, StoredType]:
    native = {
        "F64": "<f8", "F32": "<f4", "F16": "<f2", "C64": "<c8",
        "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
        "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
    }  # fmt: skip
    # A byte other than 0 and 1 in a numpy bool is undefined behaviour, and files are
    # untrusted: booleans are read as bytes.
    coded = {
        "BOOL": ("u1", "?"),
        "BF16": ("<u2", "<f4"),
        "F8_E4M3": ("u1", "<f4"),
        "F8_E5M2": ("u1", "<f4"),
        "F8_E4M3FNUZ": ("u1", "<f4"),
        "F8_E5M2FNUZ": ("u1", "<f4"),
        "F8_E8M0": ("u1", "<f4"),
    }
    packed = {"F6_E2M3": 6, "F6_E3M2": 6, "F4": 4}
    types: list[StoredType] = []
    for name, code in native.items():
        types.append(StoredType(name, 8 * np.dtype(code).itemsize, np.dtype(code), np.dtype(code)))
    for name, (code, value) in coded.items():
        types.append(StoredType(name, 8 * np.dtype(code).itemsize, np.dtype(code), np.dtype(value)))
    for name, bits in packed.items():
        types.append(StoredType(name, bits, None, np.dtype("<f4")))
    return {stored.name: stored for stored in types}


STORED_TYPES: Mapping[str, StoredType] = MappingProxyType(_table())
"""Every element type of the safetensors format, by name."""


def _minifloat(exponent_bits: int, bias: int) -> NDArray[np.float64]:
    """Values of all 256 codes of an 8-bit float, before its special codes are set."""
    mantissa_bits = 7 - exponent_bits
    codes = np.arange(256)
    sign = np.where(codes >> 7, -1.0, 1.0)
    exponent = (codes >> mantissa_bits) & ((1 << exponent_bits) - 1)
    fraction = codes & ((1 << mantissa_bits) - 1)
    significand = fraction + np.where(exponent, 1 << mantissa_bits, 0)
    values: NDArray[np.float64] = sign * np.ldexp(
        significand.astype(np.float64), np.maximum(exponent, 1) - bias - mantissa_bits
    )
    return values


def _tables() -> dict[str, NDArray[np.float32]]:
    e4m3 = _minifloat(4, 7)
    e4m3[[0x7F, 0xFF]] = np.nan
    e5m2 = _minifloat(5, 15)
    e5m2[[0x7C, 0xFC]] = np.inf, -np.inf
    e5m2[0x7D:0x80] = e5m2[0xFD:] = np.nan
    e4m3fnuz = _minifloat(4, 8)
    e4m3fnuz[0x80] = np.nan
    e5m2fnuz = _minifloat(5, 16)
    e5m2fnuz[0x80] = np.nan
    e8m0 = np.ldexp(1.0, np.arange(256) - 127)
    e8m0[0xFF] = np.nan
    e2m1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])
    tables = {
        "F16": np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32),
        "F8_E4M3": e4m3.astype(np.float32),
        "F8_E5M2": e5m2.astype(np.float32),
        "F8_E4M3FNUZ": e4m3fnuz.astype(np.float32),
        "F8_E5M2FNUZ": e5m2fnuz.astype(np.float32),
        "F8_E8M0": e8m0.astype(np.float32),
        "F4": np.concatenate((e2m1, -e2m1)).astype(np.float32),
    }
    for table in tables.values():
        table.flags.writeable = False
    return tables


LUT: Mapping[str, NDArray[np.float32]] = MappingProxyType(_tables())
"""Value of every code of the 16-bit, 8-bit and 4-bit floats, for kernels that stream over codes.

``LUT["F16"][codes]`` takes the elements' bits (``raw.view(uint16)``), the others `raw` itself.
"""


def decode(raw: NDArray[Any], stored: str) -> NDArray[Any]:
    """Values of stored elements, exactly.

    Parameters
    ----------
    raw
        Elements as stored, dtype ``STORED_TYPES[stored].storage``, any shape and strides.
    stored
        Name of the element type.

    Returns
    -------
    values
        Same shape, dtype ``STORED_TYPES[stored].decoded``: `raw` itself where numpy has
        the stored type, else a new array.
    """
    if stored == "BF16":
        codes = np.empty(raw.shape, "<u4")
        np.left_shift(raw, np.uint32(16), out=codes, dtype=np.uint32)
        return codes.view("<f4")
    if stored == "BOOL":
        return np.asarray(raw != 0)
    if STORED_TYPES[stored].is_coded:
        # Eight-bit codes are always inside the table: "wrap" skips the bounds check.
        values = np.empty(raw.shape, np.float32)
        LUT[stored].take(raw, out=values, mode="wrap")
        return values
    return raw
