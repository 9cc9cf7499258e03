"""The voxels of a page: bytes, labels of parts, and what they stand for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...base import Progress
from ...display.distribution import Distribution
from ...display.window import SIGNED, Scale
from ...volume.volume import Volume
from .coding import Coding
from .resolution import Resolution

__all__ = ["Voxels", "take_voxels"]


@dataclass(frozen=True, slots=True)
class Voxels:
    """One level of a volume as bytes.

    Attributes
    ----------
    codes
        One byte a voxel, see `coding`; C order.
    labels
        Number of the part of each voxel, from 1; 0 is air. The narrowest unsigned type.
    coding
        What the bytes stand for.
    scale
        What σ, HU and percentages of the shown values refer to.
    """

    codes: NDArray[np.uint8]
    labels: NDArray[np.unsignedinteger]
    coding: Coding
    scale: Scale


def take_voxels(volume: Volume, resolution: Resolution, progress: Progress | None = None) -> Voxels:
    """Read a level exactly: computes the volume's overview if the cache lacks it."""
    volume.refine(progress)
    values = volume.level(resolution.level)[resolution.index].reshape(resolution.shape)
    labels = volume.atlas.level(resolution.level)[resolution.index].reshape(resolution.shape)
    air = labels == 0
    shown = values[~air]
    coding = Coding.of(shown, signed=volume.signal in SIGNED)
    scale = Distribution.of_values(shown, volume.signal, "shown voxels").scale()
    kind = np.uint16 if labels.max(initial=0) < 2**16 else np.uint32
    return Voxels(coding.encode(values, air), labels.astype(kind), coding, scale)
