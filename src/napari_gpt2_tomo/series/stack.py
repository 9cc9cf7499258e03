"""Voxels of several checkpoints along one axis: where they lie, and how boxes of them are read."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..volume.layouts.layout import Box, Layout, Place
from ..volume.reading.reader import LevelReader
from ..volume.volume import Volume
from .agree import AbsentTensor

__all__ = ["AXIS", "Gone", "SeriesLayout", "SeriesReader"]

AXIS = "step"
"""Name of the axis that counts the steps."""


class SeriesLayout(Layout):
    """The layout of one step, repeated along a first axis.

    The steps are never halved: each level has all of them.
    """

    def __init__(self, still: Layout, count: int) -> None:
        self.still = still
        self.name = still.name
        self.anatomy = still.anatomy
        self.shape = (count, *still.shape)
        self.axes = (AXIS, *still.axes)
        self.factors = tuple((1, *factors) for factors in still.factors)
        self.n_parameters = count * still.n_parameters

    @property
    def token(self) -> str:
        """Hex digest of everything that decides which parameter lies where in a step.

        It does not depend on the number of steps: a series that grows shows what it did.
        """
        return hashlib.sha256(f"{AXIS} {self.still.token}".encode()).hexdigest()

    def place(self, voxel: Sequence[int]) -> Place | None:
        """The parameter at a voxel, of whichever step; None in air, IndexError outside."""
        return self.still.place(self._check(voxel)[1:])

    def voxel(self, tensor: str, index: Sequence[int]) -> tuple[int, ...]:
        """The voxel of a stored parameter in the first step."""
        return (0, *self.still.voxel(tensor, index))


class SeriesReader:
    """Reads boxes that reach over several steps, each from its own reader."""

    def __init__(self, layout: SeriesLayout, frames: Sequence[Volume], gone: "Gone") -> None:
        self.layout = layout
        self.signal = frames[0].reader.signal
        self.reduction = frames[0].reader.reduction
        self._frames = frames
        self._gone = gone

    def read(self, box: Box, level: int) -> NDArray[np.float32]:
        """Voxels of a box of a level; a box counts that level's voxels."""
        (first, stop), *inner = box
        frames = [
            self._gone.clear(
                step, self._frames[step].reader.read(tuple(inner), level), inner, level
            )
            for step in range(first, stop)
        ]
        return np.stack(frames) if frames else np.zeros([b - a for a, b in box], np.float32)

    def labels(self, box: Box, level: int) -> NDArray[np.int32]:
        """Part number + 1 of every voxel of a box of a level, 0 in air and what a step lacks."""
        (first, stop), *inner = box
        labels = self._frames[0].reader.labels(tuple(inner), level)
        out = np.repeat(labels[None], stop - first, axis=0)
        for step in range(first, stop):
            gone = self._gone.labels(step)
            if gone is not None:
                out[step - first][gone[labels]] = 0
        return out


class Gone:
    """What steps lack: by step, which labels of the atlas are air there."""

    def __init__(self, frames: Sequence[Volume]) -> None:
        self._reader: LevelReader = frames[0].reader
        self.parts = [_absent_parts(frame) for frame in frames]

    def labels(self, step: int) -> NDArray[np.bool_] | None:
        """For every label of the atlas whether the step lacks its part; None if it lacks none."""
        absent = self.parts[step]
        return np.append(False, absent) if absent.any() else None

    def clear(
        self, step: int, values: NDArray[np.float32], box: Sequence[tuple[int, int]], level: int
    ) -> NDArray[np.float32]:
        """Voxels of a box of a step in which what it lacks is 0, as air is.

        Coarse levels count what is absent as little as other values that are not finite.
        """
        gone = self.labels(step)
        if gone is None or level > 0:
            return values
        labels = self._reader.labels(tuple(box), level)
        values = np.array(values)
        values[np.isnan(values) & gone[labels]] = 0
        return values


def _absent_parts(frame: Volume) -> NDArray[np.bool_]:
    """Of every part of a step's volume whether the step lacks it, or what it is made of."""
    found = [
        any(isinstance(tensor, AbsentTensor) for tensor in frame.sources(part))
        for part in frame.anatomy.parts
    ]
    return np.array(found, bool)
