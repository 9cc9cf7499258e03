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
        return values.unflatten(-1, (n_heads, self.size)).transpose(-3, -2)

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
            widths = [self.size * n for n in (self.query, self.key_value, self.key_value)]
            return self.split(values.split(widths, dim=-1)[place], n_heads)
        if fusion == "by head":
            thirds = values.unflatten(-1, (self.query, 3, self.size))
            return thirds[..., place, :].transpose(-3, -2)
        shared = self.query // self.key_value
        groups = values.unflatten(-1, (self.key_value, shared + 2, self.size))
        if which == "q":
            # Not a view: the queries of two groups are not evenly spaced.
            return groups[..., :shared, :].flatten(-3, -2).transpose(-3, -2)
        return groups[..., shared + place - 1, :].transpose(-3, -2)


def head_shape(config: Any) -> HeadShape:
    """Heads of a model with this config."""
    query = int(config.num_attention_heads)
    key_value = int(getattr(config, "num_key_value_heads", None) or query)
    size = getattr(config, "head_dim", None) or config.hidden_size // query
    return HeadShape(query, key_value, int(size))
