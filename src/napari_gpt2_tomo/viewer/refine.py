"""The overview of a volume gets better while its layers are on screen."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import Progress
from .preferences import preferences
from .work import Job

if TYPE_CHECKING:
    from .link import ScanLink

__all__ = ["Refinement", "apply_window"]

GIGABYTE = 2**30


class Refinement:
    """Makes the quick look and then the exact overview of a link's volume, in the background.

    After each stage the layers show the new levels: same camera, same place,
    same locked level; the contrast limits follow until the user sets others.

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

    @property
    def running(self) -> bool:
        """Whether work is under way."""
        return self._job is not None and self._job.running

    def start(self) -> None:
        """Begin, unless there is nothing left to do or it has begun."""
        if self.running or self._link.volume.overview.state == "refined":
            return
        volume = self._link.volume
        cache_bytes = int(preferences().cache_gigabytes * GIGABYTE)

        def work(report: Progress) -> Generator[object, None, None]:
            if volume.overview.state == "empty":
                volume.overview.quick_look(report)
                yield "quick"
            volume.overview.refine(report, cache_bytes)
            yield "refined"

        self._job = Job(work, self._stage)

    def cancel(self) -> None:
        """Stop; what is finished stays in the cache."""
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _stage(self, stage: Any) -> None:
        for layer in list(self._link.layers):
            apply_window(layer, self._link)
        self._on_stage()


SLIDER = 2.0
"""Window widths that the slider reaches beyond the window at first.

A few weights are a hundred times larger than the rest: a slider over the whole
range of a model would move the window by its width at the slightest touch.
"""


def apply_window(layer: Any, link: "ScanLink") -> None:
    """Give an image the volume's present contrast limits, unless its user chose others.

    The limits that were applied last are remembered on the link; anything else
    on the layer is a choice.
    """
    if not hasattr(layer, "contrast_limits"):
        return
    limits = np.asarray(layer.contrast_limits, float)
    applied = link.applied.get(layer)
    wanted = link.volume.window()
    width = SLIDER * (wanted[1] - wanted[0])
    low = max(link.volume.range[0], wanted[0] - width)
    high = min(link.volume.range[1], wanted[1] + width)
    if applied is None or np.allclose(limits, applied, rtol=1e-6, atol=0):
        limits = np.asarray(wanted, float)
        layer.contrast_limits_range = (min(low, wanted[0]), max(high, wanted[1]))
        layer.contrast_limits = wanted
        link.applied[layer] = tuple(layer.contrast_limits)
    else:
        layer.contrast_limits_range = (
            min(low, float(limits[0])),
            max(high, float(limits[1])),
        )
