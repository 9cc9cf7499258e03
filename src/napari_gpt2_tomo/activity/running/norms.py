"""The norms of a model as numbers: what they divide by, their gain and their shift."""

from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from .streaming import stored

__all__ = ["NormKind", "NormNumbers", "norm_numbers"]

NormKind = Literal["layer", "rms"]
"""LayerNorm takes the mean away and divides by σ, RMSNorm divides by the root mean square."""


@dataclass(frozen=True)
class NormNumbers:
    """A norm as numbers, float32.

    Attributes
    ----------
    kind
        See `NormKind`.
    gain, shift
        As they are used: ``(channel,)``; None where the norm has none.
    epsilon
        What is added to the mean square under the root.
    """

    kind: NormKind
    gain: torch.Tensor | None
    shift: torch.Tensor | None
    epsilon: float

    def to(self, device: str | torch.device) -> "NormNumbers":
        """The same on another device."""
        move = [None if one is None else one.to(device) for one in (self.gain, self.shift)]
        return replace(self, gain=move[0], shift=move[1])

    def scale(self, values: torch.Tensor) -> torch.Tensor:
        """What the norm divides by, ``(…, 1)``."""
        if self.kind == "layer":
            values = values - values.mean(-1, keepdim=True)
        return (values.square().mean(-1, keepdim=True) + self.epsilon).sqrt()

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """The norm of ``(…, channel)`` values."""
        scale = self.scale(values)
        if self.kind == "layer":
            values = values - values.mean(-1, keepdim=True)
        values = values / scale
        if self.gain is not None:
            values = values * self.gain
        return values if self.shift is None else values + self.shift


def norm_numbers(module: nn.Module) -> NormNumbers:
    """Numbers of a norm of any of the families."""
    owner: Any = module
    weight, bias = stored(module, "weight"), stored(module, "bias")
    names = ("eps", "variance_epsilon", "epsilon")
    epsilon = next((getattr(owner, name) for name in names if hasattr(owner, name)), 1e-5)
    kind: NormKind = "rms" if "RMS" in type(module).__name__ else "layer"
    gain = None if weight is None else weight.detach().float()
    shift = None if bias is None else bias.detach().float()
    if gain is not None and _adds_one(module, gain):
        gain = gain + 1.0
    return NormNumbers(kind, gain, shift, float(epsilon))


def _adds_one(module: nn.Module, weight: torch.Tensor) -> bool:
    """Whether a norm multiplies by 1 + weight, as those of Gemma do; seen from what it does."""
    if "RMS" not in type(module).__name__:
        return False
    ones = torch.ones(1, len(weight), dtype=weight.dtype, device=weight.device)
    # A copy with the weight in memory, and the forward of its class: that of a module whose weights
    # are on disk is another.
    probe = copy(module)
    probe.__dict__ = {**module.__dict__, "_parameters": {"weight": weight}}
    with torch.no_grad():
        given = type(module).forward(probe, ones).float()[0]
    return bool((given - weight).abs().sum() > (given - weight - 1).abs().sum())
