"""The files of llama2.c: a header of seven numbers, then float32 weights in a fixed order.

Layouts: ``export.py`` of https://github.com/karpathy/llama2.c, ``legacy_export`` (version 0)
and ``version1_export``. The names are those of the model that it exports, which Meta gave them;
rotary pairs are neighbours in its heads, not halves as in files of transformers.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from ...base import CheckpointError
from ..address import Address
from ..files import FileCheckpoint
from ..place import Place
from ..stored import StoredTensor
from .beginnings import llama2c

__all__ = ["Llama2cCheckpoint", "Sizes", "read_sizes"]

_MAGIC = 0x616B3432
_HEADER_1 = 256
"""Bytes of the header from version 1 on."""

_NUMBERS = struct.Struct("<7i")
_WIDTH = 4


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the header says.

    Attributes
    ----------
    dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, max_seq_len
        As llama2.c calls them.
    tied
        Whether the classifier is the token embedding.
    version
        Of the format.
    """

    dim: int
    hidden_dim: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    vocab_size: int
    max_seq_len: int
    tied: bool
    version: int

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Names and shapes in the order of the file; rotary tables have no name."""
        dim, hidden = self.dim, self.hidden_dim
        kv_dim = self.n_kv_heads * (dim // self.n_heads)
        embedding = ("tok_embeddings.weight", (self.vocab_size, dim))
        attention = {"wq": (dim, dim), "wk": (kv_dim, dim), "wv": (kv_dim, dim), "wo": (dim, dim)}
        mlp = {"w1": (hidden, dim), "w2": (dim, hidden), "w3": (hidden, dim)}
        if self.version == 0:
            yield embedding
            yield from self._layers("attention_norm", (dim,))
            for name, shape in attention.items():
                yield from self._layers(f"attention.{name}", shape)
            yield from self._layers("ffn_norm", (dim,))
            for name, shape in mlp.items():
                yield from self._layers(f"feed_forward.{name}", shape)
            yield "norm.weight", (dim,)
            yield "", (2, self.max_seq_len, dim // self.n_heads // 2)
        else:
            yield from self._layers("attention_norm", (dim,))
            yield from self._layers("ffn_norm", (dim,))
            yield "norm.weight", (dim,)
            yield embedding
            for name, shape in attention.items():
                yield from self._layers(f"attention.{name}", shape)
            for name, shape in mlp.items():
                yield from self._layers(f"feed_forward.{name}", shape)
        if not self.tied:
            yield "output.weight", (self.vocab_size, dim)

    def _layers(self, name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
        for layer in range(self.n_layers):
            yield f"layers.{layer}.{name}.weight", shape


def read_sizes(first: bytes) -> Sizes | None:
    """The header of a file, None if it begins otherwise.

    A file of version 0 has no mark: its numbers have to be those of a transformer.
    """
    if not llama2c(first):
        return None
    magic, version = struct.unpack_from("<Ii", first)
    if magic == _MAGIC:
        dim, hidden, layers, heads, kv_heads, vocab, context = _NUMBERS.unpack_from(first, 8)
        tied = first[8 + _NUMBERS.size] == 1
        if min(dim, hidden, layers, heads, kv_heads, vocab, context) < 1 or dim % heads:
            return None
    else:
        version = 0
        dim, hidden, layers, heads, kv_heads, vocab, context = _NUMBERS.unpack_from(first)
        # A negative vocabulary says that the classifier is stored, too.
        tied, vocab = vocab > 0, abs(vocab)
    return Sizes(dim, hidden, layers, heads, kv_heads, vocab, context, tied, version)


class Llama2cCheckpoint(FileCheckpoint[tuple[tuple[int, ...], int]]):
    """A file of llama2.c.

    Parameters
    ----------
    place, name
        The folder, and in it the file.
    path
        What the user opened; the file itself if None.

    Raises
    ------
    CheckpointError
        It is quantised, or its size is not what its header tells.
    """

    format = "llama2.c"

    def __init__(self, place: Place, name: str, *, path: Path | Address | None = None) -> None:
        source = place.source(name)
        sizes = read_sizes(source.bytes(0, 512))
        if sizes is None:
            raise CheckpointError(f"{source.path} does not begin like a file of llama2.c.")
        if sizes.version > 1:
            raise CheckpointError(
                f"{source.path} is a file of llama2.c, version {sizes.version}, whose weights are "
                f"quantised; this is not read. Open the model that it was made from."
            )
        start = _HEADER_1 if sizes.version else _NUMBERS.size
        entries: dict[str, tuple[tuple[int, ...], int]] = {}
        at = start
        for key, shape in sizes.tensors():
            if key:
                entries[key] = shape, at
            at += _WIDTH * prod(shape)
        if at != source.size:
            raise CheckpointError(
                f"{source.path} begins like a file of llama2.c, but has {source.size} bytes "
                f"instead of {at}; it is incompletely downloaded, or something else."
            )
        numbers = {
            key: str(getattr(sizes, key))
            for key in ("dim", "hidden_dim", "n_layers", "n_heads", "n_kv_heads", "vocab_size")
        }
        self._hold(place, name, path, [source], [start], entries, metadata=numbers)

    def _make(self, name: str, entry: tuple[tuple[int, ...], int]) -> StoredTensor:
        shape, start = entry
        return StoredTensor(name, shape, "F32", self._sources[0], start)
