"""How files begin whose names do not tell their format."""

import struct

__all__ = ["llama2c", "numpy_archive", "numpy_array", "onnx", "pytorch", "tensorflow"]


def pytorch(first: bytes) -> bool:
    """Whether a file may be one of PyTorch: an archive with folders, or the pickle of old."""
    if first.startswith(b"PK\3\4"):
        name = _first_member(first)
        return b"/" in name and not name.endswith((b".npy", b".xml", b"/"))
    # The magic number of the format before 1.6, which every such file begins with.
    return first.startswith(b"\x80") and _TORCH_MAGIC in first[:32]


def numpy_archive(first: bytes) -> bool:
    """Whether a file may be an archive of numpy's arrays."""
    return first.startswith(b"PK\3\4") and _first_member(first).endswith(b".npy")


def numpy_array(first: bytes) -> bool:
    """Whether a file may hold one of numpy's arrays."""
    return first.startswith(b"\x93NUMPY")


def onnx(first: bytes) -> bool:
    """Whether a file may be an ONNX model: the version of the format, then a field of a model."""
    return first[:1] == b"\x08" and 3 <= int.from_bytes(first[1:2]) < 64 and first[2:3] in _FIELDS


def tensorflow(first: bytes) -> bool:
    """Whether a file may be the index of a TensorFlow checkpoint: an entry without a name."""
    return first[:2] == b"\0\0" and 2 <= int.from_bytes(first[2:3]) < 64 and first[3:4] == b"\x08"


def llama2c(first: bytes) -> bool:
    """Whether a file may be one of llama2.c: its mark, or seven sizes that fit one another."""
    if len(first) < 64:
        return False
    if first.startswith(b"24ka"):
        return True
    dim, hidden, layers, heads, kv_heads, vocab, context = struct.unpack_from("<7i", first)
    if min(dim, hidden, layers, heads, kv_heads, abs(vocab), context) < 1:
        return False
    if max(layers, heads, kv_heads) > 1024 or max(dim, hidden, abs(vocab), context) > 1 << 22:
        return False
    return not (dim % heads or heads % kv_heads or dim // heads % 2) and bool(hidden >= dim)


_FIELDS = (b"\x12", b"\x1a", b"\x22", b"\x28", b"\x32", b"\x3a", b"\x42", b"\x72")

_TORCH_MAGIC = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")


def _first_member(first: bytes) -> bytes:
    """The name of the first member of a zip archive."""
    return first[30 : 30 + int.from_bytes(first[26:28], "little")]
