"""Parts of a transformer: one logical matrix or vector each, as a view of a stored tensor."""

from dataclasses import dataclass, fields
from typing import Literal

from .view import View

__all__ = ["Group", "Heads", "HyperParameters", "Part"]

Group = Literal["embedding", "attention", "mlp", "router", "norm", "bias", "unembedding", "other"]
"""Coarse kind of a part, for colours, legends and tables."""


@dataclass(frozen=True, slots=True)
class Part:
    """One logical matrix or vector of a transformer.

    Attributes
    ----------
    name
        Unique in its anatomy and stable: ``"token_embedding"``, ``"L3.q"``,
        ``"L3.E7.gate"``, ``"L3.q_bias"``, ``"final_norm"``; for `other` the tensor's name.
    role
        What it does, e.g. ``"q"``, ``"down"``, ``"attn_norm"``, ``"other"``.
    group
        Coarse kind.
    tensor
        The stored tensor that it is a view of.
    view
        Where its elements lie. Two axes for a matrix, one for a vector, the
        tensor's own axes for `other`.
    axes
        Name of each axis of the view: ``("channel", "unit")`` for a matrix that
        reads or writes the residual stream, ``("row", "column")`` for one that does
        neither, ``("channel",)`` or ``("unit",)`` for vectors, ``("axis 0", …)`` else.
    layer, expert
        Block and expert that it belongs to, None where that has no meaning.
    n_heads, d_head
        Heads along its unit axis (or, for a bias, its only axis): unit = head·d_head + dim.
        None where it has no heads or their number is unknown.
    unit
        What the unit axis counts: ``"head"``, ``"neuron"``, ``"token"``, ``"position"``,
        ``"expert"``, ``"type"`` or ``"unit"``.
    beside
        For a vector: name of the matrix part that it lies beside, None if it has no such place.
    at
        For a channel vector: whether it lies at its matrix' first or last section.
    shift
        The part's value is the stored value plus this (a norm that a format stores + 1).
    writes
        Whether the matrix writes the residual stream (True) or reads it (False).
    """

    name: str
    role: str
    group: Group
    tensor: str
    view: View
    axes: tuple[str, ...]
    layer: int | None = None
    expert: int | None = None
    n_heads: int | None = None
    d_head: int | None = None
    unit: str = "unit"
    beside: str | None = None
    at: Literal["first", "last"] = "first"
    shift: float = 0.0
    writes: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the part, ``(channel, unit)`` for a matrix on the residual stream."""
        return self.view.shape

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.view.size


@dataclass(frozen=True, slots=True)
class HyperParameters:
    """Sizes of a transformer; None is "unknown", never a guess."""

    d_model: int | None = None
    n_layers: int | None = None
    n_heads: int | None = None
    n_kv_heads: int | None = None
    d_head: int | None = None
    d_mlp: int | None = None
    n_experts: int | None = None
    vocab: int | None = None
    context: int | None = None

    def known(self) -> dict[str, int]:
        """The sizes that are known, by name."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if value is not None}


@dataclass(frozen=True, slots=True)
class Heads:
    """Attention heads of a model whose number of heads is known.

    Attributes
    ----------
    query, key_value
        Number of query heads, and of key/value heads that they share.
    size
        Dimensions of one head.
    """

    query: int
    key_value: int
    size: int

    def key_value_head(self, query_head: int) -> int:
        """The key/value head that a query head reads: ⌊h · n_kv / n_heads⌋.

        Raises
        ------
        IndexError
            There is no such query head.
        """
        if not 0 <= query_head < self.query:
            raise IndexError(f"head {query_head} is not one of the {self.query} query heads")
        return query_head * self.key_value // self.query
