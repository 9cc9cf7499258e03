"""How every part changes over the steps of a series: norms, spreads, changes and angles.

One pass over all parts: each is read once from every step, in bands that are kept together,
and all sums are taken in float64. Changes are summed from the differences themselves, so no
digits are lost where two steps hardly differ.
"""

import contextlib
import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..anatomy.part import Part
from ..base import DisplayError, Progress, cache_folder
from ..comparison.parts import boxes, read_box
from ..volume.array_files import load_arrays, save_arrays
from ..volume.overview.run import Step as Report
from ..volume.overview.run import run_all

if TYPE_CHECKING:
    from ..checkpoint import Checkpoint
    from .series import Series

__all__ = ["METRICS", "Growth", "Metric", "measure_growth", "metric_named", "stored_growth"]

BAND = 2**21
"""Values of all steps together that are held at once: 16 MB of float64."""

_VERSION = 1
"""Raised when the meaning of the stored arrays changes."""

COUNT, TOTAL, SQUARE = range(3)
"""Rows of the sums over a part: finite values, Σw, Σw²."""

PAIRS = ("previous", "first", "last")
"""What a step is compared with: rows ``3 + 5·i …`` hold n, Σa², Σb², Σab, Σ(b−a)² of the pair,
a the other step and b this one, over what is finite in both."""

PAIR_ROWS = 5

ROWS = 3 + PAIR_ROWS * len(PAIRS)


@dataclass(frozen=True, slots=True)
class Metric:
    """A number of parts over time.

    Attributes
    ----------
    name
        For tables and the command line: ``"relative_change"``.
    title
        For a person: ``"relative change"``.
    symbol
        Its formula in plain letters.
    about
        What it is, in a sentence.
    log
        Whether its axis may be logarithmic by itself: it is never 0 by its meaning.
    """

    name: str
    title: str
    symbol: str
    about: str
    log: bool = False


METRICS: tuple[Metric, ...] = (
    Metric("norm", "norm", "‖w‖", "Euclidean (Frobenius) norm of the weights.", log=True),
    Metric("sigma", "σ", "σ(w)", "Standard deviation of the weights.", log=True),
    Metric(
        "change",
        "change since the last checkpoint",
        "‖wₜ − wₜ₋₁‖",
        "Norm of the difference to the checkpoint before.",
    ),
    Metric(
        "relative_change",
        "relative change since the last checkpoint",
        "‖wₜ − wₜ₋₁‖ / ‖wₜ₋₁‖",
        "Norm of the difference to the checkpoint before, over the norm of that.",
    ),
    Metric(
        "change_from_first",
        "change since the first checkpoint",
        "‖wₜ − w₀‖",
        "Norm of the difference to the first checkpoint.",
    ),
    Metric(
        "relative_change_from_first",
        "relative change since the first checkpoint",
        "‖wₜ − w₀‖ / ‖w₀‖",
        "Norm of the difference to the first checkpoint, over the norm of that.",
    ),
    Metric(
        "cosine_to_previous",
        "cosine to the last checkpoint",
        "cos(wₜ, wₜ₋₁)",
        "Cosine of the angle to the checkpoint before: 1 where only the length changes.",
    ),
    Metric(
        "cosine_to_last",
        "cosine to the end of the series",
        "cos(wₜ, w at the end)",
        "Cosine of the angle to the last checkpoint: how much of its direction is there already.",
    ),
)


def metric_named(name: str) -> Metric:
    """The metric of this name.

    Raises
    ------
    DisplayError
        There is none; the message lists them.
    """
    found = next((metric for metric in METRICS if metric.name == name), None)
    if found is None:
        known = ", ".join(metric.name for metric in METRICS)
        raise DisplayError(f"There is no metric {name!r}; choose one of {known}.")
    return found


@dataclass(frozen=True, eq=False)
class Growth:
    """Sums over every part at every step, and the metrics that follow from them.

    Attributes
    ----------
    parts
        Of the series' anatomy, in forward order.
    steps
        Titles of the steps.
    sums
        Shape ``(rows, parts, steps)``, float64; see `COUNT` and `PAIRS`.
    """

    parts: tuple[Part, ...]
    steps: tuple[str, ...]
    sums: NDArray[np.float64]

    def of(self, metric: str, parts: Sequence[int] | None = None) -> NDArray[np.float64]:
        """A metric of some parts taken together as one vector, over the steps; NaN where it has
        no value: a change before the first step, a part that a step lacks.

        Parameters
        ----------
        metric
            Name of one of `METRICS`.
        parts
            Positions in `parts`; all by default.
        """
        sums = self.sums if parts is None else self.sums[:, list(parts)]
        return _metric(metric_named(metric).name, sums.sum(axis=1))

    def each(self, metric: str) -> NDArray[np.float64]:
        """A metric of every part by itself, shape ``(parts, steps)``."""
        return _metric(metric_named(metric).name, self.sums)


def _metric(name: str, sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """A metric from sums of shape ``(rows, …, steps)``."""
    count = sums[COUNT]
    with np.errstate(invalid="ignore", divide="ignore"):
        if name == "norm":
            norm: NDArray[np.float64] = np.where(count > 0, np.sqrt(sums[SQUARE]), np.nan)
            return norm
        if name == "sigma":
            mean = sums[TOTAL] / count
            return _root(sums[SQUARE] / count - mean * mean)
        other = {"change": 0, "relative_change": 0, "cosine_to_previous": 0}.get(name)
        if other is None:
            other = 2 if name == "cosine_to_last" else 1
        n, aa, bb, ab, dd = _pair(sums, other)
        if name.startswith("cosine"):
            return _cosine(aa, bb, ab)
        found = np.sqrt(dd / aa) if name.startswith("relative") else np.sqrt(dd)
    # Nothing is finite in both, there is no step before, or nothing that the change relates to.
    known: NDArray[np.float64] = np.where((n > 0) & np.isfinite(found), found, np.nan)
    return known


def _root(square: NDArray[np.float64]) -> NDArray[np.float64]:
    """Square root of what is below 0 only by rounding; NaN stays."""
    found: NDArray[np.float64] = np.sqrt(np.maximum(square, 0.0))
    return found


def _cosine(
    aa: NDArray[np.float64], bb: NDArray[np.float64], ab: NDArray[np.float64]
) -> NDArray[np.float64]:
    # Rounding may take it past 1 by the last digit.
    found: NDArray[np.float64] = np.clip(ab / (np.sqrt(aa) * np.sqrt(bb)), -1.0, 1.0)
    return found


def _pair(sums: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """The rows of one of `PAIRS`."""
    first = 3 + PAIR_ROWS * number
    return sums[first : first + PAIR_ROWS]


def measure_growth(series: "Series", progress: Progress | None = None) -> Growth:
    """The growth of a series, from the user's cache or by reading every step once.

    Raises
    ------
    Cancelled
        `progress` asked to stop.
    """
    found = stored_growth(series)
    if found is not None:
        return found
    checkpoints = [scan.checkpoint for scan in series.scans]
    parts = series.anatomy.parts
    sums = np.zeros((ROWS, len(parts), len(checkpoints)))
    if progress is not None:
        total = series.anatomy.n_parameters * len(checkpoints)
        progress.start(total, f"Growth of {series.name}")
    held = threading.local()

    def work(position: int, report: Report) -> None:
        if not hasattr(held, "band"):
            # Fresh memory for every band would cost as much as the sums.
            held.band = np.empty((len(checkpoints), max(1, BAND // len(checkpoints))))
        _add_part(checkpoints, parts[position], sums[:, position], held.band, report)

    run_all(work, range(len(parts)), progress)
    path = _path(series)
    # Without a writable cache the numbers are just not kept.
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_arrays(path, {"sums": sums})
    return Growth(parts, tuple(step.title for step in series.steps), sums)


def stored_growth(series: "Series") -> Growth | None:
    """The growth of a series if the cache has it."""
    arrays: Mapping[str, NDArray[Any]] | None = load_arrays(_path(series))
    shape = (ROWS, len(series.anatomy.parts), len(series.steps))
    if arrays is None or "sums" not in arrays or arrays["sums"].shape != shape:
        return None
    titles = tuple(step.title for step in series.steps)
    return Growth(series.anatomy.parts, titles, arrays["sums"])


def _path(series: "Series") -> Any:
    parts = [(p.tensor, p.view.offset, p.view.axes, p.shift) for p in series.anatomy.parts]
    prints = [scan.checkpoint.fingerprint for scan in series.scans]
    digest = hashlib.sha256(json.dumps([_VERSION, prints, parts]).encode())
    return cache_folder("growth") / f"{digest.hexdigest()[:32]}.npz"


def _add_part(
    checkpoints: "Sequence[Checkpoint]",
    part: Part,
    sums: NDArray[np.float64],
    band: NDArray[np.float64],
    report: Report,
) -> None:
    """Add the sums of a part at all steps, shape ``(rows, steps)``."""
    last = len(checkpoints) - 1
    for box in boxes((part.view,), band.shape[1]):
        size = int(np.prod([stop - start for start, stop in box], dtype=np.int64))
        values = band[:, :size]
        for step, checkpoint in enumerate(checkpoints):
            read_box(checkpoint, part, box, values[step])
            report(size)
        # The sum of finite weights is finite: one pass instead of a mask for each band.
        finite = np.isfinite(values.sum(axis=1))
        for step in range(last + 1):
            _add_step(sums[:, step], values[step], bool(finite[step]))
            for number, other in enumerate((step - 1, 0, last)):
                if other >= 0:
                    pair = _pair(sums, number)[:, step]
                    _add_pair(pair, values[other], values[step], bool(finite[[other, step]].all()))


def _add_step(sums: NDArray[np.float64], values: NDArray[np.float64], finite: bool) -> None:
    if not finite:
        values = values[np.isfinite(values)]
    sums[: SQUARE + 1] += np.array([values.size, values.sum(), values @ values])


def _add_pair(
    sums: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64], finite: bool
) -> None:
    if not finite:
        both = np.isfinite(a) & np.isfinite(b)
        a, b = a[both], b[both]
    change = b - a
    sums += np.array([a.size, a @ a, b @ b, a @ b, change @ change])
