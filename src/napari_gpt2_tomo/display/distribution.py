"""How the values of a displayed signal are distributed, over all or in one part."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..anatomy import Anatomy, Part
from ..base import DisplayError
from ..checkpoint import Checkpoint
from ..volume.reading.signal import make_signal
from ..volume.statistics import histogram
from ..volume.statistics.summary import QUANTILES, Statistics
from .window import Scale

if TYPE_CHECKING:
    from ..volume.volume import Volume

__all__ = ["SAMPLE", "Distribution", "Distributions", "Spread", "sample_part"]

SAMPLE = 2**20
"""Parameters read of one part for its histogram: at most 4 MB, a few milliseconds."""

RUNS = 64
"""Places of a large part that a sample is taken from, evenly spread."""


@dataclass(frozen=True)
class Distribution:
    """A histogram of a signal's finite values, and what can be read off it.

    Attributes
    ----------
    edges
        Ascending, one more than counts; bins may have any width.
    counts
        Parameters in each bin.
    mean, sigma, low, high
        Of the values.
    signal
        What the values are.
    name
        What they are the values of.
    estimate
        Whether it comes from a sample or from a few quantiles, not from every parameter.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.float64]
    mean: float
    sigma: float
    low: float
    high: float
    signal: str = "signed"
    name: str = "all weights"
    estimate: bool = field(default=False, kw_only=True)

    @property
    def n(self) -> int:
        """Number of values."""
        return round(float(self.counts.sum()))

    @cached_property
    def _cumulative(self) -> NDArray[np.float64]:
        return np.append(0.0, np.cumsum(self.counts))

    def cdf(self, values: Any) -> NDArray[np.float64]:
        """The share (0…1) of the parameters at or below each value, linear inside a bin."""
        total = self._cumulative[-1]
        if not total:
            return np.zeros(np.shape(values))
        found: NDArray[np.float64] = np.interp(values, self.edges, self._cumulative) / total
        return found

    def quantile(self, share: float) -> float:
        """The value below which a share (0…1) lies, linear inside a bin."""
        used = np.flatnonzero(self.counts)
        if not len(used):
            return 0.0
        counts = self.counts[used]
        cumulative = np.cumsum(counts)
        wanted = min(max(share, 0.0), 1.0) * cumulative[-1]
        at = min(int(np.searchsorted(cumulative, wanted)), len(used) - 1)
        inside = (wanted - (cumulative[at] - counts[at])) / counts[at]
        lower, upper = self.edges[used[at]], self.edges[used[at] + 1]
        return float(lower + min(max(inside, 0.0), 1.0) * (upper - lower))

    def scale(self) -> Scale:
        """What windows in σ, HU and percent refer to."""
        return Scale(self.mean, self.sigma, self.low, self.high, self.quantile, self.signal)

    def binned(self, low: float, high: float, n: int) -> NDArray[np.float64]:
        """Counts in `n` bins of one width between two values, for drawing."""
        edges = np.linspace(low, high, n + 1)
        found: NDArray[np.float64] = np.diff(self.cdf(edges)) * self.counts.sum()
        return found

    def share(self, low: float, high: float) -> float:
        """The share (0…1) of the parameters between two values."""
        below, above = self.cdf(np.array([low, high]))
        return float(above - below)

    @classmethod
    def of_statistics(cls, statistics: Statistics, signal: str) -> "Distribution":
        """The distribution of a signal over all parts."""
        mean, sigma = statistics.overall()
        low, high = statistics.range(signal)
        if signal == "rank":
            # A rank is the share of the weights below: every one is equally frequent.
            counts = np.full(64, statistics.n.sum() / 64)
            found = cls(np.linspace(0, 1, 65), counts, 0.5, 12**-0.5, low, high)
        elif signal == "sigma":
            found = _of_bins(statistics.scores, low, high)
        else:
            found = _of_bins(statistics.weights, *statistics.range("signed"))
            found = replace(found, mean=mean, sigma=sigma)
            if signal == "magnitude":
                found = _of_bins(histogram.fold(statistics.weights), low, high)
                found = _with_square(found, mean * mean + sigma * sigma)
            elif signal == "sigma_global":
                found = _scored(found, mean, sigma)
        return replace(found, signal=signal, estimate=statistics.estimate)

    @classmethod
    def of_part(
        cls, statistics: Statistics, part: int, signal: str, name: str = ""
    ) -> "Distribution":
        """The distribution of a signal in one part, from its kept quantiles: an estimate
        whose moments and extremes are as good as the statistics.
        """
        mean, sigma = float(statistics.mean[part]), float(statistics.sigma[part])
        low, high = float(statistics.low[part]), float(statistics.high[part])
        inner, at = _with_tails(statistics.quantiles[part])
        inner = np.clip(inner, low, high)
        edges = np.maximum.accumulate(np.concatenate([[low], inner, [high]]))
        shares = np.diff(np.concatenate([[0.0], at, [1.0]]))
        weights = cls(edges, shares * float(statistics.n[part]), mean, sigma, low, high)
        if signal == "magnitude":
            found = weights._folded()
        elif signal == "sigma":
            found = _scored(weights, mean, sigma)
        elif signal == "sigma_global":
            found = _scored(weights, *statistics.overall())
        elif signal == "rank":
            values, ranks = statistics.distribution()
            found = _ranked(weights, values, ranks)
        else:
            found = weights
        return replace(found, signal=signal, name=name, estimate=True)

    @classmethod
    def of_values(
        cls, values: NDArray[np.floating], signal: str, name: str, n: int | None = None
    ) -> "Distribution":
        """The distribution of given values of a signal.

        `n` is how many there are where the values are a sample of them.
        """
        finite = np.asarray(values, np.float32).reshape(-1)
        finite = finite[np.isfinite(finite)]
        bins = np.zeros(histogram.BINS)
        histogram.add(bins, finite)
        wide = finite.astype(np.float64)
        moments = (
            (float(wide.mean()), float(wide.std()), float(wide.min()), float(wide.max()))
            if finite.size
            else (0.0, 0.0, 0.0, 0.0)
        )
        found = _of_bins(bins, *moments[2:])
        sample = n is not None and n > np.size(values)
        counts = found.counts * (n / np.size(values)) if sample and n else found.counts
        return replace(
            found,
            counts=counts,
            mean=moments[0],
            sigma=moments[1],
            signal=signal,
            name=name,
            estimate=sample,
        )

    def _folded(self) -> "Distribution":
        """The distribution of magnitudes."""
        if self.low >= 0:
            return self
        edges = np.unique(np.abs(np.append(self.edges, 0.0)))
        total = self.counts.sum()
        # At 0 itself, where the share below and the share at or below differ.
        inside = self.cdf(edges) - self.cdf(np.nextafter(-edges, -np.inf))
        inside[0], inside[-1] = 0.0, 1.0 if total else 0.0
        counts = np.diff(np.maximum.accumulate(inside)) * total
        low, high = sorted((abs(self.low), abs(self.high)))
        low = 0.0 if self.low <= 0 <= self.high else low
        found = Distribution(edges, counts, 0.0, 0.0, low, high)
        return _with_square(found, self.mean**2 + self.sigma**2)


class Spread(Protocol):
    """The distributions of what a layer shows: over all, and in any of its parts by name."""

    @property
    def signal(self) -> str:
        """What the values are."""

    def of(self, part: str | None = None) -> Distribution:
        """The distribution over all, or in one part."""

    def sample(self, part: str) -> Distribution:
        """The same from more of its values; may take a while."""


class Distributions:
    """The distributions of a volume's signal: over all, and in any of its parts by name.

    They are made when asked for, and again when the volume has better statistics.
    """

    def __init__(self, volume: "Volume") -> None:
        self.volume = volume
        self._made: dict[str | None, Distribution] = {}
        self._of: Statistics | None = None

    @property
    def signal(self) -> str:
        """What the values are."""
        return self.volume.signal

    def limits(self) -> tuple[float, float]:
        """The window that the volume is shown with at first."""
        return self.volume.window()

    def of(self, part: str | None = None) -> Distribution:
        """The distribution over all parts, or in the part of this name.

        Raises
        ------
        DisplayError
            There is no such part.
        """
        statistics = self.volume.statistics
        if statistics is not self._of:
            self._of, self._made = statistics, {}
        if part not in self._made:
            self._made[part] = self._make(statistics, part)
        return self._made[part]

    def sample(self, part: str, limit: int = SAMPLE) -> Distribution:
        """The distribution in a part from its values, `limit` of them at most.

        Reads the checkpoint: not for the thread of a window. Exact for a part of
        up to `limit` parameters.
        """
        volume = self.volume
        number = self._number(part)
        found = volume.anatomy.parts[number]
        values = sample_part(volume.checkpoint, found, limit)
        rule = make_signal(volume.signal, volume.anatomy, volume.statistics)
        return Distribution.of_values(rule.apply(values, number), volume.signal, part, found.size)

    def _make(self, statistics: Statistics, part: str | None) -> Distribution:
        if part is None:
            return Distribution.of_statistics(statistics, self.volume.signal)
        return Distribution.of_part(statistics, self._number(part), self.volume.signal, part)

    def _number(self, part: str) -> int:
        number = _numbers(self.volume.anatomy).get(part)
        if number is None:
            raise DisplayError(f"This scan has no part named {part!r}.")
        return number


def sample_part(checkpoint: Checkpoint, part: Part, limit: int = SAMPLE) -> NDArray[Any]:
    """Stored values of a part: all of them, or about `limit` from places spread over it."""
    tensor = checkpoint[part.tensor]
    found = [
        tensor.read(region).reshape(-1)
        for box in _boxes(part.shape, limit)
        for _, _, region in part.view.pieces(box)
    ]
    return np.concatenate(found) if found else np.zeros(0, np.float32)


def _boxes(shape: tuple[int, ...], limit: int) -> Iterator[list[tuple[int, int]]]:
    """Boxes of an array that hold about `limit` of its elements: runs of its longest axis."""
    size = int(np.prod(shape, dtype=np.int64))
    whole = [(0, n) for n in shape]
    if size <= limit or not shape:
        yield whole
        return
    axis = int(np.argmax(shape))
    length = shape[axis]
    taken = max(1, length * limit // size)
    runs = min(RUNS, taken)
    width = max(1, taken // runs)
    for start in np.linspace(0, length - width, runs).astype(int):
        box = list(whole)
        box[axis] = (int(start), int(start) + width)
        yield box


def _numbers(anatomy: Anatomy) -> dict[str, int]:
    return {part.name: number for number, part in enumerate(anatomy.parts)}


def _of_bins(bins: NDArray[np.float64], low: float, high: float) -> Distribution:
    """From a histogram of the statistics; its moments are those of the bins' middles."""
    counts, lower, upper = histogram.ascending(bins)
    used = np.flatnonzero(counts)
    if not len(used):
        return Distribution(np.array([0.0, 1.0]), np.zeros(1), 0.0, 0.0, 0.0, 0.0)
    first, last = used[0], used[-1] + 1
    counts = counts[first:last]
    edges = np.append(lower[first:last], upper[last - 1])
    middle = np.clip((edges[1:] + edges[:-1]) / 2, low, high)
    total = counts.sum()
    mean = float((counts * middle).sum() / total)
    sigma = float(np.sqrt((counts * (middle - mean) ** 2).sum() / total))
    return Distribution(edges, counts, mean, sigma, low, high)


def _with_square(found: Distribution, square: float) -> Distribution:
    """The distribution with a mean from its bins, and σ from the exact mean square."""
    middle = np.clip((found.edges[1:] + found.edges[:-1]) / 2, found.low, found.high)
    total = found.counts.sum()
    mean = float((found.counts * middle).sum() / total) if total else 0.0
    sigma = float(np.sqrt(max(square - mean * mean, 0.0))) if found.low < found.high else 0.0
    return replace(found, mean=mean, sigma=sigma)


TAILS = np.array([1e-4, 5e-4])
"""Shares beyond the kept quantiles at which a part's distribution is carried on."""


def _with_tails(
    quantiles: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quantiles and their shares, carried on beyond the outermost as exponential tails.

    The outermost bins would otherwise spread a thousandth of the weights evenly
    up to the largest, which may be a hundred times further out.
    """
    steps = np.log(TAILS / QUANTILES[0]) / np.log(QUANTILES[0] / QUANTILES[1])
    below = quantiles[0] + steps * (quantiles[0] - quantiles[1])
    above = quantiles[-1] + steps * (quantiles[-1] - quantiles[-2])
    return (
        np.concatenate([below, quantiles, above[::-1]]),
        np.concatenate([TAILS, QUANTILES, 1 - TAILS[::-1]]),
    )


def _scored(found: Distribution, centre: float, spread: float) -> Distribution:
    """The distribution of (value − centre) / spread; constant data deviate nowhere."""
    if not spread:
        return Distribution(np.array([0.0, 1.0]), found.counts.sum()[None], 0.0, 0.0, 0.0, 0.0)
    limits = (found.low - centre) / spread, (found.high - centre) / spread
    return Distribution(
        (found.edges - centre) / spread,
        found.counts,
        (found.mean - centre) / spread,
        found.sigma / spread,
        *limits,
    )


def _ranked(
    found: Distribution, values: NDArray[np.floating], ranks: NDArray[np.floating]
) -> Distribution:
    edges = np.maximum.accumulate(np.interp(found.edges, values, ranks))
    low, high = (float(v) for v in np.interp([found.low, found.high], values, ranks))
    middle = (edges[1:] + edges[:-1]) / 2
    total = found.counts.sum() or 1.0
    mean = float((found.counts * middle).sum() / total)
    sigma = float(np.sqrt((found.counts * (middle - mean) ** 2).sum() / total))
    return Distribution(edges, found.counts, mean, sigma, low, high)
