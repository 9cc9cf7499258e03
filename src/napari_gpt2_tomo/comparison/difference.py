"""The difference of two checkpoints as a checkpoint: computed where it is read.

It has the names and shapes of a, so every layout, signal and measure of a fits it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..anatomy.anatomy import Anatomy
from ..anatomy.part import Part
from ..base import Progress, TomoError
from ..checkpoint.region import Region
from ..checkpoint.tensor import Checkpoint, LazyTensor
from .mapping import Crossing, chunked, flat_indices

__all__ = ["KINDS", "DifferenceCheckpoint", "DifferenceTensor", "Kind", "check_kind"]

Kind = Literal["absolute", "relative", "sign"]

KINDS: dict[Kind, str] = {
    "absolute": "b − a",
    "relative": "(b − a) / σ of the part in a",
    "sign": "1 where the sign flips, else 0",
}
"""What a difference shows, and its formula."""

NARROW = frozenset({"f2", "f4", "i1", "u1", "i2", "u2", "b1"})
"""Types whose values float32 holds exactly; differences of others are taken in float64."""

CHUNK = 2**18
"""Elements that are looked up one by one in one step: some megabytes of indices."""


def check_kind(kind: str) -> Kind:
    """The kind of this name.

    Raises
    ------
    TomoError
        There is no such kind.
    """
    if kind not in get_args(Kind):
        raise TomoError(f"There is no difference {kind!r}; choose one of {', '.join(KINDS)}.")
    return kind  # type: ignore[return-value]


class DifferenceTensor(LazyTensor):
    """The difference of a tensor and what corresponds to it, float32, computed where it is read.

    An absolute difference is b − a rounded once to float32. What has no counterpart is 0.

    Parameters
    ----------
    tensor
        Of a.
    crossings
        Its parts that have a counterpart, and where those lie.
    others
        The tensors of b.
    kind
        What is shown.
    sigmas
        For ``"relative"``: standard deviation in a of the part of each crossing. Where it is 0
        nothing can be said relative to it, and the difference shows 0.
    """

    def __init__(
        self,
        tensor: LazyTensor,
        crossings: Sequence[Crossing],
        others: Mapping[str, LazyTensor],
        kind: Kind,
        sigmas: Sequence[float] = (),
    ) -> None:
        self.name = tensor.name
        self.shape = tensor.shape
        self.stored = "F32"
        self.dtype = np.dtype(np.float32)
        self.nbytes = 4 * self.size
        self.crossings = tuple(crossings)
        self._tensor = tensor
        self._others = others
        self._kind: Kind = kind
        self._sigmas = tuple(sigmas) or (1.0,) * len(self.crossings)
        self._whole = self._direct()

    def _direct(self) -> LazyTensor | None:
        """The tensor of b whose elements lie exactly as those of a, and are to be shown alike."""
        first = self.crossings[0] if self.crossings else None
        if first is None or sum(c.a.size for c in self.crossings) != self._tensor.size:
            return None
        alike = all(
            c.same and c.b.tensor == first.b.tensor and (c.a.shift, c.b.shift) == (0, 0)
            for c in self.crossings
        )
        return self._others[first.b.tensor] if alike and len(set(self._sigmas)) == 1 else None

    def read(self, region: Region) -> NDArray[np.float32]:
        """The difference in a strided box; read-only."""
        out = np.empty(region.shape, np.float32)
        self.read_into(region, out)
        out.flags.writeable = False
        return out

    raw = read

    def read_into(self, region: Region, out: NDArray[np.float32]) -> None:
        """Write the difference in a strided box into a float32 array of its shape."""
        if self._whole is not None:
            whole = self._whole
            self._write(self._tensor.read(region), whole.read(region), 0, out)
            return
        for number, crossing in enumerate(self.crossings):
            pieces = crossing.regions(region)
            if pieces is not None:
                other = self._others[crossing.b.tensor]
                mine = self._tensor.read(region)
                for at, there in pieces:
                    self._write(_part(mine, at), other.read(there), number, _part(out, at))
                return
        out[...] = 0
        if not self.crossings:
            return
        for at, inner in chunked(region, CHUNK):
            self._look_up(inner, _part(out, at))

    def _look_up(self, region: Region, out: NDArray[np.float32]) -> None:
        """The difference element by element, for regions that no few regions of b make up."""
        flat = flat_indices(region)
        mine = self._tensor.read(region).reshape(-1)
        found = np.zeros(mine.size, np.float32)
        for number, crossing in enumerate(self.crossings):
            held = crossing.held(flat)
            if held is not None:
                theirs = crossing.values(self._others[crossing.b.tensor], held)
                part = np.empty(held.at.size, np.float32)
                self._write(mine[held.at], theirs, number, part)
                found[held.at] = part
        out[...] = found.reshape(region.shape)

    def _write(
        self, a: NDArray[Any], b: NDArray[Any], number: int, out: NDArray[np.float32]
    ) -> None:
        """The difference of stored values of a crossing."""
        crossing = self.crossings[number]
        narrow = a.dtype.str[1:] in NARROW and b.dtype.str[1:] in NARROW
        shifted = crossing.a.shift or crossing.b.shift
        kind = np.float32 if narrow and not shifted else np.float64
        with np.errstate(over="ignore", invalid="ignore"):
            if shifted:
                a, b = a + kind(crossing.a.shift), b + kind(crossing.b.shift)
            if self._kind == "sign":
                np.copyto(out, ((a > 0) & (b < 0)) | ((a < 0) & (b > 0)))
                return
            sigma = self._sigmas[number]
            if self._kind == "relative" and not sigma > 0:
                out[...] = 0
                return
            if kind is np.float32 and self._kind == "absolute":
                np.subtract(b, a, out=out, dtype=np.float32)
                return
            change = np.subtract(b, a, dtype=kind)
            np.copyto(out, change / sigma if self._kind == "relative" else change, "unsafe")

    def sides(self, index: Sequence[int]) -> tuple[float, float] | None:
        """The two values at an index of the tensor, exact; None where there is no counterpart."""
        flat = int(np.ravel_multi_index(tuple(index), self.shape)) if self.shape else 0
        for crossing in self.crossings:
            inner = crossing.a.view.index(flat)
            if inner is not None:
                other = self._others[crossing.b.tensor]
                there = Region(crossing.b.view.flat(inner), (), ())
                a = self._tensor.read(Region(flat, (), ())).item() + crossing.a.shift
                b = other.read(there).item() + crossing.b.shift
                return a, b
        return None


class DifferenceCheckpoint(Checkpoint):
    """The difference of two checkpoints: tensors of a's names and shapes, computed.

    Parameters
    ----------
    a, b
        Open checkpoints; they stay their owners'.
    anatomy
        The parts of a.
    pairs
        Parts of a and their counterparts in b, of the same shape.
    kind
        What is shown.
    sigmas
        For ``"relative"``: standard deviation in a by name of the part.
    """

    def __init__(
        self,
        a: Checkpoint,
        b: Checkpoint,
        anatomy: Anatomy,
        pairs: Sequence[tuple[Part, Part]],
        kind: Kind,
        sigmas: Mapping[str, float] | None = None,
    ) -> None:
        self.a = a
        self.b = b
        self.kind: Kind = kind
        self.path = a.path
        self.files = (*a.files, *(file for file in b.files if file not in a.files))
        self.format = f"difference of {a.format} and {b.format}"
        self.metadata = {}
        self.config = a.config
        self.missing = {}
        self.tokenizer = a.tokenizer
        self.notes = ()
        self._pairs = tuple(pairs)
        self._sigmas = dict(sigmas or {})
        crossings: dict[str, list[Crossing]] = {}
        for part, other in pairs:
            crossings.setdefault(part.tensor, []).append(Crossing(part, other))
        self._tensors = {
            name: DifferenceTensor(
                a[name],
                crossings.get(name, ()),
                b,
                kind,
                [self._sigmas.get(crossing.a.name, 1.0) for crossing in crossings.get(name, ())],
            )
            for name in a
        }

    def __getitem__(self, name: str) -> DifferenceTensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    @property
    def fingerprint(self) -> str:
        """SHA-256 hex over both fingerprints, the kind, and what is taken from where."""
        pairs = [
            (x.tensor, x.view, x.shift, y.tensor, y.view, y.shift, self._sigmas.get(x.name))
            for x, y in self._pairs
        ]
        text = f"{self.a.fingerprint} {self.b.fingerprint} {self.kind} {pairs}"
        return hashlib.sha256(text.encode()).hexdigest()

    def content_hash(self, progress: Progress | None = None) -> str:
        """SHA-256 hex over the two checkpoints' content hashes."""
        hashes = [side.content_hash(progress) for side in (self.a, self.b)]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest()

    def close(self) -> None:
        """The two checkpoints stay open; they belong to their scans."""


def _part(array: NDArray[Any], at: tuple[slice, ...]) -> NDArray[Any]:
    """A box of an array as a view, even of an array without axes."""
    index: Any = (*at, ...)
    found: NDArray[Any] = array[index]
    return found
