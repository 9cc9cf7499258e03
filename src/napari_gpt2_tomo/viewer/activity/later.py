"""One computation at a time beside the window; a newer one takes the place of an older."""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from ...base import Cancelled, Progress, TomoError
from ..work import Job, show

__all__ = ["Later"]

T = TypeVar("T")


class Later:
    """Computes in a thread; what is asked for last counts.

    Parameters
    ----------
    say
        Told what goes on, and what went wrong; empty when there is nothing to say.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._job: Job | None = None

    @property
    def running(self) -> bool:
        """Whether something is computed."""
        return self._job is not None and self._job.running

    def start(self, work: Callable[[Progress], T], done: Callable[[T], None], doing: str) -> None:
        """Compute, then call back on the main thread with the result."""
        self.cancel()

        def stages(report: Progress) -> Generator[object, None, None]:
            # In a tuple: a result may be None, which a job does not hand over.
            yield (work(report),)

        def arrived(found: Any) -> None:
            self._say("")
            done(found[0])

        self._say(doing)
        self._job = Job(stages, arrived, self._failed)

    def cancel(self) -> None:
        """Stop; nothing is called back."""
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _failed(self, error: Exception) -> None:
        if isinstance(error, Cancelled):
            self._say("Stopped.")
        elif isinstance(error, TomoError):
            self._say(str(error))
        else:
            self._say(f"This cannot be computed: {type(error).__name__}: {error}")
            show(error)
