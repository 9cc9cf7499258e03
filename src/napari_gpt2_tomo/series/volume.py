"""Volumes of all steps of a series as one, the steps along its first axis."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..volume.address import Address
from ..volume.atlas import Atlas
from ..volume.statistics.summary import Statistics
from ..volume.volume import Volume
from .overview import SeriesOverview
from .pool import pooled
from .stack import Gone, SeriesLayout, SeriesReader

if TYPE_CHECKING:
    from .series import Series

__all__ = ["SeriesVolume"]

ESTIMATED = 8
"""Steps, evenly spread, whose statistics are estimated while those of all are not known: an
estimate takes some 30 ms, and all steps have parts of about the same size.
"""


class SeriesVolume(Volume):
    """Voxels of all steps of a series, axes ``(step, …)``.

    What does not say a step is about the one that is looked at, see `attend`.

    Attributes
    ----------
    frames
        The volume of each step; all have one layout.
    series
        Where they come from.
    """

    lead = 1

    def __init__(self, frames: Sequence[Volume], series: "Series") -> None:
        self.frames = tuple(frames)
        self.series = series
        first = frames[0]
        self.anatomy = first.anatomy
        self.layout = SeriesLayout(first.layout, len(frames))
        self.signal, self.reduction = first.signal, first.reduction
        gone = Gone(frames)
        reader = SeriesReader(self.layout, frames, gone)
        self._gone = gone
        self.reader = reader
        self.overview: SeriesOverview = SeriesOverview(self.layout, frames, gone)
        self._pooled: tuple[tuple[int, str], Statistics] | None = None
        self.attend((series.present,))

    @property
    def still(self) -> Volume:
        """The volume of the step that is looked at."""
        return self.frames[self.present]

    def attend(self, voxel: Sequence[int]) -> None:
        """Be looked at at a voxel: its step is the one that is meant from now on."""
        self.present = min(max(int(voxel[0]), 0), len(self.frames) - 1)
        self.checkpoint = self.frames[self.present].checkpoint
        self.overview.nearest = self.present
        self.series.attend(self.present)

    def lead_title(self, index: int) -> str:
        """Name of a step: ``"step 250"``."""
        steps = self.series.steps
        return steps[index].title if 0 <= index < len(self.frames) else ""

    def weights(self) -> Volume:
        """The same voxels showing the weights themselves, for reading exact values."""
        shown = [frame.weights() for frame in self.frames]
        same = all(a is b for a, b in zip(shown, self.frames, strict=True))
        return self if same else SeriesVolume(shown, self.series)

    @property
    def core(self) -> tuple[slice, ...] | None:
        """Slices of level 0 that leave the margins out; None if the layout has no margins."""
        core = self.frames[0].core
        return None if core is None else (slice(None), *core)

    @property
    def statistics(self) -> Statistics:
        """Statistics of the weights of all steps together, exact where those of each are; before
        that an estimate from some of them.
        """
        key = self.overview.stage, self.overview.state
        if self._pooled is None or self._pooled[0] != key:
            self._pooled = key, self._pool()
        return self._pooled[1]

    def _pool(self) -> Statistics:
        found = [frame.overview.statistics for frame in self.frames]
        for step in {round(i) for i in np.linspace(0, len(found) - 1, ESTIMATED)}:
            found[step] = found[step] or self.frames[step].statistics
        held = [(one, gone) for one, gone in zip(found, self._gone.parts, strict=True) if one]
        together = pooled([one for one, _ in held], [gone for _, gone in held])
        return together if len(held) == len(found) else replace(together, estimate=True)

    @cached_property
    def atlas(self) -> Atlas:
        """Which voxel belongs to which part."""
        text = "\n".join(frame.checkpoint.fingerprint for frame in self.frames)
        token = hashlib.sha256(f"{text}\n{self.layout.token}".encode()).hexdigest()[:32]
        return Atlas(self.anatomy, self.reader, token)

    def voxel(self, tensor: str, index: Sequence[int]) -> tuple[int, ...]:
        """The voxel of a stored parameter in the step that is looked at; see `Volume.voxel`."""
        return (self.present, *self.frames[0].voxel(tensor, index))

    def address(self, voxel: Sequence[int]) -> Any:
        """The parameter at a voxel in its step; None in air and where the step lacks it."""
        place = self.layout.place(voxel)
        step = int(voxel[0])
        if place is None or self._gone.parts[step][place.part]:
            return None
        found = self.frames[step].address(voxel[1:])
        title = self.lead_title(step)
        return replace(found, step=title) if isinstance(found, Address) else found

    def caption(self, section: int) -> str:
        """What a section of a step shows, see `Volume.caption`."""
        return self.frames[0].caption(section)

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.shape))
        what = f"{self.layout.name} {self.signal}–{self.reduction}"
        return f"<SeriesVolume {what} {shape} of {self.series.name}>"
