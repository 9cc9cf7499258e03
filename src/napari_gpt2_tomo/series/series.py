"""A series: checkpoints of one training run, looked at as one scan with a time axis."""

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base import CheckpointError, Progress
from ..checkpoint.address import Address, address_of
from ..facade import Scan
from ..volume.reading.signal import resolve_reduction
from ..volume.volume import Volume, make_layout
from .agree import absent_from, differences, reference_of, refuse, whole
from .find import Paths, Step, find_steps
from .volume import SeriesVolume

if TYPE_CHECKING:
    from .growth import Growth
    from .losses import Losses

__all__ = ["Series"]


class Series(Scan):
    """Checkpoints of one model at several times of its training.

    What a scan answers for one checkpoint (`part`, `head`, `values`, `statistics`,
    `part_table`, `checkpoint`) it answers for the step that is looked at, `present`.

    Parameters
    ----------
    where
        A folder, a pattern or a list, see `find_steps`.
    family, sizes
        As of `Scan`, for every step.

    Attributes
    ----------
    where
        As given.
    steps
        The checkpoints in the order of the training.
    scans
        One scan for each step, all with the anatomy of the reference. A tensor that a step
        lacks reads as NaN there.
    absent
        For each step the tensors that it lacks; they are air in its voxels.
    notes
        Sentences for a person: what is absent, and what was left out.

    Raises
    ------
    CheckpointError
        There is no checkpoint, or the checkpoints are not of one model: says what differs.
    """

    def __init__(self, where: Paths, family: str | None = None, **sizes: int | None) -> None:
        self.where = where
        self.family = family
        self.sizes = {name: size for name, size in sizes.items() if size is not None}
        opened: list[tuple[Step, Scan]] = []
        left: list[str] = []
        errors: list[CheckpointError] = []
        for step in find_steps(where):
            try:
                opened.append((step, Scan(step.path, family, **self.sizes)))
            except CheckpointError as error:
                if not isinstance(where, str | os.PathLike):
                    _close(opened)
                    raise
                # A run that is under way has a checkpoint that is being written.
                left.append(f"{step.title} is left out: {error}")
                errors.append(error)
        if not opened:
            raise errors[0]
        reference = opened[reference_of([scan for _, scan in opened])]
        try:
            for step, scan in opened:
                _agree(reference, step, scan)
        except CheckpointError:
            _close(opened)
            raise
        self._reference = reference
        self._own = [scan for _, scan in opened]
        self._left = left
        self._take(tuple(step for step, _ in opened), 0)

    def _take(self, steps: tuple[Step, ...], present: int) -> None:
        reference = self._reference[1]
        self.steps = steps
        self.absent = tuple(absent_from(reference, scan) for scan in self._own)
        self.scans = tuple(Scan.of(whole(reference, scan), reference.anatomy) for scan in self._own)
        self.anatomy = reference.anatomy
        self.attend(present)

    def extended(self, step: Step) -> "Series":
        """This series and one more step at its end, as a new object that shares the open files.

        The steps that are there keep their scans. The old series must not be closed as long as
        the new one is used: it is the new one that closes the files.

        Raises
        ------
        CheckpointError
            The checkpoint cannot be opened, or is not of the same model.
        """
        scan = Scan(step.path, self.family, **self.sizes)
        try:
            _agree(self._reference, step, scan)
        except CheckpointError:
            scan.close()
            raise
        made = Series.__new__(Series)
        made.where, made.family, made.sizes = self.where, self.family, self.sizes
        made._reference, made._left = self._reference, self._left
        made._own = [*self._own, scan]
        made._take((*self.steps, step), self.present)
        return made

    @property
    def name(self) -> str:
        """A short name for titles: the folder's that holds the steps."""
        if isinstance(self.where, str | os.PathLike) and os.path.isdir(self.where):
            return Path(self.where).resolve().name
        parents = {os.path.dirname(os.path.abspath(step.path)) for step in self.steps}
        shared = os.path.basename(parents.pop()) if len(parents) == 1 else ""
        return shared or f"{self.steps[0].name} … {self.steps[-1].name}"

    @property
    def paths(self) -> tuple[str, ...]:
        """The checkpoints, absolute where they are on this machine."""
        return tuple(_absolute(step.path) for step in self.steps)

    @property
    def origin(self) -> str:
        """The folder or pattern, absolute; of a list its first checkpoint."""
        where = self.where
        return (
            _absolute(os.fspath(where)) if isinstance(where, str | os.PathLike) else self.paths[0]
        )

    @property
    def fingerprint(self) -> str:
        """Tells whether the files of all steps are still the same."""
        prints = [scan.fingerprint for scan in self.scans]
        return hashlib.sha256("\n".join(prints).encode()).hexdigest()

    @property
    def notes(self) -> tuple[str, ...]:
        """What is absent from steps, and what was left out."""
        said = [
            f"{step.title} lacks {len(gone)} of {len(self.anatomy.by_tensor)} tensors "
            f"({gone[0]}{', …' if len(gone) > 1 else ''}): air there."
            for step, gone in zip(self.steps, self.absent, strict=True)
            if gone
        ]
        return (*said, *self._left)

    @property
    def still(self) -> Scan:
        """The scan of the step that is looked at."""
        return self.scans[self.present]

    @property
    def files(self) -> tuple[Path | Address, ...]:
        """The files of all steps."""
        return tuple(file for scan in self.scans for file in scan.checkpoint.files)

    def attend(self, step: int) -> None:
        """Look at a step, by its place from 0: what a scan answers is about it from now on."""
        self.present = min(max(int(step), 0), len(self.steps) - 1)
        self.checkpoint = self.scans[self.present].checkpoint
        self.__dict__.pop("_estimate", None)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor of the reference."""
        return self._reference[1].shapes

    @cached_property
    def losses(self) -> "Losses":
        """The losses that the run noted in ``log.json`` or its trainer's state; may be empty."""
        from .losses import read_losses

        return read_losses([step.path for step in self.steps])

    def volume(
        self,
        layout: str = "auto",
        signal: str | None = None,
        reduction: str | None = None,
        *,
        tensor: str | None = None,
        role: str | None = None,
        exact: bool = True,
        progress: Progress | None = None,
    ) -> Volume:
        """Voxels of all steps, the steps along the first axis; parameters as of `Scan.volume`.

        ``volume[t]`` equals the volume of step t alone. The window is one for all steps.
        """
        signal = signal or self.usual_signal
        resolve_reduction(signal, reduction)
        frames: list[Volume] = []
        options: dict[str, Any] = {} if role is None else {"role": role}
        if layout == "circuits":
            frames = [scan.volume(layout, signal, reduction, **options) for scan in self.scans]
        else:
            made = make_layout(layout, self.anatomy, self.shapes, tensor=tensor, **options)
            frames = [
                scan.laid_out(made, signal, reduction, exact=exact, progress=progress)
                for scan in self.scans
            ]
        return SeriesVolume(frames, self)

    def growth(self, progress: Progress | None = None) -> "Growth":
        """Norm, spread and change of every part over time, from the cache or in one pass.

        Raises
        ------
        Cancelled
            `progress` asked to stop.
        """
        from .growth import measure_growth

        return measure_growth(self, progress)

    def close(self) -> None:
        """Release the files of all steps."""
        for scan in self._own:
            scan.close()

    def __repr__(self) -> str:
        first, last = self.steps[0].title, self.steps[-1].title
        n = self.anatomy.n_parameters
        return f"<Series {self.name}: {len(self.steps)} steps, {first} to {last}, {n:,} parameters>"


def _agree(reference: tuple[Step, Scan], step: Step, scan: Scan) -> None:
    why = differences(reference[1], scan)
    if why:
        raise refuse(step.title, step.path, why, reference[0].title)


def _absolute(path: str) -> str:
    return str(address_of(path) or os.path.abspath(os.path.expanduser(path)))


def _close(opened: Sequence[tuple[Step, Scan]]) -> None:
    for _, scan in opened:
        scan.close()
