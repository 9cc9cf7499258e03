"""A base model with an adapter, as peft would merge them, computed where it is read.

Names, scales and orientation follow the Hugging Face peft library: the tensors of a file are
called ``base_model.model.<module>.lora_A.weight`` and ``…lora_B.weight``, of embeddings
``…lora_embedding_A`` and ``…lora_embedding_B``; a part that was trained in full has the
module's own name. See Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...anatomy.names import roots_dropped, skeleton
from ...base import CheckpointError, Progress
from ...checkpoint import open_checkpoint
from ...checkpoint.region import Region
from ...checkpoint.tensor import Checkpoint, LazyTensor
from ...facade import Scan
from .factors import Factor, LowRank
from .settings import CONFIG_NAME, Settings, read_settings

__all__ = ["AdaptedCheckpoint", "adapted", "is_adapter"]

PREFIX = "base_model.model."

FACTOR = re.compile(r"(.+)\.lora_(?P<embedding>embedding_)?(?P<side>[AB])(?:\.[^.]+)?(?:\.weight)?")
"""Name of a factor: module, whether of an embedding, which; an adapter's name may follow."""

SAVED = re.compile(r"(.+?)\.(?:modules_to_save|original_module)\.(?:[^.]+\.)?([^.]+)")
"""Name of a part that was trained in full, in files that were not cleaned up when saved."""

FOREIGN: dict[str, str] = {
    "lora_magnitude_vector": "DoRA",
    "lora_B.bias": "a bias of its own (lora_bias)",
    "trainable_tokens": "trained tokens (trainable_token_indices)",
    "lora_E": "AdaLoRA",
}
"""What a tensor's name says that is not read, and what it is."""

NAMED = 4
"""Modules that a message names before it counts the rest."""


def is_adapter(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a LoRA adapter: a folder with its settings, or a file in one."""
    try:
        place = Path(path).expanduser()
        folder = place if place.is_dir() else place.parent
        return (folder / CONFIG_NAME).is_file() and not (place.is_dir() and _is_model(place))
    except (OSError, ValueError, RuntimeError):
        return False


def adapted(base: Scan, path: str | os.PathLike[str]) -> Scan:
    """A scan of a base model with an adapter merged in; the base stays its owner's.

    Raises
    ------
    CheckpointError
        The adapter cannot be read, is no plain LoRA, or belongs to another base.
    """
    place = Path(path).expanduser()
    folder = place if place.is_dir() else place.parent
    checkpoint = AdaptedCheckpoint(base.checkpoint, open_checkpoint(place), read_settings(folder))
    return Scan.of(checkpoint, base.anatomy)


class AdaptedTensor(LazyTensor):
    """A tensor of the base plus its change, float64: exact enough that b − a is the change."""

    def __init__(self, tensor: LazyTensor, change: LowRank) -> None:
        self.name = tensor.name
        self.shape = tensor.shape
        self.stored = "F64"
        self.dtype = np.dtype(np.float64)
        self.nbytes = 8 * self.size
        self.change = change
        self._tensor = tensor

    def read(self, region: Region) -> NDArray[np.float64]:
        """The merged values in a strided box; read-only."""
        values = np.add(self._tensor.read(region), self.change.read(region), dtype=np.float64)
        values = np.asarray(values)
        values.flags.writeable = False
        return values

    raw = read


@dataclass
class _Found:
    """Factors of a module, as they are found in the file."""

    a: LazyTensor | None = None
    b: LazyTensor | None = None
    embedding: bool = False


class AdaptedCheckpoint(Checkpoint):
    """A base checkpoint with the tensors that an adapter changes.

    Parameters
    ----------
    base
        The base model; it stays its owner's.
    adapter
        The adapter's own file.
    settings
        How its factors become a change.

    Attributes
    ----------
    changes
        The changes by name of the base's tensor.
    replaced
        Tensors of the base that the adapter brings in full.

    Raises
    ------
    CheckpointError
        The adapter is no plain LoRA, or does not fit the base.
    """

    def __init__(self, base: Checkpoint, adapter: Checkpoint, settings: Settings) -> None:
        self.base = base
        self.adapter = adapter
        self._settings = settings
        self.path = adapter.path
        self.files = (*base.files, *adapter.files)
        self.format = f"LoRA over {base.format}"
        self.metadata = dict(adapter.metadata)
        self.config = base.config
        self.missing = dict(base.missing)
        self.tokenizer = base.tokenizer
        known = {_key(name): name for name in base}
        self.changes: dict[str, LowRank] = {}
        self.replaced: dict[str, LazyTensor] = {}
        strangers: list[str] = []
        for module, found in self._factors().items():
            name = known.get(_key(f"{module}.weight"))
            if name is None:
                strangers.append(module)
            else:
                self.changes[name] = self._change(module, found, base[name])
        for own, tensor in self._whole().items():
            name = known.get(_key(own))
            if name is None or base[name].shape != tensor.shape:
                strangers.append(own)
            else:
                self.replaced[name] = tensor
        if not self.changes and not self.replaced:
            raise CheckpointError(
                f"{adapter.path} changes nothing of {base.path}: it is an adapter of another "
                f"model. It changes {_listed(strangers) or 'nothing at all'}."
            )
        self.notes = (*settings.notes, *self._told(strangers))
        self._tensors: dict[str, LazyTensor] = {
            name: AdaptedTensor(base[name], change) for name, change in self.changes.items()
        } | self.replaced

    def _factors(self) -> dict[str, _Found]:
        """Factors by module."""
        found: dict[str, _Found] = {}
        for name, tensor in self.adapter.items():
            for word, what in FOREIGN.items():
                if word in name:
                    raise CheckpointError(
                        f"{self.adapter.path}: {name} belongs to {what}; only a plain LoRA is "
                        "read. Merge it with peft (merge_and_unload) and compare the merged model."
                    )
            match = FACTOR.fullmatch(name.removeprefix(PREFIX))
            if match is not None:
                entry = found.setdefault(match[1], _Found())
                side = match["side"].lower()
                if getattr(entry, side) is not None:
                    raise CheckpointError(
                        f"{self.adapter.path} holds several adapters for {match[1]}; save one."
                    )
                setattr(entry, side, tensor)
                entry.embedding = match["embedding"] is not None
        return found

    def _whole(self) -> dict[str, LazyTensor]:
        """Tensors that were trained in full, by their name in the base."""
        found = {}
        for name, tensor in self.adapter.items():
            own = name.removeprefix(PREFIX)
            if FACTOR.fullmatch(own) is None and ".original_module." not in own:
                match = SAVED.fullmatch(own)
                found[f"{match[1]}.{match[2]}" if match else own] = tensor
        return found

    def _change(self, module: str, found: _Found, tensor: LazyTensor) -> LowRank:
        where = f"{self.adapter.path}: {module}"
        if found.a is None or found.b is None:
            lost = "lora_A" if found.a is None else "lora_B"
            raise CheckpointError(f"{where} has no {lost}: the file is incomplete.")
        if found.a.ndim != 2 or found.b.ndim != 2:
            raise CheckpointError(f"{where} is a convolution; only linear layers are read.")
        a, b = Factor(found.a), Factor(found.b)
        rank = a.shape[0]
        if b.shape[1] != rank or not rank:
            raise CheckpointError(f"{where}: A {a.shape} and B {b.shape} do not fit each other.")
        shapes = {False: (b.shape[0], a.shape[1]), True: (a.shape[1], b.shape[0])}
        turned = True if found.embedding else self._settings.transposed
        if shapes[turned] != tensor.shape:
            # An embedding is (token, channel) always; of other matrices the shape decides.
            turned = not turned if not found.embedding else turned
        if shapes[turned] != tensor.shape:
            raise CheckpointError(
                f"{where} changes a matrix of {shapes[False]}, which {tensor.name} of "
                f"{tensor.shape} is not: it is an adapter of another model."
            )
        scale = self._settings.scale(module, rank)
        if turned:
            return LowRank(Factor(found.a, turned=True), Factor(found.b, turned=True), scale)
        return LowRank(b, a, scale)

    def _told(self, strangers: list[str]) -> Iterator[str]:
        ranks = sorted({change.rank for change in self.changes.values()})
        scales = sorted({change.scale for change in self.changes.values()})
        if ranks:
            yield (
                f"LoRA of {len(self.changes)} matrices · rank {_span(ranks)} · "
                f"scale {_span(scales)}"
            )
        if self.replaced:
            yield f"Trained in full: {_listed(list(self.replaced))}"
        if strangers:
            yield f"The base has no counterpart of {_listed(strangers)}."

    def __getitem__(self, name: str) -> LazyTensor:
        found = self._tensors.get(name)
        return self.base[name] if found is None else found

    def __iter__(self) -> Iterator[str]:
        return iter(self.base)

    def __len__(self) -> int:
        return len(self.base)

    @property
    def fingerprint(self) -> str:
        """SHA-256 hex over both fingerprints and the scales."""
        scales = [(name, change.scale) for name, change in self.changes.items()]
        text = f"{self.base.fingerprint} {self.adapter.fingerprint} {scales}"
        return hashlib.sha256(text.encode()).hexdigest()

    def content_hash(self, progress: Progress | None = None) -> str:
        """SHA-256 hex over the content hashes of base and adapter."""
        hashes = [side.content_hash(progress) for side in (self.base, self.adapter)]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest()

    def close(self) -> None:
        """Release the adapter's file; the base belongs to its own scan."""
        self.adapter.close()


def _key(name: str) -> tuple[str, tuple[int, ...]]:
    """What is left of a name without the classes that hold the model."""
    key, numbers = skeleton(name)
    return roots_dropped(key)[-1], numbers


def _is_model(folder: Path) -> bool:
    """Whether a folder holds a whole model beside its adapter."""
    return any(folder.glob("model*.safetensors")) or any(folder.glob("pytorch_model*.bin"))


def _listed(names: list[str]) -> str:
    rest = len(names) - NAMED
    shown = ", ".join(names[: NAMED if rest > 1 else None])
    return f"{shown} and {rest} more" if rest > 1 else shown


def _span(values: list[Any]) -> str:
    return f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}"
