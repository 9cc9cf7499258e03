"""New checkpoints of a run that is under way, taken when they are complete."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..base import CheckpointError
from ..checkpoint import open_checkpoint
from .find import Step, find_steps
from .series import Series

__all__ = ["Watch"]

Stamps = Mapping[str, tuple[int, int]]
"""Size in bytes and time of change in ns of every file of a checkpoint."""


@dataclass
class Watch:
    """Looks for checkpoints that a series does not have yet; call `look` from time to time.

    A checkpoint is taken when it opens, which needs a complete header and files as long as it
    says, has all the shards that its index announces, and did not change between two looks.
    May be used on any thread, by one at a time.

    Attributes
    ----------
    series
        What is there; assign the extended one after a step was taken.
    refused
        Checkpoints that are left out for good, and why.
    """

    series: Series
    refused: dict[str, str] = field(default_factory=dict)
    _seen: dict[str, Stamps] = field(default_factory=dict)

    @property
    def possible(self) -> bool:
        """Whether there is something to watch: a folder or a pattern, not a list."""
        return isinstance(self.series.where, str | os.PathLike) and "://" not in str(
            self.series.where
        )

    def look(self) -> Step | None:
        """The next checkpoint that is complete and comes after those of the series, if any.

        One that comes before the last, by its number, is not taken: the axis only grows at its
        end. Files that cannot be read now are tried again at the next look.
        """
        if not self.possible:
            return None
        known = {os.path.abspath(step.path) for step in self.series.steps}
        try:
            found = find_steps(self.series.where)
        except (CheckpointError, OSError):
            return None
        fresh: Step | None = None
        for step in found:
            path = os.path.abspath(step.path)
            if path in known or path in self.refused or not self._comes_after(step):
                continue
            if self._is_complete(step) and fresh is None:
                fresh = step
        return fresh

    def _comes_after(self, step: Step) -> bool:
        last = self.series.steps[-1]
        if step.number is None or last.number is None or step.unit != last.unit:
            return True
        return step.number > last.number

    def _is_complete(self, step: Step) -> bool:
        stamps = _stamps(step.path)
        before, self._seen[step.path] = self._seen.get(step.path), stamps
        if not stamps or stamps != before:
            return False
        try:
            with open_checkpoint(step.path) as checkpoint:
                return not checkpoint.missing
        except CheckpointError:
            return False


def _stamps(path: str) -> Stamps:
    """Stamps of a file, or of the files of a folder; empty where something cannot be read."""
    place = Path(path)
    try:
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        found = {str(file): os.stat(file) for file in files if file.is_file()}
    except OSError:
        return {}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}
