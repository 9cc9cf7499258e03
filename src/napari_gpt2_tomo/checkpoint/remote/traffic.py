"""What was read from servers: counted, so that it can be shown."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakValueDictionary

from ...base import CheckpointError, Progress

__all__ = ["NotHere", "Traffic", "check", "refuse_to_wait", "watched", "without_waiting"]


class Traffic:
    """Counts what is read of the files at one address.

    Attributes
    ----------
    total
        Bytes of all files that were opened there.
    received
        Bytes of all bodies of answers, those of failed attempts included.
    requests
        Requests that were sent, repeated ones included.
    reused
        Bytes that came from blocks on disk instead.
    """

    def __init__(self) -> None:
        self.total = 0
        self.received = 0
        self.requests = 0
        self.reused = 0
        self._lock = threading.Lock()

    @classmethod
    def of(cls, address: str) -> "Traffic":
        """The counter of an address in this process, kept as long as its files are open."""
        with _counting:
            found = _known.get(str(address))
            if found is None:
                found = _known[str(address)] = cls()
            return found

    def name(self, address: str) -> None:
        """Be the counter of another address too: of the file or folder that was opened."""
        with _counting:
            _known[str(address)] = self

    def add(self, *, received: int = 0, requests: int = 0, reused: int = 0) -> None:
        """Count; any thread may call it."""
        with self._lock:
            self.received += received
            self.requests += requests
            self.reused += reused

    def __reduce__(self) -> tuple[type["Traffic"], tuple[()]]:
        # What another process reads it counts itself.
        return Traffic, ()


_known: WeakValueDictionary[str, Traffic] = WeakValueDictionary()
_counting = threading.Lock()

_watching = threading.local()


@contextmanager
def watched(progress: Progress) -> Iterator[None]:
    """Let `progress` stop what this thread reads from servers inside the context.

    ``progress.advance(0)`` is called while an answer is waited for; what it raises ends the
    waiting.
    """
    before = getattr(_watching, "progress", None)
    _watching.progress = progress
    try:
        yield
    finally:
        _watching.progress = before


class NotHere(CheckpointError):
    """Bytes that would have to be waited for, where nothing may be waited for."""


@contextmanager
def without_waiting() -> Iterator[None]:
    """Let this thread read what is in the cache only; `NotHere` is raised for the rest."""
    before = getattr(_watching, "hurried", False)
    _watching.hurried = True
    try:
        yield
    finally:
        _watching.hurried = before


def refuse_to_wait(name: str) -> None:
    """Raise `NotHere` in a thread that must not wait."""
    if getattr(_watching, "hurried", False):
        raise NotHere(f"{name} is not in the cache yet.")


def check() -> None:
    """Raise `Cancelled` if whoever watches this thread wants to stop."""
    progress: Progress | None = getattr(_watching, "progress", None)
    if progress is not None:
        progress.advance(0)
