"""The header of an array in numpy's format: element type, order and shape, as text.

Layout: ``numpy/lib/_format_impl.py``, "Format Version 1.0" to "3.0".
"""

import ast
import math
from dataclasses import dataclass

from ..source import ByteSource
from .malformed import Malformed, quoted

__all__ = ["MAGIC", "ArrayHeader", "read_array_header"]

MAGIC = b"\x93NUMPY"

MAX_HEADER = 10_000
"""Bytes; numpy's own limit, because the text is parsed as Python."""

MAX_AXES = 64
"""The limit of numpy."""

_TYPES = {
    "<f8": "F64", "<f4": "F32", "<f2": "F16", "<c8": "C64",
    "<i8": "I64", "<i4": "I32", "<i2": "I16", "|i1": "I8",
    "<u8": "U64", "<u4": "U32", "<u2": "U16", "|u1": "U8", "|b1": "BOOL",
    # Types that numpy itself does not have, as it saves those of ml_dtypes; of the 8-bit
    # floats only this one can be told from the others.
    "<V2": "BF16", "|V2": "BF16", "<f1": "F8_E5M2",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """What the header of an array says.

    Attributes
    ----------
    stored
        Element type, or None if it is none that is read; `why` then says more.
    shape
        Its shape.
    transposed
        Whether the elements lie in the order of Fortran, first axis fastest.
    start
        Byte of the first element.
    why
        Why it is not read.
    """

    stored: str | None
    shape: tuple[int, ...]
    transposed: bool
    start: int
    why: str = ""


def read_array_header(source: ByteSource, size: int) -> ArrayHeader:
    """Read the header of an array.

    Parameters
    ----------
    source
        A ``.npy`` file, or a member of an archive.
    size
        Bytes of it.

    Raises
    ------
    Malformed
        It is no array, or damaged.
    """
    first = source.bytes(0, 10)
    if len(first) < 10 or not first.startswith(MAGIC):
        raise Malformed("it does not begin like an array of numpy")
    version = first[6]
    if version not in (1, 2, 3):
        raise Malformed(f"its version {version} is unknown")
    at = 10
    length = int.from_bytes(first[8:10], "little")
    if version > 1:
        at = 12
        length = int.from_bytes(source.bytes(8, 12), "little")
    if length > MAX_HEADER:
        raise Malformed(f"its header has {length} bytes, more than {MAX_HEADER}")
    text = source.bytes(at, at + length)
    if len(text) < length:
        raise Malformed("it ends inside its header")
    described, transposed, shape = _parse(text.decode("utf-8" if version == 3 else "latin-1"))
    return _checked(described, shape, transposed, at + length, size)


def _parse(text: str) -> tuple[object, bool, tuple[int, ...]]:
    try:
        tree = ast.literal_eval(text.strip(" \n\0"))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise Malformed(f"its header is damaged ({quoted(str(error))[1:-1]})") from None
    if not isinstance(tree, dict) or tree.keys() != {"descr", "fortran_order", "shape"}:
        raise Malformed("its header does not state type, order and shape")
    shape, transposed = tree["shape"], tree["fortran_order"]
    if not isinstance(shape, tuple) or not isinstance(transposed, bool):
        raise Malformed("its header does not state type, order and shape")
    if len(shape) > MAX_AXES or not all(type(n) is int and 0 <= n < 2**59 for n in shape):
        raise Malformed(f"its shape {quoted(shape)} is none")
    return tree["descr"], transposed, shape


def _checked(
    described: object, shape: tuple[int, ...], transposed: bool, start: int, size: int
) -> ArrayHeader:
    stored = _TYPES.get(described) if isinstance(described, str) else None
    if stored is None:
        return ArrayHeader(None, shape, transposed, start, _why(described))
    width = int(str(described)[2:])
    count = math.prod(shape)
    if not count and math.prod(n for n in shape if n) > 2**59:
        raise Malformed(f"its shape {quoted(shape)} is too large")
    if start + count * width > size:
        raise Malformed(f"its {count} elements end after its last byte")
    return ArrayHeader(stored, shape, transposed, start)


def _why(described: object) -> str:
    text = described if isinstance(described, str) else ""
    if text.endswith("O"):
        return "it holds Python objects, which only a program could load"
    if text.startswith(">"):
        return f"its bytes are in big-endian order; save it with array.astype({'<' + text[1:]!r})"
    return f"its elements are of the type {quoted(described)}, which is not read"
