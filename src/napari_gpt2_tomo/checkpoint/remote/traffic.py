"""What was read from servers: counted, so that it can be shown."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ...base import Progress

__all__ = ["Traffic", "check", "watched"]


class Traffic:
    """Counts what is read of the files of one checkpoint.

    Attributes
    ----------
    received
        Bytes of all bodies of answers, those of failed attempts included.
    requests
        Requests that were sent, repeated ones included.
    reused
        Bytes that came from blocks on disk instead.
    """

    def __init__(self) -> None:
        self.received = 0
        self.requests = 0
        self.reused = 0
        self._lock = threading.Lock()

    def add(self, *, received: int = 0, requests: int = 0, reused: int = 0) -> None:
        """Count; any thread may call it."""
        with self._lock:
            self.received += received
            self.requests += requests
            self.reused += reused

    def __reduce__(self) -> tuple[type["Traffic"], tuple[()]]:
        # What another process reads it counts itself.
        return Traffic, ()


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


def check() -> None:
    """Raise `Cancelled` if whoever watches this thread wants to stop."""
    progress: Progress | None = getattr(_watching, "progress", None)
    if progress is not None:
        progress.advance(0)
