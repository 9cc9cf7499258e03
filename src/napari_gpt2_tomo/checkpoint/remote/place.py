"""A folder on a server: what all kinds share."""

import threading
from abc import abstractmethod
from collections.abc import Iterable
from concurrent.futures import wait
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...base import CheckpointError
from ..address import Address
from ..place import LocalPlace, Place
from ..registry import format_named
from ..source import ByteSource
from .blocks import BlockStore, about, keep_about
from .http import HEAD, HttpSource
from .link import Link, Version
from .pool import TICK, submit, waited
from .settings import is_offline
from .traffic import Traffic, check
from .transfer import Missing, fetch

__all__ = ["RemotePlace"]

LONG_HEADER = 1 << 24
"""Bytes (16 MB): a header announced as longer is left to the format's own checks."""


class RemotePlace(Place):
    """A folder on a server.

    Parameters
    ----------
    path
        Its address, without secrets.

    Attributes
    ----------
    traffic
        Counts what is read of its files.
    """

    path: Address

    def __init__(self, path: Address) -> None:
        self.path = path
        self.traffic = Traffic.of(path)
        self._sources: dict[str, ByteSource] = {}
        self._lock = threading.Lock()

    @abstractmethod
    def link(self, name: str) -> Link:
        """How to ask for a file."""

    @abstractmethod
    def version(self, name: str) -> Version | None:
        """What a file is, where that is known without asking for it."""

    def source(self, name: str) -> ByteSource:
        """The bytes of a file; its first ones are read, if that is how to learn what it is."""
        with self._lock:
            made = self._sources.get(name)
        if made is None:
            made = self._source(name)
            with self._lock:
                made = self._sources.setdefault(name, made)
                self.traffic.total = sum(
                    one.size for name, one in self._sources.items() if _holds_tensors(name)
                )
        return made

    def text(self, name: str, limit: int) -> bytes | None:
        """The first `limit` + 1 bytes of a small file, None if it is not there."""
        if not self.has(name):
            return None
        source = self._sources.get(name) or self._source(name)
        return bytes(source.read(0, min(source.size, limit + 1)).data)

    def expect(self, names: Iterable[str]) -> None:
        """Learn of several files at once, and read their headers."""
        wanted = [name for name in dict.fromkeys(names) if name not in self._sources]
        pending = {submit(partial(self._look, name)) for name in wanted}
        while pending:
            _, pending = wait(pending, TICK)
            check()

    def _look(self, name: str) -> None:
        """Read the header of a file ahead; what is wrong is said by whoever needs it."""
        try:
            if not self.has(name):
                return
            source = self.source(name)
            if isinstance(source, HttpSource) and name.endswith(".safetensors"):
                # Not through `read`: a task must not wait for another in the same threads.
                first = source.read_head(HEAD)
                length = int.from_bytes(bytes(first[:8].data), "little")
                if length < LONG_HEADER:
                    source.read_head(8 + length)
        except CheckpointError:
            return

    def _source(self, name: str) -> ByteSource:
        path = self.file(name)
        if path is not None:
            return LocalPlace(path.parent).source(path.name)
        link, version, head = self.link(name), self.version(name), None
        if version is None:
            version, head = self._probed(link)
        return HttpSource(self.path / name, link, version, self.traffic, head)

    def _probed(self, link: Link) -> tuple[Version, NDArray[np.uint8] | None]:
        """What a file is: asked of its server, or remembered where no connection may be made."""
        known = about(link.name)
        if is_offline(hub=link.is_hub) and known is not None:
            return Version(known["size"], known["etag"], known["modified"]), None
        answer = waited(lambda: fetch(link, 0, HEAD, traffic=self.traffic))
        version = answer.version
        if version.is_certain:
            if known is not None and Version(*(known[k] for k in Version._fields)) != version:
                BlockStore(link.name, version.stamp).forget_others()
            keep_about(link.name, version._asdict())
        return version, answer.data

    def has(self, name: str) -> bool:
        """Whether there is such a file; one that may not be read is as good as none."""
        if name in self._sources:
            return True
        try:
            self.source(name)
        except Missing:
            return False
        return True

    def __reduce__(self) -> tuple[object, ...]:
        state = {k: v for k, v in self.__dict__.items() if k not in ("_sources", "_lock")}
        return _again, (type(self), state)


def _holds_tensors(name: str) -> bool:
    found = format_named(name)
    return found is not None and not found.is_index(name)


def _again(kind: type[RemotePlace], state: dict[str, object]) -> RemotePlace:
    place = kind.__new__(kind)
    RemotePlace.__init__(place, Address(str(state["path"])))
    place.__dict__.update(state)
    place.traffic = Traffic.of(place.path)
    return place
