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
    values = np.empty((len(blocks), kind.values), np.float32)
    per_chunk = CHUNK // kind.values
    # Scales of damaged files may be anything.
    with np.errstate(all="ignore"):
        for first in range(0, len(blocks), per_chunk):
            chunk = slice(first, first + per_chunk)
            _decode(blocks[chunk], kind, values[chunk])
    return values


def _decode(blocks: NDArray[np.uint8], kind: BlockType, out: NDArray[np.float32]) -> None:
    """Write the values of some blocks to `out`."""
    code = CODES.get(kind.name)
    if code is None:
        from gguf.constants import GGMLQuantizationType
        from gguf.quants import dequantize

        # As one row: the package takes several rows apart again.
        out[...] = dequantize(blocks.reshape(1, -1), GGMLQuantizationType(kind.number)).reshape(
            out.shape
        )
        return
    grouped = out.reshape(len(out), -1, kind.group)
    grouped[...] = code.codes(blocks).reshape(grouped.shape)
    grouped *= code.scales(blocks)[..., None]
    if code.minima is not None:
        grouped -= code.minima(blocks)[..., None]
