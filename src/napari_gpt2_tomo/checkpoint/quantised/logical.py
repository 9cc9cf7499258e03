"""A checkpoint's stored tensors to those of the model: quantised ones as one tensor each."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ...base import Progress
from ..tensor import Checkpoint, LazyTensor
from .awq import find_awq
from .bitsandbytes import find_bitsandbytes
from .compressed import find_packed
from .elementwise import find_elementwise
from .foreign import find_foreign
from .found import Found
from .gptq import find_gptq
from .mxfp import find_mxfp4, find_nvfp4

__all__ = ["Found", "QuantisedCheckpoint", "logical"]


Scheme = Callable[[Checkpoint], Found]
"""Looks for tensors quantised its way, at names, shapes and the configuration only."""

SCHEMES: tuple[Scheme, ...] = (
    find_gptq,
    find_awq,
    find_packed,
    find_mxfp4,
    find_nvfp4,
    find_elementwise,
    find_bitsandbytes,
    find_foreign,
)


def logical(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with its quantised tensors as those of the model; itself if it has none."""
    found = [one for scheme in SCHEMES if not (one := scheme(checkpoint)).is_empty]
    return QuantisedCheckpoint(checkpoint, found) if found else checkpoint


class QuantisedCheckpoint(Checkpoint):
    """A checkpoint whose quantised tensors appear with the names and shapes of the model's.

    Parameters
    ----------
    inner
        The stored tensors.
    found
        What the schemes found in it.
    """

    def __init__(self, inner: Checkpoint, found: list[Found]) -> None:
        self.inner = inner
        self.path = inner.path
        self.files = inner.files
        self.format = " ".join((inner.format, *(one.scheme for one in found if one.scheme)))
        self.metadata = inner.metadata
        self.config = inner.config
        self.tokenizer = inner.tokenizer
        self.notes = (*inner.notes, *(note for one in found for note in one.notes))
        unreadable = {name: why for one in found for name, why in one.unreadable.items()}
        self.missing = MappingProxyType({**inner.missing, **unreadable})
        hidden = {name for one in found for name in one.side_data}
        self.side_data: Mapping[str, LazyTensor] = _Some(inner, hidden)
        placed: dict[str, list[tuple[str, LazyTensor]]] = {}
        for one in found:
            for name, (raw, tensor) in one.tensors.items():
                placed.setdefault(raw, []).append((name, tensor))
        self._tensors: dict[str, LazyTensor | None] = {}
        for raw in inner:
            self._tensors.update(placed.get(raw, ()))
            if raw not in hidden:
                self._tensors.setdefault(raw, None)

    def __getitem__(self, name: str) -> LazyTensor:
        tensor = self._tensors.get(name)
        if tensor is not None:
            return tensor
        if name in self.missing:
            raise KeyError(f"{name}: {self.missing[name]}")
        return self.inner[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {str(self.path)!r}: {len(self)} tensors, {self.format}>"

    @property
    def quantisation(self) -> Mapping[str, Any]:
        """What the configuration says of how the tensors are quantised."""
        return self.inner.quantisation

    @property
    def fingerprint(self) -> str:
        """That of the files."""
        return self.inner.fingerprint

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        """That of the files."""
        return self.inner.vocabulary

    def content_hash(self, progress: Progress | None = None) -> str:
        """SHA-256 hex over every byte of every file."""
        return self.inner.content_hash(progress)

    def close(self) -> None:
        """Release the files."""
        self.inner.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return logical, (self.inner,)


class _Some(Mapping[str, LazyTensor]):
    """Some tensors of a checkpoint, made when they are asked for."""

    def __init__(self, checkpoint: Checkpoint, names: set[str]) -> None:
        self._checkpoint = checkpoint
        self._names = names

    def __getitem__(self, name: str) -> LazyTensor:
        if name not in self._names:
            raise KeyError(name)
        return self._checkpoint[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._checkpoint if name in self._names)

    def __len__(self) -> int:
        return len(self._names)
