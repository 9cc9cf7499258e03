"""Checkpoints in the safetensors format, in one file or many."""

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..base import CheckpointError, Progress
from .companions import find_tokenizer, read_config
from .dtypes import STORED_TYPES
from .fingerprint import content_hash, fingerprint
from .header import Entry, Header, read_header
from .shards import INDEX_SUFFIX, ShardSet, indexed_shards, shards_beside
from .source import MappedFile
from .stored import StoredTensor
from .tensor import Checkpoint, LazyTensor

__all__ = ["SafetensorsCheckpoint"]

_PACKED = {name for name, stored in STORED_TYPES.items() if stored.storage is None}


class SafetensorsCheckpoint(Checkpoint):
    """A safetensors file with all shards that belong to it; only headers are read at first.

    Parameters
    ----------
    target
        A safetensors file, one shard of several, or an ``….index.json``.
    path
        What the user opened, e.g. the folder; `target` itself if None.

    Raises
    ------
    CheckpointError
        A file is damaged, two files hold the same tensor, or no file is there.
    """

    format = "safetensors"

    def __init__(self, target: str | Path, *, path: str | Path | None = None) -> None:
        self._target = Path(os.path.abspath(target))
        self.path = self._target if path is None else Path(os.path.abspath(path))
        if self._target.name.endswith(INDEX_SUFFIX):
            shards = indexed_shards(self._target)
        else:
            shards = shards_beside(self._target)
        if not shards.files:
            raise CheckpointError(
                f"{self._target} lists {len(shards.absent)} files and none of them is there; "
                f"download them into {self._target.parent}."
            )
        headers = [read_header(file) for file in shards.files]
        self.files = shards.files
        self._sources = tuple(
            MappedFile(file, header.size, header.mtime_ns)
            for file, header in zip(shards.files, headers, strict=True)
        )
        self._data_starts = tuple(header.data_start for header in headers)
        self._entries, unreadable = self._merge(headers)
        self._tensors: dict[str, StoredTensor] = {}
        self.missing = MappingProxyType(self._find_missing(shards) | unreadable)
        metadata: dict[str, str] = {}
        for header in reversed(headers):
            metadata |= header.metadata
        self.metadata = MappingProxyType(metadata)
        folder = self._target.parent
        self.config, note = read_config(folder)
        self.tokenizer = find_tokenizer(folder)
        self.notes = (*shards.notes, *([note] if note else []))

    def _merge(self, headers: list[Header]) -> tuple[dict[str, tuple[int, Entry]], dict[str, str]]:
        """Where each tensor is (number of the file, header entry), and which are unreadable."""
        merged: dict[str, tuple[int, Entry]] = {}
        unreadable: dict[str, str] = {}
        for number, header in enumerate(headers):
            if not merged.keys().isdisjoint(header.entries):
                name = next(name for name in header.entries if name in merged)
                raise CheckpointError(
                    f"{self.files[merged[name][0]]} and {self.files[number]} both hold the tensor "
                    f"{name!r}; they do not belong to one checkpoint. Remove one of them."
                )
            merged.update((name, (number, entry)) for name, entry in header.entries.items())
            unreadable |= {
                name: f"its {entry[0]} elements share bytes, which this version does not read"
                for name, entry in header.entries.items()
                if entry[0] in _PACKED
            }
        for name in unreadable:
            del merged[name]
        return merged, unreadable

    def _find_missing(self, shards: ShardSet) -> dict[str, str]:
        return {
            name: shards.absent.get(file, f"{file} does not hold it, though the index says so")
            for name, file in shards.weight_map.items()
            if name not in self._entries
        }

    def __getitem__(self, name: str) -> LazyTensor:
        tensor = self._tensors.get(name)
        if tensor is None:
            try:
                number, (stored, shape, start, _) = self._entries[name]
            except KeyError:
                why = self.missing.get(name)
                raise KeyError(f"{name}: {why}" if why else name) from None
            tensor = self._tensors.setdefault(
                name,
                StoredTensor(
                    name, shape, stored, self._sources[number], self._data_starts[number] + start
                ),
            )
        return tensor

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        files = f"{len(self.files)} file{'s' * (len(self.files) != 1)}"
        return f"<{type(self).__name__} {str(self.path)!r}: {len(self)} tensors in {files}>"

    @cached_property
    def fingerprint(self) -> str:
        """Fast identity: SHA-256 hex over headers, sizes, mtimes and 64 sampled 4 KB blocks."""
        return fingerprint(list(zip(self._sources, self._data_starts, strict=True)))

    def content_hash(self, progress: Progress | None = None) -> str:
        """SHA-256 hex over every byte of every file; takes as long as reading them."""
        return content_hash(self._sources, progress)

    def close(self) -> None:
        """Release the mapped files; reading a tensor afterwards raises `CheckpointError`."""
        for source in self._sources:
            source.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self._target, self.path, self._sources)


def _reopen(target: Path, path: Path, sources: tuple[MappedFile, ...]) -> SafetensorsCheckpoint:
    """Open a checkpoint again in another process, if its files are still the same."""
    checkpoint = SafetensorsCheckpoint(target, path=path)
    known = {source.path: source.stamp for source in sources}
    if known != {source.path: source.stamp for source in checkpoint._sources}:
        raise CheckpointError(f"{path} was changed after it had been opened; open it again.")
    return checkpoint
