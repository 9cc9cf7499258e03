"""Checkpoints in the safetensors format, in one file or many."""

from pathlib import Path

from ...base import CheckpointError
from ..address import Address
from ..files import FileCheckpoint
from ..place import Place
from ..quantised.plates import four_bit_floats
from ..shards import INDEX_SUFFIX, ShardSet, indexed_shards, shards_beside
from ..stored import StoredTensor
from ..tensor import LazyTensor
from .header import Entry, Header, read_header

__all__ = ["SafetensorsCheckpoint"]

_UNORDERED = frozenset({"F6_E2M3", "F6_E3M2"})
"""Types whose elements share bytes in an order of bits that is nowhere defined."""


class SafetensorsCheckpoint(FileCheckpoint[tuple[int, Entry]]):
    """A safetensors file with all shards that belong to it; only headers are read at first.

    Parameters
    ----------
    place, name
        The folder, and in it a safetensors file, one shard of several, or an ``….index.json``.
    path
        What the user opened, e.g. the folder; the file itself if None.

    Raises
    ------
    CheckpointError
        A file is damaged, two files hold the same tensor, or no file is there.
    """

    format = "safetensors"

    def __init__(self, place: Place, name: str, *, path: Path | Address | None = None) -> None:
        if name.endswith(INDEX_SUFFIX):
            shards = indexed_shards(place, name)
        else:
            shards = shards_beside(place, name)
        if not shards.files:
            raise CheckpointError(
                f"{place.path / name} lists {len(shards.absent)} files and none of them is there; "
                f"download them into {place.path}."
            )
        sources = [place.source(file) for file in shards.files]
        headers = [read_header(source) for source in sources]
        self._data_starts = tuple(header.data_start for header in headers)
        entries, unreadable = _merge(headers, [str(source.path) for source in sources])
        metadata: dict[str, str] = {}
        for header in reversed(headers):
            metadata |= header.metadata
        self._hold(
            place,
            name,
            path,
            sources,
            self._data_starts,
            entries,
            missing=_find_missing(shards, entries, place) | unreadable,
            metadata=metadata,
            notes=shards.notes,
        )

    def _make(self, name: str, entry: tuple[int, Entry]) -> LazyTensor:
        number, (stored, shape, start, _) = entry
        source, begin = self._sources[number], self._data_starts[number] + start
        if stored == "F4":
            return four_bit_floats(name, shape, source, begin)
        return StoredTensor(name, shape, stored, source, begin)


def _merge(
    headers: list[Header], files: list[str]
) -> tuple[dict[str, tuple[int, Entry]], dict[str, str]]:
    """Where each tensor is (number of the file, header entry), and which are unreadable."""
    merged: dict[str, tuple[int, Entry]] = {}
    unreadable: dict[str, str] = {}
    for number, header in enumerate(headers):
        if not merged.keys().isdisjoint(header.entries):
            name = next(name for name in header.entries if name in merged)
            raise CheckpointError(
                f"{files[merged[name][0]]} and {files[number]} both hold the tensor "
                f"{name!r}; they do not belong to one checkpoint. Remove one of them."
            )
        merged.update((name, (number, entry)) for name, entry in header.entries.items())
        unreadable |= {
            name: f"its {entry[0]} elements share bytes in an order that the format does not define"
            for name, entry in header.entries.items()
            if entry[0] in _UNORDERED
        }
    for name in unreadable:
        del merged[name]
    return merged, unreadable


def _find_missing(
    shards: ShardSet, entries: dict[str, tuple[int, Entry]], place: Place
) -> dict[str, str]:
    return {
        name: shards.absent.get(
            file, f"{place.path / file} does not hold it, though the index says so"
        )
        for name, file in shards.weight_map.items()
        if name not in entries
    }
