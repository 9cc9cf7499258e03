"""Long work beside the window: a thread, a bar in the activity dock, and a way to stop it."""

import atexit
import sys
import time
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, TypeVar

from ..base import Cancelled, Progress, SilentProgress, TomoError

__all__ = ["Job", "Work", "finish_all", "show", "stop_all", "wait_for", "when_idle"]

T = TypeVar("T")

Work = Callable[[Progress], Generator[object, None, None]]
"""Work in stages: gets a progress to report to, yields after each stage. Runs in a thread."""

TICKS = 1000
"""Steps of a progress bar; Qt counts them in 32 bits, bytes of a model do not fit."""

GRACE = 2000
"""Milliseconds that work gets to notice that the process ends."""

PATIENCE = 400
"""Milliseconds after which work that still runs gets a bar: napari processes all waiting events
when it makes one, which takes longer than most work does."""

INTERVAL = 0.1
"""Seconds between two reports to the window: each one makes Qt process its events."""


_running: set["Job"] = set()
_waiting: list[Callable[[], None]] = []


class Job:
    """Work that runs in a thread and reports to the main thread.

    Create and use it on the main thread.

    Parameters
    ----------
    work
        What to do.
    on_stage
        Called on the main thread with what the work yields, unless it was cancelled.
    on_error
        Called on the main thread with an exception of the work; by default napari shows it.
    """

    def __init__(
        self,
        work: Work,
        on_stage: Callable[[Any], None],
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        from qtpy.QtCore import QTimer
        from superqt.utils import create_worker

        self.on_end: Callable[[], None] = _nothing
        self._bar: Any = None
        self._description: str | None = None
        self._patient = PATIENCE > 0
        self._on_stage = on_stage
        self._on_error = on_error or show
        self.running = True
        report = _Report()

        def run() -> Generator[object, None, None]:
            yield None
            try:
                yield from work(report)
            except Cancelled:
                return

        # superqt's own worker: napari's would ask for confirmation when the
        # window is closed, and this work loses nothing when it is stopped.
        self._worker = create_worker(run, _start_thread=False, _ignore_errors=True)
        report.worker = self._worker
        self._worker.yielded.connect(self._received)
        self._worker.errored.connect(self._failed)
        self._worker.finished.connect(self._ended)
        _running.add(self)
        self._worker.start()
        if self._patient:
            QTimer.singleShot(PATIENCE, self._out_of_patience)

    def cancel(self) -> None:
        """Ask the work to stop; it reports nothing any more."""
        self._on_stage = self._on_error = _ignore
        self._worker.quit()
        self._close_bar()

    def wait(self) -> None:
        """Process events until the work has ended and what it yielded was handed over."""
        from qtpy.QtCore import QEventLoop

        if self.running:
            loop = QEventLoop()
            self.on_end = loop.quit
            _run(loop)

    def _failed(self, error: Exception) -> None:
        self._on_error(error)

    def _received(self, item: Any) -> None:
        if isinstance(item, _Announcement):
            self._description = item.description
            if not self._patient:
                self._open_bar(item.description)
        elif isinstance(item, _Share):
            self._advance(item.share)
        elif item is not None:
            self._on_stage(item)

    def _out_of_patience(self) -> None:
        self._patient = False
        wanted = self.running and not self._worker.abort_requested
        if self._description is not None and wanted:
            self._open_bar(self._description)

    def _open_bar(self, description: str) -> None:
        from napari.utils import cancelable_progress

        if self._bar is not None:
            # A bar that is there takes another name far sooner than another is made.
            self._bar.reset()
            self._bar.set_description(description)
            return
        bar = cancelable_progress(total=TICKS, desc=description)
        # A new bar makes Qt process its events, among them perhaps the next
        # announcement, which has opened its bar by now, or the end of this work.
        if self._bar is None and self.running and not self._worker.abort_requested:
            self._bar = bar
        else:
            bar.close()

    def _advance(self, share: float) -> None:
        if self._bar is None:
            return
        if self._bar.is_canceled:
            self.cancel()
            return
        step = int(share * TICKS) - self._bar.n
        if step > 0:
            self._bar.update(step)

    def _close_bar(self) -> None:
        if self._bar is not None:
            bar, self._bar = self._bar, None
            bar.close()

    def _ended(self) -> None:
        self.running = False
        _running.discard(self)
        self._close_bar()
        self.on_end()
        if not _running:
            waiting, _waiting[:] = list(_waiting), []
            for callback in waiting:
                callback()


def when_idle(callback: Callable[[], None]) -> None:
    """Call back on the main thread as soon as no work is under way."""
    if _running:
        _waiting.append(callback)
    else:
        callback()


def wait_for(work: Callable[[Progress], T]) -> T:
    """Do long work and return its result while the window stays alive and shows a bar.

    Raises what the work raises, and `Cancelled` when its user stopped it. Without
    Qt the work is simply done.
    """
    from qtpy.QtCore import QEventLoop
    from qtpy.QtWidgets import QApplication

    if QApplication.instance() is None:
        return work(SilentProgress())
    loop = QEventLoop()
    found: list[T] = []
    errors: list[Exception] = []

    def stages(report: Progress) -> Generator[object, None, None]:
        found.append(work(report))
        yield None

    job = Job(stages, _ignore, errors.append)
    job.on_end = loop.quit
    _run(loop)
    if errors:
        raise errors[0]
    if not found:
        raise Cancelled("The work was cancelled.")
    return found[0]


def finish_all() -> None:
    """Process events until no work is under way; for scripts that look at the result."""
    from qtpy.QtCore import QEventLoop
    from qtpy.QtWidgets import QApplication

    with _Escaped():
        QApplication.processEvents()
        if _running:
            loop = QEventLoop()
            when_idle(loop.quit)
            loop.exec()
        # What ended last has queued its drawing.
        QApplication.processEvents()


def _run(loop: Any) -> None:
    with _Escaped():
        loop.exec()


class _Escaped:
    """Raises, afterwards, the first exception that a slot or a painter let out meanwhile.

    PyQt ends the process at such an exception while Python's own `sys.excepthook` is in place, as
    it is in scripts; napari, pytest-qt and IPython have theirs.
    """

    def __init__(self) -> None:
        self._errors: list[BaseException] = []
        self._listens = False

    def __enter__(self) -> None:
        self._listens = sys.excepthook is sys.__excepthook__
        if self._listens:
            sys.excepthook = self._hear

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._listens:
            sys.excepthook = sys.__excepthook__
        if self._errors and error is None:
            raise self._errors[0]

    def _hear(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        self._errors.append(error)
        if isinstance(error, KeyboardInterrupt):
            for job in list(_running):
                job.cancel()


@atexit.register
def stop_all() -> None:
    """Ask all work to stop, and wait until it has: a thread must not outlive Qt."""
    if not _running:
        return
    from qtpy.QtCore import QThreadPool

    for job in list(_running):
        job.cancel()
    QThreadPool.globalInstance().waitForDone(GRACE)


class _Announcement:
    def __init__(self, description: str) -> None:
        self.description = description


class _Share:
    def __init__(self, share: float) -> None:
        self.share = share


class _Report:
    """A `Progress` that sends what it hears to the main thread."""

    def __init__(self) -> None:
        self.worker: Any = None
        self._total = 1
        self._done = 0
        self._told = 0.0

    def start(self, total: int, description: str) -> None:
        """Announce work."""
        self._total, self._done = max(total, 1), 0
        self._check()
        self.worker.yielded.emit(_Announcement(description))

    def advance(self, amount: int) -> None:
        """Report finished work; raises `Cancelled` when it is to stop."""
        self._check()
        self._done += amount
        now = time.monotonic()
        if now - self._told >= INTERVAL:
            self._told = now
            self.worker.yielded.emit(_Share(min(self._done / self._total, 1.0)))

    def _check(self) -> None:
        if self.worker.abort_requested:
            raise Cancelled("The work was cancelled.")


def show(error: Exception) -> None:
    """Show an error in napari: those of a user as a sentence, others with their traceback."""
    from napari.utils.notifications import notification_manager, show_error

    if isinstance(error, TomoError):
        show_error(str(error))
    else:
        notification_manager.receive_error(type(error), error, error.__traceback__)


def _ignore(item: object) -> None:
    """Hear nothing."""


def _nothing() -> None:
    """Do nothing."""
