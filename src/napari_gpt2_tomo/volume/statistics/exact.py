"""Exact statistics: streamed once over every parameter, then kept in the user's cache."""

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...anatomy.anatomy import Anatomy
from ...base import Progress, cache_folder
from ...checkpoint.region import Region
from ...checkpoint.tensor import Checkpoint
from ..array_files import load_arrays, save_arrays
from ..kernels.compiled import prepare
from ..overview.run import Step, run_all
from ..reading.accumulator import key_values
from . import histogram
from .summary import Statistics, StatisticsBuilder

__all__ = [
    "Contribution",
    "exact_statistics",
    "file_matrices",
    "keep_statistics",
    "merge_tallies",
    "stored_statistics",
]

_VERSION = 1
"""Raised when the meaning of the stored arrays changes."""

Contribution = tuple[NDArray[np.float64], NDArray[np.uint16], NDArray[np.uint32]]
"""Moments (6,) as of `kernels.sums.pool_sums`, histogram bins in use and their counts."""


def statistics_path(checkpoint: Checkpoint, anatomy: Anatomy) -> Path:
    """File of the statistics of these parts of this checkpoint."""
    parts = [(p.tensor, p.view.offset, p.view.axes, p.shift) for p in anatomy.parts]
    digest = hashlib.sha256(json.dumps([_VERSION, checkpoint.fingerprint, parts]).encode())
    return cache_folder("statistics") / f"{digest.hexdigest()[:32]}.npz"


def stored_statistics(checkpoint: Checkpoint, anatomy: Anatomy) -> Statistics | None:
    """The exact statistics if the cache has them."""
    arrays = load_arrays(statistics_path(checkpoint, anatomy))
    try:
        return None if arrays is None else Statistics.from_arrays(arrays)
    except (KeyError, TypeError):
        return None


def keep_statistics(checkpoint: Checkpoint, anatomy: Anatomy, statistics: Statistics) -> None:
    """Write exact statistics to the cache; without a writable cache they are just not kept."""
    path = statistics_path(checkpoint, anatomy)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_arrays(path, statistics.to_arrays())


def merge_tallies(anatomy: Anatomy, tallies: Sequence[Mapping[int, Contribution]]) -> Statistics:
    """Statistics from what every tile contributes to every part, in the order of the tiles."""
    builder = StatisticsBuilder(anatomy)
    last = {part: i for i, tally in enumerate(tallies) for part in tally}
    counts: dict[int, NDArray[np.float64]] = {}
    for i, tally in enumerate(tallies):
        for part, (moments, bins, found) in tally.items():
            n, nonfinite, total, low, high, square = moments
            edges = key_values(np.array([low, high]).astype(np.int32)) if n else (np.inf, -np.inf)
            builder.add(part, int(n), int(nonfinite), total, square, *map(float, edges))
            held = counts.setdefault(part, np.zeros(histogram.BINS))
            held[bins] += found
            if last[part] == i:
                builder.finish_part(part, counts.pop(part))
    return builder.finish(estimate=False)


def exact_statistics(
    checkpoint: Checkpoint, anatomy: Anatomy, progress: Progress | None = None
) -> Statistics:
    """Read every parameter for its statistics, and keep them.

    Raises
    ------
    Cancelled
        `progress` asked to stop.
    """
    prepare()
    from ..kernels import rows, sums
    from ..kernels.matrices import Source
    from ..overview.stack import Tally
    from ..overview.stream import sampling

    found: list[dict[int, Contribution]] = [{} for _ in anatomy.parts]
    if progress is not None:
        progress.start(anatomy.n_parameters, "Statistics")

    def work(position: int, step: Step) -> None:
        part = anatomy.parts[position]
        tally = Tally()
        source = Source(None)
        total, count = np.zeros((1, 1)), np.zeros((1, 1), np.int32)
        for region in file_matrices(part.view.offset, part.view.axes) if part.size else ():
            for _, matrix in source.pieces(checkpoint[part.tensor], position, region):
                sums.pool_sums(
                    matrix.values,
                    matrix.values.view(np.int32),
                    matrix.stride,
                    matrix.rows,
                    matrix.columns,
                    0,
                    0,
                    _ONE_BLOCK,
                    rows.SQUARES,
                    total,
                    count,
                    tally.moments,
                    tally.counts,
                    sampling(part.size),
                )
                step(matrix.rows * matrix.columns)
        found[position][position] = tally.contribution()

    run_all(work, range(len(anatomy.parts)), progress)
    statistics = merge_tallies(anatomy, found)
    keep_statistics(checkpoint, anatomy, statistics)
    return statistics


_ONE_BLOCK = 2**40
"""A pooling factor so large that a part is a single block."""

_LONGEST_ROW = 2**16
"""Elements: longer rows (a vector of millions) are folded into several."""


def file_matrices(offset: int, axes: Sequence[Sequence[tuple[int, int]]]) -> list[Region]:
    """A view as two-dimensional regions whose rows run along the file."""
    digits = sorted(((stride, n) for axis in axes for n, stride in axis if n > 1), reverse=True)
    merged: list[tuple[int, int]] = []
    for stride, n in digits:
        if merged and merged[-1][0] == n * stride:
            merged[-1] = (stride, merged[-1][1] * n)
        else:
            merged.append((stride, n))
    if not merged:
        merged = [(1, 1)]
    *major, (stride, n) = merged
    if n > _LONGEST_ROW:
        rows, rest = divmod(n, _LONGEST_ROW)
        inner = [(0, rows, _LONGEST_ROW * stride, _LONGEST_ROW)]
        if rest:
            inner.append((rows * _LONGEST_ROW * stride, 1, 0, rest))
    elif major:
        row_stride, rows = major.pop()
        inner = [(0, rows, row_stride, n)]
    else:
        inner = [(0, 1, 0, n)]
    regions = []
    for index in np.ndindex(*[count for _, count in major]):
        base = offset + sum(i * s for i, (s, _) in zip(index, major, strict=True))
        regions += [
            Region(base + first, (rows, columns), (row_stride, stride))
            for first, rows, row_stride, columns in inner
        ]
    return regions
