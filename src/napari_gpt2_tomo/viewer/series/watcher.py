"""Watching the folder of a series while training writes into it."""

import os
from collections.abc import Generator
from typing import Any
from weakref import WeakKeyDictionary, ref

from psygnal import Signal
from qtpy.QtCore import QTimer

from ...base import Progress, TomoError
from ...series.series import Series
from ...series.watch import Watch
from ..link import ScanLink
from ..work import Job, show
from .growing import Grown, extend, grow
from .opening import links_of, series_of

__all__ = ["SECONDS", "Watcher", "watcher_of"]

SECONDS = 2.0
"""Between two looks: a look reads names and sizes, and a checkpoint must not change between two."""

_watchers: "WeakKeyDictionary[ScanLink, Watcher]" = WeakKeyDictionary()


def watcher_of(link: ScanLink) -> "Watcher | None":
    """What watches the folder of a link's series; None where there is no folder to watch."""
    series = series_of(link)
    if series is None or not Watch(series).possible:
        return None
    if link not in _watchers:
        _watchers[link] = Watcher(link)
    return _watchers[link]


class Watcher:
    """Takes new checkpoints of a series into the layers that show it, while it is on.

    Looking, opening and the first look at the weights happen in a thread. It goes off by itself
    when no layer shows the series any more.

    Parameters
    ----------
    link
        Not kept alive.

    Attributes
    ----------
    changed
        Emitted without arguments when it went on or off, or a step was taken or refused.
    follow
        Whether viewers that look at the last step go on to a new one.
    """

    changed = Signal()

    def __init__(self, link: ScanLink) -> None:
        series = series_of(link)
        assert series is not None
        self._link = ref(link)
        self._watch = Watch(series)
        self._job: Job | None = None
        self.follow = True
        self._timer = QTimer()
        self._timer.setInterval(int(1000 * SECONDS))
        self._timer.timeout.connect(self.look)

    @property
    def on(self) -> bool:
        """Whether it looks."""
        return bool(self._timer.isActive())

    @property
    def refused(self) -> dict[str, str]:
        """Checkpoints that were left out, and why."""
        return self._watch.refused

    def start(self) -> None:
        """Look from now on."""
        if not self.on:
            self._timer.start()
            self.changed.emit()
            self.look()

    def stop(self) -> None:
        """Look no more; what is being opened is left."""
        self._timer.stop()
        if self._job is not None:
            self._job.cancel()
            self._job = None
        self.changed.emit()

    def look(self) -> None:
        """Look once, in a thread; nothing happens while an earlier look is under way."""
        link = self._link()
        series = None if link is None else series_of(link)
        if link is None or series is None or not link.layers:
            self._timer.stop()
            return
        if self._job is not None or (link.switching is not None and link.switching.running):
            return
        self._watch.series = series
        watch, shown = self._watch, links_of(series)

        def work(report: Progress) -> Generator[object, None, None]:
            step = watch.look()
            if step is None:
                return
            try:
                yield grow(series, shown, step, report)
            except TomoError as error:
                watch.refused[os.path.abspath(step.path)] = str(error)
                yield error

        self._job = job = Job(work, lambda found: self._arrived(series, found), self._failed)
        job.on_end = self._ended

    def _arrived(self, series: Series, found: Any) -> None:
        link = self._link()
        if isinstance(found, TomoError):
            show(found)
        elif isinstance(found, Grown) and link is not None and link.scan is series:
            extend(found, follow=self.follow)
        self.changed.emit()

    def _failed(self, error: Exception) -> None:
        self._timer.stop()
        show(error)
        self.changed.emit()

    def _ended(self) -> None:
        self._job = None
