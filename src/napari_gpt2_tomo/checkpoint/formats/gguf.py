"""Checkpoints in the GGUF format of ggml and llama.cpp, in one file or split into many."""

from functools import cached_property
from pathlib import Path

from ...base import CheckpointError
from ..address import Address
from ..dtypes import STORED_TYPES
from ..files import FileCheckpoint
from ..place import Place
from ..shards import shards_beside
from ..source import ByteSource
from ..stored import StoredTensor
from ..tensor import LazyTensor
from .gguf_blocks import GgufTensor
from .gguf_cursor import Array, Malformed, read_numbers, read_strings
from .gguf_header import Entry, Header, read_header
from .gguf_types import TYPES

__all__ = ["GgufCheckpoint"]

TOKENS = "tokenizer.ggml.tokens"
MOST_TOKENS = 1 << 22
"""Vocabularies have at most some hundred thousand entries."""
SHOWN = 8
"""Elements of a long array that its text shows."""


class GgufCheckpoint(FileCheckpoint[tuple[int, Entry]]):
    """A GGUF file with all files that it was split into; only headers are read at first.

    Names are the file's (``blk.0.attn_q.weight``), shapes in numpy's order.

    Parameters
    ----------
    place, name
        The folder, and in it a GGUF file, or one of ``…-00001-of-00003.gguf``.
    path
        What the user opened; the file itself if None.

    Raises
    ------
    CheckpointError
        A file is damaged, two files hold the same tensor, or no tensor can be decoded.
    """

    format = "GGUF"

    def __init__(self, place: Place, name: str, *, path: Path | Address | None = None) -> None:
        shards = shards_beside(place, name)
        sources = [place.source(file) for file in shards.files]
        headers = [read_header(source) for source in sources]
        entries: dict[str, tuple[int, Entry]] = {}
        unreadable: dict[str, str] = {}
        metadata: dict[str, str] = {}
        self._tokens: tuple[ByteSource, Array] | None = None
        for number, (source, header) in enumerate(zip(sources, headers, strict=True)):
            _refuse_repeated(header, entries, sources, number)
            entries.update((name, (number, entry)) for name, entry in header.entries.items())
            unreadable |= header.unreadable
            # The first file of a split holds the metadata, the others only their number.
            metadata = _texts(source, header) | metadata
            tokens = header.fields.get(TOKENS)
            if self._tokens is None and isinstance(tokens, Array) and tokens.is_text:
                self._tokens = source, tokens
        if unreadable and not entries:
            name, why = next(iter(unreadable.items()))
            raise CheckpointError(f"No tensor of {sources[0].path} can be read: {name}: {why}.")
        self._hold(
            place,
            name,
            path,
            sources,
            [header.length for header in headers],
            entries,
            missing=unreadable,
            metadata=metadata,
            notes=shards.notes,
        )

    def _make(self, name: str, entry: tuple[int, Entry]) -> LazyTensor:
        number, (type_, shape, start, _) = entry
        kind, source = TYPES[type_], self._sources[number]
        if kind.is_plain:
            assert kind.name in STORED_TYPES
            return StoredTensor(name, shape, kind.name, source, start)
        return GgufTensor(name, shape, kind, source, start)

    @cached_property
    def vocabulary(self) -> tuple[str, ...] | None:
        """The entries of the file's own tokenizer by id, as it spells them; None without one.

        Raises
        ------
        CheckpointError
            The file cannot be read any more.
        """
        if self._tokens is None or self._tokens[1].count > MOST_TOKENS:
            return None
        return tuple(read_strings(*self._tokens))


def _refuse_repeated(
    header: Header, entries: dict[str, tuple[int, Entry]], sources: list[ByteSource], number: int
) -> None:
    for name in header.entries:
        if name in entries:
            raise CheckpointError(
                f"{sources[entries[name][0]].path} and {sources[number].path} both hold the "
                f"tensor {name!r}; they do not belong to one checkpoint. Remove one of them."
            )


def _texts(source: ByteSource, header: Header) -> dict[str, str]:
    """The metadata as text; of long arrays the first elements and the number of all."""
    found = {"GGUF.version": str(header.version)}
    for key, value in header.fields.items():
        if isinstance(value, Array):
            most = min(value.count, SHOWN)
            try:
                shown = (
                    ", ".join(map(repr, read_strings(source, value, most)))
                    if value.is_text
                    else ", ".join(str(one) for one in read_numbers(source, value, most).tolist())
                )
            except Malformed as error:  # pragma: no cover - the header was walked through before
                raise CheckpointError(f"{source.path}: {error}") from error
            rest = f", … ({value.count:,} in all)" if value.count > SHOWN else ""
            found[key] = f"[{shown}{rest}]"
        else:
            found[key] = str(value)
    return found
