"""Threads that fetch, as many as there may be requests at once."""

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from .settings import CONNECTIONS
from .traffic import check

__all__ = ["TICK", "submit", "waited"]

TICK = 0.1
"""Seconds between two looks whether waiting was cancelled."""

T = TypeVar("T")

_NAME = "tomo-fetch-"


class _Pool:
    """Threads that do not keep the process alive.

    Those of the standard library are waited for at the end, and a server that does not
    answer would hold up the closing of a window for half a minute.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        for number in range(CONNECTIONS):
            threading.Thread(target=self._run, name=f"{_NAME}{number}", daemon=True).start()

    def submit(self, task: Callable[[], T]) -> "Future[T]":
        future: Future[T] = Future()
        self._tasks.put((future, task))
        return future

    def _run(self) -> None:
        while True:
            future, task = self._tasks.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(task())
            except BaseException as error:
                future.set_exception(error)
            # Not until the next task: its result may be megabytes.
            del future, task


_pool: _Pool | None = None
_making = threading.Lock()


def submit(task: Callable[[], T]) -> "Future[T]":
    """Do a task in one of the threads of this process."""
    global _pool
    with _making:
        if _pool is None or _pool.process != os.getpid():
            _pool = _Pool()
        return _pool.submit(task)


def waited(task: Callable[[], T]) -> T:
    """Do a task that waits for a server, so that the waiting can be cancelled."""
    if threading.current_thread().name.startswith(_NAME):
        # A task of these threads must not wait for another of them.
        return task()
    future = submit(task)
    while not future.done():
        wait((future,), TICK)
        check()
    return future.result()
