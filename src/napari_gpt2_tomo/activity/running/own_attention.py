"""Attention of models that do not use transformers' attention interface, computed again.

GPT-1, GPT-Neo, GPT-J and BLOOM have an attention function of their own, in which scores and rotated
queries and keys cannot be seen from outside. They follow from the states that attention takes.
"""

import sys
from typing import Any

import torch
from torch import nn

from .attention import masked_scores
from .heads import HeadShape
from .wiring import Wiring, below

__all__ = ["OwnAttention"]


class OwnAttention:
    """The attention of one block of such a model.

    Parameters
    ----------
    block
        That it belongs to.
    wiring, heads
        Where things are.
    """

    def __init__(self, block: nn.Module, wiring: Wiring, heads: HeadShape) -> None:
        self._attention: Any = below(block, wiring.attention)
        self._projections = {
            which: below(block, path or wiring.fused)
            for which, path in (("q", wiring.query), ("k", wiring.key))
        }
        self._wiring = wiring
        self._heads = heads
        self._own: Any = sys.modules[type(self._attention).__module__]

    def rotated(self, values: torch.Tensor, which: str) -> torch.Tensor:
        """``(batch, head, token, d_head)`` after rotary positions.

        Parameters
        ----------
        values
            What the projection gives, ``(batch, token, unit)``.
        which
            ``"q"`` or ``"k"``.
        """
        parts = self._heads.part(values, which, self._wiring.fusion)
        # GPT-J's table: sines, then cosines, of each position.
        table = self._attention.embed_positions[: parts.shape[-2]].to(parts)
        sin, cos = table.chunk(2, dim=-1)
        turns = self._attention.rotary_dim or parts.shape[-1]
        turned, kept = parts[..., :turns], parts[..., turns:]
        # Its function has tokens before heads.
        done = self._own.apply_rotary_pos_emb(turned.transpose(1, 2), sin[None], cos[None])
        return torch.cat([done.transpose(1, 2), kept], dim=-1)

    def scores(self, states: torch.Tensor) -> torch.Tensor:
        """``(batch, head, query, key)`` before the softmax, of the states that attention takes."""
        q, k = (self._side(states, which) for which in ("q", "k"))
        scaling, bias = self._scaling(), self._bias(states)
        if bias is None:
            return masked_scores(q, k, self._hidden(states), scaling)
        return masked_scores(q, k, self._hidden(states) + bias, scaling)

    def _side(self, states: torch.Tensor, which: str) -> torch.Tensor:
        projection = self._projections[which]
        assert projection is not None
        values = projection(states)
        if self._wiring.positions == "rotary":
            return self.rotated(values, which)
        return self._heads.part(values, which, self._wiring.fusion)

    def _scaling(self) -> float:
        # GPT-Neo does not divide by √d_head.
        return 1.0 if hasattr(self._attention, "attention_type") else self._heads.size**-0.5

    def _hidden(self, states: torch.Tensor) -> torch.Tensor:
        """``(1, 1, query, key)``: the lowest number where a key is hidden, else 0."""
        n_tokens = states.shape[1]
        if getattr(self._attention, "attention_type", "") == "local":
            seen = self._attention.bias[0, 0, :n_tokens, :n_tokens].bool()
        else:
            seen = torch.ones(n_tokens, n_tokens, dtype=torch.bool, device=states.device).tril()
        lowest = torch.finfo(torch.float32).min
        return torch.zeros_like(seen, dtype=torch.float32).masked_fill(~seen, lowest)[None, None]

    def _bias(self, states: torch.Tensor) -> torch.Tensor | None:
        """What is added to the scores for the distance of a key, ``(batch, head, 1, key)``."""
        if self._wiring.positions != "alibi":
            return None
        batch, n_tokens, _ = states.shape
        ones = torch.ones(batch, n_tokens, device=states.device)
        slopes = self._own.build_alibi_tensor(ones, self._heads.query, torch.float32)
        return torch.as_tensor(slopes).view(batch, self._heads.query, 1, n_tokens)
