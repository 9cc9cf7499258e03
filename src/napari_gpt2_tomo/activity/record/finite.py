"""Where numbers of an activity stop being numbers: NaN and infinity."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .activity import Activity

__all__ = ["not_finite"]

FLOW = ("attn_out", "mlp_out", "resid_post")
"""Sites of a block in the order in which they are computed."""


def not_finite(activity: Activity) -> str | None:
    """Where values are first NaN or infinite, as a sentence; None where all are finite.

    What follows is computed from them, so only the first place tells where the cause is.

    Parameters
    ----------
    activity
        What was measured; of the residual stream and what is added to it, whatever was recorded.
    """
    for place, values in _places(activity):
        # A logit of −∞ is a token that cannot come.
        wrong = np.isnan(values) | (values == np.inf if place == "logits" else np.isinf(values))
        if wrong.any():
            return (
                f"From {place} on there are values that are NaN or infinite: a weight is, or the "
                "numbers overflow (then run the model in float32). What is computed from them "
                "cannot be shown."
            )
    return None


def _places(activity: Activity) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """What was recorded in the order of computation, read one after the other."""
    for layer in range(activity.n_layers):
        for name in FLOW:
            if name in activity:
                yield f"{name} of layer {layer}", activity.read(name, layer)
    for name in ("final", "logits"):
        if name in activity:
            yield name, activity.read(name)
