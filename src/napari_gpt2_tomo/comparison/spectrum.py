"""Singular values of a change: its rank, and how much of it a few directions hold.

A change that a low-rank adapter made has few singular values above the rounding of the
stored type, whatever its size. Matrices whose shorter side is at most `EXACT` are measured
in full: triangles of banded QR decompositions stand for the matrix (Demmel, Grigori,
Hoemmen and Langou, "Communication-optimal parallel and sequential QR and LU
factorizations", 2012), which loses no digits, as the Gram matrix would. Of larger ones
the leading `SKETCH` singular values are found from random projections with one power
iteration (Halko, Martinsson and Tropp, "Finding structure with randomness", 2011).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..anatomy.part import Part
from ..checkpoint.tensor import LazyTensor
from ..volume.overview.run import Step
from .parts import Box, Moments, read_box

__all__ = ["EXACT", "LEADING", "SKETCH", "Spectrum", "change_spectrum"]

EXACT = 2048
"""Rows or columns up to which all singular values are computed: some seconds and 32 MB."""

SKETCH = 256
"""Leading singular values of larger matrices; the ranks of adapters in use are smaller."""

SPARE = 16
"""Random directions beyond those that are kept, for their accuracy."""

LEADING = 8
"""Singular values whose share of the change is told: the usual rank of an adapter."""

BAND = 2**20
"""Elements of a band of rows that is read at once: 8 MB of float64."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Singular values of b − a.

    Attributes
    ----------
    values
        Singular values, largest first: all, or the leading ones.
    total
        ‖b − a‖², the sum of the squares of all.
    tolerance
        Singular values at or below count as rounding.
    complete
        Whether `values` holds all of them.
    """

    values: Matrix
    total: float
    tolerance: float
    complete: bool

    @property
    def rank(self) -> int:
        """Singular values above the tolerance; at least so many where not all were computed."""
        return int(np.count_nonzero(self.values > self.tolerance))

    @property
    def bounded(self) -> bool:
        """Whether the rank is known, and not only that it is no less."""
        return self.complete or self.rank < len(self.values)

    def energy(self, k: int) -> float | None:
        """Share of ‖b − a‖² in the `k` largest singular values; None where nothing changed."""
        if not self.total:
            return None
        return min(1.0, float(np.sum(self.values[:k] ** 2)) / self.total)


def change_spectrum(
    tensors_a: Mapping[str, LazyTensor],
    part_a: Part,
    tensors_b: Mapping[str, LazyTensor],
    part_b: Part,
    moments: Moments,
    step: Step | None = None,
) -> Spectrum | None:
    """Singular values of b − a of a matrix; None of what has no two axes, or is not finite.

    The tolerance is the larger of two: what rounding every element of b to its stored type
    adds (a random matrix of standard deviation s has singular values up to s·(√m + √n), see
    Rudelson and Vershynin 2010; s is at most the unit roundoff times the root mean square of
    b), and what float64 loses in the decomposition.

    Parameters
    ----------
    moments
        Of the pair.
    step
        Told of the elements that were read; may raise `Cancelled`.
    """
    if len(part_a.shape) != 2 or moments.nonfinite_a or moments.nonfinite_b or not part_a.size:
        return None
    change = _Change(tensors_a, part_a, tensors_b, part_b, step)
    rows, columns = change.shape
    if moments.dd == 0:
        values, complete = np.zeros(0), True
    elif columns <= EXACT:
        values, complete = change.all_values(), True
    else:
        values, complete = change.leading_values(), False
    noise = _roundoff(tensors_b[part_b.tensor]) * math.sqrt(moments.bb / moments.n)
    lost = np.finfo(float).eps * rows * (float(values[0]) if values.size else 0.0)
    tolerance = max(noise * (math.sqrt(rows) + math.sqrt(columns)), lost)
    return Spectrum(values, moments.dd, tolerance, complete)


class _Change:
    """b − a as a matrix with at least as many rows as columns, read in bands of rows."""

    def __init__(
        self,
        tensors_a: Mapping[str, LazyTensor],
        part_a: Part,
        tensors_b: Mapping[str, LazyTensor],
        part_b: Part,
        step: Step | None,
    ) -> None:
        self._a = (tensors_a, part_a)
        self._b = (tensors_b, part_b)
        self._step = step
        self._turned = part_a.shape[0] < part_a.shape[1]
        first, second = part_a.shape
        self.shape = (second, first) if self._turned else (first, second)

    def bands(self) -> Iterator[tuple[int, Matrix]]:
        """First row and rows of each band."""
        rows, columns = self.shape
        height = max(1, BAND // columns)
        for first in range(0, rows, height):
            stop = min(first + height, rows)
            box: Box = ((first, stop), (0, columns))
            box = box[::-1] if self._turned else box
            room = np.empty((2, (stop - first) * columns))
            for line, (tensors, part) in zip(room, (self._a, self._b), strict=True):
                read_box(tensors, part, box, line)
            change = (room[1] - room[0]).reshape([b - a for a, b in box])
            if self._step is not None:
                self._step(change.size)
            yield first, change.T if self._turned else change

    def all_values(self) -> Matrix:
        """Every singular value, from the triangle of a QR decomposition in bands."""
        _, columns = self.shape
        held: list[Matrix] = []
        height = 0
        for _, band in self.bands():
            held.append(band)
            height += len(band)
            # Several bands at a time: each decomposition takes the triangle along.
            if height >= 2 * columns:
                held = [np.asarray(np.linalg.qr(np.vstack(held), mode="r"))]
                height = columns
        found: Matrix = np.linalg.svd(np.vstack(held), compute_uv=False)
        return found

    def leading_values(self) -> Matrix:
        """The leading singular values, from a random projection; none is too large."""
        rows, columns = self.shape
        rng = np.random.default_rng(0)
        basis: Matrix = rng.standard_normal((columns, SKETCH + SPARE))
        for last in (False, True):
            sketch: Matrix = np.empty((rows, basis.shape[1]))
            for first, band in self.bands():
                sketch[first : first + len(band)] = band @ basis
            sketch[...] = np.linalg.qr(sketch)[0]
            basis = np.zeros((columns, basis.shape[1]))
            for first, band in self.bands():
                basis += band.T @ sketch[first : first + len(band)]
            if not last:
                basis[...] = np.linalg.qr(basis)[0]
        found: Matrix = np.linalg.svd(basis, compute_uv=False).astype(np.float64)[:SKETCH]
        return found


def _roundoff(tensor: LazyTensor) -> float:
    """Largest relative error of rounding to the stored type of a tensor."""
    if tensor.element == "BF16":
        return 2.0**-8
    kind = tensor.dtype
    return float(np.finfo(kind).eps) / 2 if kind.kind == "f" else 0.0
