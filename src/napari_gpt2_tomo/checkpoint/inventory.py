"""What a checkpoint stores, counted by element type."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .tensor import Checkpoint

__all__ = ["Inventory", "TypeCount", "why_missing"]

MOST_REASONS = 5
"""A file with many different faults would fill the screen."""


@dataclass(frozen=True, slots=True)
class TypeCount:
    """How much of a checkpoint is stored as one element type.

    Attributes
    ----------
    tensors, elements
        Numbers of both.
    nbytes
        Bytes in the file.
    """

    tensors: int = 0
    elements: int = 0
    nbytes: int = 0


def why_missing(missing: Mapping[str, str], most: int = MOST_REASONS) -> list[str]:
    """Why tensors cannot be read, in a line for each reason.

    Parameters
    ----------
    missing
        As `Checkpoint.missing` has it.
    most
        Reasons beyond so many are only counted.
    """
    names: dict[str, list[str]] = {}
    for name, why in missing.items():
        names.setdefault(why, []).append(name)
    lines = [
        f"{same[0]}: {why}" if len(same) == 1 else f"{len(same)} tensors ({same[0]}, …): {why}"
        for why, same in list(names.items())[:most]
    ]
    rest = sum(len(same) for same in list(names.values())[most:])
    return [*lines, f"… and {rest} more tensors"] if rest else lines


@dataclass(frozen=True)
class Inventory:
    """What a checkpoint stores.

    Attributes
    ----------
    format
        Of the file.
    title, architecture
        What the file calls its model (GGUF); None where it says nothing.
    files
        How many hold tensors.
    types
        By name of the element type, the one with most elements first.
    missing
        Tensors that cannot be read, and why.
    notes
        Sentences of the reader: what was chosen, tied or left out.
    """

    format: str
    title: str | None
    architecture: str | None
    files: int
    types: Mapping[str, TypeCount]
    missing: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> "Inventory":
        """Count the tensors of a checkpoint; reads nothing."""
        found: dict[str, TypeCount] = {}
        for tensor in checkpoint.values():
            so_far = found.get(tensor.stored, TypeCount())
            found[tensor.stored] = TypeCount(
                so_far.tensors + 1, so_far.elements + tensor.size, so_far.nbytes + tensor.nbytes
            )
        ordered = sorted(found.items(), key=lambda item: -item[1].elements)
        metadata = checkpoint.metadata
        return cls(
            checkpoint.format,
            metadata.get("general.name"),
            metadata.get("general.architecture"),
            len(checkpoint.files),
            dict(ordered),
            checkpoint.missing,
            checkpoint.notes,
        )

    @property
    def bits(self) -> float:
        """Bits per element on average; 0 if there is none."""
        elements = sum(count.elements for count in self.types.values())
        return 8 * sum(count.nbytes for count in self.types.values()) / elements if elements else 0

    def describe(self) -> str:
        """Lines for a person: the file, its element types by tensor, and what cannot be read."""
        head = [self.format]
        if self.architecture:
            head.append(f"architecture {self.architecture}")
        if self.title:
            head.append(f"“{self.title}”")
        head.append(f"{self.files} file{'s' * (self.files != 1)}")
        head.append(f"{self.bits:.4g} bits per element")
        types = ", ".join(f"{count.tensors} × {name}" for name, count in self.types.items())
        first = [" · ".join(head), f"tensors: {types or 'none'}"]
        missing = [f"missing: {line}" for line in why_missing(self.missing)]
        return "\n".join([*first, *missing, *self.notes])

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "format": self.format,
            "title": self.title,
            "architecture": self.architecture,
            "files": self.files,
            "bits_per_element": self.bits,
            "types": {
                name: {
                    "tensors": count.tensors, "elements": count.elements, "bytes": count.nbytes
                }
                for name, count in self.types.items()
            },
            "missing": dict(self.missing),
            "notes": list(self.notes),
        }  # fmt: skip
