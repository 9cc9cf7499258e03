"""Mixtures of experts: which experts a token goes to, and the neurons of those experts.

The experts of a layer are kept as one module that holds the weights of all; it computes one
expert after the other for the tokens that chose it. What its neurons do is computed again here
from the same input and the same weights.
"""

from typing import Any

import torch
from torch import nn

from ...base import TomoError
from .streaming import stored
from .wiring import Wiring, below

__all__ = ["Mixture", "mixture_of"]


class Mixture:
    """The router and the experts of one block.

    Parameters
    ----------
    router
        Takes ``(token, channel)``, gives scores, weights and the chosen experts.
    experts
        Holds ``gate_up_proj`` and ``down_proj`` of all experts.
    """

    def __init__(self, router: nn.Module, experts: Any) -> None:
        self.router: Any = router
        self.experts = experts
        # As declared in the modelling files: (expert, in, out) instead of (expert, out, in);
        # gate and up by turns instead of one after the other.
        self._is_oss = "GptOss" in type(experts).__name__

    @property
    def n_experts(self) -> int:
        """Number of experts."""
        return int(self.experts.gate_up_proj.shape[0])

    def weight(self, role: str, expert: int) -> torch.Tensor | None:
        """``gate``, ``up`` or ``down`` of an expert, ``(channel, neuron)``, or its ``…_bias``.

        Raises
        ------
        TomoError
            There is no such expert.
        """
        if not 0 <= expert < self.n_experts:
            raise TomoError(
                f"The layer has the experts 0 to {self.n_experts - 1}, there is no {expert}."
            )
        name = role.removesuffix("_bias")
        holder = "down_proj" if name == "down" else "gate_up_proj"
        if role != name:
            biases = stored(self.experts, f"{holder}_bias")
            found = None if biases is None else biases[expert]
            return found if found is None or name == "down" else self._halves(found)[name == "up"]
        matrix = self._all(holder)[expert]
        if not self._is_oss:
            matrix = matrix.T
        return matrix.T if name == "down" else self._halves(matrix)[name == "up"]

    def _halves(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Gate and up of what holds both along its last axis."""
        if self._is_oss:
            return values[..., ::2], values[..., 1::2]
        gate, up = values.chunk(2, dim=-1)
        return gate, up

    def route(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Probability of each expert ``(…, expert)``, and the chosen ones ``(…, slot)``.

        The probabilities are those that the experts are chosen by; where the model takes them
        only over the chosen experts (gpt-oss), those of the others are 0.
        """
        flat = states.reshape(-1, states.shape[-1])
        logits, weights, chosen = self.router(flat)
        if self._is_oss:
            probabilities = torch.zeros_like(logits).scatter(-1, chosen, weights.to(logits.dtype))
        else:
            probabilities = logits.float().softmax(-1)
        lead = states.shape[:-1]
        return probabilities.reshape(*lead, -1), chosen.reshape(*lead, -1)

    def probabilities(self, states: torch.Tensor) -> torch.Tensor:
        """``(batch, token, expert)``, see `route`."""
        return self.route(states)[0]

    def chosen(self, states: torch.Tensor) -> torch.Tensor:
        """``(batch, token, slot)``, see `route`."""
        return self.route(states)[1]

    def neurons(self, states: torch.Tensor, which: str) -> torch.Tensor:
        """``(batch, token, slot, neuron)`` of the chosen experts.

        Parameters
        ----------
        states
            What the mixture takes, ``(batch, token, channel)``.
        which
            ``"mlp_pre"``, ``"mlp_linear"`` or ``"mlp_post"``.
        """
        chosen = self.chosen(states)
        flat, slots = states.reshape(-1, states.shape[-1]), chosen.reshape(-1, chosen.shape[-1])
        width = self.experts.down_proj.shape[1 if self._is_oss else 2]
        found = torch.empty(*slots.shape, width, dtype=torch.float32, device=states.device)
        matrices, biases = self._all("gate_up_proj"), stored(self.experts, "gate_up_proj_bias")
        for expert in sorted(set(slots.flatten().tolist())):
            tokens, places = torch.where(slots == expert)
            matrix = matrices[expert].to(states.device)
            both = flat[tokens] @ (matrix if self._is_oss else matrix.T)
            if biases is not None:
                both = both + biases[expert].to(states.device)
            found[tokens, places] = self._activated(both, which).float()
        return found.reshape(*chosen.shape, width)

    def _all(self, holder: str) -> torch.Tensor:
        """The weights of all experts, read now if they are not in memory."""
        found = stored(self.experts, holder)
        if found is None:
            raise LookupError(holder)
        return found

    def _activated(self, both: torch.Tensor, which: str) -> torch.Tensor:
        if which == "mlp_post":
            if self._is_oss:
                done: torch.Tensor = self.experts._apply_gate(both)
                return done
            gate, up = self._halves(both)
            return torch.as_tensor(self.experts.act_fn(gate) * up)
        return self._halves(both)[which == "mlp_linear"]


def mixture_of(block: nn.Module, wiring: Wiring) -> Mixture | None:
    """The mixture of experts of a block; None for a block with one MLP."""
    experts = below(block, f"{wiring.mlp}.experts")
    router = below(block, f"{wiring.mlp}.gate") or below(block, f"{wiring.mlp}.router")
    if experts is None or router is None or not hasattr(experts, "gate_up_proj"):
        return None
    return Mixture(router, experts)
