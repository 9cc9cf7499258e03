"""Changes that are made inside a model while it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["Hook"]


@dataclass(frozen=True)
class Hook:
    """A change of what flows at one place of a model.

    Attributes
    ----------
    site
        A name of `SITES`, e.g. ``"z"``, ``"mlp_post"``, ``"resid_mid"``, ``"pattern"``.
    change
        Takes the tensor that flows there, ``(batch, …)`` with the axes of the site but without
        its layer, in the model's dtype and on its device, and returns the one that shall flow
        instead, of the same shape. It may change its argument in place.
    layer
        Block where; None for sites outside of the blocks.
    """

    site: str
    change: "Callable[[torch.Tensor], torch.Tensor]"
    layer: int | None = None
