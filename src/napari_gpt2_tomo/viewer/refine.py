"""The overview of a volume gets better while its layers are on screen."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from ..base import Progress
from ..checkpoint.remote.traffic import watched
from .preferences import preferences
from .work import Job

if TYPE_CHECKING:
    from .link import ScanLink

__all__ = ["Refinement"]

GIGABYTE = 2**30


class Refinement:
    """Makes the quick look and then the exact overview of a link's volume, in the background.

    After each stage the layers show the new levels: same camera, same place,
    same locked level; a window of a preset follows the better statistics. Of a model
    on a server only a quick look is taken until the user has said otherwise, see `confirm`.

    Parameters
    ----------
    link
        Whose volume.
    on_stage
        Called on the main thread after the layers were told about a stage.
    """

    def __init__(self, link: "ScanLink", on_stage: Callable[[], None]) -> None:
        self._link = link
        self._on_stage = on_stage
        self._job: Job | None = None
        self._confirmed = False

    def confirm(self) -> None:
        """Let all of a model on a server be read: its user saw what that costs."""
        self._confirmed = True
        self.start()

    @property
    def running(self) -> bool:
        """Whether work is under way."""
        return self._job is not None and self._job.running

    def start(self) -> None:
        """Begin, unless there is nothing left to do or it has begun."""
        if self.running or self._link.volume.overview.state == "refined":
            return
        volume = self._link.volume
        if volume.still.checkpoint.is_remote and not self._confirmed:
            self._look()
            return
        cache_bytes = int(preferences().cache_gigabytes * GIGABYTE)

        def work(report: Progress) -> Generator[object, None, None]:
            for _ in volume.overview.improve(report, cache_bytes):
                yield "better"

        self._job = Job(work, self._stage)

    def _look(self) -> None:
        """Take a quick look only."""
        overview = self._link.volume.overview
        if overview.state != "empty":
            return

        def work(report: Progress) -> Generator[object, None, None]:
            with watched(report):
                overview.quick_look(report)
            yield "better"

        self._job = Job(work, self._stage)

    def cancel(self) -> None:
        """Stop; what is finished stays in the cache."""
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _stage(self, stage: Any) -> None:
        self._link.console.refresh()
        self._on_stage()
