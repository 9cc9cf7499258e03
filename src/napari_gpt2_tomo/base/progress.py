"""Progress of long work, and the way to cancel it."""

from typing import Protocol

from .errors import Cancelled

__all__ = ["Progress", "SilentProgress"]


class Progress(Protocol):
    """What long work reports to: a napari worker, a terminal bar or nobody.

    Long work calls `start` once and `advance` at least every 100 ms or so.
    """

    def start(self, total: int, description: str) -> None:
        """Announce `total` units of work, described to a person by `description`."""

    def advance(self, amount: int) -> None:
        """Report `amount` finished units; raises `Cancelled` when the user wants to stop."""


class SilentProgress:
    """Progress that nobody watches; `cancel` may be called from another thread."""

    def __init__(self) -> None:
        self.total = 0
        self.done = 0
        self._cancelled = False

    def start(self, total: int, description: str) -> None:
        """Remember the total."""
        self.total, self.done = total, 0

    def advance(self, amount: int) -> None:
        """Count, and raise `Cancelled` once `cancel` was called."""
        self.done += amount
        if self._cancelled:
            raise Cancelled("The work was cancelled.")

    def cancel(self) -> None:
        """Make the next `advance` raise `Cancelled`."""
        self._cancelled = True
