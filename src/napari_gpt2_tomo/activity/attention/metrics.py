"""Numbers that say what an attention head does, from its pattern and the text's tokens.

The formulas are in `catalogue`. A text of one token leaves a causal model's metrics undefined:
they are NaN, as is every metric whose mean is over nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base import TomoError
from ...display.plots import Table
from .catalogue import METRICS, metric

__all__ = ["HeadMetrics", "head_metrics", "head_name"]

Floats = NDArray[np.float64]


FROM_PATTERN = (
    "previous",
    "next",
    "current",
    "first",
    "special",
    "duplicate",
    "prefix",
    "nowhere",
    "last_peak",
    "last_first",
    "entropy",
    "spread",
    "distance",
)
"""What `head_metrics` computes."""


def head_name(layer: int, head: int) -> str:
    """A head as people write it: ``"L5H1"``, both from 0."""
    return f"L{layer}H{head}"


class HeadMetrics(Mapping[str, Floats]):
    """Numbers of every head: ``(layer, head)`` float64 by the names in `METRICS`; NaN: undefined.

    Parameters
    ----------
    values
        The arrays, all of one shape.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        known = {name: np.asarray(values[name], np.float64) for name in METRICS if name in values}
        for name in values:
            metric(name)
        if len({one.shape for one in known.values()}) > 1:
            shapes = {name: one.shape for name, one in known.items()}
            raise ValueError(f"metrics of different shapes: {shapes}")
        self._values = known

    def __getitem__(self, name: str) -> Floats:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of layers and of heads in each."""
        for one in self._values.values():
            return int(one.shape[0]), int(one.shape[1])
        return 0, 0

    @property
    def defined(self) -> tuple[str, ...]:
        """Metrics that have a value for at least one head."""
        return tuple(name for name, one in self.items() if not np.isnan(one).all())

    def joined(self, more: Mapping[str, Any]) -> "HeadMetrics":
        """These and others; the others win."""
        return HeadMetrics({**self, **more})

    def best(self, name: str) -> tuple[int, int]:
        """Layer and head with the largest value.

        Raises
        ------
        TomoError
            The metric was not measured, or is undefined for every head.
        """
        if metric(name).name not in self.defined:
            raise TomoError(f"{METRICS[name].title!r} is undefined for this text.")
        layer, head = np.unravel_index(np.nanargmax(self[name]), self.shape)
        return int(layer), int(head)

    def table(self) -> Table:
        """A row for each head."""
        layers, heads = np.indices(self.shape).reshape(2, -1)
        names = [head_name(*where) for where in zip(layers, heads, strict=True)]
        columns: dict[str, Any] = {"name": names, "layer": layers, "head": heads}
        return Table({**columns, **{name: one.ravel() for name, one in self.items()}})


def head_metrics(
    pattern: Any,
    ids: NDArray[np.int64],
    *,
    causal: bool = True,
    special: tuple[int, ...] = (),
) -> HeadMetrics:
    """The metrics that a pattern alone gives, see `METRICS`.

    Parameters
    ----------
    pattern
        ``(layer, head, query, key)``, numpy or zarr; read layer by layer. Rows may sum to less
        than 1 (a model with a sink that is no token): entropy and distance are of the row as a
        distribution, the others of the attention itself.
    ids
        ``(token,)`` ids of the text's tokens.
    causal
        Whether a query sees no later keys. Of an encoder every query counts, duplicates and
        distances go both ways, and `next` is defined.
    special
        Positions of tokens that the tokenizer added.

    Returns
    -------
    HeadMetrics
        Arrays ``(layer, head)``.

    Raises
    ------
    ValueError
        The pattern does not fit the tokens.
    """
    n = len(ids)
    if len(pattern.shape) != 4 or pattern.shape[2:] != (n, n):
        raise ValueError(f"a pattern of shape {pattern.shape} does not fit {n} tokens")
    masks = _Masks.of(np.asarray(ids), causal, special)
    rows = [
        _of_layer(np.asarray(pattern[layer], np.float64), masks) for layer in range(len(pattern))
    ]
    return HeadMetrics(
        {
            name: np.array([row[name] for row in rows]).reshape(pattern.shape[:2])
            for name in FROM_PATTERN
        }
    )


WHOLE = 1e-2
"""How far rows of half precision may be from 1 by rounding."""


@dataclass(frozen=True)
class _Masks:
    """What a text says about its pairs (query, key), once for all heads."""

    causal: bool
    queries: NDArray[np.bool_]
    special: tuple[int, ...]
    duplicate: NDArray[np.bool_]
    prefix: NDArray[np.bool_]
    visible: Floats
    distance: Floats

    @classmethod
    def of(cls, ids: NDArray[np.int64], causal: bool, special: tuple[int, ...]) -> "_Masks":
        n = len(ids)
        places = np.arange(n)
        before = places[None, :] < places[:, None]
        same = ids[:, None] == ids[None, :]
        follows = np.zeros((n, n), bool)
        follows[:, 1:] = (same & before)[:, :-1]
        return cls(
            causal,
            places >= (1 if causal else 0),
            special,
            same & (before if causal else before | before.T),
            follows & before,
            np.where(causal, places + 1.0, float(n)),
            np.abs(places[:, None] - places[None, :]).astype(np.float64),
        )


def _of_layer(pattern: Floats, masks: _Masks) -> dict[str, Floats]:
    """Metrics of the heads of a layer, ``(head,)`` each, from ``(head, query, key)``."""
    heads, n, _ = pattern.shape
    queries = masks.queries
    nothing = np.full(heads, np.nan)
    step = np.arange(n - 1)
    total = pattern.sum(axis=-1)
    weights = np.divide(pattern, total[..., None], where=total[..., None] > 0, out=pattern * 0)
    logs = np.log2(weights, where=weights > 0, out=np.zeros_like(weights))
    entropy = -(weights * logs).sum(axis=-1)
    wide = queries & (masks.visible >= 2)
    last = pattern[:, -1] if n and queries[-1] else np.full((heads, 1), np.nan)
    return {
        "previous": _mean(pattern[:, step + 1, step]),
        "next": nothing if masks.causal else _mean(pattern[:, step, step + 1]),
        "current": _mean(np.diagonal(pattern, axis1=1, axis2=2)[:, queries]),
        "first": _mean(pattern[:, 1:, 0]) if n else nothing,
        "special": (
            _mean(pattern[:, queries][..., list(masks.special)].sum(axis=-1))
            if masks.special
            else nothing
        ),
        "duplicate": _mean_sum(pattern, masks.duplicate),
        "prefix": _mean_sum(pattern, masks.prefix),
        "nowhere": _mean(1 - total[:, queries]) if (total < 1 - WHOLE).any() else nothing,
        "last_peak": last.max(axis=-1),
        "last_first": last[:, 0],
        "entropy": _mean(entropy[:, queries]),
        "spread": _mean(entropy[:, wide] / np.log2(masks.visible[wide])),
        "distance": _mean((weights * masks.distance).sum(axis=-1)[:, queries]),
    }


def _mean(values: Floats) -> Floats:
    """Mean over the last axis; NaN over nothing."""
    if not values.shape[-1]:
        return np.full(values.shape[:-1], np.nan)
    mean: Floats = values.mean(axis=-1)
    return mean


def _mean_sum(pattern: Floats, pairs: NDArray[np.bool_]) -> Floats:
    """Mean, over queries that have a marked key, of the attention to their marked keys."""
    have = pairs.any(axis=-1)
    return _mean((pattern * pairs).sum(axis=-1)[:, have])
