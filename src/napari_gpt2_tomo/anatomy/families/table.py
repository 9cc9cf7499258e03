"""The form of a family table: modules of a model and what their tensors are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "Entry",
    "Family",
    "Fusion",
    "Slot",
    "Stored",
    "bare",
    "linear",
    "norm",
    "stacked",
    "table",
]

Stored = Literal["out_in", "in_out"]
"""Axes of a stored matrix: ``nn.Linear`` is [out, in], GPT-2's ``Conv1D`` is [in, out]."""

Fusion = Literal["", "thirds", "per_head", "concat", "grouped", "halves", "interleaved"]
"""How roles share the output side of one tensor.

``thirds``       [Q | K | V], all as wide as the stream
``per_head``     (head, 3, d_head)
``concat``       [Q | K | V], K and V as wide as their heads
``grouped``      (kv head, queries per kv head + 2, d_head)
``halves``       [gate | up]
``interleaved``  gate, up, gate, up, …
"""


@dataclass(frozen=True, slots=True)
class Slot:
    """What the tensors of one name are.

    Attributes
    ----------
    roles
        One role, or those that are fused in the tensor, in stored order.
    form
        ``"linear"`` a matrix, ``"table"`` an embedding [n, d], ``"vector"``, or ``"bias"``
        of a linear (whose roles are then those of the vector).
    fusion
        How several roles share the tensor.
    stacked
        Whether a leading axis counts experts.
    pairs
        Whether rows 2j and 2j + 1 of each head hold its dimensions j and j + d/2, the two that
        rotary positions turn together.
    shift
        What has to be added to the stored values of a vector.
    """

    roles: tuple[str, ...]
    form: Literal["linear", "table", "vector", "bias"]
    fusion: Fusion = ""
    stacked: bool = False
    pairs: bool = False
    shift: float = 0.0


Entry = tuple[tuple[str, Slot], ...]
"""Endings of the tensor names of a module, each with its slot."""


def linear(*roles: str, fusion: Fusion = "") -> Entry:
    """A linear module: ``.weight`` and ``.bias``."""
    biases = tuple(f"{role}_bias" for role in roles)
    return (
        (".weight", Slot(roles, "linear", fusion)),
        (".bias", Slot(biases, "bias", fusion)),
    )


def stacked(*roles: str, fusion: Fusion = "") -> Entry:
    """Experts in one tensor [expert, …, …], with a bias [expert, …] beside it."""
    biases = tuple(f"{role}_bias" for role in roles)
    return (
        ("", Slot(roles, "linear", fusion, True)),
        ("_bias", Slot(biases, "bias", fusion, True)),
    )


def table(role: str) -> Entry:
    """An embedding [n, d]."""
    return ((".weight", Slot((role,), "table")),)


def norm(role: str) -> Entry:
    """A norm: gain and perhaps shift, under their names of today and of TensorFlow's days."""
    gain, shift = Slot((role,), "vector"), Slot((f"{role}_bias",), "vector")
    return ((".weight", gain), (".bias", shift), (".gamma", gain), (".beta", shift))


def bare(role: str) -> Entry:
    """A vector that is a parameter of its own, without ``.weight`` in its name."""
    return (("", Slot((role,), "vector")),)


@dataclass(frozen=True)
class Family:
    """How one family of checkpoints names and stores the parts of a transformer.

    Attributes
    ----------
    name
        As users know it; several tables may share it (variants).
    block
        Name of a block, ``#`` for its index, e.g. ``"h.#"``.
    layer, outer
        Modules inside a block and outside of the blocks.
    model_types
        ``model_type`` of the configs that this table describes.
    needs, lacks
        Tensor names (with ``#``) that must all, or must not, be in the file, unless the config
        or the user names the family.
    when
        Config entries that must have these values for the table to be chosen.
    evidence
        Names of which at least one must be in the file; any matrix of a block or the token
        embedding if empty. For families whose names others borrow.
    stored, stored_experts
        Axes of the matrices in a block where shapes leave it open.
    full_rotary
        Whether rotary positions turn the whole head, so that ``inv_freq`` tells its size.
    extra_positions
        Rows of the position table that belong to no position.
    architectures
        For a table of GGUF names: the ``general.architecture`` that it is for. None of the
        others; any that no other table is for, if the table names none.
    """

    name: str
    block: str
    layer: Mapping[str, Entry]
    outer: Mapping[str, Entry]
    model_types: tuple[str, ...]
    needs: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    when: Mapping[str, object] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    stored: Stored = "out_in"
    stored_experts: Stored = "out_in"
    full_rotary: bool = False
    extra_positions: int = 0
    architectures: tuple[str, ...] = ()

    def slots(self) -> dict[str, Slot]:
        """Slots by tensor name, with ``#`` for numbers and without roots."""
        found = {
            f"{self.block}.{module}{ending}": slot
            for module, entry in self.layer.items()
            for ending, slot in entry
        }
        for module, entry in self.outer.items():
            found.update((module + ending, slot) for ending, slot in entry)
        return found
