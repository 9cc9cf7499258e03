"""Statistics of every part as the rows of a table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import overload

from ...anatomy.anatomy import Anatomy
from ...base.tables import delimited
from ...checkpoint.tensor import LazyTensor
from .details import NEAR_SIGMAS, Details
from .summary import Statistics

__all__ = ["COLUMNS", "PartRow", "PartTable"]

COLUMNS: dict[str, str] = {
    "part": "Name of the part",
    "parameters": "Number of parameters",
    "mean": "Mean of the finite values",
    "sigma": "Standard deviation of the finite values",
    "low": "Smallest finite value",
    "high": "Largest finite value",
    "zeros": "Share of values that are exactly 0",
    "near": f"Share of values within {NEAR_SIGMAS:g} σ of 0; 8 % in a normal distribution",
    "kurtosis": "Fourth standardised moment: 3 in a normal distribution, more with outliers",
    "l2": "Euclidean (Frobenius) norm, √Σw²",
    "l1": "Sum of magnitudes, Σ|w|",
    "nonfinite": "Values that are NaN or infinite; the other columns leave them out",
    "shape": "Its shape: channel × unit for a matrix on the residual stream",
    "tensor": "The stored tensor that the part lies in",
    "stored": "Element type of that tensor, or how it is quantised",
}
"""Columns of the table, and what each one says."""


@dataclass(frozen=True, slots=True)
class PartRow:
    """The statistics of one part, see `COLUMNS`; None is "not computed yet".

    Shares are 0…1 of the finite values.
    """

    part: str
    parameters: int
    mean: float
    sigma: float
    low: float
    high: float
    zeros: float | None
    near: float | None
    kurtosis: float | None
    l2: float | None
    l1: float | None
    nonfinite: int
    shape: tuple[int, ...]
    tensor: str
    stored: str | None


class PartTable(Sequence[PartRow]):
    """The statistics of every part of a checkpoint, in forward order.

    Parameters
    ----------
    anatomy
        The parts.
    statistics
        Of the same parts.
    details
        Of the same parts; without them some columns are empty.
    tensors
        Those that the parts lie in; without them it is not told how they are stored.

    Attributes
    ----------
    estimate
        Whether the numbers come from a sample and not from every parameter.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        statistics: Statistics,
        details: Details | None = None,
        tensors: Mapping[str, LazyTensor] | None = None,
    ) -> None:
        self.estimate = statistics.estimate
        self.complete = details is not None
        self._rows = [
            PartRow(
                part.name,
                part.size,
                float(statistics.mean[i]),
                float(statistics.sigma[i]),
                float(statistics.low[i]),
                float(statistics.high[i]),
                *_details(details, i, int(statistics.n[i])),
                int(statistics.nonfinite[i]),
                part.shape,
                part.tensor,
                None if tensors is None else _stored(tensors[part.tensor]),
            )
            for i, part in enumerate(anatomy.parts)
        ]

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> PartRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[PartRow]: ...
    def __getitem__(self, index: int | slice) -> PartRow | list[PartRow]:
        return self._rows[index]

    def csv(self, delimiter: str = ",") -> str:
        """The table as comma- or otherwise separated values with a header, all digits kept."""
        cells = ([getattr(row, field.name) for field in fields(row)] for row in self._rows)
        return delimited(COLUMNS, cells, delimiter)

    def __repr__(self) -> str:
        kind = "estimated" if self.estimate else "exact"
        return f"<PartTable of {len(self)} parts, {kind}>"


def _stored(tensor: LazyTensor) -> str:
    return tensor.scheme or tensor.stored


def _details(
    details: Details | None, i: int, n: int
) -> tuple[float | None, float | None, float | None, float | None, float | None]:
    if details is None:
        return None, None, None, None, None
    share = 1 / n if n else 0.0
    kurtosis = float(details.kurtosis[i])
    return (
        float(details.zeros[i]) * share,
        float(details.near[i]) * share,
        None if math.isnan(kurtosis) else kurtosis,
        float(details.l2[i]),
        float(details.l1[i]),
    )
