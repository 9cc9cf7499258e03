"""Signals: what a voxel shows of its weight. Reductions: how a coarse voxel sums up fine ones."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...anatomy.anatomy import Anatomy
from ...base import LayoutError
from ..statistics import histogram
from ..statistics.summary import Statistics

__all__ = [
    "DEFAULT_REDUCTION",
    "NEED_STATISTICS",
    "Reduction",
    "Signal",
    "SignalName",
    "make_signal",
    "resolve_reduction",
]

SignalName = Literal["signed", "magnitude", "sigma", "sigma_global", "rank"]
Reduction = Literal["rms", "extreme", "mean"]

DEFAULT_REDUCTION: dict[SignalName, Reduction] = {
    "signed": "extreme",
    "magnitude": "rms",
    "sigma": "extreme",
    "sigma_global": "extreme",
    "rank": "mean",
}

NEED_STATISTICS = ("sigma", "sigma_global", "rank")
"""Signals whose values depend on the other weights."""

_SIGNED = {"signed", "sigma", "sigma_global"}

_WITHIN = (1 << histogram.SHIFT) - 1
"""Bits of a float32 that tell where in its bin of the histogram it lies."""


def resolve_reduction(signal: str, reduction: str | None) -> tuple[SignalName, Reduction]:
    """Check a signal and a reduction, None is the signal's default.

    Raises
    ------
    LayoutError
        One of them does not exist, or the pair would show a signed signal without its sign.
    """
    if signal not in get_args(SignalName):
        raise LayoutError(f"There is no signal {signal!r}; choose one of {get_args(SignalName)}.")
    name: SignalName = signal  # type: ignore[assignment]
    if reduction is None:
        return name, DEFAULT_REDUCTION[name]
    if reduction not in get_args(Reduction):
        raise LayoutError(
            f"There is no reduction {reduction!r}; choose one of {get_args(Reduction)}."
        )
    if reduction == "rms" and signal in _SIGNED:
        raise LayoutError(
            f"The signal {signal!r} has a sign, which 'rms' loses: use 'extreme' or 'mean', or "
            "the signal 'magnitude'."
        )
    return name, reduction  # type: ignore[return-value]


@dataclass(frozen=True)
class Signal:
    """A function of one weight that may depend on its part.

    All arithmetic is in float32, in a fixed order, so that a value is the same
    wherever it is computed: ``w + shift``, then by name ``|w|``,
    ``(w − centre) / spread`` or the distribution function.

    Attributes
    ----------
    name
        Which signal.
    shift, centre, spread
        Per part, float32. A spread of 0 makes the signal 0.
    values, ranks
        The distribution function for `rank`: ascending values, which are edges of bins of
        a `histogram`, and the share of parameters at or below each, float32; empty otherwise.
    """

    name: SignalName
    shift: NDArray[np.float32]
    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    values: NDArray[np.float32]
    ranks: NDArray[np.float32]

    @property
    def needs_part(self) -> bool:
        """Whether two equal weights of different parts may show different values."""
        return self.name == "sigma" or bool(self.shift.any())

    @cached_property
    def is_weight(self) -> bool:
        """Whether the value is the weight itself, up to its sign."""
        return self.name in ("signed", "magnitude") and not self.shift.any()

    @property
    def token(self) -> str:
        """Hex digest of everything that decides the values."""
        digest = hashlib.sha256(self.name.encode())
        for array in (self.shift, self.centre, self.spread, self.values, self.ranks):
            digest.update(array.tobytes())
        return digest.hexdigest()

    def finish(self, weights: NDArray[np.float32]) -> None:
        """Turn float32 weights into the signal in place, for a signal that `is_weight`."""
        if self.name == "magnitude":
            np.abs(weights, out=weights)

    def write(
        self, weights: NDArray[Any], part: int | NDArray[np.integer[Any]], out: NDArray[np.float32]
    ) -> None:
        """Write the signal of `weights` (any shape, real dtype) into `out`.

        `part` is the part that they belong to, or one number per weight.
        """
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            np.copyto(out, weights, casting="unsafe")
            if np.any(shift := self.shift[part]):
                out += shift
            if self.name == "magnitude":
                np.abs(out, out=out)
            elif self.name in ("sigma", "sigma_global"):
                spread = self.spread[part]
                # A constant part deviates nowhere; its non-finite values stay visible.
                constant = np.broadcast_to(spread == 0, out.shape)
                if constant.any():
                    out[constant & np.isfinite(out)] = 0
                    spread = np.where(spread == 0, np.float32(1), spread)
                    out -= np.where(constant, np.float32(0), self.centre[part])
                else:
                    out -= self.centre[part]
                out /= spread
            elif self.name == "rank":
                finite = np.isfinite(out)
                np.copyto(out, self._rank(out), where=finite)

    @cached_property
    def _table(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """For every bin of the histogram that the distribution function was made of: the rank
        at its end towards zero, and the difference at its other end.
        """
        near = np.arange(histogram.BINS, dtype=np.uint32) << histogram.SHIFT
        far = near + np.uint32(1 << histogram.SHIFT)
        with np.errstate(invalid="ignore"):
            start, stop = (
                np.nan_to_num(np.interp(edge.view(np.float32), self.values, self.ranks))
                for edge in (near, far)
            )
        return start.astype(np.float32), (stop - start).astype(np.float32)

    def _rank(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """The distribution function, linear inside a bin, without a search.

        A bin is the upper bits of a float32; inside it the value is linear in the others.
        """
        start, step = self._table
        bits = weights.view(np.uint32)
        bins = bits >> histogram.SHIFT
        inside = (bits & _WITHIN).astype(np.float32)
        inside *= np.float32(1 / (_WITHIN + 1))
        ranks: NDArray[np.float32] = inside * step[bins] + start[bins]
        return np.clip(ranks, 0, 1)

    def apply(
        self, weights: NDArray[Any], part: int | NDArray[np.integer[Any]]
    ) -> NDArray[np.float32]:
        """The signal of `weights` as a new float32 array; see `write`."""
        out = np.empty(np.shape(weights), np.float32)
        self.write(weights, part, out)
        return out


def make_signal(name: SignalName, anatomy: Anatomy, statistics: Statistics | None) -> Signal:
    """The signal of a checkpoint; `statistics` is needed for all but signed and magnitude."""
    count = len(anatomy.parts)
    shift = np.array([part.shift for part in anatomy.parts], np.float32)
    centre = np.zeros(count, np.float32)
    spread = np.ones(count, np.float32)
    values = ranks = np.zeros(0, np.float32)
    if name in NEED_STATISTICS:
        if statistics is None:
            raise LayoutError(f"The signal {name!r} needs the statistics of the weights.")
        if name == "sigma":
            centre = statistics.mean.astype(np.float32)
            spread = statistics.sigma.astype(np.float32)
        elif name == "sigma_global":
            mean, sigma = statistics.overall()
            centre[:], spread[:] = mean, sigma
        else:
            values, ranks = statistics.distribution()
    return Signal(name, shift, centre, spread, values, ranks)
