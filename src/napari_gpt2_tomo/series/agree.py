"""Whether checkpoints are of one model, and what a step lacks of it."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import CheckpointError, Progress
from ..checkpoint import Checkpoint
from ..checkpoint.region import Region
from ..checkpoint.tensor import LazyTensor
from ..facade import Scan

__all__ = ["AbsentTensor", "absent_from", "differences", "reference_of", "whole"]

NAMED = 3
"""Tensors that a message names; the others are counted."""

COMMON = 0.5
"""Share of the parameters that a step must have to be taken for one of the series."""


def reference_of(scans: Sequence[Scan]) -> int:
    """Which scan the others are measured by: the first of those with the most tensors."""
    counts = [len(scan.anatomy.by_tensor) for scan in scans]
    return counts.index(max(counts))


def differences(reference: Scan, other: Scan) -> str:
    """Why a checkpoint is not of the reference's model, as words; empty if it is."""
    mine, theirs = reference.anatomy, other.anatomy
    said: list[str] = []
    if mine.family != theirs.family:
        said.append(f"family {theirs.family or 'unknown'} against {mine.family or 'unknown'}")
    known, found = mine.hyper.known(), theirs.hyper.known()
    said += [
        f"{name} {found[name]:,} against {size:,}"
        for name, size in known.items()
        if found.get(name, size) != size
    ]
    shapes, others = reference.shapes, other.shapes
    shaped = [
        f"{name} {others[name]} against {shapes[name]}"
        for name in mine.by_tensor
        if name in others and others[name] != shapes[name]
    ]
    said += _some(shaped, "tensors of another shape")
    held = sum(part.size for part in mine.parts if part.tensor in others)
    if held < COMMON * mine.n_parameters:
        said.append(f"{held / max(mine.n_parameters, 1):.0%} of the parameters are in it")
    return "; ".join(said)


def absent_from(reference: Scan, other: Scan) -> tuple[str, ...]:
    """Tensors with parameters of the reference that another checkpoint does not have."""
    return tuple(name for name in reference.anatomy.by_tensor if name not in other.checkpoint)


def whole(reference: Scan, other: Scan) -> Checkpoint:
    """The other's checkpoint, with an `AbsentTensor` for each tensor that it lacks."""
    absent = absent_from(reference, other)
    if not absent:
        return other.checkpoint
    return _Completed(other.checkpoint, {name: reference.shapes[name] for name in absent})


def _some(entries: Sequence[str], noun: str) -> list[str]:
    if not entries:
        return []
    more = f" and {len(entries) - NAMED} more" if len(entries) > NAMED else ""
    return [f"{noun}: {', '.join(entries[:NAMED])}{more}"]


class AbsentTensor(LazyTensor):
    """A tensor that a step does not have: its values are not numbers, so that no sum, mean or
    extreme counts them; what shows them takes them for air.
    """

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name = name
        self.shape = shape
        self.stored = "F32"
        self.dtype = np.dtype(np.float32)
        self.nbytes = 0

    def read(self, region: Region) -> NDArray[np.float32]:
        """NaN in the shape of the region."""
        return np.broadcast_to(np.float32(np.nan), region.shape)

    raw = read


class _Completed(Checkpoint):
    """A checkpoint that lacks some tensors, with these as absent ones."""

    def __init__(self, base: Checkpoint, absent: dict[str, tuple[int, ...]]) -> None:
        self.path = base.path
        self.files = base.files
        self.format = base.format
        self.metadata = base.metadata
        self.config = base.config
        self.missing = base.missing
        self.notes = base.notes
        self.tokenizer = base.tokenizer
        self._base = base
        self._absent = {name: AbsentTensor(name, shape) for name, shape in absent.items()}

    def __getitem__(self, name: str) -> LazyTensor:
        return self._absent[name] if name in self._absent else self._base[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._base
        yield from self._absent

    def __len__(self) -> int:
        return len(self._base) + len(self._absent)

    def __getattr__(self, name: str) -> Any:
        # What a checkpoint has beyond the contract is the file's own.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._base, name)

    @property
    def fingerprint(self) -> str:
        """That of the file, marked with what it lacks."""
        text = f"{self._base.fingerprint} without {sorted(self._absent)}"
        return hashlib.sha256(text.encode()).hexdigest()

    def content_hash(self, progress: Progress | None = None) -> str:
        """The file's."""
        return self._base.content_hash(progress)

    def close(self) -> None:
        """Release the files."""
        self._base.close()


def refuse(title: str, path: str, why: str, reference: str) -> CheckpointError:
    """The error that a step is not of the model of the others."""
    return CheckpointError(
        f"{title} ({path}) is not of the same model as {reference}: {why}. "
        "A series shows one model at several times; leave it out."
    )
