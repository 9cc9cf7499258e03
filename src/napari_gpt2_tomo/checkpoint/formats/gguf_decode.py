"""Values of GGUF blocks."""

import numpy as np
from numpy.typing import NDArray

from .gguf_codes import CODES
from .gguf_types import BlockType

__all__ = ["decode_blocks"]

CHUNK = 1 << 16
"""Values decoded at a time: what is computed on the way stays in a core's cache."""


def decode_blocks(blocks: NDArray[np.uint8], kind: BlockType) -> NDArray[np.float32]:
    """Values of blocks of one type, bit for bit those of ggml and of the ``gguf`` package.

    Types with codes are decoded here, about twice as fast as by the package; the others, whose
    blocks point into tables of vectors, by the package.

    Parameters
    ----------
    blocks
        ``(n, bytes of a block)``, in C order.

    Returns
    -------
    values
        ``(n, values of a block)``.
    """
    # Scales of damaged files may be anything.
    with np.errstate(all="ignore"):
        if kind.name not in CODES:
            from gguf.constants import GGMLQuantizationType
            from gguf.quants import dequantize

            found: NDArray[np.float32] = dequantize(blocks, GGMLQuantizationType(kind.number))
            return found
        code = CODES[kind.name]
        values = np.empty((len(blocks), kind.values), np.float32)
        per_chunk = CHUNK // kind.values
        for first in range(0, len(blocks), per_chunk):
            some = blocks[first : first + per_chunk]
            out = values[first : first + per_chunk].reshape(len(some), -1, kind.group)
            out[...] = code.codes(some).reshape(out.shape)
            out *= code.scales(some)[..., None]
            if code.minima is not None:
                out -= code.minima(some)[..., None]
    return values
