"""Activities as files: zarr groups, and archives of numpy arrays that others have made."""

import dataclasses
import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...anatomy.part import HyperParameters
from ...base import Progress, SilentProgress, TomoError
from .sites import SITES
from .tokens import Tokens

if TYPE_CHECKING:
    from .activity import Activity

__all__ = ["holds_activity", "open_activity", "save_activity"]

FORMAT = "napari-gpt2-tomo activity"
VERSION = 1
"""Of the attributes; files of a later version are refused."""

_MARK = "napari_gpt2_tomo"
"""Attribute of the group that holds everything but the arrays."""

ARCHIVE = ".npz"
"""How the name of an archive of numpy arrays ends."""

GROUP = "zarr.json"
"""The file of a zarr group that holds its attributes."""

CHUNK_BYTES = 8 << 20
"""Bytes of one chunk at most: a layer at once where it is not larger."""


ATTENTION = "attention.npy"
"""The array of an archive that makes it one of stored attention."""


def holds_activity(path: str | os.PathLike[str]) -> bool:
    """Whether `open_activity` is the right one to try; reads a header at most, never raises."""
    try:
        place = _group_of(Path(path).expanduser())
        if place.is_dir():
            return _is_activity(place)
        if place.suffix.lower() != ARCHIVE or not place.is_file():
            return False
        with zipfile.ZipFile(place) as archive:
            return ATTENTION in archive.namelist()
    except (OSError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile):
        return False


def save_activity(
    activity: "Activity", path: str | os.PathLike[str], progress: Progress | None = None
) -> Path:
    """Write an activity to a folder that is whole or not there; see `open_activity`.

    Parameters
    ----------
    activity
        What was measured.
    path
        The folder; one that holds an activity is replaced.
    progress
        Told of the bytes.

    Raises
    ------
    TomoError
        The folder cannot be written, or holds something else.
    Cancelled
        `progress` asked to stop; what was there before is there still.
    """
    import zarr

    target = Path(path).expanduser()
    if target.exists() and not _is_activity(target):
        raise TomoError(f"{target} is there already and holds no activity; choose another name.")
    scratch = target.with_name(f".{target.name}.{uuid.uuid4().hex}.new")
    report = progress or SilentProgress()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        arrays = {name: activity[name] for name in activity}
        total = sum(int(np.prod(one.shape)) * one.dtype.itemsize for one in arrays.values())
        report.start(total, f"Saving {target.name}")
        group = zarr.open_group(scratch, mode="w", zarr_format=3)
        group.attrs[_MARK] = _described(activity)
        for name, array in arrays.items():
            _write(group, name, array, report)
        _put(scratch, target)
    except OSError as error:
        raise TomoError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _put(scratch: Path, target: Path) -> None:
    """Move a folder to its place; one that was there goes when the new one stands."""
    if not target.exists():
        os.replace(scratch, target)
        return
    old = scratch.with_suffix(".old")
    os.replace(target, old)
    try:
        os.replace(scratch, target)
    except OSError:
        os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write(group: Any, name: str, array: Any, report: Progress) -> None:
    """Copy an array into a group, layer by layer."""
    shape, dtype = tuple(array.shape), np.dtype(array.dtype)
    chunks = _chunks(shape, dtype.itemsize)
    made = group.create_array(
        name, shape=shape, chunks=chunks, dtype=dtype, dimension_names=_axes(name, len(shape))
    )
    step = chunks[0] if shape else 1
    for first in range(0, shape[0], step):
        values = np.asarray(array[first : first + step])
        made[first : first + step] = values
        report.advance(values.nbytes)


def _axes(name: str, ndim: int) -> tuple[str, ...]:
    axes = SITES[name].axes
    return (*axes[:2], "slot", *axes[2:]) if ndim > len(axes) else axes


def _chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """One layer, cut along its longest axis until it is small enough."""
    chunks = [max(1, n) for n in shape]
    if len(chunks) > 2:
        chunks[0] = 1
    while np.prod(chunks) * itemsize > CHUNK_BYTES and max(chunks) > 1:
        longest = chunks.index(max(chunks))
        chunks[longest] = -(-chunks[longest] // 2)
    return tuple(chunks)


def _described(activity: "Activity") -> dict[str, Any]:
    tokens, source = activity.tokens, activity.source
    return {
        "format": FORMAT,
        "version": VERSION,
        "tokens": {
            "ids": [int(id) for id in tokens.ids],
            "strings": list(tokens.strings),
            "text": tokens.text,
            "spans": None if tokens.spans is None else [list(span) for span in tokens.spans],
            "unknown": list(tokens.unknown),
            "special": list(tokens.special),
        },
        "source": {
            "name": source.name,
            "path": source.path,
            "family": source.family,
            "sizes": source.sizes.known(),
            "changes": list(source.changes),
        },
        "notes": list(activity.notes),
    }


def _is_activity(folder: Path) -> bool:
    try:
        text = (folder / GROUP).read_text("utf-8")
        # Groups of others may be long; most need not be parsed.
        return f'"{_MARK}"' in text and _MARK in json.loads(text)["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _group_of(place: Path) -> Path:
    """The folder of a group where the file in it was chosen: dialogs choose files."""
    return place.parent if place.name == GROUP else place


def open_activity(path: str | os.PathLike[str]) -> "Activity":
    """Open a stored activity, without the model that it was measured on.

    Parameters
    ----------
    path
        A folder that `Activity.save` wrote: a zarr group (format 3) with one array for each site,
        whose attribute ``napari_gpt2_tomo`` holds the tokens and the source. Its arrays are read
        when they are indexed. Or the ``zarr.json`` in it, or a ``.npz`` archive, see
        `reference.open_archive`.

    Raises
    ------
    TomoError
        There is no activity, or it is damaged or of a later version.
    """
    place = _group_of(Path(path).expanduser())
    if place.suffix.lower() == ARCHIVE:
        from .reference import open_archive

        return open_archive(place)
    if not place.is_dir():
        raise TomoError(f"{place} does not exist.")
    if not _is_activity(place):
        raise TomoError(f"{place} holds no activity: it was not written by Activity.save.")
    return _opened(place)


def _opened(folder: Path) -> "Activity":
    import zarr

    from .activity import Activity, Source

    try:
        group = zarr.open_group(folder, mode="r")
        told: Mapping[str, Any] = dict(group.attrs)[_MARK]  # type: ignore[assignment]
        if told["version"] > VERSION:
            raise TomoError(
                f"{folder} was written by a later version of napari-gpt2-tomo: update it."
            )
        tokens, source = told["tokens"], dict(told["source"])
        spans = tokens["spans"]
        found = Tokens(
            np.array(tokens["ids"], np.int64),
            tuple(tokens["strings"]),
            tokens["text"],
            None if spans is None else tuple((int(a), int(b)) for a, b in spans),
            tuple(tokens["unknown"]),
            tuple(tokens["special"]),
        )
        names = {field.name for field in dataclasses.fields(HyperParameters)}
        sizes = {name: n for name, n in source["sizes"].items() if name in names}
        source |= {"sizes": HyperParameters(**sizes), "changes": tuple(source["changes"])}
        arrays = {name: group[name] for name in SITES if name in group}
        return Activity(found, arrays, Source(**source), notes=tuple(told["notes"]))
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise TomoError(f"{folder} is damaged: {error}.") from error
