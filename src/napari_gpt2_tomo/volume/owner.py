"""Which part each element of a stored tensor belongs to, many at a time."""

import numpy as np
from numpy.typing import NDArray

from ..anatomy.anatomy import Anatomy
from ..anatomy.view import View

__all__ = ["contains", "owners"]


def contains(view: View, flat: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a view holds each of the flat indices of its tensor."""
    rest = flat - view.offset
    held = rest >= 0
    digits = sorted(((s, n) for axis in view.axes for n, s in axis if n > 1), reverse=True)
    for stride, n in digits:
        digit = rest // stride
        held &= digit < n
        rest = rest - digit * stride
    held &= rest == 0
    return held


def owners(anatomy: Anatomy, tensor: str, flat: NDArray[np.int64]) -> int | NDArray[np.int64]:
    """Position in ``anatomy.parts`` of the part of each flat index; an int if all are one part."""
    positions = anatomy.positions[tensor]
    if len(positions) == 1:
        return positions[0]
    found = np.full(flat.shape, -1, np.int64)
    for position in positions:
        found[contains(anatomy.parts[position].view, flat)] = position
    return found
