"""Continuing a text token by token."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...base import TomoError

__all__ = ["Sampling", "Step", "continuation"]

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Step:
    """One token of a continuation.

    Attributes
    ----------
    id, string
        The token that was chosen.
    probability
        That the model gave it, before temperature and cuts.
    logits
        ``(vocab,)`` of all tokens, before temperature and cuts.
    """

    id: int
    string: str
    probability: float
    logits: F32


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes
    ----------
    temperature
        Divides the logits; at 0 the most probable token is taken.
    top_k
        Only so many of the most probable tokens are drawn from.
    top_p
        Only the most probable tokens that together have at least this probability.
    seed
        Of the draws.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < np.inf:
            raise TomoError(f"The temperature must be 0 or more, not {self.temperature}.")
        if self.top_k is not None and self.top_k < 1:
            raise TomoError(f"top_k must be 1 or more, not {self.top_k}.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise TomoError(f"top_p must be above 0 and at most 1, not {self.top_p}.")

    def chooser(self) -> Callable[[F32], int]:
        """A function from logits to a token; its draws follow from the seed."""
        random = np.random.default_rng(self.seed)
        return lambda logits: self._choose(logits, random)

    def _choose(self, logits: F32, random: np.random.Generator) -> int:
        if self.temperature == 0:
            return int(logits.argmax())
        # Stable order: equal logits are taken in the order of their ids.
        order = np.argsort(-logits, kind="stable")[: self.top_k]
        scaled = logits[order].astype(np.float64) / self.temperature
        weights = np.exp(scaled - scaled[0])
        weights /= weights.sum()
        if self.top_p is not None:
            n_kept = int(np.searchsorted(np.cumsum(weights), self.top_p)) + 1
            order, weights = order[:n_kept], weights[:n_kept]
        # The draw is compared with cumulated weights, so rounding cannot leave it without a token.
        at = np.searchsorted(np.cumsum(weights), random.random() * weights.sum(), side="right")
        return int(order[min(int(at), len(order) - 1)])


def continuation(
    network: Any, ids: torch.Tensor, choose: Callable[[F32], int]
) -> Iterator[tuple[int, F32]]:
    """Ids that follow ``(1, token)`` ids without end, each with the logits that it was chosen by.

    Keys and values of earlier tokens are kept where the model can.
    """
    past: Any = None
    given = ids
    while True:
        with torch.no_grad():
            out = (
                network(given, past_key_values=past, use_cache=True)
                if _caches(network)
                else network(ids)
            )
        logits = out.logits[0, -1].float().cpu().numpy()
        chosen = choose(logits)
        yield chosen, logits
        past = getattr(out, "past_key_values", None)
        following = torch.tensor([[chosen]], device=ids.device)
        ids = torch.cat([ids, following], dim=1)
        given = ids if past is None else following


def _caches(network: Any) -> bool:
    # GPT-1 is older than the cache.
    return bool(network.config.model_type != "openai-gpt")
