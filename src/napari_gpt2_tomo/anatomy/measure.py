"""Sizes of a transformer from the shapes of its tensors, checked against what is stated."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..base import TomoError
from .families import Family, Slot, Stored
from .part import HyperParameters
from .roles import ROLES

__all__ = ["Batch", "Measured", "measure"]

_FUSED_QKV = ("thirds", "per_head", "concat", "grouped")


@dataclass(slots=True)
class Batch:
    """Tensors of one name (numbers apart) and one shape: what is true of one is of all."""

    slot: Slot
    shape: tuple[int, ...]
    bias: int | None = None
    stored: Stored = "out_in"
    members: list[tuple[int, str, tuple[int, ...]]] = field(default_factory=list)

    @property
    def role(self) -> str:
        """The (first) role."""
        return self.slot.roles[0]

    def sides(self, stored: Stored) -> tuple[int, int]:
        """Lengths of the output and input side."""
        rows, columns = self.shape[-2:]
        return (rows, columns) if stored == "out_in" else (columns, rows)

    def units(self, stored: Stored) -> int:
        """Length of the side that is not the residual stream."""
        out, into = self.sides(stored)
        return into if ROLES[self.role].kind == "writes" else out

    def channels(self, stored: Stored) -> int:
        """Length of the side that is the residual stream."""
        out, into = self.sides(stored)
        return out if ROLES[self.role].kind == "writes" else into


@dataclass(frozen=True, slots=True)
class Measured:
    """What `measure` found."""

    hyper: HyperParameters
    provenance: dict[str, str]
    q_units: int | None
    notes: list[str]


def _most(votes: Counter[int]) -> int | None:
    return max(votes, key=lambda size: (votes[size], -size)) if votes else None


def _votes_for_d_model(batches: Sequence[Batch]) -> Counter[int]:
    """Lengths that speak for d_model: channel vectors, else embeddings, else matrices."""
    strong, tables, matrices = Counter[int](), Counter[int](), Counter[int]()
    for batch in batches:
        count = len(batch.members)
        if batch.slot.form in ("vector", "bias"):
            if ROLES[batch.role].kind == "channel":
                strong[batch.shape[-1]] += count
        elif batch.slot.form == "table":
            tables[batch.shape[-1]] += count
        elif ROLES[batch.role].kind in ("reads", "writes"):
            rows, columns = batch.shape[-2:]
            stored = batch.stored
            if rows != columns and batch.bias in (rows, columns):
                stored = "out_in" if batch.bias == rows else "in_out"
            elif batch.slot.fusion == "thirds" and max(rows, columns) == 3 * min(rows, columns):
                stored = "out_in" if rows > columns else "in_out"
            matrices[batch.channels(stored)] += count
    return strong or tables or matrices


def _orient(batches: Sequence[Batch], d_model: int | None) -> None:
    """Settle the stored axes of every matrix; those that fit both ways follow the others."""
    votes: dict[bool, Counter[Stored]] = {False: Counter(), True: Counter()}
    undecided: list[Batch] = []
    for batch in batches:
        role = ROLES[batch.role]
        if batch.slot.form != "linear" or role.kind not in ("reads", "writes"):
            continue
        both: tuple[Stored, Stored] = ("out_in", "in_out")
        fit = [stored for stored in both if batch.channels(stored) == d_model]
        told = [stored for stored in fit if batch.bias == batch.sides(stored)[0]]
        if len(told) == 1:
            fit = told
        if len(fit) == 1:
            batch.stored = fit[0]
            if role.stage == "layer":
                votes[batch.slot.stacked][fit[0]] += len(batch.members)
        elif len(fit) == 2 and role.stage == "layer":
            undecided.append(batch)
    for batch in undecided:
        ballot = votes[batch.slot.stacked]
        if ballot["out_in"] != ballot["in_out"]:
            batch.stored = max(ballot, key=ballot.__getitem__)


class _Lengths:
    """Unit lengths per role, most frequent first."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.units: dict[str, Counter[int]] = {}
        self.fused: Counter[int] = Counter()
        self.thirds = False
        for batch in batches:
            count = len(batch.members)
            if batch.slot.form == "table":
                self._add(batch.role, batch.shape[0], count)
            elif batch.slot.fusion in _FUSED_QKV:
                linear = batch.slot.form == "linear"
                self.fused[batch.units(batch.stored) if linear else batch.shape[-1]] += count
                self.thirds |= batch.slot.fusion in ("thirds", "per_head")
            elif batch.slot.form == "linear":
                units = batch.units(batch.stored)
                if batch.slot.fusion in ("halves", "interleaved"):
                    units //= 2
                expert = batch.slot.stacked or len(batch.members[0][2]) == 2
                for role in batch.slot.roles:
                    self._add(f"expert_{role}" if expert else role, units, count)
            elif batch.slot.form == "vector":
                self._add(batch.role, math.prod(batch.shape), count)

    def _add(self, role: str, length: int, count: int) -> None:
        self.units.setdefault(role, Counter())[length] += count

    def of(self, *roles: str) -> int | None:
        """Unit length of the first of these roles that the file has."""
        for role in roles:
            if role in self.units:
                return _most(self.units[role])
        return None

    @property
    def is_latent(self) -> bool:
        """Whether attention is multi-head latent, with widths of its own."""
        return "kv_b" in self.units or "q_b" in self.units

    @property
    def q(self) -> int | None:
        """Number of query units."""
        if self.is_latent:
            return None
        found = self.of("q", "o")
        if found is None and self.thirds:
            fused = _most(self.fused)
            found = fused // 3 if fused and fused % 3 == 0 else None
        return found

    @property
    def kv(self) -> int | None:
        """Number of key units."""
        if self.is_latent:
            return None
        found, q, fused = self.of("k", "v"), self.q, _most(self.fused)
        if found is None and fused and q and fused > q and (fused - q) % 2 == 0:
            found = (fused - q) // 2
        return found


def _heads_from_shapes(
    lengths: _Lengths, batches: Sequence[Batch], family: Family, rotary: Sequence[int]
) -> dict[str, int]:
    q = lengths.q
    sinks = lengths.of("sinks")
    if sinks:
        return {"n_heads": sinks}
    for batch in batches:
        if batch.role in ("q_norm", "k_norm") and len(batch.shape) == 2:
            return {"d_head": batch.shape[1]}
    norm = lengths.of("q_norm")
    # A norm as long as all queries may be one over all heads: it tells nothing.
    if q and norm and norm < q and q % norm == 0:
        return {"d_head": norm}
    if q and family.full_rotary and rotary and q % (2 * rotary[0]) == 0:
        return {"d_head": 2 * rotary[0]}
    return {}


def _complete(n_heads: int | None, d_head: int | None, q: int | None) -> tuple[int, int] | None:
    if q and n_heads and not d_head and q % n_heads == 0:
        return n_heads, q // n_heads
    if q and d_head and not n_heads and q % d_head == 0:
        return q // d_head, d_head
    if n_heads and d_head and q in (None, n_heads * d_head):
        return n_heads, d_head
    return None


def _set_heads(
    found: dict[str, int],
    provenance: dict[str, str],
    notes: list[str],
    stated: Mapping[str, Mapping[str, int]],
    lengths: _Lengths,
) -> None:
    """Number and size of the heads, from the first source that the shapes do not contradict."""
    q, kv = lengths.q, lengths.kv
    seen = stated["inferred"]
    for source, sizes in stated.items():
        n_heads = sizes.get("n_heads")
        d_head = None if lengths.is_latent else sizes.get("d_head")
        if n_heads is None and d_head is None:
            continue
        pair = _complete(n_heads, d_head, q)
        if pair is None and q is None and source != "inferred":
            for name, value in (("n_heads", n_heads), ("d_head", d_head)):
                if value:
                    found[name], provenance[name] = value, source
            break
        wrong = pair is None or (kv is not None and kv % pair[1] != 0)
        if pair and any(
            seen.get(n, v) != v for n, v in zip(("n_heads", "d_head"), pair, strict=True)
        ):
            wrong = True
        if wrong:
            said = " and ".join(
                f"{name}={value}"
                for name, value in (("n_heads", n_heads), ("d_head", d_head))
                if value
            )
            trouble = f"{said} does not fit the {q} query units"
            trouble += f" and {kv} key units of this file" if kv else " of this file"
            if source == "given":
                raise TomoError(f"{trouble}; say a number of heads that divides them.")
            notes.append(f"Ignored from the {source}: {trouble}.")
            continue
        assert pair is not None
        for name, value in zip(("n_heads", "d_head"), pair, strict=True):
            found[name] = value
            provenance[name] = source if sizes.get(name) == value else "inferred"
        break
    d_head = found.get("d_head")
    inferred_kv = kv // d_head if kv and d_head else None
    for source, sizes in stated.items():
        value = sizes.get("n_kv_heads")
        if value is None:
            continue
        if inferred_kv in (None, value):
            found["n_kv_heads"], provenance["n_kv_heads"] = value, source
            return
        if source == "given":
            raise TomoError(
                f"n_kv_heads={value} does not fit: {kv} key units in heads of {d_head} "
                f"are {inferred_kv} heads."
            )
        notes.append(f"The {source} says n_kv_heads={value}, the shapes say {inferred_kv}.")
    if inferred_kv:
        found["n_kv_heads"], provenance["n_kv_heads"] = inferred_kv, "inferred"


def measure(
    batches: Sequence[Batch],
    family: Family,
    rotary: Sequence[int],
    given: Mapping[str, int],
    config: Mapping[str, int],
    metadata: Mapping[str, int],
) -> Measured:
    """Sizes from shapes, refined by what is stated; settles the orientation of `batches`.

    Given beats config beats metadata beats inferred, but shapes beat config and metadata.

    Raises
    ------
    TomoError
        A given size contradicts the shapes.
    """
    notes: list[str] = []
    found: dict[str, int] = {}
    provenance: dict[str, str] = {}
    votes = _votes_for_d_model(batches)
    stated: dict[str, Mapping[str, int]] = {"given": given, "config": config, "metadata": metadata}
    d_model = _most(votes)
    for source in ("given", "config", "metadata"):
        said = stated[source].get("d_model")
        if said is None or said == d_model or said in votes:
            d_model = said or d_model
            continue
        if source == "given":
            raise TomoError(f"d_model={said} does not fit the tensors, which have {d_model}.")
        notes.append(
            f"The {source} is of another model (d_model {said}, the tensors have {d_model}): "
            f"nothing was taken from it."
        )
        stated[source] = {}
    _orient(batches, d_model)
    lengths = _Lengths(batches)
    stated["inferred"] = _heads_from_shapes(lengths, batches, family, rotary)

    layers = [
        numbers[0]
        for batch in batches
        if ROLES[batch.role].stage == "layer"
        for _, _, numbers in batch.members
    ]
    experts = [numbers[1] for batch in batches for _, _, numbers in batch.members if numbers[1:]]
    stacks = [batch.shape[0] for batch in batches if batch.slot.stacked]
    positions = lengths.of("position_embedding")
    shown = {
        "d_model": d_model,
        "n_layers": max(layers) + 1 if layers else None,
        "d_mlp": lengths.of("expert_up", "expert_down", "up", "gate", "down"),
        "n_experts": lengths.of("router")
        or max([*stacks, *(e + 1 for e in experts)], default=None),
        "vocab": lengths.of("token_embedding", "unembedding"),
        "context": positions - family.extra_positions if positions else None,
    }
    for name, value in shown.items():
        if value is not None:
            found[name], provenance[name] = value, "inferred"
        for source, sizes in stated.items():
            said = sizes.get(name)
            if said is None:
                continue
            partial = name == "n_layers" and value is not None and said > value
            if value in (None, said) or partial:
                found[name], provenance[name] = said, source
                break
            if source == "given":
                raise TomoError(f"{name}={said} does not fit the tensors, which have {value}.")
            notes.append(f"The {source} says {name}={said}, the shapes say {value}.")
    _set_heads(found, provenance, notes, stated, lengths)
    order = {name: found[name] for name in HyperParameters.__dataclass_fields__ if name in found}
    return Measured(
        HyperParameters(**order),
        {name: provenance[name] for name in order},
        lengths.q,
        notes,
    )
