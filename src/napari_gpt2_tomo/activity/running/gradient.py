"""Loss of the true next tokens, its gradient, and one step of gradient descent on a copy."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from ...base import TomoError
from .streaming import is_streamed
from .weights import Weights

__all__ = ["Slope", "losses"]


def losses(network: nn.Module, ids: torch.Tensor) -> torch.Tensor:
    """``(token - 1,)`` nats: −log probability of each token but the first, in ``(1, token)`` ids.

    Raises
    ------
    TomoError
        There is only one token, so none is predicted.
    """
    with torch.no_grad():
        return _losses(network, None, ids)


class Slope:
    """The gradient of the mean loss of a text, in the parameters of a network.

    The network's own weights are neither changed nor do they keep a gradient.

    Parameters
    ----------
    network
        The model.
    ids
        ``(1, token)``.

    Attributes
    ----------
    before
        Mean loss of the text, in nats per token.

    Raises
    ------
    TomoError
        There is only one token, or the weights are not in memory.
    """

    def __init__(self, network: nn.Module, ids: torch.Tensor) -> None:
        if is_streamed(network):
            raise TomoError(
                "The model is larger than the memory and read layer by layer, so gradients, which "
                "need all weights at once, cannot be computed. Take a smaller model."
            )
        self._network, self._ids = network, ids
        self._parameters = {
            name: one.detach().requires_grad_() for name, one in network.named_parameters()
        }
        with torch.enable_grad():
            loss = _losses(network, self._parameters, ids).mean()
            found = torch.autograd.grad(loss, list(self._parameters.values()), allow_unused=True)
        self.before = float(loss.detach())
        self._gradients = {
            name: torch.zeros_like(one) if grad is None else grad
            for (name, one), grad in zip(self._parameters.items(), found, strict=True)
        }

    @property
    def norm(self) -> float:
        """Length of the whole gradient."""
        squares = (grad.float().square().sum() for grad in self._gradients.values())
        return float(torch.stack(list(squares)).sum().sqrt())

    def after(self, rate: float) -> float:
        """Mean loss of the text after one step of this rate against the gradient."""
        with torch.no_grad():
            stepped = {
                name: one - rate * self._gradients[name] for name, one in self._parameters.items()
            }
            return float(_losses(self._network, stepped, self._ids).mean())

    def of(self, names: Iterable[str], weights: Weights) -> dict[str, torch.Tensor]:
        """The gradient of some parameters, float32.

        Parameters
        ----------
        names
            Names of parameters as the network has them, or of parts as an anatomy has them
            (``"L3.q"``, ``"final_norm"``), which are oriented ``(channel, unit)``.
        weights
            The weights of the network.

        Raises
        ------
        TomoError
            There is no such parameter or part.
        """
        by_parameter = {
            id(one): self._gradients[name]
            for name, one in self._network.named_parameters()
            if name in self._gradients
        }
        return {
            name: self._gradients[name].float()
            if name in self._gradients
            else weights.gradient(name, by_parameter)
            for name in names
        }


def _losses(
    network: Any, parameters: Mapping[str, torch.Tensor] | None, ids: torch.Tensor
) -> torch.Tensor:
    if ids.shape[1] < 2:
        raise TomoError("One token alone has no loss: nothing comes after it. Type a longer text.")
    logits = (
        network(ids).logits
        if parameters is None
        else functional_call(network, dict(parameters), (ids,)).logits
    )
    return nn.functional.cross_entropy(logits[0, :-1].float(), ids[0, 1:], reduction="none")
