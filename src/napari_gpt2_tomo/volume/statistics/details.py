"""What moments do not tell of a part: how sparse it is, how heavy its tails, how large its norms.

Read on demand in one pass over the weights, part by part and in chunks, so that memory
does not grow with the model; kept in the user's cache beside the other statistics.
"""

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...anatomy.anatomy import Anatomy
from ...anatomy.part import Part
from ...base import Progress
from ...checkpoint.region import Region
from ...checkpoint.tensor import Checkpoint
from ..array_files import load_arrays, save_arrays
from ..overview.run import Step, run_all
from .exact import exact_statistics, file_matrices, statistics_path, stored_statistics
from .summary import Statistics

__all__ = ["NEAR_SIGMAS", "Details", "exact_details", "stored_details"]

NEAR_SIGMAS = 0.1
"""Standard deviations of its part within which a weight counts as near zero.

A share of the spread means the same in every part and model: of a normal distribution
around 0 it holds 8 %.
"""

CHUNK = 2**17
"""Elements looked at in one step: 1 MB of float64 stays in a core's cache."""

_VERSION = 1
"""Raised when the meaning of the stored arrays changes."""


@dataclass(frozen=True)
class Details:
    """Sparsity, tails and norms of the finite values; every array has one row per part.

    Attributes
    ----------
    zeros
        Values that are exactly 0.
    near
        Values of magnitude at most `NEAR_SIGMAS` standard deviations of the part, zeros included.
    kurtosis
        Fourth standardised moment, Σ(w−mean)⁴/n / σ⁴: 3 for a normal distribution, more
        where a few weights lie far out. NaN where nothing varies.
    l1, l2
        Sum of magnitudes, and the Euclidean (Frobenius) norm √Σw².
    """

    zeros: NDArray[np.int64]
    near: NDArray[np.int64]
    kurtosis: NDArray[np.float64]
    l1: NDArray[np.float64]
    l2: NDArray[np.float64]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as arrays by name, for a file."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "Details":
        """The inverse of `to_arrays`."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def stored_details(checkpoint: Checkpoint, anatomy: Anatomy) -> Details | None:
    """The details if the cache has them."""
    arrays = load_arrays(_path(checkpoint, anatomy))
    try:
        return None if arrays is None else Details.from_arrays(arrays)
    except KeyError:
        return None


def exact_details(
    checkpoint: Checkpoint, anatomy: Anatomy, progress: Progress | None = None
) -> Details:
    """The details of every part, from the cache or by reading every parameter once.

    What "near zero" and "tails" refer to are the exact mean and spread of a part; where
    the cache does not have those yet, they take a pass of their own.

    Raises
    ------
    Cancelled
        `progress` asked to stop.
    """
    found = stored_details(checkpoint, anatomy)
    if found is not None:
        return found
    statistics = stored_statistics(checkpoint, anatomy)
    if statistics is None:
        statistics = exact_statistics(checkpoint, anatomy, progress)
    found = _streamed(checkpoint, anatomy, statistics, progress)
    path = _path(checkpoint, anatomy)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_arrays(path, found.to_arrays())
    return found


def _path(checkpoint: Checkpoint, anatomy: Anatomy) -> Path:
    path = statistics_path(checkpoint, anatomy)
    return path.with_name(f"{path.stem}-details-{_VERSION}.npz")


def _streamed(
    checkpoint: Checkpoint, anatomy: Anatomy, statistics: Statistics, progress: Progress | None
) -> Details:
    count = len(anatomy.parts)
    zeros, near = np.zeros(count, np.int64), np.zeros(count, np.int64)
    kurtosis, l1, l2 = np.full(count, np.nan), np.zeros(count), np.zeros(count)
    held = threading.local()
    if progress is not None:
        progress.start(anatomy.n_parameters, "Sparsity, tails and norms")

    def work(position: int, step: Step) -> None:
        if not hasattr(held, "scratch"):
            # Fresh memory for every chunk would cost as much as the sums.
            held.scratch = np.empty((2, CHUNK))
        part = anatomy.parts[position]
        mean, sigma = float(statistics.mean[position]), float(statistics.sigma[position])
        sums = np.zeros(6)
        for region in _chunks(part):
            values = _values(checkpoint, part, region, held.scratch[0])
            sums += _sums(values, mean, NEAR_SIGMAS * sigma, held.scratch[1])
            step(region.size)
        zeros[position], near[position] = int(sums[0]), int(sums[1])
        n, second, fourth = int(statistics.n[position]), sums[4], sums[5]
        if sigma > 0 and second > 0:
            kurtosis[position] = fourth * n / second**2
        l1[position], l2[position] = sums[2], np.sqrt(sums[3])

    run_all(work, range(count), progress)
    return Details(zeros, near, kurtosis, l1, l2)


def _chunks(part: Part) -> list[Region]:
    """The elements of a part as regions of at most `CHUNK` elements, in file order."""
    found: list[Region] = []
    for matrix in file_matrices(part.view.offset, part.view.axes) if part.size else ():
        (rows, columns), (row_stride, stride) = matrix.shape, matrix.strides
        width = min(columns, CHUNK)
        height = CHUNK // width
        for row in range(0, rows, height):
            for column in range(0, columns, width):
                start = matrix.offset + row * row_stride + column * stride
                shape = (min(height, rows - row), min(width, columns - column))
                found.append(Region(start, shape, (row_stride, stride)))
    return found


def _values(
    checkpoint: Checkpoint, part: Part, region: Region, scratch: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The finite values of a region of a part as float64, flat."""
    values = scratch[: region.size]
    np.copyto(values.reshape(region.shape), checkpoint[part.tensor].read(region), casting="unsafe")
    if part.shift:
        values += part.shift
    # The sum of finite weights is finite: one pass instead of a mask for each chunk.
    return values if np.isfinite(values.sum()) else values[np.isfinite(values)]


def _sums(
    values: NDArray[np.float64], mean: float, threshold: float, scratch: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Zeros, near zeros, Σ|w|, Σw², Σ(w−mean)², Σ(w−mean)⁴."""
    work = scratch[: values.size]
    np.abs(values, out=work)
    zeros = values.size - np.count_nonzero(work)
    near = np.count_nonzero(work <= threshold)
    total = work.sum()
    np.multiply(values, values, out=work)
    square = work.sum()
    np.subtract(values, mean, out=work)
    np.multiply(work, work, out=work)
    second = work.sum()
    np.multiply(work, work, out=work)
    return np.array([zeros, near, total, square, second, work.sum()])
