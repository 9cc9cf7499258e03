"""Back and forward through places that were visited."""

from typing import Generic, TypeVar

from psygnal import Signal

__all__ = ["MOST", "History"]

T = TypeVar("T")

MOST = 200
"""Places that are remembered: a long session, some kilobytes."""


class History(Generic[T]):
    """Places in the order in which they were visited, and where in them one is.

    Like a browser's: visiting a place forgets those that one had gone back from.
    """

    changed = Signal()
    """There is something else to go back or forward to."""

    def __init__(self, most: int = MOST) -> None:
        self._places: list[T] = []
        self._at = -1
        self._most = most

    @property
    def can_back(self) -> bool:
        """Whether there is a place before this one."""
        return self._at > 0

    @property
    def can_forward(self) -> bool:
        """Whether one came back from a place."""
        return self._at + 1 < len(self._places)

    @property
    def present(self) -> T | None:
        """The place where one is; None before the first."""
        return self._places[self._at] if self._at >= 0 else None

    def visit(self, place: T) -> None:
        """Go to a new place; the present one again does nothing."""
        if self._at >= 0 and self._places[self._at] == place:
            return
        del self._places[self._at + 1 :]
        self._places.append(place)
        del self._places[: -self._most]
        self._at = len(self._places) - 1
        self.changed.emit()

    def leave(self, place: T) -> None:
        """Correct the present place to what it looks like now that it is left."""
        if self._at >= 0:
            self._places[self._at] = place

    def back(self) -> T | None:
        """Go back one place; None at the first."""
        return self._step(-1) if self.can_back else None

    def forward(self) -> T | None:
        """Go forward one place; None at the last."""
        return self._step(1) if self.can_forward else None

    def clear(self) -> None:
        """Forget every place."""
        self._places.clear()
        self._at = -1
        self.changed.emit()

    def _step(self, step: int) -> T:
        self._at += step
        self.changed.emit()
        return self._places[self._at]
