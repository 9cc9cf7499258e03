"""Ways to look at a pattern: raw or weighted with the values, with or without the first token."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..record import Activity
from .patterns import THUMBNAIL, hide_future, thumbnails, without_first
from .values import layer_value_norms, weighted_pattern

__all__ = ["Look", "all_small", "is_causal", "shown", "shown_layer"]

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Look:
    """What is shown of a pattern.

    Attributes
    ----------
    weight
        ``"raw"``: attention. ``"values"``: attention times the length of what it carries.
    first
        Whether the first token is shown; without it, rows are shares of the rest.
    """

    weight: Literal["raw", "values"] = "raw"
    first: bool = True

    @property
    def title(self) -> str:
        """What the numbers are."""
        words = {"raw": "attention", "values": "attention × ‖value‖"}[self.weight]
        return words if self.first else f"{words}, share of the rest"


def is_causal(activity: Activity) -> bool:
    """Whether queries see no later keys: as the model says, else as the pattern looks."""
    if activity.model is not None:
        return activity.model.causal
    pattern = activity["pattern"]
    return not len(pattern) or not np.triu(np.asarray(pattern[0, 0]), 1).any()


def shown(
    activity: Activity,
    layer: int,
    head: int,
    look: Look | None = None,
    causal: bool | None = None,
) -> F32:
    """A head's pattern as it is looked at: ``(query, key)``, NaN where nothing is to be seen.

    Parameters
    ----------
    activity
        With ``pattern``.
    layer, head
        Which head.
    look
        Raw and whole by default.
    causal
        As `is_causal` says, if that is known already.

    Raises
    ------
    TomoError
        What is needed was not recorded, or needs the model.
    """
    look = look or Look()
    if look.weight == "values":
        values = weighted_pattern(activity, layer, head)
    else:
        values = activity.read("pattern", layer, head)
    return _seen(values, look, is_causal(activity) if causal is None else causal)


def shown_layer(
    activity: Activity, layer: int, look: Look | None = None, causal: bool | None = None
) -> F32:
    """`shown` of all heads of a layer: ``(head, query, key)``; the weights are read once."""
    look = look or Look()
    values = activity.read("pattern", layer)
    if look.weight == "values":
        values = values * layer_value_norms(activity, layer)[:, None, :]
    return _seen(values, look, is_causal(activity) if causal is None else causal)


def _seen(values: NDArray[Any], look: Look, causal: bool) -> F32:
    """Values ``(…, query, key)`` without what is not looked at."""
    if not look.first:
        values = without_first(values)
    return hide_future(values) if causal else np.asarray(values, np.float32)


def all_small(activity: Activity, look: Look | None = None, size: int = THUMBNAIL) -> F32:
    """Small pictures of all heads as they are looked at: ``(layer, head, row, column)``.

    Raises
    ------
    TomoError
        See `shown`.
    """
    causal = is_causal(activity)
    return np.concatenate(
        [
            thumbnails(shown_layer(activity, layer, look, causal)[None], size)
            for layer in range(len(activity["pattern"]))
        ]
    )
