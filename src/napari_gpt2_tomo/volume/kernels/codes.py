"""Compiled decoding of narrow floats."""

from typing import Any

import numpy as np

from .rows import exact_jit

__all__ = ["look_up", "widen"]


@exact_jit
def look_up(codes: Any, stride: Any, table: Any, out: Any) -> None:
    """Decode rows of codes `stride` apart: ``out[i, j] = table[codes[i·stride + j]]``."""
    rows, columns = out.shape
    for i in range(rows):
        row = codes[i * stride : i * stride + columns]
        target = out[i]
        for j in range(columns):
            target[j] = table[row[j]]


@exact_jit
def widen(codes: Any, stride: Any, bits: Any) -> None:
    """Decode rows of bfloat16 codes `stride` apart into float32 bits (uint32)."""
    rows, columns = bits.shape
    for i in range(rows):
        row = codes[i * stride : i * stride + columns]
        target = bits[i]
        for j in range(columns):
            target[j] = np.uint32(row[j]) << np.uint32(16)
