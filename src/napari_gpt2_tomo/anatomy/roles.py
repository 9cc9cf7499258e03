"""What each role of a part means: a table in forward order."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from .part import Group

__all__ = ["LAST_EMBEDDING", "LAST_MATRIX", "ROLES", "Kind", "Role", "Stage"]

Stage = Literal["embedding", "layer", "head"]
Kind = Literal["reads", "writes", "inner", "channel", "unit"]
"""A matrix that reads or writes the residual stream or does neither, or a vector along an axis."""

LAST_EMBEDDING = "<last embedding>"
"""Stands for the last matrix of the embedding stage in `Role.beside`."""

LAST_MATRIX = "<last matrix>"
"""Stands for the last recognised matrix of all in `Role.beside`."""


@dataclass(frozen=True, slots=True)
class Role:
    """Properties that all parts of one role share.

    Attributes
    ----------
    stage, rank
        Place in the forward order: stage, then layer, then rank, then expert.
    group
        Coarse kind of the part.
    kind
        How it meets the residual stream.
    unit
        What its unit axis counts (see `Part.unit`).
    beside
        For a vector: roles of the matrices that it may lie beside, first choice first.
    at
        For a vector: at the first or last section of that matrix.
    whole
        For a unit vector: whether it must be as long as its matrix (a bias; q_norm need not).
    """

    stage: Stage
    rank: int
    group: Group
    kind: Kind
    unit: str
    beside: tuple[str, ...] = ()
    at: Literal["first", "last"] = "first"
    whole: bool = False


_ATTENTION_READERS = ("q", "qkv", "q_a", "k", "kv_a", "v")
_MLP_READERS = ("router", "shared_router", "shared_gate", "shared_up", "gate_up", "gate", "up")

_Row = tuple[str, Group, Kind, str, tuple[str, ...], Literal["first", "last"]]

# Role, group, kind, what the unit axis counts, and for vectors the matrix beside which it lies.
# Every matrix also gets a role "<role>_bias", every norm "<role>_bias", right after it.
_FORWARD: Mapping[Stage, tuple[_Row, ...]] = {
    "embedding": (
        ("token_embedding", "embedding", "writes", "token", (), "first"),
        ("position_embedding", "embedding", "writes", "position", (), "first"),
        ("type_embedding", "embedding", "writes", "type", (), "first"),
        ("project_in", "embedding", "writes", "unit", (), "first"),
        ("embedding_norm", "norm", "channel", "unit", (LAST_EMBEDDING,), "last"),
    ),
    "layer": (
        ("attn_norm", "norm", "channel", "unit", _ATTENTION_READERS, "first"),
        ("qkv", "attention", "reads", "head", (), "first"),
        ("q_a", "attention", "reads", "unit", (), "first"),
        ("q_a_norm", "norm", "unit", "unit", ("q_a",), "first"),
        ("q_b", "attention", "inner", "head", (), "first"),
        ("q", "attention", "reads", "head", (), "first"),
        ("q_norm", "norm", "unit", "head", ("q", "q_b"), "first"),
        ("sinks", "attention", "unit", "head", ("q",), "first"),
        ("k", "attention", "reads", "head", (), "first"),
        ("k_norm", "norm", "unit", "head", ("k",), "first"),
        ("kv_a", "attention", "reads", "unit", (), "first"),
        ("kv_a_norm", "norm", "unit", "unit", ("kv_a",), "first"),
        ("kv_b", "attention", "inner", "head", (), "first"),
        ("v", "attention", "reads", "head", (), "first"),
        ("o", "attention", "writes", "head", (), "first"),
        ("attn_post_norm", "norm", "channel", "unit", ("o",), "last"),
        ("mlp_norm", "norm", "channel", "unit", _MLP_READERS, "first"),
        ("router", "router", "reads", "expert", (), "first"),
        ("router_correction", "router", "unit", "expert", ("router",), "first"),
        ("shared_router", "router", "reads", "unit", (), "first"),
        ("shared_gate", "mlp", "reads", "neuron", (), "first"),
        ("shared_up", "mlp", "reads", "neuron", (), "first"),
        ("shared_down", "mlp", "writes", "neuron", (), "first"),
        ("gate_up", "mlp", "reads", "neuron", (), "first"),
        ("gate", "mlp", "reads", "neuron", (), "first"),
        ("up", "mlp", "reads", "neuron", (), "first"),
        ("down", "mlp", "writes", "neuron", (), "first"),
        ("mlp_post_norm", "norm", "channel", "unit", ("down", "shared_down"), "last"),
    ),
    "head": (
        ("final_norm", "norm", "channel", "unit", (LAST_MATRIX,), "last"),
        ("pooler", "unembedding", "reads", "unit", (), "first"),
        ("head_transform", "unembedding", "reads", "unit", (), "first"),
        ("head_norm", "norm", "channel", "unit", ("head_transform",), "last"),
        ("project_out", "unembedding", "reads", "unit", (), "first"),
        ("unembedding", "unembedding", "reads", "token", (), "first"),
        ("classifier", "unembedding", "reads", "unit", (), "first"),
    ),
}


def _bias(role: str, group: Group, kind: Kind, unit: str, rank: int, stage: Stage) -> Role:
    places = ("unembedding", "token_embedding") if role == "unembedding" else (role,)
    if kind == "writes":
        return Role(stage, rank, "bias", "channel", unit, places, "last")
    return Role(stage, rank, "bias", "unit", unit, places, "first", whole=True)


@cache
def _table() -> dict[str, Role]:
    found: dict[str, Role] = {}
    for stage, rows in _FORWARD.items():
        for place, (role, group, kind, unit, beside, at) in enumerate(rows):
            found[role] = Role(stage, 2 * place, group, kind, unit, beside, at)
            if group == "norm":
                found[f"{role}_bias"] = Role(stage, 2 * place + 1, group, kind, unit, beside, at)
            elif kind in ("reads", "writes", "inner"):
                found[f"{role}_bias"] = _bias(role, group, kind, unit, 2 * place + 1, stage)
    return found


ROLES: Mapping[str, Role] = _table()
"""Every role but ``"other"``, in forward order within its stage."""
