"""Running work on threads, with progress and cancel on the thread that called."""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TypeVar

from ...base import Cancelled, Progress

__all__ = ["Step", "run_all"]

T = TypeVar("T")

Step = Callable[[int], None]
"""Reports finished units; raises `Cancelled` once the caller wants to stop."""

_POLL = 0.05
"""Seconds between two looks at the progress."""


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
    stopped = threading.Event()
    lock = threading.Lock()
    done = 0

    def step(amount: int) -> None:
        nonlocal done
        with lock:
            done += amount
        if stopped.is_set():
            raise Cancelled("The work was cancelled.")

    reported = 0
    # Two threads saturate a desktop's memory; more help only on larger machines.
    count = threads or min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(count, thread_name_prefix="tomo") as pool:
        pending = {pool.submit(work, item, step) for item in items}
        try:
            while pending:
                finished, pending = wait(pending, _POLL, FIRST_COMPLETED)
                for future in finished:
                    future.result()
                if progress is not None:
                    amount, reported = done - reported, done
                    progress.advance(amount)
        except BaseException:
            stopped.set()
            for future in pending:
                future.cancel()
            raise
