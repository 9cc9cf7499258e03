"""Binary data as text in a page: gzip and base64, which every current browser undoes itself."""

import base64
import gzip
import math
import zlib

from ..base import Progress

__all__ = ["pack", "packed_size", "unpack"]

LEVEL = 9
"""Packed once, sent many times."""

GZIP = 31
"""zlib's word for a gzip file with the largest window; its time stamp is 0."""

STEP = 2**20
"""Bytes between two reports of progress."""


def pack(data: bytes, progress: Progress | None = None) -> str:
    """`data` compressed, in the letters of base64; the same text for the same bytes.

    Parameters
    ----------
    data
        Anything.
    progress
        Told of every megabyte, which takes some 50 ms; its total is the caller's business.
    """
    work = zlib.compressobj(LEVEL, wbits=GZIP)
    parts = []
    for start in range(0, len(data), STEP):
        parts.append(work.compress(data[start : start + STEP]))
        if progress is not None:
            progress.advance(min(STEP, len(data) - start))
    parts.append(work.flush())
    return base64.b64encode(b"".join(parts)).decode("ascii")


def unpack(text: str) -> bytes:
    """The inverse of `pack`."""
    return gzip.decompress(base64.b64decode(text))


def packed_size(compressed: float) -> int:
    """Letters that so many compressed bytes become."""
    return 4 * math.ceil(compressed / 3)
