"""Reading boxes of a volume, at any level, from the checkpoint."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...checkpoint.tensor import LazyTensor
from ..layouts.blocks import TensorLayout
from ..layouts.layout import BlockLayout, Box, Layout, Piece
from .accumulator import Accumulator
from .signal import Reduction, Signal

__all__ = ["BlockReader", "LevelReader", "make_reader"]


class LevelReader(Protocol):
    """What turns a layout, a signal and the tensors into voxels."""

    signal: Signal
    reduction: Reduction

    @property
    def layout(self) -> Layout:
        """The layout that is read."""

    def read(self, box: Box, level: int) -> NDArray[np.float32]:
        """Voxels of a box of a level; a box counts that level's voxels."""

    def labels(self, box: Box, level: int) -> NDArray[np.int32]:
        """Part number + 1 of every voxel of a box of a level, 0 in air."""


class BlockReader:
    """Reads layouts that are made of blocks; touches only the bytes of a box."""

    def __init__(
        self,
        layout: BlockLayout,
        tensors: Mapping[str, LazyTensor],
        signal: Signal,
        reduction: Reduction,
    ) -> None:
        self.layout = layout
        self.tensors = tensors
        self.signal = signal
        self.reduction: Reduction = reduction

    def read(self, box: Box, level: int) -> NDArray[np.float32]:
        """Voxels of a box of a level; a box counts that level's voxels."""
        if level == 0:
            return self._read(box)
        factors = self.layout.factors[level]
        fine = tuple((a * f, b * f) for (a, b), f in zip(box, factors, strict=True))
        coarse = Accumulator([b - a for a, b in box], factors, self.reduction)
        for values, start in self.values(fine):
            coarse.add(values, start)
        return coarse.result()

    def values(self, box: Box) -> Iterator[tuple[NDArray[np.float32], tuple[int, ...]]]:
        """The parameters in a box of level 0, without the air: boxes of values and their start."""
        for piece in self.layout.pieces(box):
            tensor = self.tensors[piece.tensor]
            shape = [t.stop - t.start for t in piece.target]
            if len(shape) > 1 and piece.region.strides[-1] > piece.region.strides[-2] > 0:
                # Held as it lies in the file: turning millions of values costs more than all else.
                turned = np.empty([*shape[:-2], shape[-1], shape[-2]], np.float32)
                values = turned.swapaxes(-1, -2)
            else:
                values = np.empty(shape, np.float32)
            split = values.reshape(piece.split)
            if self.signal.is_weight:
                with np.errstate(over="ignore", invalid="ignore"):
                    tensor.read_into(piece.region, split)
                self.signal.finish(values)
            else:
                self.signal.write(tensor.read(piece.region), self._part(piece), split)
            yield values, tuple(t.start for t in piece.target)

    def _read(self, box: Box) -> NDArray[np.float32]:
        out = np.zeros([b - a for a, b in box], np.float32)
        if self.signal.is_weight:
            # The signal of all pieces at once: a plane may have hundreds of small ones.
            with np.errstate(over="ignore", invalid="ignore"):
                for piece in self.layout.pieces(box):
                    target = out[piece.target].reshape(piece.split)
                    self.tensors[piece.tensor].read_into(piece.region, target)
                self.signal.finish(out)
            return out
        for piece in self.layout.pieces(box):
            weights = self.tensors[piece.tensor].read(piece.region)
            target = out[piece.target].reshape(piece.split)
            self.signal.write(weights, self._part(piece), target)
        return out

    def _part(self, piece: Piece) -> int | NDArray[np.integer[Any]]:
        """The part of a piece, or of each of its elements where a block spans several."""
        if self.signal.needs_part and isinstance(self.layout, TensorLayout):
            region = piece.region
            flat = np.full(region.shape, region.offset, np.int64)
            for axis, stride in enumerate(region.strides):
                along = [-1 if i == axis else 1 for i in range(flat.ndim)]
                flat += (np.arange(region.shape[axis]) * stride).reshape(along)
            return self.layout.lookup.at(flat)
        return piece.part

    def labels(self, box: Box, level: int) -> NDArray[np.int32]:
        """Part number + 1 of every voxel of a box of a level, 0 in air.

        A coarse voxel has the label of the first parameter in it, in C order.
        """
        factors = self.layout.factors[level]
        if isinstance(self.layout, TensorLayout):
            return self.layout.labels(box, factors)
        shape = [b - a for a, b in box]
        out = np.zeros(shape, np.int32)
        # Distance, in C order inside the coarse voxel, of the first parameter found so far.
        nearest = np.full(shape, np.iinfo(np.int64).max)
        fine = tuple((a * f, b * f) for (a, b), f in zip(box, factors, strict=True))
        for block in self.layout.blocks_in(fine):
            target = []
            distance: NDArray[np.int64] = np.zeros((1,) * len(shape), np.int64)
            for axis, (start, stop, (a, b), f) in enumerate(
                zip(block.start, block.stop, box, factors, strict=True)
            ):
                low, high = max(start // f, a), min(-(-stop // f), b)
                target.append(slice(low - a, high - a))
                ahead = np.maximum(start - np.arange(low, high) * f, 0)
                along = [-1 if i == axis else 1 for i in range(len(shape))]
                distance = distance * f + ahead.reshape(along)
            at = tuple(target)
            closer = distance < nearest[at]
            out[at][closer] = block.part + 1
            nearest[at] = np.where(closer, distance, nearest[at])
        return out


def make_reader(
    layout: Layout,
    tensors: Mapping[str, LazyTensor],
    signal: Signal,
    reduction: Reduction,
) -> LevelReader:
    """The reader for a layout."""
    if isinstance(layout, BlockLayout):
        return BlockReader(layout, tensors, signal, reduction)
    from ..layouts.cube import CubeLayout
    from .cube_reader import CubeReader

    if isinstance(layout, CubeLayout):
        return CubeReader(layout, tensors, signal, reduction)
    raise TypeError(f"no reader for {type(layout).__name__}")
