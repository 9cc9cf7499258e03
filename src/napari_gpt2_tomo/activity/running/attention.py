"""The attention function that lets a recorder see, and a hook change, what goes through it.

It is registered with transformers' attention interface and calls the eager attention of the
model's own modelling file, so that scalings, soft caps, sinks and masks are the model's.
"""

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn

__all__ = ["IMPLEMENTATION", "Window", "masked_scores", "register"]

IMPLEMENTATION = "napari_gpt2_tomo"
"""Name of the attention function in transformers' interface."""

_WINDOW = "_napari_gpt2_tomo_window"

Look = Callable[[torch.Tensor], torch.Tensor]


class Window:
    """What is watched at one attention module; its functions see ``(batch, head, …)`` tensors.

    Each takes what flows and returns what shall flow; a site that is absent is not watched.
    """

    def __init__(self, module: nn.Module) -> None:
        self.sites: dict[str, Look] = {}
        self._module = module

    def open(self) -> None:
        """Begin to watch."""
        # Beside the parameters and buffers, where the module's own machinery does not look.
        self._module.__dict__[_WINDOW] = self

    def close(self) -> None:
        """End to watch."""
        self._module.__dict__.pop(_WINDOW, None)


@cache
def register() -> None:
    """Make the attention function known to transformers."""
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask

    AttentionInterface.register(IMPLEMENTATION, _attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(IMPLEMENTATION, eager_mask)


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Eager attention of the module's modelling file, watched on its way."""
    window: Window | None = module.__dict__.get(_WINDOW)
    sites = window.sites if window is not None else {}
    if "rot_q" in sites:
        query = sites["rot_q"](query)
    if "rot_k" in sites:
        key = sites["rot_k"](key)
    if "scores" in sites:
        scaling = options.get("scaling") or query.shape[-1] ** -0.5
        sites["scores"](masked_scores(query, key, attention_mask, scaling, options.get("softcap")))
    out, pattern = _own_attention(module)(module, query, key, value, attention_mask, **options)
    if "pattern" in sites:
        changed = sites["pattern"](pattern)
        if changed is not pattern:
            shared = value.repeat_interleave(changed.shape[1] // value.shape[1], dim=1)
            out = (changed @ shared).transpose(1, 2).contiguous()
    return out, pattern


def _own_attention(module: nn.Module) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    if getattr(module, "reorder_and_upcast_attn", False):
        return _upcast_attention
    modelling: Any = sys.modules[type(module).__module__]
    own: Callable[..., tuple[torch.Tensor, torch.Tensor]] = modelling.eager_attention_forward
    return own


def _upcast_attention(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **_: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """GPT-2's variant that scales before it multiplies."""
    out, pattern = module._upcast_and_reordered_attn(query, key, value, attention_mask)
    return out, pattern


def masked_scores(
    query: torch.Tensor,
    key: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    softcap: float | None = None,
) -> torch.Tensor:
    """``(batch, head, query, key)`` float32: what the softmax takes, −∞ where a key is hidden.

    Parameters
    ----------
    query, key
        ``(batch, head, token, d_head)``; keys may have fewer heads, which are shared.
    mask
        What is added to the scores, ``(batch, 1, query, key)``.
    scaling
        Factor of the products.
    softcap
        Scores s become ``softcap · tanh(s / softcap)``.
    """
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    scores = (query @ key.transpose(-1, -2)).float() * scaling
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if mask is None:
        return scores
    mask = mask[..., : scores.shape[-1]]
    # A hidden key gets the lowest number of the dtype, or, in GPT-1, −10⁴.
    hidden = mask < -5e3
    return (scores + mask.float()).masked_fill(hidden, -torch.inf)
