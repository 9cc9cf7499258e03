"""The anatomy of a checkpoint: what its tensors are parts of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .part import HyperParameters, Part

__all__ = ["Anatomy"]


@dataclass(frozen=True)
class Anatomy:
    """Parts of a checkpoint in forward order, and what is known about its sizes.

    Attributes
    ----------
    parts
        Every element of every stored tensor that is not a buffer lies in exactly one part.
    hyper
        Sizes of the model.
    provenance
        Where each known size came from: ``"config"``, ``"metadata"``, ``"inferred"``, ``"given"``.
    family
        Name of the family table that fitted, e.g. ``"gpt2"``; None if none did.
    buffers
        Stored tensors that are no parameters (causal masks, position ids, rotary frequencies).
    notes
        Sentences for a person: what is absent, what could not be known, what was not recognised.
    """

    parts: tuple[Part, ...]
    hyper: HyperParameters
    provenance: Mapping[str, str] = field(default_factory=dict)
    family: str | None = None
    buffers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> Mapping[str, Part]:
        """Parts by their name."""
        return {part.name: part for part in self.parts}

    @cached_property
    def by_tensor(self) -> Mapping[str, tuple[Part, ...]]:
        """Parts of each stored tensor."""
        found: dict[str, list[Part]] = {}
        for part in self.parts:
            found.setdefault(part.tensor, []).append(part)
        return {name: tuple(parts) for name, parts in found.items()}

    @cached_property
    def positions(self) -> Mapping[str, tuple[int, ...]]:
        """Positions in `parts` of the parts of each stored tensor."""
        found: dict[str, list[int]] = {}
        for position, part in enumerate(self.parts):
            found.setdefault(part.tensor, []).append(position)
        return {name: tuple(positions) for name, positions in found.items()}

    @property
    def n_parameters(self) -> int:
        """Number of stored parameters (buffers excluded)."""
        return sum(part.size for part in self.parts)

    @property
    def n_recognised(self) -> int:
        """Number of parameters in parts with a role other than `other`."""
        return sum(part.size for part in self.parts if part.role != "other")
