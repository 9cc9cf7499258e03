"""Blocks of remote files on disk: bounded, checked, shared by processes.

A block is 256 KB of a file at a multiple of 256 KB, and holds those of its 64 pages of
4 KB that were read: reading a small matrix fetches little more than it, and a page map fits
a 64-bit number. A block is one file of the cache, written under another name and renamed, so
that other processes see it whole or not at all; two that add pages at the same moment lose
at worst the pages of one of them. A checksum tells a damaged block, which counts as missing.
"""

import contextlib
import hashlib
import json
import os
import shutil
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base import cache_folder
from .settings import cache_bytes

__all__ = ["BLOCK", "PAGE", "BlockStore", "about", "clear_blocks", "keep_about", "remote_folder"]

PAGE = 4096
"""Bytes that are read at least: what disks, systems and proxies handle anyway."""

PAGES = 64
BLOCK = PAGE * PAGES
"""Bytes of a block (256 KB): read from disk and checked in a fraction of a millisecond."""

_MAGIC = b"TOMB"
_HEAD = struct.Struct("<4sIQ")
"""Magic, CRC-32 of what follows it, and the map of the pages that are held."""

_TOUCH = 600
"""Seconds: a block that was read is marked as recently used at most this often."""

_TRIM = 1 << 26
"""Bytes that are written between two looks at the size of the whole cache (64 MB)."""

_SLACK = 0.9
"""What a full cache is emptied to: not every new block should push one out."""

ABOUT = "about.json"


def remote_folder() -> Path:
    """The folder of the cache that holds blocks of remote files."""
    return cache_folder("remote")


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def about(name: str) -> dict[str, Any] | None:
    """What `keep_about` kept under a name, None if nothing readable is there."""
    try:
        tree = json.loads((remote_folder() / _key(name) / ABOUT).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return tree if isinstance(tree, dict) and tree.get("name") == name else None


def keep_about(name: str, tree: dict[str, Any]) -> None:
    """Keep what is known of a remote file or folder, for work without a connection.

    `name` must hold no secret. A cache that cannot be written is no reason to stop.
    """
    folder = remote_folder() / _key(name)
    with contextlib.suppress(OSError):
        _write(folder / ABOUT, json.dumps({**tree, "name": name}).encode())


def clear_blocks() -> None:
    """Delete every block, and what is known of remote files."""
    shutil.rmtree(remote_folder(), ignore_errors=True)


class BlockStore:
    """The blocks of one version of one remote file.

    Parameters
    ----------
    name
        The file's address, without secrets.
    version
        What tells this version of it from others.

    Attributes
    ----------
    writable
        Whether blocks are kept: the user wants some, and the disk takes them.
    """

    def __init__(self, name: str, version: str) -> None:
        self.folder = remote_folder() / _key(name) / _key(version)
        self._locks = [threading.Lock() for _ in range(16)]
        self.writable = cache_bytes() > 0

    def get(self, block: int) -> tuple[int, NDArray[np.uint8]]:
        """The map of the pages of a block that are held, and these pages, ``(n, PAGE)``.

        The last page of a file is padded with zeros.
        """
        path = self.folder / str(block)
        try:
            with open(path, "rb") as file:
                data = file.read()
                used = os.fstat(file.fileno()).st_mtime
        except OSError:
            return 0, _NOTHING
        mask = _checked(data)
        if mask is None:
            with contextlib.suppress(OSError):
                path.unlink()
            return 0, _NOTHING
        if time.time() - used > _TOUCH:
            with contextlib.suppress(OSError):
                os.utime(path)
        return mask, np.frombuffer(data, np.uint8, offset=_HEAD.size).reshape(-1, PAGE)

    def put(self, start: int, data: NDArray[np.uint8]) -> None:
        """Keep bytes from `start`, a multiple of the page, to a page's or the file's end."""
        if not self.writable or not data.size:
            return
        missing = -data.size % PAGE
        padded = np.concatenate((data, np.zeros(missing, np.uint8))) if missing else data
        pages = padded.reshape(-1, PAGE)
        first = start // PAGE
        try:
            for block in range(first // PAGES, (first + len(pages) - 1) // PAGES + 1):
                low = max(block * PAGES, first)
                high = min((block + 1) * PAGES, first + len(pages))
                self._merge(block, low - block * PAGES, pages[low - first : high - first])
        except OSError:
            # No space, no permission: reading goes on without a cache.
            self.writable = False
            return
        _written(data.size)

    def _merge(self, block: int, first: int, pages: NDArray[np.uint8]) -> None:
        added = ((1 << len(pages)) - 1) << first
        with self._locks[block % len(self._locks)]:
            mask, held = (0, _NOTHING) if len(pages) == PAGES else self.get(block)
            if mask & added == added:
                return
            if mask:
                whole = np.empty((PAGES, PAGE), np.uint8)
                whole[_numbers(mask)] = held
                whole[first : first + len(pages)] = pages
                pages = whole[_numbers(mask | added)]
            body = np.ascontiguousarray(pages)
            bits = struct.pack("<Q", mask | added)
            check = zlib.crc32(body.data, zlib.crc32(bits))
            _write(self.folder / str(block), _HEAD.pack(_MAGIC, check, mask | added), body.data)

    def forget_others(self) -> None:
        """Delete blocks of other versions of the file: the server has them no more."""
        with contextlib.suppress(OSError), os.scandir(self.folder.parent) as entries:
            for entry in entries:
                if entry.is_dir() and entry.name != self.folder.name:
                    shutil.rmtree(entry.path, ignore_errors=True)


_NOTHING = np.empty((0, PAGE), np.uint8)


def _numbers(mask: int) -> NDArray[np.intp]:
    """The pages of a map, ascending."""
    bits = np.frombuffer(struct.pack("<Q", mask), np.uint8)
    return np.flatnonzero(np.unpackbits(bits, bitorder="little"))


def _checked(data: bytes) -> int | None:
    """The page map of a block's file, None if it is damaged."""
    if len(data) < _HEAD.size:
        return None
    magic, check, mask = _HEAD.unpack_from(data)
    if magic != _MAGIC or len(data) != _HEAD.size + PAGE * int(mask).bit_count():
        return None
    return int(mask) if zlib.crc32(memoryview(data)[8:]) == check else None


def _write(path: Path, *parts: Any) -> None:
    """Write a file of the cache that is whole or not there at all."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(scratch, "wb") as file:
            for part in parts:
                file.write(part)
        os.replace(scratch, path)
    except OSError:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise


_new_bytes = _TRIM
"""Bytes written since the cache was last measured; the first block makes a process look."""
_trimming = threading.Lock()


def _written(size: int) -> None:
    """Count bytes that were written, and now and then see that the cache stays in its bounds."""
    global _new_bytes
    _new_bytes += size
    limit = cache_bytes()
    if _new_bytes < min(_TRIM, limit // 8) or not _trimming.acquire(blocking=False):
        return
    try:
        _new_bytes = 0
        _trim(limit)
    finally:
        _trimming.release()


def _trim(limit: int) -> None:
    """Delete the blocks that were not used for longest until the cache is smaller than `limit`."""
    found = sorted(_stored())
    total = sum(size for _, size, _ in found)
    if total <= limit:
        return
    for _, size, path in found:
        if total <= _SLACK * limit:
            return
        with contextlib.suppress(OSError):
            os.unlink(path)
        total -= size


def _stored() -> Iterator[tuple[float, int, str]]:
    """When each block was used last, its bytes and its path."""
    for version in remote_folder().glob("*/*/"):
        with contextlib.suppress(OSError), os.scandir(version) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    status = entry.stat()
                    yield status.st_mtime, status.st_size, entry.path
