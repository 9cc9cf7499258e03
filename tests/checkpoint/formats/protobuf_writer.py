"""Writes protocol buffers byte by byte, valid or not, independently of what reads them."""

from collections.abc import Iterable

__all__ = ["fixed32", "message", "packed", "varint"]


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def packed(values: Iterable[int]) -> bytes:
    return b"".join(map(varint, values))


def fixed32(number: int, value: int) -> bytes:
    return varint(number << 3 | 5) + value.to_bytes(4, "little")


def message(*fields: tuple[int, int | bytes | str]) -> bytes:
    """Numbers as varints, texts and bytes with their length."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out
