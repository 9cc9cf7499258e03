"""The weights and norms of a model as numbers."""

import threading

import numpy as np
import torch
from numpy.typing import NDArray

from ...base import TomoError
from .measure import Circuit
from .norms import NormKind, NormNumbers, norm_numbers
from .unembedding import has_simple_head, through_head, through_matrix
from .weights import Weights

__all__ = ["Numbers"]

F32 = NDArray[np.float32]


class Numbers:
    """The side of a language model that tells its weights.

    Attributes
    ----------
    name, circuit, causal, lock
        See `LanguageModel`.
    """

    name: str
    circuit: Circuit
    causal: bool
    lock: threading.RLock
    _weights: Weights

    def weight(
        self,
        role: str,
        layer: int | None = None,
        head: int | None = None,
        expert: int | None = None,
    ) -> F32:
        """A weight as it is used in the computation, float32, read-only.

        Parameters
        ----------
        role
            As in an anatomy: ``"token_embedding"`` ``(channel, vocab)``, ``"position_embedding"``,
            ``"q"``, ``"k"``, ``"v"``, ``"o"`` ``(channel, unit)``, ``"gate"``, ``"up"``,
            ``"down"`` ``(channel, neuron)``, ``"router"``, ``"unembedding"`` ``(channel, vocab)``,
            ``"attn_norm"``, ``"attn_post_norm"``, ``"mlp_norm"``, ``"mlp_post_norm"``,
            ``"final_norm"``, ``"embedding_norm"`` ``(channel,)``, ``"q_norm"``, ``"k_norm"``,
            ``"sinks"``; with ``_bias`` what is added, ``(unit,)`` or ``(channel,)``.
        layer
            Of the block.
        head
            For q, k, v and o: only its ``(channel, d_head)``; for the biases of q, k and v its
            ``(d_head,)``.
        expert
            For gate, up and down of a mixture.

        Raises
        ------
        TomoError
            There is no such weight.
        """
        with self.lock:
            found: F32 = self._weights.get(role, layer, head, expert).cpu().numpy()
        found.flags.writeable = False
        return found

    @property
    def norm_kind(self) -> NormKind:
        """``"layer"``: the mean is taken away, divided by σ; ``"rms"``: divided by the root mean
        square."""
        places: tuple[tuple[str, int | None], ...] = (
            ("final_norm", None),
            ("embedding_norm", None),
            ("attn_norm", 0),
            ("attn_post_norm", 0),
        )
        found = (self._weights.norm(role, layer) for role, layer in places)
        module = next((one for one in found if one is not None), None)
        return "layer" if module is None else norm_numbers(module).kind

    def norm(self, where: str, values: F32, layer: int | None = None) -> F32:
        """A norm of ``(…, channel)`` values, as the model computes it, in float32.

        Parameters
        ----------
        where
            ``"attn_norm"``, ``"mlp_norm"``, ``"final_norm"``, or another norm of the model.
        values
            What is normed.
        layer
            Of the block.

        Raises
        ------
        TomoError
            The model has no such norm.
        """
        found: F32 = self._norm(where, layer)(torch.as_tensor(values).float()).numpy()
        return found

    def norm_scale(self, where: str, values: F32, layer: int | None = None) -> F32:
        """What a norm divides ``(…, channel)`` values by, ``(…, 1)``: σ or RMS, with its ε."""
        found: F32 = self._norm(where, layer).scale(torch.as_tensor(values).float()).numpy()
        return found

    def _norm(self, where: str, layer: int | None) -> NormNumbers:
        with self.lock:
            module = self._weights.norm(where, layer)
            if module is None:
                raise TomoError(f"{self.name} has no {where!r}.")
            return norm_numbers(module).to("cpu")

    @property
    def softcap(self) -> float | None:
        """Bound c of logits that the model bends to c · tanh(logit / c); None for most models."""
        cap = getattr(self.circuit.network.config, "final_logit_softcapping", None)
        return None if cap is None else float(cap)

    def unembed(self, values: F32, norm: bool = True) -> F32:
        """``(…, vocab)`` logits that ``(…, channel)`` states of the stream would give.

        Parameters
        ----------
        values
            States of the residual stream.
        norm
            Whether they have still to go through the final norm, where the model has one.

        Raises
        ------
        TomoError
            The model has no logits.
        """
        if norm and self._weights.norm("final_norm", None) is not None:
            values = self.norm("final_norm", values)
        states, circuit = torch.as_tensor(values).float(), self.circuit
        with self.lock, torch.no_grad():
            if circuit.head is not None and not has_simple_head(circuit, self.causal):
                chained: F32 = through_head(circuit.network, circuit.base, states).numpy()
                return chained
            found = through_matrix(self._weights, states)
            bias = self._weights.unembedding_bias
        if bias is not None:
            found += bias.float().cpu()
        cap = self.softcap
        logits: F32 = found.numpy() if cap is None else (cap * torch.tanh(found / cap)).numpy()
        return logits
