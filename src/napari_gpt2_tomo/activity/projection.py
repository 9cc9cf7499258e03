"""From many channels to a few axes that can be drawn: principal components, and UMAP.

A picture of a projection means nothing without the rows that it was fitted on; every projection
says them in `stated`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..base import TomoError

__all__ = ["Projection", "UmapProjection", "fit_pca", "fit_umap", "has_umap"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

BLOCK = 8192
"""Rows that are centred and multiplied at a time: 25 MB at 768 channels."""

EXACT = 2048
"""Rows or channels, whichever are fewer, up to which the whole spectrum is computed: 3 s here."""

OVERSAMPLING = 12
"""Directions that a randomised fit follows beside those that are wanted."""

PASSES = 4
"""Power iterations of a randomised fit; enough for spectra that fall as slowly as embeddings'."""


@dataclass(frozen=True, eq=False)
class Projection:
    """Principal components of stated rows.

    Attributes
    ----------
    mean
        ``(channel,)`` float32: what is subtracted from a row first.
    axes
        ``(axis, channel)`` float32, orthonormal, strongest first. Of each axis the component of
        largest magnitude is positive: the same rows always give the same picture.
    explained
        ``(axis,)`` float64: share of the rows' variance that an axis holds, 0 to 1.
    stated
        What it was fitted on, as a person says it.
    """

    mean: F32
    axes: F32
    explained: F64
    stated: str = ""

    def project(self, rows: ArrayLike) -> F32:
        """Coordinates of rows, ``(..., channel)`` to ``(..., axis)`` float32."""
        values = np.asarray(rows, np.float32)
        if values.shape[-1] != len(self.mean):
            raise TomoError(
                f"Rows of {values.shape[-1]} channels cannot be shown on axes that were fitted on "
                f"{len(self.mean)} channels."
            )
        return np.asarray((values - self.mean) @ self.axes.T, np.float32)

    @property
    def labels(self) -> tuple[str, ...]:
        """A title for each axis with the variance that it explains, e.g. ``PC 1 (42 %)``."""
        return tuple(
            f"PC {number} ({_percent(share)})" for number, share in enumerate(self.explained, 1)
        )


@dataclass(frozen=True, eq=False)
class UmapProjection:
    """A UMAP fit of stated rows; distances between far points mean little in it.

    Attributes
    ----------
    reducer
        The fitted ``umap.UMAP``.
    n_axes
        Number of axes.
    stated
        What it was fitted on, as a person says it.
    """

    reducer: Any
    n_axes: int
    stated: str = ""

    def project(self, rows: ArrayLike) -> F32:
        """Coordinates of rows, ``(..., channel)`` to ``(..., axis)`` float32."""
        values = np.asarray(rows, np.float32)
        flat = values.reshape(-1, values.shape[-1])
        found = np.asarray(self.reducer.transform(flat), np.float32)
        return found.reshape(*values.shape[:-1], self.n_axes)

    @property
    def labels(self) -> tuple[str, ...]:
        """A title for each axis."""
        return tuple(f"UMAP {number}" for number in range(1, self.n_axes + 1))


def fit_pca(rows: Any, k: int = 3, stated: str = "", seed: int = 0) -> Projection:
    """Principal components of rows.

    Exact (by the covariance of the channels, or the Gram matrix where there are fewer rows)
    unless both rows and channels are more than `EXACT`; then by randomised subspace iteration
    (Halko, Martinsson and Tropp 2011), and `stated` says so.

    Parameters
    ----------
    rows
        ``(row, channel)``; anything that can be sliced and made an array (memory maps, zarr).
        It is read in blocks of rows.
    k
        Number of axes. Where the rows span fewer, the last axes are directions of variance 0.
    stated
        What the rows are.
    seed
        Of a randomised fit.

    Raises
    ------
    TomoError
        There are no rows, fewer than `k` channels, or values that are not finite.
    """
    n, d = _checked(rows, k)
    mean = _mean(rows)
    if min(n, d) > EXACT:
        axes, strengths, total = _randomised(rows, mean, k, seed)
        stated = f"{stated}, randomised with seed {seed}".removeprefix(", ")
    elif n >= d:
        axes, strengths, total = _by_covariance(rows, mean, k)
    else:
        axes, strengths, total = _by_rows(rows, mean, k)
    # A spectrum of rounding errors is no variance: identical rows have none.
    scale = float(np.square(mean).sum()) * n
    flat = total <= scale * np.finfo(np.float32).eps ** 2
    explained = np.zeros(k) if flat else np.clip(strengths / total, 0.0, 1.0)
    return Projection(mean.astype(np.float32), _signed(axes), explained, stated)


def has_umap() -> bool:
    """Whether the package ``umap-learn`` is installed; it is not imported."""
    from importlib.util import find_spec

    return find_spec("umap") is not None


def fit_umap(
    rows: ArrayLike, k: int = 3, stated: str = "", neighbours: int = 15, seed: int = 0
) -> UmapProjection:
    """A UMAP of rows, the same for the same seed.

    Parameters
    ----------
    rows
        ``(row, channel)``.
    k
        Number of axes.
    stated
        What the rows are.
    neighbours
        Neighbours that a row is kept close to; fewer where there are not as many rows.
    seed
        Of its random numbers. One thread computes it, or it would be another each time.

    Raises
    ------
    TomoError
        ``umap-learn`` is not installed, or there are too few rows.
    """
    if not has_umap():
        raise TomoError(
            "UMAP needs the package umap-learn, which is not installed: pip install umap-learn, "
            "or choose principal components."
        )
    values = np.asarray(rows, np.float32)
    n, _ = _checked(values, k)
    if n < k + 2:
        raise TomoError(
            f"UMAP with {k} axes needs at least {k + 2} rows, there are {n}; choose principal "
            "components or a longer prompt."
        )
    import umap

    count = max(2, min(neighbours, n - 1))
    # A spectral start needs more rows than axes by a margin; few rows start at random.
    start = "spectral" if n > 10 * k else "random"
    reducer = umap.UMAP(
        n_components=k, n_neighbors=count, random_state=seed, n_jobs=1, init=start
    ).fit(values)
    stated = f"{stated}, {count} neighbours, seed {seed}".removeprefix(", ")
    return UmapProjection(reducer, k, stated)


def _checked(rows: Any, k: int) -> tuple[int, int]:
    if len(rows.shape) != 2 or rows.shape[0] == 0:
        raise TomoError("There are no rows to fit a projection on.")
    n, d = (int(size) for size in rows.shape)
    if d < k:
        raise TomoError(f"Rows of {d} channels have no {k} axes.")
    return n, d


def _blocks(rows: Any) -> Iterator[F32]:
    for start in range(0, rows.shape[0], BLOCK):
        yield np.asarray(rows[start : start + BLOCK], np.float32)


def _mean(rows: Any) -> F64:
    total = np.zeros(rows.shape[1])
    with np.errstate(invalid="ignore"):
        for block in _blocks(rows):
            total += block.sum(axis=0, dtype=np.float64)
    if not np.isfinite(total).all():
        raise TomoError(
            "Some rows hold values that are not finite, so no projection can be fitted on them; "
            "run the model in float32."
        )
    mean: F64 = total / rows.shape[0]
    return mean


def _centred(rows: Any, mean: F64) -> Iterator[F32]:
    shift = mean.astype(np.float32)
    for block in _blocks(rows):
        yield block - shift


def _by_covariance(rows: Any, mean: F64, k: int) -> tuple[F64, F64, float]:
    d = rows.shape[1]
    covariance = np.zeros((d, d))
    for block in _centred(rows, mean):
        # Single precision within a block, double over blocks: fast and exact enough.
        covariance += block.T @ block
    values, vectors = np.linalg.eigh(covariance)
    return vectors[:, ::-1][:, :k].T, values[::-1][:k], float(np.trace(covariance))


def _by_rows(rows: Any, mean: F64, k: int) -> tuple[F64, F64, float]:
    centred = np.concatenate(list(_centred(rows, mean))).astype(np.float64)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    strengths = np.zeros(k)
    strengths[: len(singular)] = singular[:k] ** 2
    return _completed(axes[:k], k), strengths, float(np.square(centred).sum())


def _randomised(rows: Any, mean: F64, k: int, seed: int) -> tuple[F64, F64, float]:
    d = rows.shape[1]
    width = min(d, k + OVERSAMPLING)
    basis = np.random.default_rng(seed).standard_normal((d, width)).astype(np.float32)
    total = 0.0
    for number in range(PASSES + 1):
        basis = np.linalg.qr(basis)[0].astype(np.float32)
        image = np.zeros((d, width))
        inner = np.zeros((width, width))
        for block in _centred(rows, mean):
            seen = block @ basis
            image += block.T @ seen
            inner += seen.T @ seen
            if number == 0:
                total += float(np.square(block).sum(dtype=np.float64))
        if number < PASSES:
            basis = image.astype(np.float32)
    values, turns = np.linalg.eigh(inner)
    axes = (basis.astype(np.float64) @ turns[:, ::-1])[:, :k].T
    return axes, values[::-1][:k], total


def _completed(axes: F64, k: int) -> F64:
    """Orthonormal axes, as many as are wanted: directions of no variance are added."""
    missing = k - len(axes)
    if missing <= 0:
        return axes
    d = axes.shape[1]
    full, _ = np.linalg.qr(np.concatenate([axes, np.eye(d)[: k + 1]]).T)
    return np.concatenate([axes, full.T[len(axes) : k]])


def _signed(axes: F64) -> F32:
    peaks = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(len(axes)), peaks])
    signs[signs == 0] = 1
    return np.asarray(axes * signs[:, None], np.float32)


def _percent(share: float) -> str:
    percent = 100 * float(share)
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %"
