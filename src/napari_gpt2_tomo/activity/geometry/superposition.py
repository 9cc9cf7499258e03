"""Angles between real feature directions, against those of random vectors.

In d channels only d directions are orthogonal. A model that uses more features keeps them nearly
orthogonal ("superposition", Elhage et al. 2022): their cosines show how near.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import lgamma
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...base import Progress, SilentProgress, TomoError
from ...facade import Scan
from ..intervention.weights import Weights
from ..journey.outliers import norms
from ..record import Activity
from ..record.tokens import visible
from .sources import Mlp, mlps, vocabulary_of, weights_of

__all__ = [
    "FEATURES",
    "Angles",
    "Feature",
    "Pair",
    "angles",
    "angles_between",
    "participation_ratio",
    "random_density",
    "random_magnitude",
]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Feature = Literal["gate", "in", "out", "token_embedding", "unembedding"]

FEATURES: Mapping[Feature, str] = {
    "in": "what neurons read (W_in)",
    "gate": "what gates read (W_gate)",
    "out": "what neurons write (W_out)",
    "token_embedding": "token embeddings",
    "unembedding": "unembedding",
}
"""Directions in the residual stream that stand for features."""

MOST = 2048
"""Directions that are compared at most; more are sampled. 2 million pairs take half a second."""

BINS = 200
"""Bins of the cosine from −1 to 1."""

BLOCK = 512
"""Directions that are compared with all others at a time: 4 MB of cosines."""

KEPT = 20
"""Most aligned pairs that are named."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two directions that are nearly one, or nearly opposite.

    Attributes
    ----------
    first, second
        Their names.
    cosine
        Of the angle between them.
    """

    first: str
    second: str
    cosine: float


@dataclass(frozen=True, eq=False)
class Angles:
    """Cosines of all pairs of directions.

    Attributes
    ----------
    name
        One word for file names.
    title
        What the directions are.
    count, total
        How many were compared, of how many.
    channels
        Dimension of the space.
    centred
        Whether the mean direction was subtracted first.
    edges, density
        ``(bin + 1,)`` and ``(bin,)``: histogram of the cosines as a density.
    magnitude
        Mean of |cos|; `random_magnitude` tells what random directions have.
    dimension
        Participation ratio: how many directions of equal strength would spread as these do.
    random_dimension
        The same for as many random directions, of length 1 each: n·d/(n + d − 1).
    pairs
        The pairs of largest |cos|, strongest first.
    stated
        What was compared, as a sentence.
    """

    name: str
    title: str
    count: int
    total: int
    channels: int
    centred: bool
    edges: F64
    density: F64
    magnitude: float
    dimension: float
    random_dimension: float
    pairs: tuple[Pair, ...]
    stated: str


def random_density(cosine: NDArray[np.float64], channels: int) -> F64:
    """Density of the cosine between two random directions in `channels` dimensions.

    Γ(d/2) / (√π Γ((d−1)/2)) · (1 − x²)^((d−3)/2), from the surface of a sphere's cap; its mean is
    0 and its standard deviation 1/√d.
    """
    d = channels
    scale = lgamma(d / 2) - lgamma((d - 1) / 2) - 0.5 * np.log(np.pi)
    inside = np.clip(1 - np.square(cosine), 1e-300, None)
    return np.asarray(np.exp(scale + (d - 3) / 2 * np.log(inside)), np.float64)


def random_magnitude(channels: int) -> float:
    """Mean |cos| of two random directions: Γ(d/2) / (√π Γ((d+1)/2))."""
    d = channels
    return float(np.exp(lgamma(d / 2) - lgamma((d + 1) / 2)) / np.sqrt(np.pi))


def participation_ratio(rows: NDArray[np.float32]) -> float:
    """(Σλ)² / Σλ² over the eigenvalues λ of the rows' second moments.

    Nothing is subtracted: subtract the mean first for that of the covariance.
    """
    n, d = rows.shape
    moments = (rows.T @ rows if d <= n else rows @ rows.T).astype(np.float64)
    squares = float(np.square(moments).sum())
    return float(np.trace(moments)) ** 2 / squares if squares > 0 else float("nan")


def angles(
    source: Activity | Weights | Scan,
    feature: Feature,
    layer: int | None = None,
    *,
    centred: bool = False,
    most: int = MOST,
    seed: int = 0,
    progress: Progress | None = None,
) -> Angles:
    """Angles between the feature directions of a model.

    Parameters
    ----------
    source
        An activity with its model, a model, or a scan.
    feature
        Which directions: see `FEATURES`.
    layer
        Neurons of this layer; None takes those of all layers together.
    centred
        Whether to subtract the mean of the directions first: token embeddings share one large
        component, which makes all of them look alike.
    most
        Directions that are compared at most, drawn without replacement.
    seed
        Of the draw.

    Raises
    ------
    TomoError
        There are no such directions.
    Cancelled
        `progress` asked to stop.
    """
    weights = weights_of(source)
    if feature in ("token_embedding", "unembedding"):
        table = np.asarray(weights.weight(feature), np.float32).T
        words = vocabulary_of(source) or ()

        def token(index: int) -> str:
            return f"{_readable(words[index])} #{index}" if index < len(words) else f"#{index}"

        return angles_between(
            table,
            FEATURES[feature],
            token,
            centred=centred,
            most=most,
            seed=seed,
            slug=feature.replace("_", "-"),
            progress=progress,
        )
    rows, origins, total = _neurons(weights, feature, layer, most, seed)

    def neuron(index: int) -> str:
        at, one = origins[index]
        return f"L{at} · {one}"

    place = "all layers" if layer is None else f"L{layer}"
    return angles_between(
        rows,
        f"{FEATURES[feature]}, {place}",
        neuron,
        centred=centred,
        most=most,
        seed=seed,
        total=total,
        slug=feature if layer is None else f"{feature}-{layer}",
        progress=progress,
    )


def angles_between(
    rows: F32,
    title: str,
    name: Callable[[int], str] = str,
    *,
    centred: bool = False,
    most: int = MOST,
    seed: int = 0,
    total: int | None = None,
    slug: str = "directions",
    progress: Progress | None = None,
) -> Angles:
    """Angles between the rows of a matrix ``(direction, channel)``.

    See `angles`; `name` says what a row is, and `total` how many there are where `rows` are
    drawn from more, `slug` is their name for files.

    Raises
    ------
    TomoError
        There are fewer than two rows that are not zero, or values that are not finite.
    """
    d = rows.shape[1]
    total = len(rows) if total is None else total
    if centred:
        rows = rows - rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    lengths = norms(rows)
    if not np.isfinite(lengths).all():
        raise TomoError(f"Some directions of the {title} are not finite.")
    alive = np.flatnonzero(lengths > 0)
    zeros = len(rows) - len(alive)
    sampled = len(rows) < total or len(alive) > most
    if len(alive) < 2:
        raise TomoError(f"There are fewer than two directions among the {title}.")
    if len(alive) > most:
        chosen = np.random.default_rng(seed).choice(alive, most, replace=False)
        alive = np.sort(chosen)
    unit = rows[alive] / lengths[alive, None]
    density, edges, magnitude, pairs = _compare(unit, progress or SilentProgress())
    n = len(unit)
    if sampled:
        drawn = f"{n:,} of {total:,} directions, drawn with seed {seed},"
    else:
        drawn = f"all {n:,} directions" if n == total else f"{n:,} directions ({zeros:,} are 0)"
    mean = "their mean subtracted first" if centred else "nothing subtracted"
    return Angles(
        name=slug,
        title=title,
        count=n,
        total=total,
        channels=d,
        centred=centred,
        edges=edges,
        density=density,
        magnitude=magnitude,
        dimension=participation_ratio(unit),
        random_dimension=n * d / (n + d - 1),
        pairs=tuple(Pair(name(int(alive[a])), name(int(alive[b])), value) for value, a, b in pairs),
        stated=f"Cosines of all pairs of {drawn} in {d} channels, {mean}.",
    )


def _neurons(
    weights: Weights, feature: Feature, layer: int | None, most: int, seed: int
) -> tuple[F32, list[tuple[int, int]], int]:
    """Directions of neurons, the layer and index of each, and how many there are in all.

    Of all layers together an equal share of each is drawn: all of them may not fit in memory.
    """
    count = weights.sizes.n_layers or 0
    if layer is not None and not 0 <= layer < count:
        raise TomoError(f"{weights.name} has layers 0 to {count - 1}, there is no {layer}.")
    layers = range(count) if layer is None else (layer,)
    share = -(-most // max(len(layers), 1))
    random = np.random.default_rng(seed)
    rows: list[F32] = []
    origins: list[tuple[int, int]] = []
    total = 0
    for one in layers:
        found = [_directions(mlp, feature, weights.name) for mlp in mlps(weights, one)]
        here = np.concatenate(found)
        total += len(here)
        kept = np.arange(len(here))
        if len(here) > share:
            kept = np.sort(random.choice(len(here), share, replace=False))
        rows.append(here[kept])
        origins.extend((one, int(index)) for index in kept)
    return np.concatenate(rows), origins, total


def _readable(token: str) -> str:
    """A token's string; characters that have no picture are written as escapes."""
    shown = visible(token)
    return shown if shown.isprintable() else shown.encode("unicode_escape").decode("ascii")


def _directions(mlp: Mlp, feature: Feature, name: str) -> F32:
    found = {"gate": mlp.gate, "in": mlp.reads, "out": mlp.writes}[feature]
    if found is None:
        raise TomoError(f"The neurons of {name} have no gates.")
    return found


def _compare(unit: F32, report: Progress) -> tuple[F64, F64, float, list[tuple[float, int, int]]]:
    """Histogram and mean magnitude of the cosines of all pairs, and the strongest of them."""
    n = len(unit)
    edges = np.linspace(-1.0, 1.0, BINS + 1)
    counts = np.zeros(BINS)
    total = 0.0
    strongest: list[tuple[float, int, int]] = []
    report.start(n, "Comparing directions")
    for start in range(0, n, BLOCK):
        block = np.clip(unit[start : start + BLOCK] @ unit[start:].T, -1.0, 1.0)
        upper = np.triu(np.ones(block.shape, bool), 1)
        rows, columns = np.nonzero(upper)
        values = block[rows, columns]
        counts += np.histogram(values, edges)[0]
        total += float(np.abs(values).sum(dtype=np.float64))
        few = min(KEPT, len(values))
        if few:
            top = np.argpartition(-np.abs(values), few - 1)[:few]
            strongest.extend(
                (float(values[i]), start + int(rows[i]), start + int(columns[i])) for i in top
            )
        strongest = heapq.nlargest(KEPT, strongest, key=lambda pair: (abs(pair[0]), -pair[1]))
        report.advance(len(block))
    pairs = n * (n - 1) / 2
    return counts / (pairs * (edges[1] - edges[0])), edges, total / pairs, strongest
