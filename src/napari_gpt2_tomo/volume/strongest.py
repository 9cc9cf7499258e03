"""The strongest parameters of a volume: those of largest magnitude, found in one pass.

Every value is looked at once, in chunks; what is held is a few times the number
of parameters that are asked for, whatever the size of the checkpoint.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..anatomy.anatomy import Anatomy
from ..anatomy.view import View
from ..base import LayoutError, Progress
from .layouts.layout import Box
from .layouts.part_lookup import PartLookup
from .reading.chunks import Chunk, chunks, flat_indices, places, voxels
from .volume import Volume

__all__ = ["COUNT", "Strongest", "strongest"]

COUNT = 20_000
"""Parameters by default: as points they show where a model is loud, and draw at once."""

SPARE = 2**16
"""Candidates held beyond those asked for before the weakest are thrown out: fewer sortings."""

NONE = -1
"""Layer or head of a parameter that has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Strongest:
    """Parameters of largest magnitude, strongest first; ties in the order of the parameters.

    Attributes
    ----------
    tensors
        Names that `tensor` counts.
    tensor
        int32 (n,): position of each parameter's stored tensor in `tensors`.
    flat
        int64 (n,): index into the tensor, flattened in C order.
    part
        int32 (n,): position in ``anatomy.parts``.
    value
        float64 (n,): the value of the part (what is stored, plus the part's shift).
    voxel
        int64 (n, ndim): its voxel of level 0.
    """

    tensors: tuple[str, ...]
    tensor: NDArray[np.int32]
    flat: NDArray[np.int64]
    part: NDArray[np.int32]
    value: NDArray[np.float64]
    voxel: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.value)

    def columns(self, volume: Volume) -> dict[str, NDArray[Any]]:
        """The addresses as columns of a table, strongest first.

        Returns
        -------
        dict
            ``tensor``, ``index`` (text such as ``"[138, 2]"``), ``value``, ``part``, ``role``,
            and as int32 ``layer`` and ``head``, −1 where a parameter has none.
        """
        parts = volume.anatomy.parts
        names = np.array([part.name for part in parts], object)
        roles = np.array([part.role for part in parts], object)
        layers = np.array([NONE if part.layer is None else part.layer for part in parts], np.int32)
        return {
            "tensor": np.array(self.tensors, object)[self.tensor],
            "index": self._indices(volume),
            "value": self.value,
            "part": names[self.part],
            "role": roles[self.part],
            "layer": layers[self.part],
            "head": self._heads(volume.anatomy),
        }

    def _indices(self, volume: Volume) -> NDArray[Any]:
        out = np.empty(len(self), object)
        for number in np.unique(self.tensor).tolist():
            chosen = np.flatnonzero(self.tensor == number)
            shape = volume.checkpoint[self.tensors[number]].shape
            if shape:
                found = np.stack(np.unravel_index(self.flat[chosen], shape), axis=1).tolist()
                out[chosen] = [str(index) for index in found]
            else:
                out[chosen] = ""
        return out

    def _heads(self, anatomy: Anatomy) -> NDArray[np.int32]:
        out = np.full(len(self), NONE, np.int32)
        for number in np.unique(self.part).tolist():
            part = anatomy.parts[number]
            axis, size = (part.axes.index("head"), 1) if "head" in part.axes else (None, 0)
            if part.unit == "head" and part.d_head and "unit" in part.axes:
                axis, size = part.axes.index("unit"), part.d_head
            if axis is not None:
                chosen = self.part == number
                out[chosen] = _positions(part.view, self.flat[chosen])[:, axis] // size
        return out


def strongest(
    volume: Volume,
    count: int = COUNT,
    *,
    box: Box | None = None,
    parts: Collection[str] | None = None,
    progress: Progress | None = None,
) -> Strongest:
    """The `count` finite parameters of largest magnitude that a volume shows.

    Exact: every parameter in question is read. Of equal magnitudes those come
    first that come first in the model: by tensor in forward order, then by index.

    Parameters
    ----------
    volume
        Its layout says which parameters are in question and where they lie; its
        signal does not matter.
    count
        How many; all if there are fewer.
    box
        Half-open interval of level-0 voxels per axis; the whole volume by default.
    parts
        Names of parts to choose among; all by default.
    progress
        Told of every chunk.

    Raises
    ------
    LayoutError
        `count` is less than 1, `box` does not fit the volume, or a part does not exist.
    Cancelled
        `progress` asked to stop.
    """
    if count < 1:
        raise LayoutError(f"{count} parameters cannot be chosen: ask for at least one.")
    finder = _Finder(volume, count, _numbers(volume.anatomy, parts))
    total, steps = chunks(volume.layout, _checked(volume, box))
    if progress is not None:
        progress.start(max(total, 1), f"The {count:,} strongest parameters")
    for chunk, done in steps:
        if chunk is not None:
            finder.look_at(chunk)
        if progress is not None and done:
            progress.advance(done)
    return finder.result()


Columns = tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]
"""Candidates: value, tensor and flat index, which order ties, and place (`chunks.places`)."""


class _Finder:
    """Keeps the strongest of what it is shown.

    Parameters
    ----------
    volume, count
        As of `strongest`.
    wanted
        Parts to choose among; all if None.
    """

    def __init__(self, volume: Volume, count: int, wanted: frozenset[int] | None) -> None:
        self._volume = volume
        self._count = count
        self._wanted = wanted
        self._tensors = tuple(dict.fromkeys(part.tensor for part in volume.anatomy.parts))
        self._rank = {name: i for i, name in enumerate(self._tensors)}
        self._shifts = np.array([part.shift for part in volume.anatomy.parts])
        self._lookups: dict[str, PartLookup] = {}
        self._found: list[Columns] = []
        self._held = 0
        self._threshold = 0.0

    def look_at(self, chunk: Chunk) -> None:
        """Take the strong values of a chunk."""
        anatomy = self._volume.anatomy
        candidates = anatomy.positions[chunk.tensor] if chunk.part is None else (chunk.part,)
        if self._wanted is not None and self._wanted.isdisjoint(candidates):
            return
        stored = self._volume.checkpoint[chunk.tensor].read(chunk.region)
        if chunk.pick is not None:
            stored = stored.reshape(-1)[chunk.pick]
        shifted = bool(self._shifts[list(candidates)].any())
        kind = np.dtype(np.float64) if shifted else np.result_type(stored.dtype, np.float32)
        values = stored.astype(kind, copy=False)
        if shifted:
            values = values.reshape(-1)
            values = values + self._shifts[self._parts(chunk, np.arange(values.size))]
        found = np.flatnonzero(np.abs(values) >= _below(self._threshold, kind))
        strong = values.reshape(-1)[found].astype(np.float64)
        keep = np.isfinite(strong) & (np.abs(strong) >= self._threshold)
        if self._wanted is not None and not self._wanted.issuperset(candidates):
            keep &= np.isin(self._parts(chunk, found), list(self._wanted))
        if not keep.all():
            found, strong = found[keep], strong[keep]
        if found.size:
            ranks = np.full(found.size, self._rank[chunk.tensor], np.int32)
            where = places(chunk, found, self._volume.shape)
            self._found.append((strong, ranks, flat_indices(chunk, found), where))
            self._held += found.size
            if self._held >= 2 * self._count + SPARE:
                self._shrink()

    def _parts(self, chunk: Chunk, at: NDArray[np.int64]) -> Any:
        """The part of the elements `at` of a chunk: one number, or one each."""
        if chunk.part is not None:
            return np.array(chunk.part)
        return self._lookup(chunk.tensor).at(flat_indices(chunk, at))

    def _lookup(self, tensor: str) -> PartLookup:
        found = self._lookups.get(tensor)
        if found is None:
            anatomy = self._volume.anatomy
            numbers = anatomy.positions[tensor]
            found = PartLookup(numbers, [anatomy.parts[i].view for i in numbers])
            self._lookups[tensor] = found
        return found

    def _shrink(self) -> Columns:
        """Throw out what is not among the strongest so far; returns what is left."""
        none = (np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64))
        v, r, f, w = zip(none, *self._found, strict=True)
        values, ranks, flats, where = map(np.concatenate, (v, r, f, w))
        if values.size > self._count:
            strength = np.abs(values)
            least = values.size - self._count
            self._threshold = float(np.partition(strength, least)[least])
            above = np.flatnonzero(strength > self._threshold)
            ties = np.flatnonzero(strength == self._threshold)
            order = np.lexsort((flats[ties], ranks[ties]))
            kept = np.concatenate([above, ties[order[: self._count - above.size]]])
            values, ranks, flats, where = values[kept], ranks[kept], flats[kept], where[kept]
        self._found = [(values, ranks, flats, where)]
        self._held = values.size
        return self._found[0]

    def result(self) -> Strongest:
        """The strongest of all that was shown."""
        values, ranks, flats, where = self._shrink()
        order = np.lexsort((flats, ranks, -np.abs(values)))
        values, ranks, flats = values[order], ranks[order], flats[order]
        parts = np.zeros(len(values), np.int32)
        for number in np.unique(ranks).tolist():
            chosen = ranks == number
            parts[chosen] = self._lookup(self._tensors[number]).at(flats[chosen])
        voxel = voxels(self._volume.layout, where[order])
        return Strongest(self._tensors, ranks, flats, parts, values, voxel)


def _below(threshold: float, kind: np.dtype[Any]) -> Any:
    """The largest number of a floating kind that is not above a threshold."""
    near = kind.type(threshold)
    return near if float(near) <= threshold else np.nextafter(near, kind.type(0))


def _positions(view: View, flat: NDArray[np.int64]) -> NDArray[np.int64]:
    """`View.index` of many elements that the view holds: shape (n, axes)."""
    order = sorted(
        (
            (stride, axis, place, n)
            for axis, digits in enumerate(view.axes)
            for place, (n, stride) in enumerate(digits)
            if n > 1
        ),
        reverse=True,
    )
    found: dict[tuple[int, int], NDArray[np.int64]] = {}
    rest = flat - view.offset
    for stride, axis, place, _ in order:
        found[axis, place], rest = np.divmod(rest, stride)
    out = np.zeros((len(flat), len(view.axes)), np.int64)
    for axis, digits in enumerate(view.axes):
        for place, (n, _) in enumerate(digits):
            out[:, axis] = out[:, axis] * n + found.get((axis, place), 0)
    return out


def _numbers(anatomy: Anatomy, parts: Collection[str] | None) -> frozenset[int] | None:
    if parts is None:
        return None
    number = {part.name: i for i, part in enumerate(anatomy.parts)}
    unknown = [name for name in parts if name not in number]
    if unknown:
        raise LayoutError(f"This volume has no part named {unknown[0]!r}.")
    return frozenset(number[name] for name in parts)


def _checked(volume: Volume, box: Box | None) -> Box | None:
    if box is None:
        return None
    fits = len(box) == volume.ndim and all(
        0 <= a <= b <= n for (a, b), n in zip(box, volume.shape, strict=True)
    )
    if not fits:
        raise LayoutError(
            f"The box {tuple(box)} does not fit the {volume.layout.name} of shape {volume.shape}."
        )
    return tuple((int(a), int(b)) for a, b in box)
