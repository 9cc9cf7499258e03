"""What is selected: a part, a box of voxels or a section, and how its values are read."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...anatomy.anatomy import Anatomy
from ...anatomy.part import Part
from ...anatomy.view import View
from ...base import LayoutError
from ...checkpoint.dtypes import STORED_TYPES
from ...checkpoint.region import Region
from ...checkpoint.tensor import Checkpoint
from ...facade import Scan
from ...volume.layouts.cube import CubeLayout
from ...volume.layouts.hilbert import encode
from ...volume.layouts.layout import Block, BlockLayout, Box
from ...volume.reading.reader import make_reader
from ...volume.reading.signal import make_signal, resolve_reduction
from ...volume.statistics.summary import Statistics
from ...volume.volume import Volume

__all__ = ["BAND", "PartName", "Selection", "select"]

PartName: TypeAlias = str | Part | tuple[str, int | None] | tuple[str, int | None, int | None]
"""A part by its name (``"L3.q"``), as itself, or as role, layer and expert."""

BAND = 2**22
"""Voxels that are held at once: 16 MB of float32."""


@dataclass(frozen=True, eq=False)
class Selection:
    """Voxels of a layout, to be read band by band.

    Attributes
    ----------
    checkpoint, anatomy, layout
        What the voxels show.
    box
        The voxels of level 0.
    title
        What they are, for a person.
    signal
        What is read of a weight; None for the weights as they are stored.
    statistics
        Of the parts, for signals that need them.
    """

    checkpoint: Checkpoint
    anatomy: Anatomy
    layout: BlockLayout | CubeLayout
    box: Box
    title: str
    signal: str | None = None
    statistics: Statistics | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels per axis."""
        return tuple(b - a for a, b in self.box)

    @property
    def size(self) -> int:
        """Number of voxels, air included."""
        return math.prod(self.shape)

    @cached_property
    def tensors(self) -> tuple[str, ...]:
        """Names of the tensors that are selected from, in forward order; of a cube all."""
        if isinstance(self.layout, CubeLayout):
            return self.layout.tensors
        return tuple(dict.fromkeys(block.tensor for block in self.layout.blocks_in(self.box)))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """A number from 1 on for each tensor, as files hold it; 0 is air."""
        return {name: i for i, name in enumerate(self.tensors, 1)}

    @cached_property
    def element(self) -> str:
        """Stored element type (a key of `STORED_TYPES`) of all values, ``"F32"`` if several."""
        kinds = {self.checkpoint[name].element for name in self.tensors}
        only = kinds.pop() if len(kinds) == 1 else "F32"
        usable = self.signal is None and STORED_TYPES[only].storage is not None
        return only if usable else "F32"

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Stored element types of the tensors, each once."""
        return tuple(dict.fromkeys(self.checkpoint[name].stored for name in self.tensors))

    def bands(self) -> Iterator[Box]:
        """Boxes of at most `BAND` voxels that follow each other in C order and fill the box."""
        yield from _bands(self.box)

    def read(self, box: Box, dtype: np.dtype[Any], *, codes: bool, air: float) -> NDArray[Any]:
        """Values of a box as `dtype`.

        Parameters
        ----------
        box
            Voxels of level 0.
        dtype
            Of the values, or of their stored codes.
        codes
            Whether what is stored is taken bit for bit, where values would be decoded.
        air
            What stands where no parameter is.
        """
        out = np.full([b - a for a, b in box], air, dtype)
        if self.signal is not None:
            rule = make_signal(resolve_reduction(self.signal, None)[0], self.anatomy,
                               self.statistics)  # fmt: skip
            reader = make_reader(self.layout, self.checkpoint, rule, "extreme")
            values, held = reader.read(box, 0), reader.labels(box, 0) > 0
            out[held] = values[held]
            return out
        with np.errstate(over="ignore", invalid="ignore"):
            for target, split, region, tensor in self._regions(box):
                source = self.checkpoint[tensor]
                values = source.raw(region) if codes else source.read(region)
                out[target].reshape(split)[...] = values
            if isinstance(self.layout, CubeLayout):
                self._read_cube(self.layout, box, out, codes)
        return out

    def addresses(self, box: Box) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Number of the tensor (`numbers`) and flat index in it of every voxel; 0 and −1 in air."""
        shape = [b - a for a, b in box]
        tensors, flat = np.zeros(shape, np.uint32), np.full(shape, -1, np.int64)
        for target, split, region, tensor in self._regions(box):
            tensors[target] = self.numbers[tensor]
            at: NDArray[np.int64] = np.full((1,) * len(region.shape), region.offset)
            for axis, (n, stride) in enumerate(zip(region.shape, region.strides, strict=True)):
                along = [-1 if i == axis else 1 for i in range(len(region.shape))]
                at = at + (np.arange(n) * stride).reshape(along)
            flat[target].reshape(split)[...] = at
        if isinstance(self.layout, CubeLayout):
            stream = _stream(self.layout, box)
            for run in self.layout.runs(0, self.layout.n_parameters):
                inside = (stream >= run.stream) & (stream < run.stream + run.stop - run.start)
                tensors[inside] = self.numbers[run.tensor]
                flat[inside] = stream[inside] - run.stream
        return tensors, flat

    def _regions(
        self, box: Box
    ) -> Iterator[tuple[tuple[slice, ...], tuple[int, ...], Region, str]]:
        if isinstance(self.layout, BlockLayout):
            for piece in self.layout.pieces(box):
                yield piece.target, piece.split, piece.region, piece.tensor

    def _read_cube(self, layout: CubeLayout, box: Box, out: NDArray[Any], codes: bool) -> None:
        """The stored values of a box of the cube, brick by brick."""
        side, count = 1 << layout.brick_bits, 8**layout.brick_bits
        for brick in layout.bricks_in(box):
            cut = tuple(
                (max(a, start), min(b, start + side))
                for (a, b), start in zip(box, brick.origin, strict=True)
            )
            stream = _stream(layout, cut)
            target = out[
                tuple(slice(a - c, b - c) for (a, b), (c, _) in zip(cut, box, strict=True))
            ]
            for run in layout.runs(brick.index * count, (brick.index + 1) * count):
                inside = (stream >= run.stream) & (stream < run.stream + run.stop - run.start)
                region = Region(run.start, (run.stop - run.start,), (1,))
                source = self.checkpoint[run.tensor]
                values = source.raw(region) if codes else source.read(region)
                target[inside] = values[stream[inside] - run.stream]


def select(
    source: Volume | Scan,
    *,
    part: PartName | None = None,
    box: Sequence[Any] | None = None,
    section: int | Sequence[int] | None = None,
    signal: str | None = None,
) -> Selection:
    """What `save_selection` saves; reads no weights unless the signal needs statistics.

    Raises
    ------
    LayoutError
        None or several of `part`, `box` and `section` are given, or there is no such place.
    TomoError
        There is no such part.
    """
    given = [name for name, value in (("part", part), ("box", box), ("section", section))
             if value is not None]  # fmt: skip
    if len(given) != 1:
        said = " and ".join(given) or "nothing"
        raise LayoutError(f"Select one of part, box and section, not {said}.")
    if signal is not None:
        signal = resolve_reduction(signal, None)[0]
    if part is not None:
        if isinstance(source, Scan):
            checkpoint, anatomy = source.checkpoint, source.anatomy
        else:
            checkpoint, anatomy = source.still.checkpoint, source.still.anatomy
        found = _part(anatomy, part)
        layout = _part_layout(checkpoint, anatomy, found)
        whole = tuple((0, n) for n in layout.shape)
        statistics = None if signal is None else _statistics(source)
        return Selection(checkpoint, anatomy, layout, whole, found.name, signal, statistics)
    volume = (source.volume("auto") if isinstance(source, Scan) else source).still
    chosen = volume.layout
    if not isinstance(chosen, BlockLayout | CubeLayout):
        raise LayoutError(f"Voxels of the layout {chosen.name!r} are not saved; save its parts.")
    if section is not None:
        wanted = _section_box(chosen, section)
        caption = volume.caption(wanted[0][0])
        title = " · ".join(filter(None, [_where(volume, wanted[:-2]), caption]))
    else:
        wanted = _box(volume, box or ())
        title = _where(volume, wanted)
    statistics = None if signal is None else volume.statistics
    if statistics is not None and statistics.estimate and isinstance(source, Scan):
        statistics = _statistics(source)
    return Selection(volume.checkpoint, volume.anatomy, chosen, wanted, title, signal, statistics)


def _statistics(source: Volume | Scan) -> Statistics:
    return source.statistics() if isinstance(source, Scan) else source.still.statistics


def _part(anatomy: Anatomy, part: PartName) -> Part:
    if isinstance(part, Part):
        return part
    if isinstance(part, tuple):
        return anatomy.part(*part)
    folded = {name.casefold(): found for name, found in anatomy.by_name.items()}
    found = anatomy.by_name.get(part) or folded.get(part.casefold())
    if found is None:
        some = ", ".join(list(anatomy.by_name)[:6])
        raise LayoutError(f"There is no part {part!r}; parts are named {some} …")
    return found


def _part_layout(checkpoint: Checkpoint, anatomy: Anatomy, part: Part) -> BlockLayout:
    """A part alone, in its own shape; a scalar as one voxel."""
    if not part.size:
        raise LayoutError(f"{part.name} is empty; there is nothing to save.")
    view, axes = part.view, part.axes
    if not view.axes:
        view, axes = View(view.offset, (((1, 0),),)), ("value",)
    block = Block((0,) * len(axes), view, part.tensor, anatomy.parts.index(part))
    shapes = {part.tensor: checkpoint[part.tensor].shape}
    levels = ((1,) * len(axes),)
    return BlockLayout("part", anatomy, shapes, [block], view.shape, axes, levels)


def _box(volume: Volume, box: Sequence[Any]) -> Box:
    shape, axes = volume.shape, volume.axes
    if len(box) != len(shape):
        raise LayoutError(
            f"A box here has {len(shape)} intervals ({', '.join(axes)}), not {len(box)}."
        )
    found = []
    for given, n, axis in zip(box, shape, axes, strict=True):
        first, stop = (given.start, given.stop) if isinstance(given, slice) else given
        first, stop = 0 if first is None else int(first), n if stop is None else int(stop)
        if not 0 <= first < stop <= n:
            raise LayoutError(
                f"The box has {first}:{stop} along {axis}, which goes from 0 to {n}: give a "
                "first voxel and one past the last."
            )
        found.append((first, stop))
    return tuple(found)


def _section_box(layout: BlockLayout | CubeLayout, section: int | Sequence[int]) -> Box:
    """The plane at a place of the leading axes, without what is air all around."""
    lead = layout.shape[:-2]
    at = (section,) if isinstance(section, int) else tuple(int(i) for i in section)
    if len(at) != len(lead) or any(not 0 <= i < n for i, n in zip(at, lead, strict=True)):
        axes = " and ".join(
            f"{axis} (0 to {n - 1})" for axis, n in zip(layout.axes, lead, strict=False)
        )
        wanted = ", ".join(map(str, at))
        raise LayoutError(f"There is no section {wanted}: it is a number of {axes}.")
    ahead = tuple((i, i + 1) for i in at)
    plane = (*ahead, *((0, n) for n in layout.shape[-2:]))
    if isinstance(layout, BlockLayout):
        blocks = list(layout.blocks_in(plane))
        if not blocks:
            raise LayoutError(f"Section {section} is air; there is nothing to save.")
        ends = [max(block.stop[axis] for block in blocks) for axis in (-2, -1)]
        plane = (*ahead, *((0, n) for n in ends))
    return plane


def _where(volume: Volume, box: Box) -> str:
    words = []
    for axis, (a, b), n in zip(volume.axes, box, volume.shape, strict=False):
        if b - a == 1:
            words.append(f"{axis} {a}")
        elif (a, b) != (0, n):
            words.append(f"{axis} {a}–{b - 1}")
    return " · ".join([volume.layout.name, *words])


def _bands(box: Box) -> Iterator[Box]:
    lengths = [b - a for a, b in box]
    axis, inner = 0, math.prod(lengths)
    # The first axis whose single lines are small enough: what is before it goes one by one.
    while axis < len(lengths) and (inner := inner // lengths[axis]) > BAND:
        axis += 1
    if axis == len(lengths):
        axis -= 1
    step = max(1, BAND // inner) if inner else 1
    ahead = [range(a, b) for a, b in box[:axis]]
    first, stop = box[axis]
    for at in itertools.product(*ahead):
        for start in range(first, stop, step):
            cut = (start, min(start + step, stop))
            yield (*((i, i + 1) for i in at), cut, *box[axis + 1 :])


def _stream(layout: CubeLayout, box: Box) -> NDArray[np.int64]:
    """Position on the curve of every voxel of a box."""
    sides = [np.arange(a, b) for a, b in box]
    return encode(np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1), layout.order)
