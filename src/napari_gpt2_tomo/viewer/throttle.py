"""Doing something as often as the machine can draw it, and not more often."""

import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer

__all__ = ["Throttle"]

SHORTEST = 15
"""Milliseconds between two calls: a frame of a fast screen."""

LONGEST = 500
"""Milliseconds: a first drawing, which compiles shaders, says nothing about the next."""

SHARE = 0.5
"""Of the time that a call and the drawing after it took: the pause that follows it.

What else wants to be drawn, and the mouse, get their turn in it.
"""


class Throttle(QObject):  # type: ignore[misc]
    """Calls a function at once, and then not before the window has drawn what came of it.

    A call that comes too early is made later, once for all that came meanwhile.

    Parameters
    ----------
    function
        Called without arguments.
    parent
        Whose life it shares.
    share
        Of the time that a call and the drawing after it took: the pause that follows it.
    """

    def __init__(
        self, function: Callable[[], None], parent: Any = None, share: float = SHARE
    ) -> None:
        super().__init__(parent)
        self._function = function
        self._share = share
        self._wanted = False
        self._resting = False
        self._began = 0.0
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.timeout.connect(self._awake)
        self._idle = QTimer(self)
        self._idle.setSingleShot(True)
        # Qt draws before a timer of no time fires for the second time.
        self._idle.setInterval(0)
        self._idle.timeout.connect(self._drawn)

    def call(self) -> None:
        """Call the function now, or as soon as that makes sense."""
        if self._resting:
            self._wanted = True
            return
        self._resting = True
        self._wanted = False
        self._rounds = 0
        self._began = time.perf_counter()
        try:
            self._function()
        finally:
            self._idle.start()

    def flush(self) -> None:
        """Make a call that waits now."""
        if self._wanted:
            self._wanted = False
            self._function()

    def stop(self) -> None:
        """Forget a call that waits."""
        self._wanted = False
        self._pause.stop()
        self._idle.stop()
        self._resting = False

    def _drawn(self) -> None:
        self._rounds += 1
        if self._rounds < 2:
            self._idle.start()
            return
        took = (time.perf_counter() - self._began) * 1000
        self._pause.start(min(max(SHORTEST, int(took * self._share)), LONGEST))

    def _awake(self) -> None:
        self._resting = False
        if self._wanted:
            self.call()
