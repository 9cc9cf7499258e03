"""What the readers of quantised checkpoints share: finding modules, checking what fits."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from ..source import ByteSource
from ..stored import StoredTensor
from ..tensor import Checkpoint, LazyTensor
from .found import Found
from .plates import Oriented, Plate

__all__ = [
    "Misfit",
    "collect",
    "contents",
    "grouping",
    "is_conv1d",
    "matrix",
    "number",
    "oriented",
    "require",
]

MAX_SMALL = 1 << 16
"""Bytes: larger is nothing that describes a tensor, and is not read while a file is opened."""


class Misfit(Exception):
    """Stored tensors that cannot be those of a quantised one; says why, without a name."""


def collect(
    checkpoint: Checkpoint,
    scheme: str,
    marks: Iterable[str],
    parts: Iterable[str],
    build: Callable[[str], tuple[str, LazyTensor] | None],
    found: Found | None = None,
) -> Found | None:
    """All modules whose quantised tensor is built of stored ones with certain endings.

    Parameters
    ----------
    scheme
        Short name.
    marks
        What the name of one of a module's tensors ends in, e.g. ``(".qweight",)``.
    parts
        Endings of all its tensors that are no parameters.
    build
        Given the name of the marked tensor without the ending: the name in the unquantised
        model and the tensor, None if it is no quantised one; raises `Misfit`.
    found
        What was found already.
    """
    for mark in marks:
        for raw in checkpoint:
            if not raw.endswith(mark):
                continue
            base = raw.removesuffix(mark)
            try:
                made = build(base)
            except Misfit as why:
                found = found or Found(scheme)
                found.unreadable[f"{base}.weight"] = f"quantised with {scheme}, but {why}"
            else:
                if made is None:
                    continue
                name, tensor = made
                found = found or Found(scheme)
                found.tensors[name] = (raw, tensor)
            found.side_data.update(name for part in parts if (name := base + part) in checkpoint)
    return found


def matrix(checkpoint: Checkpoint, name: str, kinds: str = "iu") -> LazyTensor:
    """A stored tensor of two axes and of a kind of numbers; `Misfit` if it is another."""
    tensor = require(checkpoint, name)
    if tensor.ndim != 2 or tensor.dtype.kind not in kinds or not tensor.size:
        raise Misfit(f"its {_last(name)} is {tensor.stored} {_shape(tensor)}")
    return tensor


def require(checkpoint: Checkpoint, name: str) -> LazyTensor:
    """A stored tensor; `Misfit` if there is none of this name."""
    if name not in checkpoint:
        raise Misfit(f"it has no {_last(name)}")
    return checkpoint[name]


def oriented(name: str, tensor: LazyTensor, rows: int, columns: int, turned: bool) -> LazyTensor:
    """A stored matrix as the model has it, `rows` × `columns`; itself if nothing changes."""
    if not turned and tensor.shape == (rows, columns):
        return tensor
    return Oriented(name, (rows, columns), Plate(tensor, rows, columns, turned))


def grouping(size: int, groups: int, announced: Any = None) -> int:
    """How many neighbours share a scale, if `size` of them are in so many groups.

    The last group may be shorter. If the configuration does not say (`announced`), the
    groups are of equal size, or of a power of two.

    Raises
    ------
    Misfit
        No group size gives so many groups.
    """
    if groups == 1:
        return size
    said = number(announced)
    usual = [2**power for power in range(3, 13)]
    equal = [size // groups] if groups and size % groups == 0 else []
    for width in ([said] if said > 0 else []) + equal + usual:
        if width > 0 and -(-size // width) == groups:
            return width
    raise Misfit(f"it has {groups} groups for {size} inputs")


def number(value: Any) -> int:
    """An integer out of a configuration, 0 if it is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    size: int = value
    return size


_CONV1D_TYPES = frozenset({"gpt2", "openai-gpt", "imagegpt", "decision_transformer"})
_CONV1D_NAMES = ("c_attn", "c_proj", "c_fc", "q_attn")


def is_conv1d(checkpoint: Checkpoint, module: str) -> bool:
    """Whether the unquantised model stores a module's weight as ``(in, out)``.

    Tools that quantise transpose the weights of GPT-2's Conv1D modules first, so that they
    look like any others.
    """
    if module.rpartition(".")[2] not in _CONV1D_NAMES:
        return False
    kind = (checkpoint.config or {}).get("model_type")
    if isinstance(kind, str):
        return kind in _CONV1D_TYPES
    # GPT-Neo has linear modules of the same names, but no fused attention.
    return any(name.endswith(".attn.c_attn.bias") for name in checkpoint)


def contents(checkpoint: Checkpoint, names: Iterable[str]) -> Mapping[str, bytes]:
    """The bytes of small stored tensors, read together."""
    wanted: dict[ByteSource, list[tuple[int, int, str]]] = {}
    for name in names:
        tensor = checkpoint.get(name)
        if isinstance(tensor, StoredTensor) and tensor.nbytes <= MAX_SMALL:
            source, start, stop = tensor.extent
            wanted.setdefault(source, []).append((start, stop, name))
    found: dict[str, bytes] = {}
    for source, entries in wanted.items():
        entries.sort()
        ranges = np.array([(start, stop) for start, stop, _ in entries], np.int64)
        for (_, _, name), data in zip(entries, source.read_many(ranges), strict=True):
            found[name] = data.tobytes()
    return found


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _shape(tensor: LazyTensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "one number"
