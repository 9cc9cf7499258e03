"""What volumes have to show, computed the slow and obvious way."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from napari_gpt2_tomo.volume.kernels import matrices
from napari_gpt2_tomo.volume.layouts import body, cube, levels
from napari_gpt2_tomo.volume.layouts.layout import Layout
from napari_gpt2_tomo.volume.overview import stream
from napari_gpt2_tomo.volume.reading import accumulator as reduce
from napari_gpt2_tomo.volume.reading.reader import LevelReader
from napari_gpt2_tomo.volume.statistics.exact import merge_tallies
from napari_gpt2_tomo.volume.statistics.summary import Statistics
from volume.fakes import MemoryCheckpoint


@contextmanager
def limits(
    *,
    plane: int = levels.PLANE_LIMIT,
    voxels: int = levels.VOXEL_LIMIT,
    stored: int = stream.STORED_VOXELS,
    piece: int = matrices.PIECE,
    tile: int = stream._TILE_BYTES,
    compiled: bool = False,
) -> Iterator[None]:
    """Smaller limits, so that small volumes have many levels and small matrices many pieces.

    `compiled` says whether coarse levels on demand use the compiled kernels. The cube
    took its limit when it was imported.
    """
    assert cube.VOXEL_LIMIT == 2**17
    with pytest.MonkeyPatch.context() as patch:
        for module in (levels, body):
            patch.setattr(module, "PLANE_LIMIT", plane)
            patch.setattr(module, "VOXEL_LIMIT", voxels)
        patch.setattr(stream, "STORED_VOXELS", stored)
        patch.setattr(stream, "_TILE_BYTES", tile)
        patch.setattr(matrices, "PIECE", piece)
        patch.setattr(reduce, "is_ready", lambda: compiled)
        yield


def parameters(checkpoint: MemoryCheckpoint, buffers: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Tensor, index and true value of every parameter."""
    for name, values in checkpoint.truth.items():
        if name not in buffers:
            for index in np.ndindex(values.shape):
                yield name, index, values[index]


def to_float32(values: Any) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values).astype(np.float32)


def same(left: np.ndarray, right: np.ndarray) -> bool:
    """Bit for bit; any NaN equals any other."""
    if left.shape != right.shape or left.dtype != np.float32 or right.dtype != np.float32:
        return False
    left, right = np.atleast_1d(left), np.atleast_1d(right)
    nan = np.isnan(left)
    return bool(
        (nan == np.isnan(right)).all()
        and (left[~nan].view(np.uint32) == right[~nan].view(np.uint32)).all()
    )


def level_zero(checkpoint: MemoryCheckpoint, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """The signed volume, and where its parameters are, put together from `Layout.voxel`."""
    voxels = np.zeros(layout.shape, np.float32)
    held = np.zeros(layout.shape, bool)
    for name, index, value in parameters(checkpoint, layout.anatomy.buffers):
        at = layout.voxel(name, index)
        assert not held[at], f"{name}{index} shares voxel {at}"
        voxels[at] = to_float32(value)
        held[at] = True
    return voxels, held


def blocks(values: np.ndarray, factors: Sequence[int]) -> np.ndarray:
    """The elements of each block along a last axis, in C order."""
    split = [n for size, f in zip(values.shape, factors, strict=True) for n in (size // f, f)]
    order = [*range(0, 2 * values.ndim, 2), *range(1, 2 * values.ndim, 2)]
    shape = [size // f for size, f in zip(values.shape, factors, strict=True)]
    return values.reshape(split).transpose(order).reshape(*shape, math.prod(factors))


def reduced(
    fine: np.ndarray, held: np.ndarray, factors: Sequence[int], reduction: str
) -> tuple[np.ndarray, np.ndarray]:
    """A coarse level of level 0 in float64, and by how much a float64 sum may be off."""
    values, use = blocks(fine, factors), blocks(held, factors)
    use = use & np.isfinite(values)
    count = np.maximum(use.sum(-1), 1)
    wide = np.where(use, values, 0).astype(np.float64)
    if reduction == "extreme":
        largest = np.where(use, values, -np.inf).max(-1)
        smallest = np.where(use, values, np.inf).min(-1)
        found = np.where(largest >= -smallest, largest, smallest)
        found = np.where(use.any(-1), found, 0) + 0.0
        return found.astype(np.float32), np.zeros(found.shape)
    slack = np.abs(wide).sum(-1) / count * 1e-14
    if reduction == "rms":
        exact = np.sqrt([math.fsum(v) for v in (wide**2).reshape(-1, wide.shape[-1])])
        return (exact.reshape(count.shape) / np.sqrt(count)), slack
    exact = np.array([math.fsum(v) for v in wide.reshape(-1, wide.shape[-1])])
    return exact.reshape(count.shape) / count, slack


def assert_reduced(
    found: np.ndarray,
    fine: np.ndarray,
    held: np.ndarray,
    factors: Sequence[int],
    reduction: str,
) -> None:
    """A coarse level is the reduction of level 0: extreme bit for bit, others to 1 ulp.

    Where values of opposite sign cancel in a mean, float64 has no more digits than it has.
    """
    wanted, slack = reduced(fine, held, factors, reduction)
    assert found.dtype == np.float32
    assert found.shape == wanted.shape
    if reduction == "extreme":
        assert same(found, wanted)
        return
    ulp = np.spacing(np.abs(wanted).astype(np.float32)).astype(np.float64)
    assert (np.abs(found.astype(np.float64) - wanted) <= ulp + slack).all()


def streamed(reader: LevelReader, tallied: bool) -> dict[int, np.ndarray]:
    """The levels of a streaming pass, put together from its tiles."""
    levels, _ = _run(reader, tallied)
    return levels


def passed(reader: LevelReader) -> Statistics | None:
    """The statistics that a streaming pass collects; None if there is nothing to stream."""
    _, tallies = _run(reader, True)
    if not tallies:
        return None
    found = [{part: tally.contribution() for part, tally in tile.items()} for tile in tallies]
    return merge_tallies(reader.layout.anatomy, found)


def _run(reader: LevelReader, tallied: bool) -> tuple[dict[int, np.ndarray], list[Any]]:
    layout = reader.layout
    shapes = [layout.level_shape(i) for i in range(len(layout.factors))]
    if stream.first_stored_level(shapes) == len(shapes):
        return {}, []
    work = stream.make_pass(reader, tallied)
    found = {
        level: np.full(shapes[level], np.nan, np.float32)
        for level in range(work.first, len(shapes))
    }
    tallies = []
    for tile in work.tiles:
        chunks = [
            tuple(max(1, n // f) for n, f in zip(work.tile_shape, factors, strict=True))
            for factors in layout.factors[work.first :]
        ]
        # A pass gets memory with whatever was in it.
        out = [np.full(chunk, np.nan, np.float32) for chunk in chunks]
        tallies.append(work.run(tile, out, lambda amount: None))
        for level, values in enumerate(out, work.first):
            start = [i * n for i, n in zip(tile.index, values.shape, strict=True)]
            target = found[level][tuple(slice(a, None) for a in start)]
            size = [min(a, b) for a, b in zip(target.shape, values.shape, strict=True)]
            cut = tuple(slice(0, n) for n in size)
            target[cut] = values[cut]
    return found, tallies
