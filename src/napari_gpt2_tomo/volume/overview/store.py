"""Overviews in the user's cache: small OME-Zarr images, built crash-safe, bounded in size.

An entry is built in a folder ``<key>.partial``, beside a ledger of finished tiles,
so that work goes on where it stopped. Its metadata are written last and the image
is then renamed: whatever has its final name is complete, and is looked over once
more before it is used. Chunks are stored without compression, so that a slice maps
the few pages that it needs. Whoever writes or removes an entry holds its lock.
"""

import contextlib
import json
import math
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError, cache_folder
from ..array_files import load_arrays, save_arrays
from ..layouts.layout import Box

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["CACHE_BYTES", "Entry", "PartialEntry", "StoredLevel", "entries", "entry_lock", "trim"]

FOLDER = "overviews"

_PARTIAL = ".partial"

CACHE_BYTES = 10 * 2**30
"""Bytes that all overviews together may take unless the user says otherwise."""


def overview_folder() -> Path:
    """The folder of all overviews."""
    return cache_folder(FOLDER)


def entry_lock(key: str) -> "BaseFileLock":
    """The lock to hold while an entry is built or removed, by threads and processes alike."""
    from filelock import FileLock

    return FileLock(overview_folder() / f"{key}.lock")


class StoredLevel:
    """One level of a finished entry; reads map the chunks' files."""

    def __init__(self, folder: Path, shape: tuple[int, ...], chunk: tuple[int, ...]) -> None:
        self._folder = folder
        self.shape = shape
        self._chunk = chunk
        self._maps: dict[tuple[int, ...], NDArray[np.float32]] = {}
        self._lock = threading.Lock()

    def read(self, box: Box) -> NDArray[np.float32]:
        """Voxels of a box of the level."""
        out = np.empty([b - a for a, b in box], np.float32)
        ranges = [range(a // c, -(-b // c)) for (a, b), c in zip(box, self._chunk, strict=True)]
        for index in np.ndindex(*[len(r) for r in ranges]):
            at = tuple(r[i] for r, i in zip(ranges, index, strict=True))
            target, source = [], []
            for i, (a, b), c in zip(at, box, self._chunk, strict=True):
                low, high = max(a, i * c), min(b, (i + 1) * c)
                target.append(slice(low - a, high - a))
                source.append(slice(low - i * c, high - i * c))
            out[tuple(target)] = self._map(at)[tuple(source)]
        return out

    def is_whole(self) -> bool:
        """Whether every chunk is there in its full size."""
        counts = [-(-n // c) for n, c in zip(self.shape, self._chunk, strict=True)]
        size = chunk_bytes(self._chunk)
        return all(
            os.stat(chunk_path(self._folder, at)).st_size == size for at in np.ndindex(*counts)
        )

    def _map(self, at: tuple[int, ...]) -> NDArray[np.float32]:
        with self._lock:
            if at not in self._maps:
                path = chunk_path(self._folder, at)
                try:
                    self._maps[at] = np.memmap(path, "<f4", "r", shape=self._chunk)
                except (OSError, ValueError) as error:
                    raise TomoError(
                        f"The cached overview {self._folder.parent} was changed or removed while "
                        "it was in use. Open the checkpoint again."
                    ) from error
            return self._maps[at]


def chunk_bytes(chunk: Sequence[int]) -> int:
    """Size of a chunk's file."""
    return 4 * math.prod(chunk)


def chunk_path(folder: Path, at: Sequence[int]) -> Path:
    """File of a chunk of a Zarr v3 array with the default chunk keys."""
    return folder.joinpath("c", *map(str, at))


@dataclass(frozen=True)
class Entry:
    """A finished overview."""

    folder: Path
    levels: tuple[StoredLevel, ...]

    @classmethod
    def find(cls, key: str) -> "Entry | None":
        """The entry of this key if it is in the cache and intact."""
        folder = overview_folder() / key
        try:
            root = json.loads((folder / "zarr.json").read_bytes())
            count = len(root["attributes"]["ome"]["multiscales"][0]["datasets"])
            levels = []
            for i in range(count):
                meta = json.loads((folder / str(i) / "zarr.json").read_bytes())
                chunk = meta["chunk_grid"]["configuration"]["chunk_shape"]
                levels.append(StoredLevel(folder / str(i), tuple(meta["shape"]), tuple(chunk)))
            if not all(level.is_whole() for level in levels):
                return None
            # The time of the last use decides what is removed first.
            os.utime(folder / "zarr.json")
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            return None
        return cls(folder, tuple(levels))


def partial_folder(key: str) -> Path:
    """Where an entry is built."""
    return overview_folder() / f"{key}{_PARTIAL}"


class PartialEntry:
    """An overview that is being built; hold the entry's lock while using it."""

    def __init__(
        self, key: str, shapes: Sequence[tuple[int, ...]], chunks: Sequence[tuple[int, ...]]
    ) -> None:
        self._key = key
        self._shapes = shapes
        self.chunks = chunks
        self._folder = partial_folder(key)
        self._image = self._folder / "image"
        self._ledger = self._folder / "ledger"
        plan = self._folder / "plan.json"
        text = json.dumps([shapes, chunks])
        if not plan.exists() or plan.read_text() != text:
            # Tiles of another size, from another version of this program.
            if self._folder.exists():
                shutil.rmtree(self._folder)
            self._folder.mkdir(parents=True)
            plan.write_text(text)
        self._image.mkdir(exist_ok=True)
        self._ledger.mkdir(exist_ok=True)

    @staticmethod
    def discard(key: str) -> None:
        """Remove what is left of building an entry."""
        shutil.rmtree(partial_folder(key), ignore_errors=True)

    def finished(self, tile: int, index: tuple[int, ...]) -> bool:
        """Whether a tile was completed, perhaps by an earlier process."""
        try:
            whole = all(
                os.stat(chunk_path(self._image / str(i), index)).st_size == chunk_bytes(chunk)
                for i, chunk in enumerate(self.chunks)
            )
        except OSError:
            return False
        return whole and load_arrays(self._ledger / f"{tile}.npz") is not None

    def write(
        self,
        tile: int,
        index: tuple[int, ...],
        levels: Sequence[NDArray[np.float32]],
        tally: Mapping[str, NDArray[Any]],
    ) -> None:
        """Store a tile's chunk of every level, then enter it in the ledger."""
        for i, values in enumerate(levels):
            path = chunk_path(self._image / str(i), index)
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as file:
                file.write(np.ascontiguousarray(values, "<f4").data)
        save_arrays(self._ledger / f"{tile}.npz", tally)

    def tally(self, tile: int) -> dict[str, NDArray[Any]]:
        """What `write` was given for a finished tile."""
        arrays = load_arrays(self._ledger / f"{tile}.npz")
        if arrays is None:
            raise TomoError(f"A file in {self._ledger} cannot be read back. Check the disk.")
        return arrays

    def finish(self, name: str, axes: Sequence[str], factors: Sequence[Sequence[int]]) -> Entry:
        """Write the metadata and give the entry its final name."""
        import zarr
        from zarr.codecs import BytesCodec

        # An earlier attempt may have been stopped between its metadata and its name.
        for leftover in (self._image, *(self._image / str(i) for i in range(len(self._shapes)))):
            (leftover / "zarr.json").unlink(missing_ok=True)
        root = zarr.create_group(self._image, overwrite=False, attributes={})
        datasets = []
        for i, (shape, chunk) in enumerate(zip(self._shapes, self.chunks, strict=True)):
            root.create_array(
                str(i),
                shape=shape,
                chunks=chunk,
                dtype="float32",
                fill_value=0.0,
                serializer=BytesCodec(endian="little"),
                compressors=None,
                filters=None,
                dimension_names=list(axes),
            )
            scale = [float(f) for f in factors[i]]
            # A block's centre lies half a block, less half a voxel, from its first voxel.
            translation = [(f - 1) / 2 for f in scale]
            datasets.append(
                {
                    "path": str(i),
                    "coordinateTransformations": [
                        {"type": "scale", "scale": scale},
                        {"type": "translation", "translation": translation},
                    ],
                }
            )
        ome: Any = {
            "version": "0.5",
            "multiscales": [
                {
                    "name": name,
                    "axes": [{"name": axis, "type": "space"} for axis in axes],
                    "datasets": datasets,
                }
            ],
        }
        root.attrs.update({"ome": ome})
        final = overview_folder() / self._key
        if final.exists():
            shutil.rmtree(final)
        os.replace(self._image, final)
        entry = Entry.find(self._key)
        if entry is None:
            raise TomoError(f"The overview in {final} cannot be read back. Check the disk.")
        return entry


@dataclass(frozen=True, slots=True)
class Usage:
    """An entry of the cache and what it takes."""

    key: str
    folder: Path
    nbytes: int
    used: float
    complete: bool


def entries() -> list[Usage]:
    """Everything in the cache of overviews, the least recently used first."""
    found = []
    folder = overview_folder()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not path.is_dir():
            continue
        with contextlib.suppress(OSError):
            marker = path / "zarr.json"
            used = (marker if marker.exists() else path).stat().st_mtime
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            complete = not path.name.endswith(_PARTIAL)
            found.append(Usage(path.name.removesuffix(_PARTIAL), path, size, used, complete))
    return sorted(found, key=lambda usage: usage.used)


def trim(limit: int = CACHE_BYTES, keep: str | None = None) -> int:
    """Remove the least recently used overviews until they take no more than `limit` bytes.

    The entry `keep` stays, and so does what is being built at the moment.
    Returns the bytes that were freed.
    """
    from filelock import Timeout

    usage = entries()
    excess = sum(entry.nbytes for entry in usage) - limit
    freed = 0
    for entry in usage:
        if freed >= excess:
            break
        if entry.key != keep:
            with contextlib.suppress(OSError, Timeout), entry_lock(entry.key).acquire(timeout=0):
                shutil.rmtree(entry.folder)
                freed += entry.nbytes
    return freed
