"""Checkpoints of TensorFlow: an ``.index`` and its data files, as GPT-2 was published."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from ...base import CheckpointError
from ..address import Address
from ..dtypes import STORED_TYPES
from ..files import FileCheckpoint
from ..place import Place
from ..source import ByteSource
from ..stored import StoredTensor
from .malformed import Malformed
from .tensorflow_index import BundleEntry, read_index

__all__ = ["TensorFlowCheckpoint"]

SUFFIX = ".index"

_TYPES = {
    1: "F32", 2: "F64", 3: "I32", 4: "U8", 5: "I16", 6: "I8", 8: "C64", 9: "I64", 10: "BOOL",
    14: "BF16", 17: "U16", 19: "F16", 22: "U32", 23: "U64", 24: "F8_E5M2", 25: "F8_E4M3",
}  # fmt: skip
"""Numbers of ``tensorflow/core/framework/types.proto``."""

_TRAINING = ("/Adam", "/Adam_1", "/adam_m", "/adam_v", "/Momentum", "/RMSProp", "/RMSProp_1")
"""How names end of what an optimizer keeps beside each parameter."""

_SETTINGS = "hparams.json"
"""The sizes of the model, as they were published beside GPT-2."""

MAX_SETTINGS = 1 << 16
"""Bytes of it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a tensor lies."""

    shape: tuple[int, ...]
    stored: str
    source: ByteSource
    start: int


class TensorFlowCheckpoint(FileCheckpoint[Entry]):
    """A checkpoint of TensorFlow; at first only its index is read.

    Names, shapes and values are those of the file: ``model/h0/attn/c_attn/w``, and a leading
    axis of length 1 where the variable has one.

    Parameters
    ----------
    place, name
        The folder, and in it the ``.index``.
    path
        What the user opened, e.g. the folder; the file itself if None.

    Raises
    ------
    CheckpointError
        The index is damaged, or no data file is there.
    """

    format = "TensorFlow"

    def __init__(self, place: Place, name: str, *, path: Path | Address | None = None) -> None:
        index = place.source(name)
        try:
            shards, found = read_index(index)
        except Malformed as error:
            raise CheckpointError(
                f"{index.path} cannot be read as an index of TensorFlow: {error}"
            ) from None
        names = [f"{name.removesuffix(SUFFIX)}.data-{i:05}-of-{shards:05}" for i in range(shards)]
        data = {i: place.source(file) for i, file in enumerate(names) if place.has(file)}
        if not data:
            raise CheckpointError(f"{index.path} needs {names[0]} beside it, which is missing.")
        entries: dict[str, Entry] = {}
        missing: dict[str, str] = {}
        n_training = 0
        for key, one in found.items():
            if key.endswith(_TRAINING):
                n_training += 1
                continue
            source = data.get(one.shard)
            try:
                if source is None:
                    file = names[one.shard] if one.shard < shards else f"number {one.shard}"
                    raise Malformed(f"its file {file} is missing", "")
                entries[key] = _entry(one, source)
            except Malformed as error:
                missing[key] = str(error).strip(". ")
        notes = []
        if n_training:
            notes.append(f"{n_training} tensors of the optimizer are not listed.")
        self._hold(
            place,
            name,
            path,
            [index, *data.values()],
            [index.size, *(min(_HEAD, it.size) for it in data.values())],
            entries,
            missing=missing,
            metadata=_settings(place),
            notes=notes,
        )

    def _make(self, name: str, entry: Entry) -> StoredTensor:
        return StoredTensor(name, entry.shape, entry.stored, entry.source, entry.start)


_HEAD = 4096
"""Bytes at the beginning of each data file that tell it from others."""


def _entry(one: BundleEntry, source: ByteSource) -> Entry:
    """Where the elements lie; `Malformed` with the reason if they cannot be read."""
    stored = _TYPES.get(one.kind)
    if one.is_sliced:
        raise Malformed("it is stored in slices", "")
    if stored is None:
        kind = "texts" if one.kind == 7 else f"of the unknown type {one.kind}"
        raise Malformed(f"its elements are {kind}", "")
    count = math.prod(one.shape)
    if count >= 2**59 or (not count and math.prod(n for n in one.shape if n) > 2**59):
        raise Malformed(f"its shape {one.shape} is too large", "")
    size = count * STORED_TYPES[stored].bits // 8
    if one.size != size:
        raise Malformed(f"it has {one.size} bytes, but its shape takes {size}", "")
    if one.offset + size > source.size:
        raise Malformed(f"it ends after the end of {source.path}", "")
    return Entry(one.shape, stored, source, one.offset)


def _settings(place: Place) -> dict[str, str]:
    """The numbers of a ``hparams.json`` in the folder; empty if there is none to be used."""
    try:
        text = place.text(_SETTINGS, MAX_SETTINGS)
        tree = json.loads(text) if text and len(text) <= MAX_SETTINGS else {}
    except (OSError, ValueError, RecursionError, CheckpointError):
        return {}
    if not isinstance(tree, dict):
        return {}
    return {key: str(value) for key, value in tree.items() if isinstance(value, (int, float))}
