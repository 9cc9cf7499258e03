"""What the checkpoints of all file formats share: files, lazy tensors, identity, pickling."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from ..base import CheckpointError, Progress
from .address import Address
from .companions import find_tokenizer, read_config, read_quantisation
from .fingerprint import content_hash, fingerprint
from .place import Place
from .source import ByteSource
from .tensor import Checkpoint, LazyTensor

__all__ = ["FileCheckpoint"]

EntryT = TypeVar("EntryT")


class FileCheckpoint(Checkpoint, Generic[EntryT]):
    """A checkpoint in one or several files of a place; a format subclasses it.

    The subclass' ``__init__`` takes ``(place, name, *, path=None)`` – the file to begin with
    and what the user opened –, reads headers, and calls `_hold`; `_make` makes a tensor of
    an entry when it is first asked for.
    """

    @abstractmethod
    def __init__(self, place: Place, name: str, *, path: Path | Address | None = None) -> None: ...

    def _hold(
        self,
        place: Place,
        name: str,
        path: Path | Address | None,
        sources: Sequence[ByteSource],
        header_lengths: Sequence[int],
        entries: Mapping[str, EntryT],
        *,
        missing: Mapping[str, str] = MappingProxyType({}),
        metadata: Mapping[str, str] = MappingProxyType({}),
        notes: Sequence[str] = (),
    ) -> None:
        """Keep what the headers say.

        Parameters
        ----------
        place, name, path
            As given to ``__init__``.
        sources
            The files that hold tensors, in shard order.
        header_lengths
            Bytes at the beginning of each file that say what it holds, for the fingerprint.
        entries
            Tensors in file order, whatever `_make` needs for each.
        missing, metadata, notes
            As `Checkpoint` has them. What lies beside the tensors is added here.
        """
        self._place = place
        self._name = name
        self._sources = tuple(sources)
        self._header_lengths = tuple(header_lengths)
        self._entries = entries
        self._tensors: dict[str, LazyTensor] = {}
        self.path = path if path is not None else place.path / name
        self.files = tuple(source.path for source in sources)
        self.missing = MappingProxyType(dict(missing))
        self.metadata = MappingProxyType(dict(metadata))
        self.config, note = read_config(place)
        self.tokenizer = find_tokenizer(place)
        self.notes = (*notes, *([note] if note else []))

    @abstractmethod
    def _make(self, name: str, entry: EntryT) -> LazyTensor:
        """The tensor of an entry; nothing is read."""

    def __getitem__(self, name: str) -> LazyTensor:
        tensor = self._tensors.get(name)
        if tensor is None:
            try:
                entry = self._entries[name]
            except KeyError:
                why = self.missing.get(name)
                raise KeyError(f"{name}: {why}" if why else name) from None
            tensor = self._tensors.setdefault(name, self._make(name, entry))
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
    def quantisation(self) -> Mapping[str, Any]:
        """What ``config.json`` or a file beside it says of how the tensors are quantised.

        Looked up when it is asked for: on a server, that there is no such file costs time.
        """
        return super().quantisation or read_quantisation(self._place)

    @cached_property
    def fingerprint(self) -> str:
        """Fast identity: SHA-256 hex over headers, sizes, mtimes and 64 sampled 4 KB blocks."""
        return fingerprint(list(zip(self._sources, self._header_lengths, strict=True)))

    def content_hash(self, progress: Progress | None = None) -> str:
        """SHA-256 hex over every byte of every file; takes as long as reading them."""
        return content_hash(self._sources, progress)

    def close(self) -> None:
        """Release the files; reading a tensor afterwards raises `CheckpointError`."""
        for source in self._sources:
            source.close()

    def __reduce__(self) -> tuple[Any, ...]:
        stamps = {str(source.path): source.stamp for source in self._sources}
        # A closed file cannot be sent on, and says so when it is pickled.
        return _reopen, (type(self), self._place, self._name, self.path, stamps, self._sources)


def _reopen(
    kind: type[FileCheckpoint[Any]],
    place: Place,
    name: str,
    path: Path | Address,
    stamps: Mapping[str, str],
    sources: Sequence[ByteSource],
) -> FileCheckpoint[Any]:
    """Open a checkpoint again in another process, if its files are still the same."""
    checkpoint = kind(place, name, path=path)
    if stamps != {str(source.path): source.stamp for source in checkpoint._sources}:
        raise CheckpointError(f"{path} was changed after it had been opened; open it again.")
    return checkpoint
