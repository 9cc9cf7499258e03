"""The power spectrum of a plane of weights."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .plane import Plane

__all__ = ["Spectrum", "power_spectrum"]

FLOOR_DB = -120.0
"""Decibels below which nothing is told apart: float32 holds no more beside a value of 1."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Power at every frequency of a plane.

    White noise of variance σ² is flat at σ²; the mean over all frequencies is the mean square
    of the windowed values over that of the window (Parseval's theorem).

    Attributes
    ----------
    power
        ``(row frequency, column frequency)``, centred: frequency 0 is at ``(n // 2, m // 2)``.
        |X|² / (n·m·mean of the squared window), float32.
    variance
        Of the held values: what white noise like them would have at every frequency.
    window
        ``"hann"``, or ``"none"``.
    plane
        What was transformed.
    """

    power: NDArray[np.float32]
    variance: float
    window: str
    plane: Plane

    @cached_property
    def frequencies(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Cycles per parameter along rows' numbers and along columns' numbers, rising."""
        rows, columns = (np.fft.fftshift(np.fft.fftfreq(n)) for n in self.power.shape)
        return rows, columns

    def decibels(self) -> NDArray[np.float32]:
        """Power over the variance in decibels: 0 is what white noise has; float32."""
        if not self.variance:
            return np.full(self.power.shape, FLOOR_DB, np.float32)
        with np.errstate(divide="ignore"):
            found: NDArray[np.float32] = 10 * np.log10(self.power / np.float32(self.variance))
        return np.maximum(found, np.float32(FLOOR_DB))

    def radial(self, bins: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean power over all directions.

        Parameters
        ----------
        bins
            Rings from 0 to 0.5 cycles per parameter; by default half the longer side.

        Returns
        -------
        frequency, power
            The middle of each ring that holds a frequency, and the mean of the power in it.
            Frequency 0 is left out, as are the corners beyond 0.5.
        """
        count = bins or max(1, max(self.power.shape) // 2)
        rows, columns = self.frequencies
        power, hits = np.zeros(count), np.zeros(count, np.int64)
        squares = columns**2
        for frequency, line in zip(rows, self.power, strict=True):
            place = np.sqrt(frequency**2 + squares) * 2 * count
            # The Nyquist frequency itself closes the last ring.
            ring = np.where(place == count, count - 1, place).astype(int)
            inside = ring < count
            if frequency == 0:
                inside = inside & (columns != 0)
            power += np.bincount(ring[inside], line[inside].astype(float), count)
            hits += np.bincount(ring[inside], minlength=count)
        used = hits > 0
        middles = (np.arange(count) + 0.5) / (2 * count)
        return middles[used], power[used] / hits[used]

    def along(self, axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean power over the other axis, for the frequencies above 0 along one.

        Parameters
        ----------
        axis
            0 for frequencies from row to row, 1 from column to column.
        """
        frequency = self.frequencies[axis]
        mean = self.power.mean(axis=1 - axis, dtype=np.float64)
        above = np.abs(frequency) > 0
        # Both signs hold the same: real values have a symmetric spectrum.
        folded = np.abs(frequency[above])
        found, inverse = np.unique(folded.round(12), return_inverse=True)
        return found, np.bincount(inverse, mean[above]) / np.bincount(inverse)


def power_spectrum(plane: Plane, window: str = "hann") -> Spectrum:
    """The power spectrum of a plane; the mean is removed, air counts as the mean.

    Parameters
    ----------
    plane
        What is transformed.
    window
        ``"hann"`` fades the borders out, so that they do not make a cross through the middle;
        ``"none"`` takes the plane as if it went on in every direction.
    """
    from scipy.fft import fft2

    rows, columns = plane.shape
    count = max(int(plane.held.sum()), 1)
    mean = float(plane.values.sum(dtype=np.float64) / count)
    values = np.where(plane.held, plane.values - np.float32(mean), np.float32(0))
    variance = float(np.square(values, dtype=np.float64).sum() / count)
    energy = 1.0
    if window == "hann":
        fade = [_hann(n) for n in (rows, columns)]
        values *= fade[0][:, None].astype(np.float32)
        values *= fade[1][None, :].astype(np.float32)
        energy = float(np.mean(fade[0] ** 2) * np.mean(fade[1] ** 2))
    transformed = fft2(values, overwrite_x=True, workers=2)
    power = np.square(transformed.real)
    power += np.square(transformed.imag)
    power /= np.float32(rows * columns * energy)
    return Spectrum(np.fft.fftshift(power), variance, window, plane)


def _hann(n: int) -> NDArray[np.float64]:
    """The Hann window sin²(π(i + ½)/n); a single value is left as it is."""
    return np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 if n > 1 else np.ones(1)
