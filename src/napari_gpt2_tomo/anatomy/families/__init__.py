"""Tables of the checkpoint families that are known, as data.

To add one: write a `Family` in the module of its relatives, and a tiny model of it in
``tests/anatomy/models.py``; the tests then check coverage and numbers against transformers.
"""

from dataclasses import dataclass
from functools import cache

from . import bert, gguf, gpt, llama, moe, original
from .table import Family, Fusion, Slot, Stored

__all__ = ["FAMILIES", "Family", "Fusion", "Slot", "Stored", "Table", "tables"]

FAMILIES: tuple[Family, ...] = (
    *gpt.FAMILIES,
    *llama.FAMILIES,
    *moe.FAMILIES,
    *bert.FAMILIES,
    *gguf.FAMILIES,
    *original.FAMILIES,
)
"""Every table; where names cannot decide between two, the first is chosen."""


@dataclass(frozen=True, eq=False)
class Table:
    """A family, with its slots by tensor name and the names that are evidence for it."""

    family: Family
    slots: dict[str, Slot]
    evidence: frozenset[str]


@cache
def tables() -> tuple[tuple[Table, ...], dict[str, tuple[Table, ...]]]:
    """All tables, and for each tensor name those that know it."""
    made: list[Table] = []
    index: dict[str, list[Table]] = {}
    for family in FAMILIES:
        slots = family.slots()
        evidence = family.evidence or tuple(
            key
            for key, slot in slots.items()
            if (slot.form == "linear" and key.startswith(family.block))
            or slot.roles == ("token_embedding",)
        )
        table = Table(family, slots, frozenset(evidence))
        made.append(table)
        for key in slots:
            index.setdefault(key, []).append(table)
    return tuple(made), {key: tuple(found) for key, found in index.items()}
