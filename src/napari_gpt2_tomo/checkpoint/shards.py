"""Checkpoints in several files: index files, and names like ``model-00001-of-00003``."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from ..base import CheckpointError
from .place import Place

__all__ = ["INDEX_SUFFIX", "ShardSet", "indexed_shards", "leads_out", "shard_stem", "shards_beside"]

INDEX_SUFFIX = ".index.json"
MAX_INDEX = 100_000_000
"""Bytes; the limit of a safetensors header, which says more per tensor."""

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{2,9})-of-(?P<total>\d{2,9})(?P<suffix>\.\w+)")


@dataclass(frozen=True, slots=True)
class ShardSet:
    """The files of a checkpoint.

    Attributes
    ----------
    files
        Names of those that exist, in shard order.
    weight_map
        Which file is said to hold which tensor, by name; empty without an index.
    absent
        Why files are missing: name → reason.
    notes
        Sentences for a person.
    """

    files: tuple[str, ...]
    weight_map: Mapping[str, str]
    absent: Mapping[str, str]
    notes: tuple[str, ...] = ()


def shard_stem(name: str) -> tuple[str, int] | None:
    """``("model", 3)`` of ``"model-00001-of-00003.safetensors"``, None of other names."""
    match = _SHARD.fullmatch(name)
    return (match["stem"], int(match["total"])) if match else None


def indexed_shards(place: Place, index: str) -> ShardSet:
    """The files that an index lists.

    Raises
    ------
    CheckpointError
        The index cannot be read, is not an index, or names a file outside its folder.
    """
    where = f"{place.path}/{index}"
    weight_map = _read_weight_map(place, index, where)
    files: dict[str, None] = {}
    absent: dict[str, str] = {}
    named = sorted(set(weight_map.values()))
    for name in named:
        _check_name(where, name)
    place.expect(named)
    for name in named:
        if place.has(name):
            # "./sub//x" and "sub/x" are one file.
            files[str(PurePosixPath(name))] = None
        else:
            absent[name] = f"its file {name} is missing"
    return ShardSet(tuple(files), weight_map, absent)


def shards_beside(place: Place, file: str) -> ShardSet:
    """The checkpoint that a file is a shard of: by an index beside it, else by its name."""
    notes: list[str] = []
    suffix = PurePosixPath(file).suffix
    names = place.names()
    for index in names:
        if not index.endswith(f"{suffix}{INDEX_SUFFIX}"):
            continue
        try:
            shards = indexed_shards(place, index)
        except CheckpointError as error:
            notes.append(f"An index beside the file is ignored. {error}")
            continue
        if file in shards.files:
            return shards
    match = _SHARD.fullmatch(file)
    if match is None:
        return ShardSet((file,), {}, {}, tuple(notes))
    found: dict[int, str] = {}
    for name in names:
        other = _SHARD.fullmatch(name)
        if other is not None and all(
            other[part] == match[part] for part in ("stem", "total", "suffix")
        ):
            found[int(other["number"])] = name
    total = int(match["total"])
    n_absent = total - len(found)
    if n_absent > 0:
        notes.append(
            f"{n_absent} of the {total} files {match['stem']}-…-of-{match['total']} are missing "
            f"from {place.path}, so tensors are absent."
        )
    return ShardSet(tuple(found[number] for number in sorted(found)), {}, {}, tuple(notes))


def _read_weight_map(place: Place, name: str, index: str) -> dict[str, str]:
    try:
        text = place.text(name, MAX_INDEX)
        if text is None:
            raise CheckpointError(f"{index} does not exist.")
        if len(text) > MAX_INDEX:
            raise CheckpointError(f"{index} is larger than {MAX_INDEX} bytes: no index.")
        tree = json.loads(text.decode("utf-8-sig"))
    except OSError as error:
        raise CheckpointError(f"{index} cannot be read: {error.strerror or error}.") from error
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{index} is not valid JSON ({error}); download it again.") from error
    weight_map = tree.get("weight_map") if isinstance(tree, dict) else None
    if not isinstance(weight_map, dict) or not _all_text(weight_map.values()):
        raise CheckpointError(
            f"{index} is not an index of a checkpoint: it has no weight_map from tensors to files."
        )
    return weight_map


def _all_text(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _check_name(index: str, name: str) -> None:
    if leads_out(name):
        raise CheckpointError(
            f"{index} names the file {name!r}, which is not a file of its folder; "
            f"the index is refused."
        )


def leads_out(name: str) -> bool:
    """Whether a name that a file gives leads out of its folder on any system, or nowhere."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    return (
        not name
        or not name.isprintable()
        or posix.is_absolute()
        or bool(windows.drive)
        or bool(windows.root)
        or ".." in windows.parts
        or not posix.name
    )
