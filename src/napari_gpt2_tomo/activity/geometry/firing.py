"""How the neurons of a prompt fire: histograms, sparsity, and which are strongest."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ..record import Activity

__all__ = [
    "Firing",
    "Histograms",
    "Sparsity",
    "histograms",
    "hoyer",
    "sparsity",
    "strongest_neurons",
]

F32 = NDArray[np.float32]
Where = Literal["mlp_pre", "mlp_linear", "mlp_post"]

BINS = 121
"""Bins of a histogram: odd, so that one is about zero."""

TAILS = 0.0005
"""Share of values beyond either end of a histogram's axis: those are counted in its last bins."""

NEAR_ZERO = 0.01
"""Share of the root mean square below which a neuron counts as silent."""

STRONG = 3.0
"""Times the root mean square of its layer from which a neuron counts as strong."""


@dataclass(frozen=True, eq=False)
class Histograms:
    """Histograms of the neurons' values, one for each layer on one axis.

    Attributes
    ----------
    where
        Name of the site.
    edges
        ``(bin + 1,)`` float64. Values beyond them are in the first and last bins.
    share
        ``(layer, bin)`` float64: share of the layer's values.
    """

    where: str
    edges: NDArray[np.float64]
    share: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sparsity:
    """How sparse the neurons of each layer are, ``(layer,)`` each.

    Attributes
    ----------
    positive
        Share of values above 0.
    strong
        Share of values larger in magnitude than `STRONG` times the layer's root mean square.
    silent
        Share of values smaller in magnitude than `NEAR_ZERO` times it.
    hoyer
        (√n − |x|₁/|x|₂) / (√n − 1) (Hoyer 2004), mean over the tokens: 0 where all neurons fire
        alike, 1 where only one does.
    kurtosis
        Fourth moment over the squared second, both about the mean; 3 for a normal distribution.
    """

    positive: F32
    strong: F32
    silent: F32
    hoyer: F32
    kurtosis: F32


@dataclass(frozen=True, slots=True)
class Firing:
    """A neuron that fires on a token.

    Attributes
    ----------
    layer, token, neuron
        Where. Of a mixture of experts the neuron is one of the expert's.
    value
        Its activation.
    share
        Its magnitude over the root mean square of its layer's neurons.
    expert
        The expert that it belongs to, if any.
    """

    layer: int
    token: int
    neuron: int
    value: float
    share: float
    expert: int | None = None


def histograms(activity: Activity, where: Where = "mlp_post", bins: int = BINS) -> Histograms:
    """Histograms of the neurons' values in every layer.

    Raises
    ------
    TomoError
        The site was not recorded, or has no finite values.
    """
    values = activity[where]
    layers = int(values.shape[0])
    ends = np.array(
        [
            np.quantile(flat, [TAILS, 1 - TAILS])
            for flat in (_flat(values[layer]) for layer in range(layers))
            if flat.size
        ]
    ).reshape(-1, 2)
    if not ends.size:
        raise TomoError(f"None of the {layers} layers has finite values of {where!r}.")
    low, high = float(ends[:, 0].min()), float(ends[:, 1].max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    share = np.empty((layers, bins))
    for layer in range(layers):
        # In double: an end rounded to single would lie beyond the last edge.
        flat = np.clip(_flat(values[layer]).astype(np.float64), low, high)
        share[layer] = np.histogram(flat, edges)[0] / max(flat.size, 1)
    return Histograms(where, edges, share)


def sparsity(activity: Activity, where: Where = "mlp_post") -> Sparsity:
    """How sparse the neurons of each layer are.

    Raises
    ------
    TomoError
        The site was not recorded.
    """
    values = activity[where]
    rows = [_sparsity(np.asarray(values[layer], np.float32)) for layer in range(values.shape[0])]
    return Sparsity(*(np.array(column, np.float32) for column in zip(*rows, strict=True)))


def hoyer(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Hoyer's sparsity along the last axis; NaN for zeros alone, or one value."""
    n = values.shape[-1]
    absolute = np.abs(values).astype(np.float64)
    length = np.sqrt(np.square(absolute).sum(axis=-1))
    out = np.full(length.shape, np.nan)
    if n > 1:
        ratio = np.divide(absolute.sum(axis=-1), length, out=out.copy(), where=length > 0)
        out = (np.sqrt(n) - ratio) / (np.sqrt(n) - 1)
    return out


def strongest_neurons(
    activity: Activity,
    *,
    layer: int | None = None,
    token: int | None = None,
    count: int = 20,
) -> tuple[Firing, ...]:
    """The neurons that fire most strongly, by the magnitude of their activation.

    Parameters
    ----------
    activity
        With ``mlp_post``.
    layer, token
        Only of this layer, only on this token.
    count
        How many, at most. Equal ones are in the order of layer, token and neuron.

    Raises
    ------
    TomoError
        The neurons were not recorded, or there is no such layer or token.
    """
    values = activity["mlp_post"]
    _within("layer", layer, int(values.shape[0]))
    _within("token", token, int(values.shape[1]))
    found: list[Firing] = []
    for one in range(values.shape[0]) if layer is None else (layer,):
        block = np.asarray(values[one], np.float32)
        experts = activity.read("experts", one) if block.ndim == 3 else None
        usual = float(np.sqrt(np.square(block, dtype=np.float64).mean())) or 1.0
        first = 0 if token is None else token
        part = block if token is None else block[token : token + 1]
        magnitude = np.abs(part).ravel()
        most = min(count, magnitude.size)
        # Stable: what is equal stays in order.
        for place in np.argsort(-magnitude, kind="stable")[:most]:
            at = np.unravel_index(place, part.shape)
            row = int(at[0]) + first
            found.append(
                Firing(
                    layer=one,
                    token=row,
                    neuron=int(at[-1]),
                    value=float(part[at]),
                    share=float(magnitude[place]) / usual,
                    expert=None if experts is None else int(experts[row, int(at[1])]),
                )
            )
    found.sort(key=lambda one: -abs(one.value))
    return tuple(found[:count])


def _within(axis: str, index: int | None, size: int) -> None:
    if index is not None and not 0 <= index < size:
        raise TomoError(f"There is no {axis} {index}; there are {size}, counted from 0.")


def _flat(values: object) -> F32:
    """What is finite, in a row."""
    flat = np.asarray(values, np.float32).ravel()
    return flat[np.isfinite(flat)]


def _sparsity(block: F32) -> tuple[float, ...]:
    """The columns of `Sparsity` for a layer; NaN where a value is not finite."""
    if not np.isfinite(block).all():
        return (float("nan"),) * 5
    wide = block.astype(np.float64)
    usual = np.sqrt(np.square(wide).mean())
    centred = wide - wide.mean()
    second = np.square(centred).mean()
    kurtosis = (centred**4).mean() / second**2 if second > 0 else np.nan
    per_token = hoyer(block)
    return (
        float((block > 0).mean()),
        float((np.abs(wide) > STRONG * usual).mean()),
        float((np.abs(wide) <= NEAR_ZERO * usual).mean()),
        float(np.nanmean(per_token)) if np.isfinite(per_token).any() else float("nan"),
        float(kurtosis),
    )
