"""Ways to look at a pattern: raw or weighted with the values, with or without the first token."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..record import Activity
from .patterns import THUMBNAIL, hide_future, thumbnails, without_first
from .values import weighted_pattern

__all__ = ["Look", "all_small", "is_causal", "shown"]

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
        values = activity.read("pattern", layer, head).astype(np.float32)
    if not look.first:
        values = without_first(values)
    causal = is_causal(activity) if causal is None else causal
    return hide_future(values) if causal else values


def all_small(activity: Activity, look: Look | None = None, size: int = THUMBNAIL) -> F32:
    """Small pictures of all heads as they are looked at: ``(layer, head, row, column)``.

    Raises
    ------
    TomoError
        See `shown`.
    """
    layers, heads = activity["pattern"].shape[:2]
    causal = is_causal(activity)
    rows = []
    for layer in range(layers):
        patterns = [shown(activity, layer, head, look, causal) for head in range(heads)]
        rows.append(thumbnails(np.stack(patterns)[None], size))
    return np.concatenate(rows)
