"""One stored tensor to the views of its parts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..checkpoint.region import c_strides
from .families import Fusion, Slot, Stored
from .part import HyperParameters
from .roles import ROLES
from .view import Digits, View

__all__ = ["HEADED", "Piece", "fits", "matrix_pieces", "segments", "vector_pieces", "whole_view"]

HEADED = frozenset({"q", "k", "v", "o"})
"""Roles whose units are heads times dimensions."""

_NARROW = {"q": "qkv", "gate": "gate_up", "q_bias": "qkv_bias", "gate_bias": "gate_up_bias"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part before it has a layer and a name."""

    role: str
    view: View
    axes: tuple[str, ...]
    expert: int | None = None
    n_heads: int | None = None
    d_head: int | None = None


def whole_view(shape: Sequence[int]) -> View:
    """A tensor in its own shape."""
    return View(0, tuple(((n, s),) for n, s in zip(shape, c_strides(shape), strict=True)))


def segments(
    fusion: Fusion, size: int, stride: int, hyper: HyperParameters, q_units: int | None
) -> list[tuple[int, Digits]] | None:
    """Offset and digits of each role that shares an axis of `size` elements, `stride` apart.

    None where the sizes that are known do not tell how they share it.
    """
    if not fusion:
        return [(0, ((size, stride),))]
    if fusion in ("halves", "interleaved"):
        if size % 2:
            return None
        half = size // 2
        if fusion == "halves":
            return [(0, ((half, stride),)), (half * stride, ((half, stride),))]
        return [(0, ((half, 2 * stride),)), (stride, ((half, 2 * stride),))]
    if fusion == "thirds":
        third, rest = divmod(size, 3)
        if rest or q_units not in (None, third):
            return None
        return [(i * third * stride, ((third, stride),)) for i in range(3)]
    if q_units is None or size <= q_units or (size - q_units) % 2:
        return None
    kv_units = (size - q_units) // 2
    if fusion == "concat":
        return [
            (0, ((q_units, stride),)),
            (q_units * stride, ((kv_units, stride),)),
            ((q_units + kv_units) * stride, ((kv_units, stride),)),
        ]
    d_head = hyper.d_head
    if not d_head or q_units % d_head or kv_units % d_head or q_units % kv_units:
        return None
    groups, queries = kv_units // d_head, q_units // kv_units
    if fusion == "per_head" and queries != 1:
        return None
    period = (queries + 2) * d_head * stride

    def each(first: int, width: int) -> tuple[int, Digits]:
        inner = (width, stride)
        return first * stride, (inner,) if groups == 1 else ((groups, period), inner)

    return [
        each(0, queries * d_head),
        each(queries * d_head, d_head),
        each((queries + 1) * d_head, d_head),
    ]


def _unpaired(slot: Slot, digits: Digits, hyper: HyperParameters) -> Digits:
    """The units of a part in the model's order, if the file stores each head in pairs."""
    d_head = hyper.d_head
    ((units, stride), *inner) = digits
    if not slot.pairs or inner or not d_head or units % d_head or d_head % 2:
        return digits
    half = d_head // 2
    turned = ((2, stride), (half, 2 * stride))
    return turned if units == d_head else ((units // d_head, d_head * stride), *turned)


def _heads(role: str, units: int, hyper: HyperParameters) -> tuple[int | None, int | None]:
    base = role.removesuffix("_bias")
    if role == "sinks":
        return units, 1
    if base not in HEADED and base not in ("q_norm", "k_norm"):
        return None, None
    d_head, n_heads = hyper.d_head, hyper.n_heads
    if d_head and units % d_head == 0 and (base in HEADED or units > d_head):
        return units // d_head, d_head
    if not d_head and n_heads and units % n_heads == 0 and base in ("q", "o"):
        return n_heads, units // n_heads
    return None, None


def matrix_pieces(
    slot: Slot,
    shape: Sequence[int],
    stored: Stored,
    hyper: HyperParameters,
    q_units: int | None,
) -> list[Piece]:
    """Parts of a weight matrix, or of a stack of them, oriented (channel, unit)."""
    rows, columns = shape[-2:]
    kind = ROLES[slot.roles[0]].kind
    if stored == "out_in":
        out_side, in_side = (rows, columns), (columns, 1)
    else:
        out_side, in_side = (columns, 1), (rows, columns)
    channel, unit = (out_side, in_side) if kind == "writes" else (in_side, out_side)
    role = slot.roles[0] if not slot.fusion else _NARROW.get(slot.roles[0], slot.roles[0])
    experts = range(shape[0]) if slot.stacked else (None,)
    size = rows * columns
    if kind == "inner" or channel[0] != hyper.d_model:
        view_axes: tuple[Digits, ...] = (((rows, columns),), ((columns, 1),))
        return [
            Piece(role, View((e or 0) * size, view_axes), ("row", "column"), e) for e in experts
        ]
    shares = segments(slot.fusion, *unit, hyper, q_units)
    roles = slot.roles if shares is not None else (role,)
    pieces = []
    for e in experts:
        for name, (offset, digits) in zip(roles, shares or [(0, (unit,))], strict=True):
            n_heads, d_head = _heads(name, math.prod(n for n, _ in digits), hyper)
            units = _unpaired(slot, digits, hyper)
            view = View((e or 0) * size + offset, ((channel,), units))
            pieces.append(Piece(name, view, ("channel", "unit"), e, n_heads, d_head))
    return pieces


def vector_pieces(
    slot: Slot, shape: Sequence[int], hyper: HyperParameters, q_units: int | None
) -> list[Piece]:
    """Parts of a vector, of a stack of them, or of a q/k norm stored per head."""
    size = shape[-1] if slot.stacked else math.prod(shape)
    role = slot.roles[0] if not slot.fusion else _NARROW.get(slot.roles[0], slot.roles[0])
    shares = segments(slot.fusion, size, 1, hyper, q_units)
    roles = slot.roles if shares is not None else (role,)
    pieces = []
    for e in range(shape[0]) if slot.stacked else (None,):
        for name, (offset, digits) in zip(roles, shares or [(0, ((size, 1),))], strict=True):
            axis = ROLES[name].kind
            n_heads, d_head = _heads(name, math.prod(n for n, _ in digits), hyper)
            view = View((e or 0) * size + offset, (_unpaired(slot, digits, hyper),))
            pieces.append(Piece(name, view, (axis,), e, n_heads, d_head))
    return pieces


def fits(slot: Slot, shape: Sequence[int]) -> bool:
    """Whether a tensor of this shape can be what its name says."""
    if slot.form in ("linear", "table"):
        return len(shape) == (3 if slot.stacked else 2)
    if slot.stacked:
        return len(shape) == 2
    per_head = len(shape) == 2 and slot.roles[0] in ("q_norm", "k_norm")
    return len(shape) == 1 or per_head
