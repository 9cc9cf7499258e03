"""Progress on a terminal."""

import signal as signals
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..base import Cancelled

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

__all__ = ["TerminalProgress", "terminal_progress"]


@contextmanager
def terminal_progress() -> Iterator["TerminalProgress"]:
    """A progress bar on stderr. The first Ctrl-C cancels between two steps, the next at once."""
    progress = TerminalProgress()

    def interrupt(number: int, frame: FrameType | None) -> None:
        progress.cancel()
        signals.signal(signals.SIGINT, previous)

    previous = signals.signal(signals.SIGINT, interrupt)
    try:
        yield progress
    finally:
        signals.signal(signals.SIGINT, previous)
        progress.close()


class TerminalProgress:
    """`Progress` as a bar of rich's, which appears when work is announced."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: Any = None
        self._cancelled = False

    def start(self, total: int, description: str) -> None:
        """Show a new bar."""
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress as Bar

            console = Console(stderr=True)
            self._bar = Bar(console=console, transient=True, disable=not console.is_terminal)
            self._bar.start()
        self._task = self._bar.add_task(description, total=total)

    def advance(self, amount: int) -> None:
        """Move the bar, and raise `Cancelled` after Ctrl-C."""
        if self._cancelled:
            raise Cancelled("Cancelled. What was finished is kept.")
        if self._bar is not None:
            self._bar.advance(self._task, amount)

    def cancel(self) -> None:
        """Make the next `advance` raise `Cancelled`."""
        self._cancelled = True

    def close(self) -> None:
        """Take the bars off the terminal."""
        if self._bar is not None:
            self._bar.stop()
