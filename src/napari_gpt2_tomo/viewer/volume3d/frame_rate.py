"""How often the canvas is drawn, measured and written on it."""

import time
from collections import deque
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QLabel

from .. import compat

__all__ = ["FrameRate", "hide_frame_rate", "rate_of", "show_frame_rate", "shows_frame_rate"]

FRAMES = 20
"""Drawings over which the rate is taken."""

PAUSE = 1.5
"""Seconds: a longer time between two drawings is rest, not slowness."""

IDLE = 1700
"""Milliseconds after which the last rate is shown as that of the past."""

MARGIN = 10
"""Pixels between the label and the edges of the canvas."""

STYLE = (
    "background: rgba(16, 18, 24, 215); color: {ink}; border-radius: 5px; padding: 3px 8px;"
    "font-size: 11px;"
)
"""Dark on every theme: it stands on pictures, not on the window."""

BRIGHT, FAINT = "#f2f4f8", "#8a93a3"

_shown: WeakKeyDictionary[Any, "FrameRate"] = WeakKeyDictionary()


def show_frame_rate(viewer: Any) -> "FrameRate | None":
    """Write on a viewer's canvas how often it is drawn; None where there is no canvas."""
    viewer = compat.real_viewer(viewer)
    home = compat.qt_viewer_of(viewer)
    if viewer not in _shown and home is not None:
        _shown[viewer] = FrameRate(home)
    return _shown.get(viewer)


def hide_frame_rate(viewer: Any) -> None:
    """Take the number off the canvas."""
    shown = _shown.pop(compat.real_viewer(viewer), None)
    if shown is not None:
        shown.close()


def shows_frame_rate(viewer: Any) -> bool:
    """Whether the number is on a viewer's canvas."""
    return compat.real_viewer(viewer) in _shown


def rate_of(times: Any) -> float | None:
    """Drawings per second from the seconds at which they happened; None if there were too few.

    Only the last uninterrupted run counts.
    """
    run: list[float] = []
    for before, after in pairwise(times):
        if after - before > PAUSE:
            run = []
        else:
            run.append(after - before)
    return len(run) / sum(run) if run and sum(run) > 0 else None


class FrameRate:
    """Counts the drawings of one canvas.

    Parameters
    ----------
    home
        The viewer's widget.

    Attributes
    ----------
    label
        What stands on the canvas.
    """

    def __init__(self, home: Any) -> None:
        self._home = home
        self._times: deque[float] = deque(maxlen=FRAMES + 1)
        canvas = compat.canvas_of(home)
        self.label = QLabel("…", canvas)
        self.label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._rest = QTimer(self.label)
        self._rest.setSingleShot(True)
        self._rest.setInterval(IDLE)
        self._rest.timeout.connect(lambda: self._write(FAINT))
        compat.draws_of(home).connect(self._drawn)
        self._write(FAINT)
        self.label.show()

    @property
    def rate(self) -> float | None:
        """Drawings per second when the canvas was last in motion; None before."""
        return rate_of(self._times)

    def close(self) -> None:
        """Count no more."""
        compat.draws_of(self._home).disconnect(self._drawn)
        self._rest.stop()
        self.label.hide()
        self.label.deleteLater()

    def _drawn(self, event: Any = None) -> None:
        self._times.append(time.perf_counter())
        # Writing now would draw the canvas again.
        self._rest.start()
        QTimer.singleShot(0, self._refresh)

    def _refresh(self) -> None:
        if self._rest.isActive():
            self._write(BRIGHT)

    def _write(self, ink: str) -> None:
        rate = self.rate
        text = "– frames/s" if rate is None else f"{rate:.0f} frames/s · {1000 / rate:.0f} ms"
        self.label.setStyleSheet(STYLE.format(ink=ink))
        if self.label.text() != text:
            self.label.setText(text)
        self.label.adjustSize()
        canvas = self.label.parent()
        self.label.move(max(canvas.width() - self.label.width() - MARGIN, 0), MARGIN)
        self.label.raise_()
