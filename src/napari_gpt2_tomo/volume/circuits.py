"""Circuits: what a head computes between two channels, as a volume computed on demand.

``qk`` is W_q W_kᵀ (query channel, key channel), ``ov`` is W_v W_oᵀ (channel in,
channel out) of each head, both in the orientation (channel, d_head) of the parts;
see Elhage et al., "A Mathematical Framework for Transformer Circuits", 2021.
Biases, rotary positions, norms and the factor 1/√d_head are left out.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..anatomy.anatomy import Anatomy
from ..anatomy.part import HyperParameters, Part
from ..anatomy.view import View
from ..base import LayoutError, Progress, TomoError
from ..checkpoint.region import Region, c_strides
from ..checkpoint.tensor import Checkpoint, LazyTensor
from .layouts.layout import Block, BlockLayout
from .layouts.levels import halvings
from .statistics.summary import estimate_statistics
from .volume import Volume

__all__ = ["CIRCUITS", "CircuitAddress", "CircuitVolume", "circuit_volume"]

CIRCUITS: dict[str, tuple[str, str, str, str]] = {
    "qk": ("q", "k", "query channel", "key channel"),
    "ov": ("v", "o", "channel in", "channel out"),
}
"""Circuit → role of the first factor, of the second, and the names of the two channel axes."""

_HEADS_HELD = 8
"""Heads whose factors stay in memory: neighbouring slices ask for the same ones."""


@dataclass(frozen=True, slots=True)
class CircuitAddress:
    """A voxel of a circuit: its value, and the two rows whose product it is.

    Attributes
    ----------
    value
        The dot product of the two rows, float32.
    circuit, layer, head, kv_head
        Which circuit; `kv_head` is the key/value head that the query head reads.
    rows
        Two pairs (part name, channel): the factor rows, of length d_head.
    """

    value: float
    circuit: str
    layer: int
    head: int
    kv_head: int
    rows: tuple[tuple[str, int], tuple[str, int]]

    def __str__(self) -> str:
        return " · ".join(self.lines)

    @property
    def lines(self) -> tuple[str, ...]:
        """What it is in lines for a canvas: the value, then the rows whose product it is."""
        (a, i), (b, j) = self.rows
        shared = "" if self.kv_head == self.head else f" (reads K/V head {self.kv_head})"
        return (
            f"L{self.layer} {self.circuit.upper()} head {self.head}{shared} = {self.value:.6g}",
            f"{a} channel {i} × {b} channel {j}",
        )


class _CircuitTensor(LazyTensor):
    """One layer's circuit, shape (heads, channel, channel), computed where it is read."""

    def __init__(
        self, checkpoint: Checkpoint, kind: str, first: Part, second: Part, layer: int
    ) -> None:
        self.name = f"L{layer}.{kind}"
        self.layer = layer
        self.parts = (first, second)
        self._checkpoint = checkpoint
        self.n_heads = max(first.n_heads or 0, second.n_heads or 0)
        self.shape = (self.n_heads, first.shape[0], second.shape[0])
        self.stored = "F32"
        self.dtype = np.dtype(np.float32)
        self.nbytes = 4 * self.size
        self._factors = lru_cache(_HEADS_HELD)(self._read_factors)

    def _read_factors(self, head: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        first, second = (self._rows(part, head) for part in self.parts)
        return first, second

    @property
    def sources(self) -> tuple[LazyTensor, ...]:
        """The stored tensors of the two factors."""
        return tuple(self._checkpoint[part.tensor] for part in self.parts)

    def kv_head(self, head: int) -> int:
        """The key/value head that a query head reads."""
        shared = min(part.n_heads or self.n_heads for part in self.parts)
        return head * shared // self.n_heads

    def _rows(self, part: Part, head: int) -> NDArray[np.float32]:
        width = part.d_head or 0
        own = head * (part.n_heads or 0) // self.n_heads
        box = [(0, part.shape[0]), (own * width, (own + 1) * width)]
        out = np.empty([b - a for a, b in box], np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for target, split, region in part.view.pieces(box):
                self._checkpoint[part.tensor].read_into(region, out[target].reshape(split))
        return out

    def read(self, region: Region) -> NDArray[np.float32]:
        """Values of a box; every axis of the region must run along one axis of the tensor."""
        steps = c_strides(self.shape)
        rest = region.offset
        chosen: list[NDArray[np.int64]] = []
        for axis, step in enumerate(steps):
            start, rest = divmod(rest, step)
            index = np.array([start])
            for n, stride in zip(region.shape, region.strides, strict=True):
                if n > 1 and step <= stride < step * self.shape[axis]:
                    index = start + np.arange(n) * (stride // step)
            chosen.append(index)
        heads, rows, columns = chosen
        out = np.empty((len(heads), len(rows), len(columns)), np.float32)
        for i, head in enumerate(heads):
            first, second = self._factors(int(head))
            with np.errstate(over="ignore", invalid="ignore"):
                np.matmul(first[rows], second[columns].T, out=out[i])
        return out.reshape(region.shape)

    raw = read


class _CircuitCheckpoint(Checkpoint):
    """The circuits of a checkpoint, as tensors that are computed."""

    def __init__(self, base: Checkpoint, kind: str, tensors: dict[str, _CircuitTensor]) -> None:
        self.path = base.path
        self.files = base.files
        self.format = base.format
        self.metadata = base.metadata
        self.config = base.config
        self.missing = {}
        self.notes = ()
        self.tokenizer = base.tokenizer
        self.tensors = tensors
        self._base = base
        self._kind = kind

    def __getitem__(self, name: str) -> _CircuitTensor:
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    @property
    def fingerprint(self) -> str:
        """That of the checkpoint, marked with the circuit and where its factors lie."""
        views = [(p.tensor, p.view) for tensor in self.tensors.values() for p in tensor.parts]
        return hashlib.sha256(f"{self._base.fingerprint} {self._kind} {views}".encode()).hexdigest()

    def content_hash(self, progress: Progress | None = None) -> str:
        """The checkpoint's."""
        return self._base.content_hash(progress)

    def close(self) -> None:
        """The checkpoint stays open; it belongs to its scan."""


class CircuitVolume(Volume):
    """A volume of circuits, axes ``(layer, head, channel, channel)``."""

    def weights(self) -> Volume:
        """Itself: what is computed has no stored weights."""
        return self

    def sources(self, part: Part) -> tuple[LazyTensor, ...]:
        """The stored tensors of the two factors."""
        tensor = self.checkpoint[part.tensor]
        assert isinstance(tensor, _CircuitTensor)
        return tensor.sources

    def address(self, voxel: Sequence[int]) -> Any:
        """The value at a voxel and the two rows it comes from, a `CircuitAddress`; None in air."""
        place = self.layout.place(voxel)
        if place is None:
            return None
        tensor = self.checkpoint[place.tensor]
        assert isinstance(tensor, _CircuitTensor)
        head, i, j = place.index
        value = float(np.asarray(tensor[place.index]))
        first, second = tensor.parts
        kind = place.tensor.rpartition(".")[2]
        rows = ((first.name, i), (second.name, j))
        return CircuitAddress(value, kind, tensor.layer, head, tensor.kv_head(head), rows)

    def caption(self, section: int) -> str:
        """Which layer a section shows."""
        return f"L{section} circuits" if 0 <= section < self.shape[0] else ""


def circuit_volume(
    checkpoint: Checkpoint, anatomy: Anatomy, kind: str, signal: str, reduction: str | None
) -> CircuitVolume:
    """All heads' ``"qk"`` or ``"ov"`` circuits.

    Raises
    ------
    LayoutError
        There is no such circuit, the checkpoint lacks its parts, or their heads are unknown.
    """
    if kind not in CIRCUITS:
        raise LayoutError(f"There is no circuit {kind!r}; choose role='qk' or role='ov'.")
    if signal not in ("signed", "magnitude"):
        raise LayoutError(f"Circuits show the signals 'signed' and 'magnitude', not {signal!r}.")
    first_role, second_role, *channels = CIRCUITS[kind]
    pairs = []
    for layer in sorted({part.layer for part in anatomy.parts if part.layer is not None}):
        try:
            pair = (anatomy.part(first_role, layer), anatomy.part(second_role, layer))
        except TomoError:
            continue
        if any(part.n_heads is None or part.d_head is None for part in pair):
            raise LayoutError(
                f"The number of heads of {pair[0].name} is not known: open the checkpoint with "
                "n_heads=…, or put its config.json beside it."
            )
        pairs.append((layer, *pair))
    if not pairs:
        raise LayoutError(
            f"The circuit {kind!r} needs the parts {first_role!r} and {second_role!r} of a layer; "
            "this checkpoint has no layer with both."
        )
    tensors = {}
    parts = []
    for layer, first, second in pairs:
        tensor = _CircuitTensor(checkpoint, kind, first, second, layer)
        tensors[tensor.name] = tensor
        view = View(
            0, tuple(((n, s),) for n, s in zip(tensor.shape, c_strides(tensor.shape), strict=True))
        )
        axes = ("head", *channels)
        parts.append(Part(tensor.name, kind, "attention", tensor.name, view, axes, layer))
    computed = Anatomy(tuple(parts), HyperParameters(n_layers=len(parts)))
    layout = _layout(computed, tensors, ("layer", "head", *channels))
    source = _CircuitCheckpoint(checkpoint, kind, tensors)
    statistics = estimate_statistics(source, computed)
    return CircuitVolume(source, computed, layout, signal, reduction, statistics)


def _layout(
    anatomy: Anatomy, tensors: dict[str, _CircuitTensor], axes: tuple[str, ...]
) -> BlockLayout:
    largest = [max(t.shape[i] for t in tensors.values()) for i in range(3)]
    depth = 1 + max(tensor.layer for tensor in tensors.values())
    blocks = [
        Block(
            (tensor.layer, 0, 0, 0),
            View(0, (((1, 0),), *anatomy.parts[i].view.axes)),
            tensor.name,
            i,
        )
        for i, tensor in enumerate(tensors.values())
    ]
    padded, factors = halvings((depth, *largest), (2, 3))
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    return BlockLayout("circuits", anatomy, shapes, blocks, padded, axes, factors)
