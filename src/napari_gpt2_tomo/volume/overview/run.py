"""Running work on threads, with progress and cancel on the thread that called."""

import os
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from ...base import Cancelled, Progress

__all__ = ["Step", "run_all"]

T = TypeVar("T")

Step = Callable[[int], None]
"""Reports finished units; raises `Cancelled` once the caller wants to stop."""

_POLL = 0.05
"""Seconds between two looks at the progress."""

_END = object()


def run_all(
    work: Callable[[T, Step], None],
    items: Iterable[T],
    progress: Progress | None,
    threads: int | None = None,
) -> None:
    """Call ``work(item, step)`` for every item on several threads.

    `work` reports finished units through `step`, which raises `Cancelled` once
    the caller wants to stop. `progress` is only called on this thread. The
    first error stops the rest and is raised here.
    """
    stopped, idle = threading.Event(), threading.Semaphore(0)
    lock = threading.Lock()
    todo = iter(items)
    done = 0
    errors: list[BaseException] = []

    def step(amount: int) -> None:
        nonlocal done
        with lock:
            done += amount
        if stopped.is_set():
            raise Cancelled("The work was cancelled.")

    def run() -> None:
        try:
            while not stopped.is_set():
                with lock:
                    item = next(todo, _END)
                if item is _END:
                    break
                work(item, step)  # type: ignore[arg-type]
        except BaseException as error:
            errors.append(error)
            stopped.set()
        finally:
            idle.release()

    reported = 0
    # Two threads saturate a desktop's memory; more help only on larger machines.
    count = threads or min(8, os.cpu_count() or 1)
    running = [threading.Thread(target=run, name=f"tomo_{i}") for i in range(count)]
    try:
        for thread in running:
            thread.start()
        ended = 0
        while ended < count:
            ended += idle.acquire(timeout=_POLL)
            if progress is not None:
                amount, reported = done - reported, done
                progress.advance(amount)
    finally:
        stopped.set()
        for thread in running:
            if thread.ident is not None:
                thread.join()
    if errors:
        raise errors[0]
