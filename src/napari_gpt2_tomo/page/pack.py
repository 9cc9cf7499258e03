"""Binary data as text in a page: gzip and base64, which every current browser undoes itself."""

import base64
import gzip
import math

__all__ = ["pack", "packed_size", "unpack"]

LEVEL = 9
"""Packed once, sent many times."""


def pack(data: bytes) -> str:
    """`data` compressed, in the letters of base64; the same text for the same bytes."""
    return base64.b64encode(gzip.compress(data, LEVEL, mtime=0)).decode("ascii")


def unpack(text: str) -> bytes:
    """The inverse of `pack`."""
    return gzip.decompress(base64.b64decode(text))


def packed_size(compressed: float) -> int:
    """Letters that so many compressed bytes become."""
    return 4 * math.ceil(compressed / 3)
