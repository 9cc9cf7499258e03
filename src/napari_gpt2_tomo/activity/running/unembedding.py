"""From states of the residual stream to logits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from .measure import Circuit
from .weights import Weights

__all__ = ["has_simple_head", "through_head", "through_matrix"]

BLOCK = 1 << 19
"""Numbers of an unembedding that are made float32 at once: 2 MB stay in the caches of processors,
where a whole matrix goes to memory and comes back (three to ten times as slow)."""


def has_simple_head(circuit: Circuit, causal: bool) -> bool:
    """Whether logits are the final state times a matrix, plus a bias perhaps."""
    named = (getattr(circuit.network, name, None) for name in ("cls", "lm_head"))
    return causal and not any(
        isinstance(one, nn.Module) and not isinstance(one, nn.Linear) for one in named
    )


def through_matrix(weights: Weights, states: torch.Tensor) -> torch.Tensor:
    """``(…, vocab)`` logits of ``(…, channel)`` float32 states, without a bias, float32.

    Weights of another type are converted block by block, where they are: as a whole they would take
    2 GB for a model with 128,000 tokens and 4,096 channels, at each call.
    """
    project, matrix = weights.unembedding()
    states = states.to(matrix.device)
    if project is not None:
        states = states @ project.float()
    if matrix.dtype == torch.float32:
        return (states @ matrix).cpu()
    size, vocab = matrix.shape
    step = max(1, BLOCK // size)
    found = torch.empty((*states.shape[:-1], vocab), dtype=torch.float32)
    for first in range(0, vocab, step):
        block = slice(first, first + step)
        found[..., block] = states @ matrix[:, block].float()
    return found


def through_head(network: Any, base: nn.Module, states: torch.Tensor) -> torch.Tensor:
    """``(…, vocab)`` logits of ``(…, channel)`` states, by what the model does after its blocks.

    Heads of encoders are chains of modules, called by other names in each family; their own forward
    pass knows them, so it is run with the states in place of what the blocks would have given.
    """
    from transformers.modeling_outputs import BaseModelOutput

    size = states.shape[-1]
    rows = states.reshape(1, -1, size).to(_home(network))
    with _giving(base, BaseModelOutput(last_hidden_state=rows)):
        ids = torch.zeros(rows.shape[:2], dtype=torch.long, device=rows.device)
        logits: torch.Tensor = network(input_ids=ids, return_dict=True).logits
    return logits[0].float().cpu().reshape(*states.shape[:-1], -1)


def _home(network: Any) -> torch.Tensor:
    """A tensor of the type and on the device that the model computes with."""
    table: torch.Tensor = network.get_input_embeddings().weight
    device = "cpu" if table.is_meta else table.device
    return torch.empty(0, dtype=table.dtype, device=device)


@contextmanager
def _giving(module: nn.Module, output: object) -> Iterator[None]:
    """Let a module give this output whatever it is called with."""
    own = module.__dict__.get("forward")
    # Set on the object, where accelerate puts that of modules whose weights are on disk.
    module.__dict__["forward"] = lambda *args, **options: output
    try:
        yield
    finally:
        if own is None:
            del module.__dict__["forward"]
        else:
            module.__dict__["forward"] = own
