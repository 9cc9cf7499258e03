"""The singular values of a matrix beside those of noise of the same spread."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...anatomy.part import Part
from ...base import DisplayError, Progress, SilentProgress
from ...checkpoint.tensor import Checkpoint

__all__ = ["SingularValues", "marchenko_pastur", "singular_values"]

MOST_SIDE = 6144
"""The shorter side of a matrix that is decomposed: its products take 300 MB, and a minute."""

BAND = 2**21
"""Weights that are read at once, as float64 16 MB."""


@dataclass(frozen=True, eq=False)
class SingularValues:
    """The singular values of a part.

    Attributes
    ----------
    values
        Descending, float64; the finite weights alone count, others are 0.
    shape
        Of the matrix.
    sigma
        Standard deviation of the weights.
    title
        The part.
    n_nonfinite
        Weights that are NaN or infinite.
    """

    values: NDArray[np.float64]
    shape: tuple[int, int]
    sigma: float
    title: str
    n_nonfinite: int = 0

    @property
    def edges(self) -> tuple[float, float]:
        """Smallest and largest singular value of independent noise of this σ and shape.

        σ·|√n ∓ √m| for large matrices: V. Marchenko and L. Pastur, "Distribution of eigenvalues
        for some sets of random matrices", 1967.
        """
        a, b = (float(np.sqrt(n)) for n in self.shape)
        return self.sigma * abs(a - b), self.sigma * (a + b)

    @property
    def n_outliers(self) -> int:
        """Singular values beyond the upper edge."""
        return int((self.values > self.edges[1]).sum())

    @property
    def outlier_share(self) -> float:
        """Share of Σs² = Σw² that lies beyond the upper edge, 0…1."""
        squares = self.values**2
        total = float(squares.sum())
        return float(squares[self.values > self.edges[1]].sum() / total) if total else 0.0

    @property
    def stable_rank(self) -> float:
        """Σs² / s₁²: how many directions as strong as the first there would be."""
        first = float(self.values[0]) if len(self.values) else 0.0
        return float((self.values**2).sum() / first**2) if first else 0.0


def singular_values(
    checkpoint: Checkpoint, part: Part, progress: Progress | None = None
) -> SingularValues:
    """The singular values of a matrix, read in bands.

    They are the roots of the eigenvalues of W·Wᵀ or Wᵀ·W, whichever is smaller, in float64: right
    to about 10⁻⁸ of the largest one.

    Raises
    ------
    DisplayError
        The part is no matrix, empty, too large, or has no finite weight.
    Cancelled
        `progress` asked to stop.
    """
    if len(part.shape) != 2 or not part.size:
        shape = " × ".join(map(str, part.shape)) or "a single number"
        raise DisplayError(f"{part.name} is {shape}; singular values are those of a matrix.")
    short = min(part.shape)
    if short > MOST_SIDE:
        raise DisplayError(
            f"The shorter side of {part.name} is {short:,}; matrices up to {MOST_SIDE:,} are "
            "decomposed."
        )
    told = progress or SilentProgress()
    told.start(part.size + short**2, f"Singular values of {part.name}")
    long_axis = int(np.argmax(part.shape))
    gram = np.zeros((short, short))
    total = square = 0.0
    count = 0
    lines = max(1, BAND // short)
    for first in range(0, part.shape[long_axis], lines):
        stop = min(first + lines, part.shape[long_axis])
        box = [(0, n) for n in part.shape]
        box[long_axis] = (first, stop)
        band = np.empty([b - a for a, b in box])
        for target, split, region in part.view.pieces(box):
            band[target].reshape(split)[...] = checkpoint[part.tensor].read(region)
        band += part.shift
        finite = np.isfinite(band)
        if not finite.all():
            band[~finite] = 0
        count += int(finite.sum())
        total += float(band.sum())
        square += float(np.square(band).sum())
        gram += band.T @ band if long_axis == 0 else band @ band.T
        told.advance(band.size)
    if not count:
        raise DisplayError(f"{part.name} has no finite weight: all are NaN or infinite.")
    mean = total / count
    found = np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0))
    told.advance(short**2)
    sigma = float(np.sqrt(max(square / count - mean**2, 0.0)))
    rows, columns = part.shape
    return SingularValues(found, (rows, columns), sigma, part.name, part.size - count)


def marchenko_pastur(
    values: NDArray[np.float64], shape: tuple[int, int], sigma: float
) -> NDArray[np.float64]:
    """Density of the singular values of independent noise; its integral is 1.

    With n ≤ m, s = σ√m·x and q = n/m the eigenvalue x² has the density
    √((λ₊−x²)(x²−λ₋)) / (2π q x²), λ± = (1 ± √q)², of Marchenko and Pastur, 1967.

    Parameters
    ----------
    values
        Singular values at which it is wanted.
    shape
        Of the matrix.
    sigma
        Standard deviation of the noise, above 0.
    """
    short, long = sorted(shape)
    q = short / long
    scale = sigma * np.sqrt(long)
    square = (np.asarray(values, float) / scale) ** 2
    low, high = (1 - np.sqrt(q)) ** 2, (1 + np.sqrt(q)) ** 2
    inside = (square > low) & (square < high)
    density = np.zeros(square.shape)
    x2 = square[inside]
    # dλ = 2x dx, and dx = ds / scale.
    density[inside] = np.sqrt((high - x2) * (x2 - low)) / (np.pi * q * np.sqrt(x2)) / scale
    return density
