"""What each head adds to the residual stream."""

from typing import Any

import torch
from torch import nn

from .heads import HeadShape
from .norms import norm_numbers
from .streaming import stored
from .weights import oriented

__all__ = ["HeadOut"]


class HeadOut:
    """Splits what an out-projection writes by head.

    Parameters
    ----------
    out
        The projection.
    post
        The norm that its output goes through before it is added to the stream, if there is one.
    heads
        Heads of the model.
    """

    def __init__(self, out: nn.Module, post: nn.Module | None, heads: HeadShape) -> None:
        self._out: Any = out
        self._post = post
        self._heads = heads

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """``(batch, head, token, channel)`` of ``(batch, token, head·d_head)``.

        The heads and the bias of the projection sum to what attention adds. A norm on its way
        divides all heads by what it divides the sum by.
        """
        weight = oriented(self._out).to(values.device).float()
        values = values.float()
        by_head = weight.reshape(self._heads.query, self._heads.size, -1)
        apart = values.reshape(*values.shape[:-1], *by_head.shape[:2])
        parts = torch.einsum("bthd,hdc->bhtc", apart, by_head)
        if self._post is None:
            return parts
        numbers = norm_numbers(self._post).to(str(values.device))
        bias = stored(self._out, "bias")
        whole = parts.sum(1) if bias is None else parts.sum(1) + bias.to(parts)
        parts = parts / numbers.scale(whole)[:, None]
        return parts if numbers.gain is None else parts * numbers.gain
