"""Checkpoints in PyTorch's own format, in one file or many; PyTorch is not needed to read them."""

import re
from collections.abc import Sequence
from pathlib import Path

from ...base import CheckpointError
from ..address import Address
from ..dtypes import STORED_TYPES
from ..files import FileCheckpoint
from ..place import Place
from ..shards import INDEX_SUFFIX, ShardSet, indexed_shards, shards_beside
from ..strided import tensor_at
from ..tensor import LazyTensor
from .malformed import Malformed
from .pytorch_files import TorchFile, read_file
from .pytorch_objects import Tensor

__all__ = ["PyTorchCheckpoint"]

_RANK = re.compile(r"(zero_pp_rank_\d+_mp_rank_|zero_pp_rank_|mp_rank_|consolidated\.)\d+")
"""How files begin that hold one rank's share of each tensor: of DeepSpeed, Megatron and Meta."""


class PyTorchCheckpoint(FileCheckpoint[tuple[int, Tensor]]):
    """A file of PyTorch with all shards that belong to it; only the pickles are read at first.

    A tensor that shares all its elements with one before it (tied weights) is not listed; its
    name leads to that one.

    Parameters
    ----------
    place, name
        The folder, and in it a file, one shard of several, or an ``….index.json``.
    path
        What the user opened, e.g. the folder; the file itself if None.

    Raises
    ------
    CheckpointError
        A file is damaged or wants more than tensors, or no file is there.
    """

    format = "PyTorch"

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
        self._parsed: list[TorchFile] = []
        for source in sources:
            try:
                self._parsed.append(read_file(source))
            except Malformed as error:
                raise CheckpointError(f"{source.path} cannot be read as PyTorch: {error}") from None
        entries, missing, tied = _merge(self._parsed, [str(source.path) for source in sources])
        self.tied = tied
        notes = [*shards.notes, *(note for file in self._parsed for note in file.state.notes)]
        if tied:
            pairs = [f"{name} is {first}" for name, first in list(tied.items())[:5]]
            more = f", and {len(tied) - 5} more" if len(tied) > 5 else ""
            notes.append(f"Tied weights are counted once: {', '.join(pairs)}{more}.")
        notes += _shares(place, shards.files[0])
        metadata: dict[str, str] = {}
        for file in reversed(self._parsed):
            metadata |= file.state.metadata
        self._hold(
            place,
            name,
            path,
            sources,
            [file.header for file in self._parsed],
            entries,
            missing=_absent(shards, entries, tied, place) | missing,
            metadata=metadata,
            notes=list(dict.fromkeys(notes)),
        )

    def __getitem__(self, name: str) -> LazyTensor:
        return super().__getitem__(self.tied.get(name, name))

    def _make(self, name: str, entry: tuple[int, Tensor]) -> LazyTensor:
        number, view = entry
        source, first = self._parsed[number].places[view.storage.key]
        start = first + view.offset * STORED_TYPES[view.stored].bits // 8
        return tensor_at(name, view.shape, view.strides, view.stored, source, start)


def _merge(
    files: Sequence[TorchFile], names: Sequence[str]
) -> tuple[dict[str, tuple[int, Tensor]], dict[str, str], dict[str, str]]:
    """Where each tensor is, why others are not read, and which are tied to an earlier one."""
    merged: dict[str, tuple[int, Tensor]] = {}
    missing: dict[str, str] = {}
    tied: dict[str, str] = {}
    for number, file in enumerate(files):
        missing |= file.state.unreadable
        seen: dict[object, str] = {}
        for name, view in file.state.tensors.items():
            if name in merged or name in tied:
                raise CheckpointError(
                    f"{names[number]} and another file both hold the tensor {name!r}; they do "
                    f"not belong to one checkpoint. Remove one of them."
                )
            if view.storage.key not in file.places:
                missing[name] = f"its storage {view.storage.key} is not in {names[number]}"
                continue
            first = seen.setdefault(view.identity, name) if view.storage.count else name
            if first == name:
                merged[name] = number, view
            else:
                tied[name] = first
    return merged, missing, tied


def _absent(
    shards: ShardSet, entries: dict[str, tuple[int, Tensor]], tied: dict[str, str], place: Place
) -> dict[str, str]:
    return {
        name: shards.absent.get(
            file, f"{place.path / file} does not hold it, though the index says so"
        )
        for name, file in shards.weight_map.items()
        if name not in entries and name not in tied
    }


def _shares(place: Place, name: str) -> list[str]:
    """A note if a file holds one rank's share of a model that several files make up."""
    match = _RANK.match(name)
    if match is None:
        return []
    ranks = [it for it in place.names() if (m := _RANK.match(it)) and m[1] == match[1]]
    ending = name[match.end() :]
    n_ranks = sum(it.endswith(ending) for it in ranks)
    if n_ranks < 2:
        return []
    return [
        f"{name} is the share of one of {n_ranks} ranks: its tensors are pieces of the model's. "
        f"Merge them with the tool of the library that wrote them to see the whole."
    ]
