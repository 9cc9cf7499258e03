"""The anatomy of a checkpoint: what its tensors are parts of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..base import TomoError
from ..checkpoint.tensor import Checkpoint
from .describe import describe, to_json
from .notes import ranges
from .part import Heads, HyperParameters, Part

__all__ = ["Anatomy"]


@dataclass(frozen=True, repr=False)
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

    @classmethod
    def of(
        cls, checkpoint: Checkpoint, *, family: str | None = None, **given: int | None
    ) -> "Anatomy":
        """Recognise the parts of a checkpoint from its names, shapes and config; reads no weights.

        Parameters
        ----------
        checkpoint
            An open checkpoint.
        family
            Family to assume, e.g. ``"gpt2"``; recognised if None.
        **given
            Sizes that the user states, e.g. ``n_heads=12``; None is "not stated".

        Raises
        ------
        TomoError
            `family` or a size is unknown or contradicts the file.
        """
        from .recognise import recognise

        return recognise(
            {name: tensor.shape for name, tensor in checkpoint.items()},
            checkpoint.config,
            family=family,
            given=given,
            metadata=checkpoint.metadata,
        )

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

    @property
    def heads(self) -> Heads | None:
        """The attention heads; None while their number or size is unknown."""
        hyper = self.hyper
        if hyper.n_heads is None or hyper.d_head is None:
            return None
        return Heads(hyper.n_heads, hyper.n_kv_heads or hyper.n_heads, hyper.d_head)

    @cached_property
    def _by_place(self) -> Mapping[tuple[str, int | None, int | None], Part]:
        return {
            (part.role, part.layer, part.expert): part
            for part in self.parts
            if part.role != "other"
        }

    def part(self, role: str, layer: int | None = None, expert: int | None = None) -> Part:
        """The part of this role, layer and expert.

        Raises
        ------
        TomoError
            There is none; the message lists what there is.
        """
        found = self._by_place.get((role, layer, expert))
        if found is not None:
            return found
        places = [key[1:] for key in self._by_place if key[0] == role]
        if not places:
            roles = ", ".join(dict.fromkeys(key[0] for key in self._by_place)) or "none"
            raise TomoError(f"This checkpoint has no part of the role {role!r}; it has: {roles}.")
        layers = {place[0] for place in places}
        if layer not in layers:
            if None in layers:
                raise TomoError(f"{role!r} belongs to no layer; leave the layer out.")
            known = ranges(n for n in layers if n is not None)
            asked = "say which" if layer is None else f"not in {layer}"
            raise TomoError(f"{role!r} is in the layers {known}; {asked} (layer=…).")
        experts = {place[1] for place in places if place[0] == layer}
        if experts == {None}:
            raise TomoError(f"{role!r} of layer {layer} has no experts; leave the expert out.")
        known = ranges(n for n in experts if n is not None)
        asked = "say which" if expert is None else f"not {expert}"
        raise TomoError(f"{role!r} of layer {layer} has the experts {known}; {asked} (expert=…).")

    def describe(self) -> str:
        """A readable table: sizes, parts grouped over layers, buffers and notes."""
        return describe(self)

    def __repr__(self) -> str:
        return self.describe()

    def to_json(self) -> dict[str, Any]:
        """The anatomy as plain data for ``json.dumps``.

        Keys: ``family``, ``hyper``, ``provenance``, ``n_parameters``, ``n_recognised``, ``parts``
        (each with the fields of `Part`, ``shape``, ``view`` as offset and digits), ``buffers``
        and ``notes``.
        """
        return to_json(self)
