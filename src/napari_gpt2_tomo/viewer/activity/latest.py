"""Numbers that are computed beside the window; only the last ones that were asked for count."""

from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from ...base import Progress, TomoError
from ..work import Job, show

__all__ = ["Latest"]

T = TypeVar("T")


class Latest(Generic[T]):
    """Computes in a thread and hands over the result, unless another was asked for meanwhile.

    Use on the main thread.

    Parameters
    ----------
    deliver
        Called with a result.
    say
        Called with the words of a `TomoError`; other errors are shown by napari.
    """

    def __init__(self, deliver: Callable[[T], None], say: Callable[[str], None]) -> None:
        self._deliver, self._say = deliver, say
        self._job: Job | None = None
        self._number = 0

    def ask(self, compute: Callable[[Progress], T]) -> None:
        """Compute something; what was asked for before is cancelled."""
        self.cancel()
        number = self._number

        def work(report: Progress) -> Generator[object, None, None]:
            # In a tuple: a stage of None is no result.
            yield (compute(report),)

        def finish(stage: Any) -> None:
            if number == self._number:
                self._deliver(stage[0])

        def fail(error: Exception) -> None:
            if number != self._number:
                return
            if isinstance(error, TomoError):
                self._say(str(error))
            else:
                show(error)

        self._job = Job(work, finish, fail)

    def cancel(self) -> None:
        """Forget what was asked for."""
        self._number += 1
        if self._job is not None:
            self._job.cancel()
            self._job = None
