"""Statistics of the weights, per part and over all, for windows and signals."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...anatomy.anatomy import Anatomy
from ...anatomy.view import View
from ...checkpoint.ahead import read_ahead
from ...checkpoint.region import Region
from ...checkpoint.tensor import LazyTensor
from . import histogram

__all__ = [
    "QUANTILES",
    "SAMPLE_RUN",
    "Statistics",
    "StatisticsBuilder",
    "estimate_statistics",
]

QUANTILES = np.array([0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999])
"""Shares at which a part's quantiles are kept."""

SAMPLE_RUN = 2**12
"""Elements: one short run per sampled part, 16 KB of float32."""

SAMPLE_PARTS = 192
"""Parts sampled for an estimate: about 3 MB of reading at most, in a few milliseconds."""


REMOTE_SAMPLE_PARTS = 48
"""Of a checkpoint on a server: less than 1 MB, in a few answers one after another."""


@dataclass(frozen=True)
class Statistics:
    """Moments, extremes and quantiles of the finite weights; every array has one row per part.

    Attributes
    ----------
    n, nonfinite
        Finite and non-finite (NaN, ±inf) parameters.
    mean, sigma, low, high
        Mean, standard deviation (population), minimum and maximum of the finite values.
    quantiles
        Shape ``(parts, len(QUANTILES))``; from a histogram of 16 bins an octave.
    weights, scores
        Histograms (`histogram.BINS`) over all parts of the value and of its
        z-score in its part.
    estimate
        Whether this comes from a sample and not from every parameter.
    """

    n: NDArray[np.int64]
    nonfinite: NDArray[np.int64]
    mean: NDArray[np.float64]
    sigma: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    weights: NDArray[np.float64]
    scores: NDArray[np.float64]
    estimate: bool

    def overall(self) -> tuple[float, float]:
        """Mean and standard deviation over all parts."""
        total = self.n.sum()
        if not total:
            return 0.0, 0.0
        mean = float((self.n * self.mean).sum() / total)
        square = float((self.n * (self.sigma**2 + (self.mean - mean) ** 2)).sum() / total)
        return mean, float(np.sqrt(square))

    def distribution(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The distribution function of the weights: values, and the share at or below each."""
        counts, lower, upper = histogram.ascending(self.weights)
        used = np.flatnonzero(counts)
        if not len(used):
            return np.zeros(1, np.float32), np.zeros(1, np.float32)
        values = np.append(lower[used[0]], upper[used])
        ranks = np.append(0.0, np.cumsum(counts[used]) / counts.sum())
        return values.astype(np.float32), ranks.astype(np.float32)

    def range(self, signal: str) -> tuple[float, float]:
        """Smallest and largest finite value of a signal."""
        held = self.n > 0
        if not held.any():
            return 0.0, 0.0
        low, high = float(self.low[held].min()), float(self.high[held].max())
        if signal == "magnitude":
            return 0.0, max(abs(low), abs(high))
        if signal == "rank":
            return 0.0, 1.0
        if signal == "sigma_global":
            mean, sigma = self.overall()
            return ((low - mean) / sigma, (high - mean) / sigma) if sigma else (0.0, 0.0)
        if signal == "sigma":
            spread = np.where(self.sigma > 0, self.sigma, np.inf)
            scores = np.stack([(self.low - self.mean) / spread, (self.high - self.mean) / spread])
            return float(scores[0, held].min()), float(scores[1, held].max())
        return low, high

    def window(self, signal: str, low: float = 0.1, high: float = 99.9) -> tuple[float, float]:
        """Limits between two percentiles of a signal, usable as contrast limits.

        Signed signals get limits symmetric around 0, magnitudes begin at 0;
        constant data get value ± 1.
        """
        shares = np.array([low, high]) / 100
        if signal == "rank":
            return 0.0, 1.0
        if signal == "magnitude":
            limits = np.array([0.0, histogram.quantiles(histogram.fold(self.weights), shares)[1]])
        else:
            source = self.scores if signal == "sigma" else self.weights
            limits = histogram.quantiles(source, shares)
            if signal == "sigma_global":
                mean, sigma = self.overall()
                limits = (limits - mean) / sigma if sigma else np.zeros(2)
            if limits[0] < 0 < limits[1]:
                limits = np.array([-1.0, 1.0]) * np.abs(limits).max()
        smallest, largest = self.range(signal)
        if signal == "magnitude":
            first, last = self.range("signed")
            smallest = largest if first == last else smallest
        if smallest == largest or limits[0] == limits[1]:
            return largest - 1, largest + 1
        return float(limits[0]), float(limits[1])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as arrays by name, for a file."""
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> "Statistics":
        """The inverse of `to_arrays`."""
        return cls(**{**arrays, "estimate": bool(arrays["estimate"])})


class Moments(NamedTuple):
    """Mean and mean square of some values, their extremes, and their quantiles at `QUANTILES`."""

    mean: float
    square: float
    low: float
    high: float
    quantiles: NDArray[np.float64]


class StatisticsBuilder:
    """Collects moments and histograms part by part; not thread-safe."""

    def __init__(self, anatomy: Anatomy) -> None:
        count = len(anatomy.parts)
        self._shift = np.array([part.shift for part in anatomy.parts])
        self.n = np.zeros(count, np.int64)
        self.nonfinite = np.zeros(count, np.int64)
        self._sum = np.zeros(count)
        self._square = np.zeros(count)
        self.low = np.full(count, np.inf)
        self.high = np.full(count, -np.inf)
        self._quantiles = np.zeros((count, len(QUANTILES)))
        self._weights = np.zeros(histogram.BINS)
        self._scores = np.zeros(histogram.BINS)

    def add(
        self,
        part: int,
        n: int,
        nonfinite: int,
        total: float,
        square: float,
        low: float,
        high: float,
    ) -> None:
        """Add moments of finite stored values: count, Σw, Σw², minimum, maximum."""
        self.n[part] += n
        self.nonfinite[part] += nonfinite
        self._sum[part] += total
        self._square[part] += square
        self.low[part] = min(self.low[part], low)
        self.high[part] = max(self.high[part], high)

    def finish_part(self, part: int, counts: NDArray[np.float64]) -> None:
        """Close a part with the histogram of its (possibly sampled) stored values."""
        n, seen = self.n[part], counts.sum()
        if not n or not seen:
            return
        mean = self._sum[part] / n
        low, high = self.low[part], self.high[part]
        # Rounding must not turn a constant part into one with a tiny spread.
        sigma = np.sqrt(max(self._square[part] / n - mean * mean, 0.0)) if low < high else 0.0
        weights = counts * (n / seen)
        ordered, lower, upper = histogram.ascending(weights)
        used = np.flatnonzero(ordered)
        # A bin may be much wider than a part whose values hardly differ.
        middle = np.clip((lower[used] + upper[used]) / 2, low, high)
        shift = self._shift[part]
        if shift:
            weights = np.zeros(histogram.BINS)
            _count(weights, middle + shift, ordered[used])
        self._weights += weights
        if sigma > 0:
            _count(self._scores, (middle - mean) / sigma, ordered[used])
        found = histogram.quantiles(counts, QUANTILES)
        self._quantiles[part] = np.clip(found, low, high)

    def mean_moments(self, parts: Sequence[int]) -> Moments:
        """The moments of some parts on average."""
        n = self.n[parts]
        return Moments(
            (self._sum[parts] / n).mean(),
            (self._square[parts] / n).mean(),
            self.low[parts].min(),
            self.high[parts].max(),
            self._quantiles[parts].mean(axis=0),
        )

    def copy_moments(self, part: int, moments: Moments, size: int) -> None:
        """Give a part of `size` parameters the moments of others."""
        self.n[part] = size
        self._sum[part] = moments.mean * size
        self._square[part] = moments.square * size
        self.low[part], self.high[part] = moments.low, moments.high
        self._quantiles[part] = moments.quantiles

    def finish(self, estimate: bool) -> Statistics:
        """The statistics of the parts' values (stored value + shift)."""
        n = np.maximum(self.n, 1)
        mean = self._sum / n
        sigma = np.sqrt(np.maximum(self._square / n - mean * mean, 0.0))
        held = self.n > 0
        sigma[self.low == self.high] = 0.0  # As in `finish_part`.
        return Statistics(
            self.n,
            self.nonfinite,
            np.where(held, mean + self._shift, 0.0),
            np.where(held, sigma, 0.0),
            np.where(held, self.low + self._shift, 0.0),
            np.where(held, self.high + self._shift, 0.0),
            self._quantiles + self._shift[:, None],
            self._weights,
            self._scores,
            estimate,
        )


def _count(
    counts: NDArray[np.float64], values: NDArray[np.float64], weights: NDArray[np.float64]
) -> None:
    bits = values.astype(np.float32).view(np.uint32) >> histogram.SHIFT
    np.add.at(counts, bits, weights)


def estimate_statistics(
    tensors: Mapping[str, LazyTensor],
    anatomy: Anatomy,
    run: int = SAMPLE_RUN,
    *,
    remote: bool = False,
) -> Statistics:
    """Statistics from one run of about `run` elements in each of the larger parts.

    Costs milliseconds whatever the size. A part that was not sampled borrows
    the moments of the sampled parts of its role. A checkpoint so small that the
    samples are all of it gets exact statistics.
    """
    builder = StatisticsBuilder(anatomy)
    known: set[int] = set()
    # Sorting is stable: parts of one size stay in forward order, so a stride
    # through the list visits every depth of the model.
    order = sorted(range(len(anatomy.parts)), key=lambda i: -anatomy.parts[i].size)
    parts = REMOTE_SAMPLE_PARTS if remote else SAMPLE_PARTS
    step = -(-len(order) // parts) or 1
    sampled = order[::step]
    known.update(i for i in sampled if not anatomy.parts[i].size)
    regions = {i: _middle_run(anatomy.parts[i].view, run) for i in sampled if i not in known}
    read_ahead((tensors[anatomy.parts[i].tensor], region) for i, region in regions.items())
    for i, region in regions.items():
        part = anatomy.parts[i]
        values = tensors[part.tensor].read(region)
        if values.size == part.size:
            known.add(i)
        with np.errstate(over="ignore", invalid="ignore"):
            _add_sample(builder, i, part.size, values.astype(np.float32))
    _borrow(builder, anatomy, known)
    return builder.finish(estimate=len(known) < len(anatomy.parts))


def _middle_run(view: View, run: int) -> Region:
    """About `run` elements from the middle of a view that lie close together in the file."""
    offset, held = view.offset, 1
    sizes: list[int] = []
    strides: list[int] = []
    for stride, n in sorted((stride, n) for digits in view.axes for n, stride in digits):
        take = min(n, max(1, run // held))
        offset += (n - take) // 2 * stride
        held *= take
        sizes.append(take)
        strides.append(stride)
    return Region(offset, tuple(sizes[::-1]), tuple(strides[::-1]))


def _add_sample(builder: StatisticsBuilder, i: int, size: int, values: NDArray[np.float32]) -> None:
    """Add a sample of part `i`, weighted as the whole part."""
    finite = values[np.isfinite(values)]
    if values.size == size:
        n, hidden = finite.size, size - finite.size
    else:
        n, hidden = size if finite.size else 0, 0
    if not finite.size:
        builder.add(i, 0, hidden, 0.0, 0.0, np.inf, -np.inf)
        return
    wide = finite.astype(np.float64)
    scale = n / finite.size
    total, square = float(wide.sum()) * scale, float((wide * wide).sum()) * scale
    builder.add(i, n, hidden, total, square, float(finite.min()), float(finite.max()))
    counts = np.zeros(histogram.BINS)
    histogram.add(counts, finite)
    builder.finish_part(i, counts)


def _borrow(builder: StatisticsBuilder, anatomy: Anatomy, known: Collection[int]) -> None:
    """Give parts without a sample the mean moments of their role, or of all parts."""
    sampled: dict[str | None, list[int]] = {None: []}
    for i in np.flatnonzero(builder.n):
        sampled.setdefault(anatomy.parts[i].role, []).append(int(i))
        sampled[None].append(int(i))
    if not sampled[None]:
        return

    @cache
    def mean_moments(role: str | None) -> Moments:
        return builder.mean_moments(sampled[role])

    for i in np.flatnonzero(builder.n == 0):
        if i not in known:
            part = anatomy.parts[i]
            role = part.role if part.role in sampled else None
            builder.copy_moments(int(i), mean_moments(role), part.size)
