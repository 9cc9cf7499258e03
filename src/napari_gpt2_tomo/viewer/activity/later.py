"""One computation at a time beside the window; a newer one takes the place of an older."""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from ...base import Progress, TomoError
from ..work import Job, show

__all__ = ["STOPPED", "Later"]

T = TypeVar("T")

STOPPED = "Stopped."
"""What is said when the user stopped the work in napari's activity dock."""


class Later:
    """Computes in a thread; what is asked for last counts. Use on the main thread.

    Parameters
    ----------
    say
        Told what goes on; empty when there is nothing to say.
    failed
        Told why there is no result; by default `say` is.
    """

    def __init__(
        self, say: Callable[[str], None], failed: Callable[[str], None] | None = None
    ) -> None:
        self._say = say
        self._fail = failed or say
        self._job: Job | None = None
        self._number = 0

    @property
    def running(self) -> bool:
        """Whether something is computed."""
        return self._job is not None

    def start(
        self, work: Callable[[Progress], T], done: Callable[[T], None], doing: str | None = None
    ) -> None:
        """Compute, then call back on the main thread with the result.

        Parameters
        ----------
        work
            What to do, in a thread.
        done
            Called with what it gives, unless something else was asked for meanwhile.
        doing
            What is said until then; None if nothing is to be said.
        """
        self.cancel()
        number = self._number

        def stages(report: Progress) -> Generator[object, None, None]:
            # In a tuple: a result may be None, which a job does not hand over.
            yield (work(report),)

        def arrived(found: Any) -> None:
            self._job = None
            if doing is not None:
                self._say("")
            done(found[0])

        def failed(error: Exception) -> None:
            # What was replaced may fail after its end was asked for.
            if number == self._number:
                self._job = None
                self._tell_of(error)

        def ended() -> None:
            if number == self._number and self._job is not None:
                self._job = None
                self._fail(STOPPED)

        self._job = Job(stages, arrived, failed)
        self._job.on_end = ended
        if doing is not None:
            self._say(doing)

    def cancel(self) -> None:
        """Stop; nothing is called back."""
        self._number += 1
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _tell_of(self, error: Exception) -> None:
        if isinstance(error, TomoError):
            self._fail(str(error))
        else:
            self._fail(f"This cannot be computed: {type(error).__name__}: {error}")
            show(error)
