"""Which voxel a ray through a volume shows. Plain arithmetic: no napari, no GPU.

The rules follow the fragment shaders of vispy's volume visual
(``vispy/visuals/volume.py``), so that the voxel that is named is the one that
is drawn. Samples are half a voxel apart and take the nearest voxel.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["STEP", "Look", "Ray", "choose", "trace"]

STEP = 0.5
"""Voxels of the drawn level between two samples: no voxel that the ray crosses well is missed."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ray:
    """A line in voxel coordinates of the drawn level; voxel i covers ``i ≤ x < i + 1``."""

    origin: Floats
    direction: Floats

    def inside(self, low: Sequence[float], high: Sequence[float]) -> tuple[float, float] | None:
        """Where the ray enters and leaves a box, in units of `direction`; None if it misses."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            a = (np.asarray(low) - self.origin) / self.direction
            b = (np.asarray(high) - self.origin) / self.direction
        flat = self.direction == 0
        outside = flat & ((self.origin < low) | (self.origin >= high))
        near = np.where(flat, -np.inf, np.minimum(a, b)).max()
        far = np.where(flat, np.inf, np.maximum(a, b)).min()
        if outside.any() or not near < far:
            return None
        return float(near), float(far)


@dataclass(frozen=True)
class Look:
    """How a volume is drawn.

    Attributes
    ----------
    rendering
        napari's name: ``"mip"``, ``"attenuated_mip"``, ``"minip"``, ``"translucent"``,
        ``"additive"``, ``"average"`` or ``"iso"``.
    limits
        Contrast limits.
    attenuation
        Of ``attenuated_mip``.
    threshold
        Of ``iso``.
    opacity
        Opacity of values normalised to 0…1, for ``translucent``.
    """

    rendering: str
    limits: tuple[float, float]
    attenuation: float = 0.05
    threshold: float = 0.5
    opacity: Callable[[Floats], Floats] | None = None


def trace(
    values: NDArray[np.floating], ray: Ray, low: Sequence[float], high: Sequence[float]
) -> NDArray[np.int64]:
    """Voxels that a ray meets inside the box ``low ≤ x < high``, nearest first; shape (n, ndim)."""
    span = ray.inside(low, high)
    length = float(np.linalg.norm(ray.direction))
    if span is None or not length:
        return np.zeros((0, values.ndim), np.int64)
    near, far = span
    count = max(int((far - near) * length / STEP), 1)
    at = near + (np.arange(count) + 0.5) * (far - near) / count
    points = ray.origin + at[:, None] * ray.direction
    return np.clip(np.floor(points), 0, np.array(values.shape) - 1).astype(np.int64)


def choose(samples: NDArray[np.floating], look: Look) -> int | None:
    """Index of the sample that decides the pixel's colour; None if the ray shows nothing."""
    if not samples.size or np.isnan(samples).all():
        return None
    low, high = look.limits
    values = np.nan_to_num(np.asarray(samples, np.float64), nan=low, posinf=high, neginf=low)
    shown = np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros(len(values))
    if look.rendering == "minip":
        return int(values.argmin()) if values.min() < high else None
    if look.rendering == "iso":
        hits = np.flatnonzero(values >= look.threshold)
        return int(hits[0]) if hits.size else None
    if look.rendering == "attenuated_mip":
        # The running sum includes the sample itself, as in the shader.
        faded = values * np.exp(-look.attenuation * (STEP * np.cumsum(shown) - 1))
        return int(faded.argmax()) if faded.max() > low else None
    if look.rendering == "translucent" and look.opacity is not None:
        alpha = np.clip(look.opacity(shown), 0, 1)
        reach = np.concatenate([[1.0], np.cumprod(1 - alpha)[:-1]])
        share = alpha * reach
        return int(share.argmax()) if share.max() > 0 else None
    return int(values.argmax()) if values.max() > low else None
