"""Values of GGUF blocks."""

import numpy as np
from numpy.typing import NDArray

from .gguf_types import BlockType

__all__ = ["decode_blocks"]


def decode_blocks(blocks: NDArray[np.uint8], kind: BlockType) -> NDArray[np.float32]:
    """Values of blocks of one type, as the ``gguf`` package (and ggml) decode them.

    Parameters
    ----------
    blocks
        ``(n, bytes of a block)``, in C order.

    Returns
    -------
    values
        ``(n, values of a block)``.
    """
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import dequantize

    # Scales of damaged files may be anything.
    with np.errstate(all="ignore"):
        values: NDArray[np.float32] = dequantize(blocks, GGMLQuantizationType(kind.number))
    return values
