"""Codes, scales and minima of GGUF blocks, apart from each other.

The layouts of the blocks are those of the structures ``block_q4_0`` … in ggml's
``ggml-common.h``, and the order of their values that of ``dequantize_row_…`` in
``ggml-quants.c``. In every type here a value is code · scale − minimum, in float32, with one
scale and minimum for a group of neighbours; the functions below give the three.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CODES", "Code"]

Bytes = NDArray[np.uint8]
F32 = NDArray[np.float32]
Codes = NDArray[Any]

_INT8, _UINT8 = np.dtype(np.int8), np.dtype(np.uint8)
_LOW = np.uint8(15)
_PAIRS = np.arange(0, 8, 2, dtype=np.uint8)[:, None]
_SINGLES = np.arange(8, dtype=np.uint8)[:, None]

_NONLINEAR = np.array(
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.int8
)
"""``kvalues_iq4nl``: what the 16 codes of IQ4_NL and IQ4_XS stand for."""
_E2M1 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.int8)
"""``kvalues_mxfp4``: the numbers of four bits of the MX formats, doubled."""
_HALF_E8M0 = np.ldexp(np.float32(1), np.arange(256) - 128).astype(np.float32)
"""Powers of two of MXFP4, halved as their codes are doubled."""


def _half_e4m3() -> F32:
    """Scales of NVFP4, halved as their codes are doubled; the code 0x7F stands for none."""
    bits = np.arange(256)
    exponent, mantissa = (bits >> 3) & 15, bits & 7
    significand = mantissa + np.where(exponent, 8, 0)
    values: F32 = np.ldexp(significand.astype(np.float32), np.maximum(exponent, 1) - 11)
    values[0x7F] = 0
    return values


_HALF_E4M3 = _half_e4m3()


def _nibbles(data: Bytes, run: int) -> Bytes:
    """Low halves of each run of so many bytes, then their high halves."""
    runs = data.reshape(len(data), -1, run)
    found = np.empty((*runs.shape[:2], 2, run), np.uint8)
    np.bitwise_and(runs, _LOW, out=found[:, :, 0])
    np.right_shift(runs, 4, out=found[:, :, 1])
    return found.reshape(len(data), -1)


def _crumbs(data: Bytes) -> Bytes:
    """The four pairs of bits of 32 bytes at a time, lowest first."""
    found = data.reshape(len(data), -1, 1, 32) >> _PAIRS
    found &= np.uint8(3)
    return found.reshape(len(data), -1)


def _bits(data: Bytes) -> Bytes:
    """The eight bits of 32 bytes, lowest first."""
    found = data.reshape(len(data), 1, 32) >> _SINGLES
    found &= np.uint8(1)
    return found.reshape(len(data), -1)


def _half(blocks: Bytes, at: int) -> F32:
    """The float16 at byte `at` of each block, ``(n, 1)``."""
    found: F32 = np.ascontiguousarray(blocks[:, at : at + 2]).view("<f2").astype(np.float32)
    return found


def _signed(codes: Bytes, zero: int) -> NDArray[np.int8]:
    """Codes less what stands for zero."""
    codes -= np.uint8(zero)
    return codes.view(np.int8)


def _plus_bits(low: Bytes, high: Bytes, shift: int) -> Bytes:
    high <<= np.uint8(shift)
    low |= high
    return low


def _fifth_bits(blocks: Bytes, at: int) -> Bytes:
    """Bits of 4 bytes, one for each value of a block of 32."""
    return np.unpackbits(np.ascontiguousarray(blocks[:, at : at + 4]), axis=1, bitorder="little")


def _scales_6_bits(blocks: Bytes) -> tuple[Bytes, Bytes]:
    """The 8 scales and 8 minima that Q4_K and Q5_K pack into 12 bytes, from byte 4 on."""
    scales, minima, rest = (blocks[:, at : at + 4] for at in (4, 8, 12))
    low = np.hstack([scales & 63, (rest & _LOW) | ((scales >> 2) & 48)])
    return low, np.hstack([minima & 63, (rest >> 4) | ((minima >> 2) & 48)])


def _scales_q3(blocks: Bytes) -> F32:
    """The 16 signed scales of 6 bits that Q3_K packs into 12 bytes."""
    low, high = _nibbles(blocks[:, 96:104], 8), blocks[:, None, 104:108] >> _PAIRS
    scales = _plus_bits(low, (high & np.uint8(3)).reshape(len(blocks), 16), 4)
    return _half(blocks, 108) * _signed(scales, 32)


def _codes_q3(blocks: Bytes) -> Codes:
    """Two bits and, inverted, a third that takes 4 away."""
    high = _bits(blocks[:, 0:32]) ^ np.uint8(1)
    high <<= np.uint8(2)
    return (_crumbs(blocks[:, 32:96]) - high).view(np.int8)


def _codes_q6(blocks: Bytes) -> Codes:
    low = _nibbles(blocks[:, 0:128], 64)
    return _signed(_plus_bits(low, _crumbs(blocks[:, 128:192]), 4), 32)


def _scales_iq4_xs(blocks: Bytes) -> F32:
    low = np.empty((len(blocks), 4, 2), np.uint8)
    np.bitwise_and(blocks[:, 4:8], _LOW, out=low[:, :, 0])
    np.right_shift(blocks[:, 4:8], 4, out=low[:, :, 1])
    high = (blocks[:, 2:4, None] >> _PAIRS.T) & np.uint8(3)
    scales = _plus_bits(low.reshape(len(blocks), 8), high.reshape(len(blocks), 8), 4)
    return _half(blocks, 0) * _signed(scales, 32)


def _codes_tq1(blocks: Bytes) -> Codes:
    """Five numbers to the base of three in each byte, as a fraction of 256."""
    pieces = []
    for first, last, run, digits in ((0, 32, 32, 5), (32, 48, 16, 5), (48, 52, 4, 4)):
        powers = (3 ** np.arange(digits, dtype=np.uint8))[:, None].astype(np.uint8)
        pieces.append((blocks[:, first:last].reshape(-1, 1, run) * powers).reshape(len(blocks), -1))
    thirds = (np.hstack(pieces).astype(np.uint16) * 3) >> 8
    return _signed(thirds.astype(np.uint8), 1)


def _codes_nvfp4(blocks: Bytes) -> Codes:
    return _E2M1[_nibbles(blocks[:, 4:36], 8)]


@dataclass(frozen=True)
class Code:
    """How blocks of one type are taken apart; each function takes ``(n, bytes)``.

    Attributes
    ----------
    codes
        ``(n, values)`` integers, int8 where zero lies in the middle, else uint8.
    scales
        ``(n, groups)`` float32.
    minima
        ``(n, groups)`` float32 that are subtracted; None if nothing is.
    dtype
        Of the codes.
    """

    codes: Callable[[Bytes], Codes]
    scales: Callable[[Bytes], F32]
    minima: Callable[[Bytes], F32] | None = None
    dtype: np.dtype[Any] = _INT8


def _codes_q5(blocks: Bytes, at: int) -> Bytes:
    return _plus_bits(_nibbles(blocks[:, at + 4 :], 16), _fifth_bits(blocks, at), 4)


CODES: Mapping[str, Code] = MappingProxyType(
    {
        "Q4_0": Code(lambda b: _signed(_nibbles(b[:, 2:], 16), 8), lambda b: _half(b, 0)),
        "Q4_1": Code(
            lambda b: _nibbles(b[:, 4:], 16),
            lambda b: _half(b, 0),
            lambda b: -_half(b, 2),
            dtype=_UINT8,
        ),
        "Q5_0": Code(lambda b: _signed(_codes_q5(b, 2), 16), lambda b: _half(b, 0)),
        "Q5_1": Code(
            lambda b: _codes_q5(b, 4), lambda b: _half(b, 0), lambda b: -_half(b, 2), dtype=_UINT8
        ),
        "Q8_0": Code(lambda b: b[:, 2:].view(np.int8), lambda b: _half(b, 0)),
        "Q2_K": Code(
            lambda b: _crumbs(b[:, 16:80]),
            lambda b: _half(b, 80) * (b[:, :16] & _LOW),
            lambda b: _half(b, 82) * (b[:, :16] >> 4),
            dtype=_UINT8,
        ),
        "Q3_K": Code(_codes_q3, _scales_q3),
        "Q4_K": Code(
            lambda b: _nibbles(b[:, 16:], 32),
            lambda b: _half(b, 0) * _scales_6_bits(b)[0],
            lambda b: _half(b, 2) * _scales_6_bits(b)[1],
            dtype=_UINT8,
        ),
        "Q5_K": Code(
            lambda b: _plus_bits(_nibbles(b[:, 48:], 32), _bits(b[:, 16:48]), 4),
            lambda b: _half(b, 0) * _scales_6_bits(b)[0],
            lambda b: _half(b, 2) * _scales_6_bits(b)[1],
            dtype=_UINT8,
        ),
        "Q6_K": Code(_codes_q6, lambda b: _half(b, 208) * b[:, 192:208].view(np.int8)),
        "IQ4_NL": Code(lambda b: _NONLINEAR[_nibbles(b[:, 2:], 16)], lambda b: _half(b, 0)),
        "IQ4_XS": Code(lambda b: _NONLINEAR[_nibbles(b[:, 8:], 16)], _scales_iq4_xs),
        "TQ1_0": Code(_codes_tq1, lambda b: _half(b, 52)),
        "TQ2_0": Code(lambda b: _signed(_crumbs(b[:, :64]), 1), lambda b: _half(b, 64)),
        "MXFP4": Code(lambda b: _E2M1[_nibbles(b[:, 1:], 16)], lambda b: _HALF_E8M0[b[:, :1]]),
        "NVFP4": Code(_codes_nvfp4, lambda b: _HALF_E4M3[b[:, :4]]),
    }
)
"""The types whose codes are integers (of IQ4, MXFP4 and NVFP4 those that a table gives)."""
