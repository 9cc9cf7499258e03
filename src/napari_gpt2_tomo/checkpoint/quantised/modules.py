"""What the readers of quantised checkpoints share: finding modules, checking what fits."""

import math
from collections.abc import Callable, Iterable, Mapping

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
    "endings",
    "fitted",
    "grouping",
    "in_words",
    "matrix",
    "oriented",
    "packed_words",
    "require",
]

MAX_SMALL = 1 << 16
"""Bytes: larger is nothing that describes a tensor, and is not read while a file is opened."""


class Misfit(Exception):
    """Stored tensors that cannot be those of a quantised one; says why, without a name."""


def collect(
    checkpoint: Checkpoint,
    found: Found,
    mark: str,
    build: Callable[[str], LazyTensor | None],
    parts: Callable[[str], Iterable[str]],
    *,
    name: str = ".weight",
) -> None:
    """Add all modules whose quantised tensor is built of stored ones with certain names.

    Parameters
    ----------
    found
        What is added to.
    mark
        What the name of one of a module's tensors ends in, e.g. ``".qweight"``; what is
        before it is the module.
    build
        The tensor of a module, None if it has none of this scheme; raises `Misfit`.
    parts
        Names of all tensors of a module that are no parameters, whether or not they are there.
    name
        Makes the name in the unquantised model of a module's name.
    """
    for raw in checkpoint:
        if not raw.endswith(mark):
            continue
        module = raw.removesuffix(mark)
        target = module + name
        try:
            tensor = build(module)
        except Misfit as why:
            found.unreadable[target] = f"quantised with {found.scheme}, but {why}"
            if target in checkpoint:
                found.side_data.add(target)
        else:
            if tensor is None:
                continue
            found.tensors[target] = (raw, tensor)
        found.side_data.update(part for part in parts(module) if part in checkpoint)


def endings(*parts: str) -> Callable[[str], Iterable[str]]:
    """Names of a module's tensors, given what they end in."""
    return lambda module: (module + part for part in parts)


def matrix(checkpoint: Checkpoint, name: str, kinds: str = "iu") -> LazyTensor:
    """A stored tensor of two axes and of a kind of numbers; `Misfit` if it is another."""
    tensor = require(checkpoint, name)
    if tensor.ndim != 2 or tensor.dtype.kind not in kinds or not tensor.size:
        raise Misfit(f"its {_last(name)} is {tensor.stored} {_shape(tensor)}")
    return tensor


def packed_words(checkpoint: Checkpoint, name: str) -> LazyTensor:
    """A stored matrix of words of 32 bits; `Misfit` if it is anything else."""
    tensor = matrix(checkpoint, name)
    if tensor.stored not in ("I32", "U32"):
        raise Misfit(f"its {_last(name)} is {tensor.stored}")
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


def grouping(size: int, groups: int, announced: Iterable[int] = ()) -> int:
    """How many neighbours share a scale, if `size` of them are in so many groups.

    The last group may be shorter. If what the configuration says (`announced`) does not fit,
    the groups are of equal size, or of a power of two.

    Raises
    ------
    Misfit
        No group size gives so many groups.
    """
    if groups == 1:
        return size
    usual = [1 << power for power in range(3, 13)]
    equal = [size // groups] if groups and size % groups == 0 else []
    for width in (*announced, *equal, *usual):
        if width > 0 and -(-size // width) == groups:
            return width
    raise Misfit(f"{groups} groups cannot hold {size} rows or columns")


def fitted(
    name: str,
    scales: LazyTensor,
    shape: tuple[int, ...],
    *,
    rows: Iterable[int] = (),
    columns: Iterable[int] = (),
) -> tuple[LazyTensor, tuple[int, int]]:
    """Scales of a tensor of one or several matrices, and rows and columns that share one.

    Parameters
    ----------
    name
        Of what is returned.
    scales
        As stored: one number, one for each matrix, one for each row, or a grid of as many
        axes as the tensor has.
    shape
        Of the tensor.
    rows, columns
        What the configuration says of the size of groups.

    Returns
    -------
    scales
        Of as many axes as the tensor.
    block

    Raises
    ------
    Misfit
        The scales fit no such tensor.
    """
    *lead, height, width = shape
    ones = (1,) * len(lead)
    grid: tuple[int, ...]
    if scales.size == 1:
        grid = (*ones, 1, 1)
    elif lead and scales.size == math.prod(lead):
        grid = (*lead, 1, 1)
    elif not lead and scales.shape == (height,):
        grid = (height, 1)
    elif len(scales.shape) == len(shape) and scales.shape[:-2] in (ones, tuple(lead)):
        grid = scales.shape
    else:
        raise Misfit(f"its scales {scales.shape} do not fit a tensor {shape}")
    block = grouping(height, grid[-2], rows), grouping(width, grid[-1], columns)
    if grid != scales.shape:
        scales = Oriented(name, grid, Plate(scales, grid[-2], grid[-1]))
    return scales, block


def in_words(block: tuple[int, int], shape: tuple[int, ...]) -> str:
    """Which elements share a scale."""
    height, width = shape[-2:]
    if block == (height, width):
        return "one scale" if len(shape) == 2 else "one scale per matrix"
    if block == (1, width):
        return "one scale per output"
    if block == (height, 1):
        return "one scale per column"
    return f"groups of {block[1]}" if block[0] == 1 else f"blocks of {block[0]} × {block[1]}"


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
