"""The parts of two models by how much they changed, as the rows of a table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import overload

from ..anatomy.part import Part
from ..base.tables import delimited
from .parts import Moments
from .spectrum import LEADING, Spectrum
from .text import change_lines

__all__ = ["COLUMNS", "ChangeRow", "ChangeTable"]

COLUMNS: dict[str, str] = {
    "part": "Name of the part in a",
    "parameters": "Number of parameters",
    "relative": "Size of the change, ‖b − a‖ / ‖a‖",
    "rmse": "Root of the mean squared difference",
    "largest": "Largest |b − a|",
    "snr": "Signal to noise in dB, 10·log₁₀(‖a‖² / ‖b − a‖²); infinite where nothing changed",
    "cosine": "Cosine of the angle between a and b",
    "flips": "Share of the parameters whose sign flips",
    "rank": "Numerical rank of b − a; with ≥ only a part of its spectrum was measured",
    "energy": f"Share of ‖b − a‖² in its {LEADING} largest singular values",
    "nonfinite": "Values of a or b that are NaN or infinite; the other columns leave them out",
    "place": "Index into the part of the largest |b − a|",
    "shape": "Its shape: channel × unit for a matrix on the residual stream",
    "tensor_a": "The stored tensor of a",
    "tensor_b": "The stored tensor of b",
}
"""Columns of the table, and what each one says."""


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """How much one part changed, see `COLUMNS`; None is "not measured", or has no meaning."""

    part: str
    parameters: int
    relative: float
    rmse: float
    largest: float
    snr: float
    cosine: float
    flips: float
    rank: int | None
    energy: float | None
    nonfinite: int
    place: tuple[int, ...] | None
    shape: tuple[int, ...]
    tensor_a: str
    tensor_b: str


class ChangeTable(Sequence[ChangeRow]):
    """How much every part of two models changed, in the forward order of a.

    Parameters
    ----------
    pairs
        Parts of a and their counterparts in b.
    moments
        Of each pair.
    spectra
        Of the pairs that are matrices, by name of the part in a; None if not measured.

    Attributes
    ----------
    moments, spectra
        As given.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Part, Part]],
        moments: Sequence[Moments],
        spectra: dict[str, Spectrum] | None = None,
    ) -> None:
        self.moments = tuple(moments)
        self.spectra = spectra
        self._rows = [
            _row(a, b, measured, (spectra or {}).get(a.name))
            for (a, b), measured in zip(pairs, moments, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> ChangeRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[ChangeRow]: ...
    def __getitem__(self, index: int | slice) -> ChangeRow | list[ChangeRow]:
        return self._rows[index]

    def by(self, column: str = "relative") -> list[ChangeRow]:
        """The rows with the largest values of a column first; what has no value comes last."""
        return sorted(self._rows, key=lambda row: _height(getattr(row, column)), reverse=True)

    @property
    def total(self) -> Moments:
        """The moments of all parts together; its place is None."""
        return Moments(
            sum(m.n for m in self.moments),
            math.fsum(m.aa for m in self.moments),
            math.fsum(m.bb for m in self.moments),
            math.fsum(m.ab for m in self.moments),
            math.fsum(m.dd for m in self.moments),
            max((m.largest for m in self.moments), default=0.0),
            None,
            sum(m.flips for m in self.moments),
            sum(m.nonfinite_a for m in self.moments),
            sum(m.nonfinite_b for m in self.moments),
        )

    def csv(self, delimiter: str = ",") -> str:
        """The table as comma- or otherwise separated values with a header, all digits kept."""
        cells = ([getattr(row, field.name) for field in fields(row)] for row in self._rows)
        return delimited(COLUMNS, cells, delimiter)

    def __repr__(self) -> str:
        return f"<ChangeTable of {len(self)} parts>"

    def __str__(self) -> str:
        return "\n".join(change_lines(self, self.by("relative")))


def _row(a: Part, b: Part, moments: Moments, spectrum: Spectrum | None) -> ChangeRow:
    return ChangeRow(
        a.name,
        a.size,
        moments.relative,
        moments.rmse,
        moments.largest,
        moments.snr,
        moments.cosine,
        moments.flipped,
        None if spectrum is None else spectrum.rank,
        None if spectrum is None else spectrum.energy(LEADING),
        moments.nonfinite_a + moments.nonfinite_b,
        moments.place,
        a.shape,
        a.tensor,
        b.tensor,
    )


def _height(value: object) -> float:
    if isinstance(value, (int, float)) and not math.isnan(value):
        return float(value)
    return -math.inf
