"""Numbers of heads, and how a projection's values fall into them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .wiring import Fusion

if TYPE_CHECKING:
    import torch

__all__ = ["HeadShape", "head_shape"]


@dataclass(frozen=True)
class HeadShape:
    """Query heads, key/value heads and the dimensions of one."""

    query: int
    key_value: int
    size: int

    def split(self, values: "torch.Tensor", n_heads: int) -> "torch.Tensor":
        """``(…, token, head·d_head)`` as ``(…, head, token, d_head)``, sharing memory."""
        return values.reshape(*values.shape[:-1], n_heads, self.size).transpose(-3, -2)

    def part(self, values: "torch.Tensor", which: str, fusion: Fusion) -> "torch.Tensor":
        """Queries, keys or values as ``(…, head, token, d_head)``, sharing memory.

        Parameters
        ----------
        values
            What a projection gives, ``(…, token, unit)``.
        which
            ``"q"``, ``"k"`` or ``"v"``.
        fusion
            How the projection holds the three.
        """
        n_heads = self.query if which == "q" else self.key_value
        if not fusion:
            return self.split(values, n_heads)
        place = "qkv".index(which)
        if fusion == "blocks":
            first = self.size * (0, self.query, self.query + self.key_value)[place]
            return self.split(values[..., first : first + n_heads * self.size], n_heads)
        thirds = values.reshape(*values.shape[:-1], self.query, 3, self.size)
        return thirds[..., place, :].transpose(-3, -2)


def head_shape(config: Any) -> HeadShape:
    """Heads of a model with this config."""
    query = int(config.num_attention_heads)
    key_value = int(getattr(config, "num_key_value_heads", None) or query)
    if hasattr(config, "multi_query"):
        key_value = 1 if config.multi_query else query
    size = getattr(config, "head_dim", None) or config.hidden_size // query
    return HeadShape(query, key_value, int(size))
