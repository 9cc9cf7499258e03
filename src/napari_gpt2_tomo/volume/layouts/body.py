"""The body: axes (section, channel, unit), row *c* is residual channel *c* everywhere."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...anatomy.anatomy import Anatomy
from ...anatomy.part import Part
from ...anatomy.view import Digits, View, cut
from ...base import LayoutError
from .layout import Block, BlockLayout
from .levels import PLANE_LIMIT, VOXEL_LIMIT, round_up

__all__ = ["BodyLayout", "Section", "body_fits", "body_layout"]

_POINT: Digits = ((1, 0),)


@dataclass(frozen=True, slots=True)
class Section:
    """What one section of the body shows: parts (positions in the anatomy), k-th of n."""

    parts: tuple[int, ...]
    number: int
    count: int


class BodyLayout(BlockLayout):
    """The body of a transformer.

    Attributes
    ----------
    sections
        What each section shows, without the padding at the end.
    core
        The region without margins, as slices of level 0: ``(:, :D', :D')`` where
        D' is d_model rounded up to the coarsest in-plane factor.
    """

    sections: tuple[Section, ...]
    core: tuple[slice, slice, slice]


def body_fits(anatomy: Anatomy) -> bool:
    """Whether the body is the natural layout: d_model known, half of the parameters recognised."""
    return (
        anatomy.hyper.d_model is not None
        and anatomy.n_recognised > 0
        and 2 * anatomy.n_recognised >= anatomy.n_parameters
    )


def body_layout(anatomy: Anatomy, tensor_shapes: Mapping[str, tuple[int, ...]]) -> BodyLayout:
    """Lay the parts of a transformer out as a body.

    Raises
    ------
    LayoutError
        The width of the residual stream (d_model) is not known.
    """
    if anatomy.hyper.d_model is None:
        raise LayoutError(
            "The body needs the width of the residual stream, which this checkpoint does not "
            "tell. Use the layout 'cube', or give the family."
        )
    builder = _Builder(anatomy, anatomy.hyper.d_model)
    builder.matrices()
    builder.tiles()
    builder.scroll()
    builder.margins()
    return builder.finish(dict(tensor_shapes))


@dataclass(slots=True)
class _Strip:
    """Where a matrix lies: units ``start…start+count`` at columns from `column` of `section`."""

    section: int
    start: int
    count: int
    column: int


class _Builder:
    """Collects blocks; margins come last, when the number of sections is known."""

    def __init__(self, anatomy: Anatomy, width: int) -> None:
        self.anatomy = anatomy
        self.width = width
        self.blocks: list[Block] = []
        self.sections: list[Section] = []
        self.strips: dict[str, list[_Strip]] = {}
        self.vectors: list[tuple[int, Part]] = []
        self.placeless: list[tuple[int, Part]] = []
        self.matrices_other: list[tuple[int, Part]] = []

    def matrices(self) -> None:
        """Sections of every matrix, in forward order; small experts share them."""
        shared: tuple[str, int | None, tuple[int, ...]] | None = None
        slot = 0
        for position, part in enumerate(self.anatomy.parts):
            if part.axes == ("channel", "unit") and part.shape[0] == self.width:
                units = part.shape[1]
                if part.expert is not None and 2 * units <= self.width:
                    per_section = self.width // units
                    key = (part.role, part.layer, part.shape)
                    if key != shared or slot == per_section:
                        slot = 0
                        self.sections.append(Section((), 1, 1))
                    shared = key
                    self._place_expert(position, part, slot * units)
                    slot += 1
                    continue
                self._place_matrix(position, part)
            elif part.axes == ("row", "column"):
                self._place_tiles(position, part)
            elif len(part.shape) == 1 and part.beside is not None:
                self.vectors.append((position, part))
                continue
            elif len(part.shape) == 2:
                self.matrices_other.append((position, part))
                continue
            else:
                self.placeless.append((position, part))
                continue
            shared = None

    def _place_expert(self, position: int, part: Part, column: int) -> None:
        section = len(self.sections) - 1
        held = self.sections[section].parts
        self.sections[section] = Section((*held, position), 1, 1)
        view = View(part.view.offset, (_POINT, *part.view.axes))
        self._block(section, 0, column, view, position, part)
        self.strips[part.name] = [_Strip(section, 0, part.shape[1], column)]

    def _place_matrix(self, position: int, part: Part) -> None:
        first = len(self.sections)
        units = part.shape[1]
        count = -(-units // self.width)
        self.sections += [Section((position,), k + 1, count) for k in range(count)]
        for section, column, offset, stack, digits in _stack(part.view.axes[1], units, self.width):
            view = View(part.view.offset + offset, (stack, part.view.axes[0], digits))
            self._block(first + section, 0, column, view, position, part)
        self.strips[part.name] = [
            _Strip(first + k, k * self.width, min(self.width, units - k * self.width), 0)
            for k in range(count)
        ]

    def tiles(self) -> None:
        """Two-dimensional tensors of role `other`, as tiles in file order."""
        for position, part in self.matrices_other:
            self._place_tiles(position, part)

    def _place_tiles(self, position: int, part: Part) -> None:
        first, width = len(self.sections), self.width
        rows, columns = part.shape
        across = -(-columns // width)
        count = -(-rows // width) * across
        self.sections += [Section((position,), k + 1, count) for k in range(count)]
        row_digits, column_digits = part.view.axes
        for i in range(0, rows, width):
            base = first + i // width * across
            for r, row_offset, row_piece in cut(row_digits, i, min(i + width, rows)):
                for section, column, offset, stack, digits in _stack(column_digits, columns, width):
                    view = View(part.view.offset + row_offset + offset, (stack, row_piece, digits))
                    self._block(base + section, r - i, column, view, position, part)

    def scroll(self) -> None:
        """What has no place of its own: flattened into rows, each tensor on a new row."""
        self._check_vectors()
        row, begin = self.width, len(self.sections)
        for position, part in sorted(self.placeless):
            flat = _merged(tuple(d for digits in part.view.axes for d in digits))
            done, size = 0, part.size
            while done < size:
                if row == self.width:
                    self.sections.append(Section((), 1, 1))
                    row = 0
                section = len(self.sections) - 1
                held = self.sections[section].parts
                self.sections[section] = Section((*held, position), 1, 1)
                rows = min(self.width - row, -(-(size - done) // self.width))
                stop = min(size, done + rows * self.width)
                self._scroll_rows(section, row, part, position, flat, done, stop)
                row += rows
                done = stop
        self._number(begin)

    def _number(self, begin: int) -> None:
        """Say of sections that one part has to itself which of its sections they are."""
        touched: dict[int, list[int]] = {}
        for section in range(begin, len(self.sections)):
            for position in self.sections[section].parts:
                touched.setdefault(position, []).append(section)
        for sections in touched.values():
            for number, section in enumerate(sections, 1):
                parts = self.sections[section].parts
                if len(parts) == 1:
                    self.sections[section] = Section(parts, number, len(sections))

    def _scroll_rows(
        self, section: int, row: int, part: Part, position: int, flat: Digits, start: int, stop: int
    ) -> None:
        width = self.width
        full = (stop - start) // width
        if len(flat) == 1 and full:
            ((_, stride),) = flat
            axes: tuple[Digits, ...] = (_POINT, ((full, width * stride),), ((width, stride),))
            view = View(part.view.offset + start * stride, axes)
            self._block(section, row, 0, view, position, part)
            row, start = row + full, start + full * width
        while start < stop:
            end = min(start + width, stop)
            for at, offset, digits in cut(flat, start, end):
                view = View(part.view.offset + offset, (_POINT, _POINT, digits))
                self._block(section, row, at - start, view, position, part)
            row, start = row + 1, end

    def _check_vectors(self) -> None:
        """A vector whose matrix is absent or of another size has no place in a margin."""
        for position, part in self.vectors:
            strips = self.strips.get(part.beside or "")
            fits = strips is not None and (
                part.shape[0] == self.width
                if part.axes == ("channel",)
                else part.shape[0] <= sum(strip.count for strip in strips)
            )
            if not fits:
                self.placeless.append((position, part))
        gone = {position for position, _ in self.placeless}
        self.vectors = [(i, part) for i, part in self.vectors if i not in gone]

    def margins(self) -> None:
        """Vectors beside their matrices: channel vectors as columns, unit vectors as rows."""
        columns = [0] * len(self.sections)
        rows: list[list[int]] = [[] for _ in self.sections]
        placed: list[tuple[str, int, int, int, View, int, Part]] = []
        for position, part in self.vectors:
            strips = self.strips[part.beside or ""]
            (digits,) = part.view.axes
            if part.axes == ("channel",):
                section = strips[0 if part.at == "first" else -1].section
                view = View(part.view.offset, (_POINT, digits, _POINT))
                placed.append(("column", section, columns[section], 0, view, position, part))
                columns[section] += 1
                continue
            for strip in strips:
                stop = min(strip.start + strip.count, part.shape[0])
                if strip.start >= stop:
                    break
                line = _free_line(rows[strip.section], strip.column, strip.column + strip.count)
                for first, offset, piece in cut(digits, strip.start, stop):
                    view = View(part.view.offset + offset, (_POINT, _POINT, piece))
                    column = strip.column + first - strip.start
                    placed.append(("row", strip.section, line, column, view, position, part))
        n_columns = max(columns, default=0)
        n_rows = max((len(lines) for lines in rows), default=0)
        self.core, self.plane, self.plane_factors = _plane(self.width, n_rows, n_columns)
        edge = self.core + _gap(self.width)
        for side, section, line, column, view, position, part in placed:
            if side == "column":
                self._block(section, 0, edge + line, view, position, part)
            else:
                self._block(section, edge + line, column, view, position, part)

    def _block(
        self, section: int, row: int, column: int, view: View, position: int, part: Part
    ) -> None:
        if view.size:
            self.blocks.append(Block((section, row, column), view, part.tensor, position))

    def finish(self, tensor_shapes: dict[str, tuple[int, ...]]) -> BodyLayout:
        """The finished layout, padded so that every halving is exact."""
        depth = max(1, len(self.sections))
        factors = [(1, f, f) for f in self.plane_factors]
        coarsest = self.plane_factors[-1]
        plane_voxels = (self.plane[0] // coarsest) * (self.plane[1] // coarsest)
        thick = 1
        while -(-depth // thick) * plane_voxels > VOXEL_LIMIT and thick < depth:
            thick *= 2
            factors.append((thick, coarsest, coarsest))
        shape = (round_up(depth, thick), *self.plane)
        layout = BodyLayout(
            "body",
            self.anatomy,
            tensor_shapes,
            self.blocks,
            shape,
            ("section", "channel", "unit"),
            tuple(factors),
        )
        layout.sections = tuple(self.sections)
        layout.core = (slice(None), slice(0, self.core), slice(0, self.core))
        return layout


def _gap(width: int) -> int:
    """Voxels of air between the core and its margins: visible, small beside the core."""
    return max(2, width // 64)


def _plane(width: int, rows: int, columns: int) -> tuple[int, tuple[int, int], list[int]]:
    """Rounded core, padded plane and in-plane factors for this many margin lines."""
    factors = [1]
    while True:
        factor = factors[-1]
        core = round_up(width, factor)
        plane = tuple(
            round_up(core + (_gap(width) + lines if lines else 0), factor)
            for lines in (rows, columns)
        )
        if max(plane) // factor <= PLANE_LIMIT:
            return core, (plane[0], plane[1]), factors
        factors.append(factor * 2)


def _free_line(lines: list[int], start: int, stop: int) -> int:
    """The line of a margin for columns start…stop; `lines` holds the first free column of each."""
    if lines and lines[-1] <= start:
        lines[-1] = stop
    else:
        lines.append(stop)
    return len(lines) - 1


def _merged(digits: Digits) -> Digits:
    """The same number with as few digits as possible."""
    merged: list[tuple[int, int]] = []
    for n, stride in digits:
        if n == 1:
            continue
        if merged and merged[-1][1] == n * stride:
            merged[-1] = (merged[-1][0] * n, stride)
        else:
            merged.append((n, stride))
    return tuple(merged) or ((1, 1),)


def _stack(
    digits: Sequence[tuple[int, int]], length: int, width: int
) -> Iterator[tuple[int, int, int, Digits, Digits]]:
    """Cut an axis into sections of `width`.

    Yields ``(section, column, offset, stack, rest)``: pieces of `digits` whose
    digits are `stack` over several sections and `rest` inside each.
    """
    axis = _merged(tuple(digits))
    full = length // width
    done = 0
    if full and len(axis) == 1:
        ((_, stride),) = axis
        yield 0, 0, 0, ((full, width * stride),), ((width, stride),)
        done = full
    elif full and len(axis) == 2 and width % axis[1][0] == 0:
        (_, major), (inner, minor) = axis
        heads = width // inner
        yield 0, 0, 0, ((full, heads * major),), ((heads, major), (inner, minor))
        done = full
    for section in range(done, math.ceil(length / width)):
        start = section * width
        for first, offset, piece in cut(axis, start, min(start + width, length)):
            yield section, first - start, offset, _POINT, piece
