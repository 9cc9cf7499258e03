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
from ...base import TomoError
from .sites import SITES
from .tokens import Tokens

if TYPE_CHECKING:
    from .activity import Activity

__all__ = ["open_activity", "save_activity"]

FORMAT = "napari-gpt2-tomo activity"
VERSION = 1
"""Of the attributes; files of a later version are refused."""

_MARK = "napari_gpt2_tomo"
"""Attribute of the group that holds everything but the arrays."""

CHUNK_BYTES = 8 << 20
"""Bytes of one chunk at most: a layer at once where it is not larger."""


def save_activity(activity: "Activity", path: str | os.PathLike[str]) -> Path:
    """Write an activity to a folder that is whole or not there; see `open_activity`."""
    import zarr

    target = Path(path).expanduser()
    if target.exists() and not _is_activity(target):
        raise TomoError(f"{target} is there already and holds no activity; choose another name.")
    scratch = target.with_name(f".{target.name}.{uuid.uuid4().hex}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        group = zarr.open_group(scratch, mode="w", zarr_format=3)
        group.attrs[_MARK] = _described(activity)
        for name in activity:
            _write(group, name, activity[name])
        if target.exists():
            shutil.rmtree(target)
        os.replace(scratch, target)
    except OSError as error:
        raise TomoError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def _write(group: Any, name: str, array: Any) -> None:
    """Copy an array into a group, layer by layer."""
    shape, dtype = tuple(array.shape), np.dtype(array.dtype)
    chunks = _chunks(shape, dtype.itemsize)
    made = group.create_array(
        name, shape=shape, chunks=chunks, dtype=dtype, dimension_names=_axes(name, len(shape))
    )
    step = chunks[0] if shape else 1
    for first in range(0, shape[0], step):
        made[first : first + step] = np.asarray(array[first : first + step])


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
        return _MARK in json.loads((folder / "zarr.json").read_text("utf-8"))["attributes"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def open_activity(path: str | os.PathLike[str]) -> "Activity":
    """Open a stored activity, without the model that it was measured on.

    Parameters
    ----------
    path
        A folder that `Activity.save` wrote: a zarr group (format 3) with one array for each site,
        whose attribute ``napari_gpt2_tomo`` holds the tokens and the source. Its arrays are read
        when they are indexed. Or a ``.npz`` archive, see `reference.open_archive`.

    Raises
    ------
    TomoError
        There is no activity, or it is damaged or of a later version.
    """
    place = Path(path).expanduser()
    if place.suffix == ".npz":
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
