"""The layout of a mixture of experts: the experts of a layer side by side in one plane."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...anatomy.anatomy import Anatomy
from ...anatomy.part import Part
from ...anatomy.view import Digits, View, cut
from ...base import LayoutError
from .layout import Block, BlockLayout
from .levels import halvings, round_up

__all__ = ["ALL_ROLES", "ExpertSection", "ExpertsLayout", "expert_roles", "experts_layout"]

ALL_ROLES = "all"
"""Stands for every role that the experts have, one section after the other."""

SHAPE = 1.5
"""Width of a plane over its height that the grid aims at: that of most screens."""

RAGGED = 0.7
"""What a last row with empty places costs, in the logarithm of the shape: a factor of two."""

GAP_SHARE = 32
"""A tile's longer side over the air between tiles: seen from afar, small beside the weights."""

LEAST_GAP = 4
"""Voxels of air between the tiles of the smallest models."""

_POINT: Digits = ((1, 0),)


@dataclass(frozen=True, slots=True)
class ExpertSection:
    """What one section shows: the experts `first` to `last` of a layer in one role."""

    layer: int
    role: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where tiles stand, in voxels.

    Attributes
    ----------
    height, width
        Of a tile.
    line
        Air between a tile and the lines beside it.
    pitch
        From one tile to the next, down and across.
    count, columns, rows
        Experts, places in a row, and rows, those of shared experts included.
    shape
        Of the plane, without air behind the last tile.
    """

    height: int
    width: int
    line: int
    pitch: tuple[int, int]
    count: int
    columns: int
    rows: int
    shape: tuple[int, int]

    def corner(self, place: int) -> tuple[int, int]:
        """Row and column of the first voxel of a tile."""
        row, column = divmod(place, self.columns)
        return row * self.pitch[0], column * self.pitch[1]


class ExpertsLayout(BlockLayout):
    """The experts of each layer, side by side.

    Attributes
    ----------
    role
        The role that is shown, or `ALL_ROLES`.
    sections
        What each section shows, without the padding at the end; None where a layer has no
        experts.
    """

    role: str
    sections: tuple[ExpertSection | None, ...]


def expert_roles(anatomy: Anatomy) -> tuple[str, ...]:
    """Roles of the matrices of experts, in forward order; none for a dense model."""
    return tuple(dict.fromkeys(part.role for part in anatomy.parts if _is_tile(part)))


def experts_layout(
    anatomy: Anatomy, tensor_shapes: Mapping[str, tuple[int, ...]], role: str = ALL_ROLES
) -> ExpertsLayout:
    """The experts of every layer side by side, so that one section compares them all.

    A tile is one expert's matrix, channels down and neurons across. Tiles stand in a grid
    about as wide as a screen, expert 0 first, each at the same place in every section; the
    experts that all tokens share follow in rows of their own, cut at the width of the others.
    Beside the tile, where the layer is met first, stands the router's column of that expert
    as a line, channel for channel, and below that line what the router adds to its score.
    Biases lie beside their matrix: those of neurons below, those of channels at the right.

    Axes are ``("layer", "row", "column")`` for one role, where the first counts the layers of
    the model, and ``("section", "row", "column")`` for all: gate, up, down of one layer, then
    of the next that has experts.

    Parameters
    ----------
    anatomy
        The parts.
    tensor_shapes
        Shape of every stored tensor.
    role
        ``"gate"``, ``"up"``, ``"down"``, or `ALL_ROLES`.

    Raises
    ------
    LayoutError
        There are no experts, or none of this role.
    """
    roles = expert_roles(anatomy)
    if not roles:
        raise LayoutError("This checkpoint has no experts; the body shows its layers.")
    if role not in (ALL_ROLES, *roles):
        known = ", ".join((ALL_ROLES, *roles))
        raise LayoutError(f"The experts have no matrices of role {role!r}; they have: {known}.")
    builder = _Builder(anatomy, roles if role == ALL_ROLES else (role,), role == ALL_ROLES)
    shape, blocks = builder.build()
    padded, factors = halvings(shape, (1, 2))
    first = "section" if role == ALL_ROLES else "layer"
    layout = ExpertsLayout(
        "experts", anatomy, dict(tensor_shapes), blocks, padded, (first, "row", "column"), factors
    )
    layout.role = role
    layout.sections = tuple(builder.sections)
    return layout


def _is_tile(part: Part) -> bool:
    return part.expert is not None and part.layer is not None and part.axes == ("channel", "unit")


class _Builder:
    """Finds the sections, measures what stands beside tiles, then makes the blocks."""

    def __init__(self, anatomy: Anatomy, roles: Sequence[str], packed: bool) -> None:
        self.blocks: list[Block] = []
        self.tiles: dict[tuple[int, str], list[tuple[int, Part]]] = {}
        self.shared: dict[tuple[int, str], tuple[int, Part]] = {}
        self.routers: dict[tuple[int, str], tuple[int, Part]] = {}
        self.beside: dict[str, list[tuple[int, Part]]] = {}
        for position, part in enumerate(anatomy.parts):
            if part.layer is None or not part.size:
                continue
            place = part.layer, part.role
            if _is_tile(part) and part.role in roles:
                self.tiles.setdefault(place, []).append((position, part))
            elif part.axes == ("channel", "unit") and part.role in ("router", "shared_router"):
                self.routers[place] = position, part
            elif part.axes == ("channel", "unit") and part.role.startswith("shared_"):
                self.shared[part.layer, part.role.removeprefix("shared_")] = position, part
            elif part.beside is not None and len(part.shape) == 1:
                self.beside.setdefault(part.beside, []).append((position, part))
        layers = sorted({layer for layer, _ in self.tiles})
        places = [(layer, role) for layer in layers for role in roles]
        if not packed:
            places = [(layer, roles[0]) for layer in range(layers[-1] + 1)]
        else:
            places = [place for place in places if place in self.tiles]
        self.places = places
        self.sections = [self._section(place) for place in places]

    def _section(self, place: tuple[int, str]) -> ExpertSection | None:
        experts = [part.expert or 0 for _, part in self.tiles.get(place, ())]
        return ExpertSection(*place, min(experts), max(experts)) if experts else None

    def build(self) -> tuple[tuple[int, int, int], list[Block]]:
        """Shape without padding, and the blocks."""
        grid = self._grid()
        entered: set[int] = set()
        for section, place in enumerate(self.places):
            if place not in self.tiles:
                continue
            for position, part in self.tiles[place]:
                self._tile(section, part.expert or 0, position, part, grid, (0, part.shape[1]))
            self._shared_tiles(section, place, grid)
            # A parameter has one voxel: the router stands in the first section of its layer.
            if place[0] not in entered:
                entered.add(place[0])
                self._routers(section, place[0], grid)
        return (len(self.places), *grid.shape), self.blocks

    def _grid(self) -> _Grid:
        """The grid that all sections share."""
        parts = [part for tiles in self.tiles.values() for _, part in tiles]
        height = max(part.shape[0] for part in parts)
        width = max(part.shape[1] for part in parts)
        count = 1 + max(part.expert or 0 for part in parts)
        shared = [part.shape[1] for place, (_, part) in self.shared.items() if place in self.tiles]
        pieces = -(-max(shared, default=0) // width)
        # A power of two: as long as levels are finer than it, no voxel mixes two experts.
        gap = max(LEAST_GAP, 2 ** round(math.log2(max(height, width) / GAP_SHARE)))
        line = gap // 2
        right, below = self._lines()
        extent = height + (line + below if below else 0), width + line + right
        pitch = round_up(extent[0] + gap, gap), round_up(extent[1] + gap, gap)
        columns = _columns(count, pieces, pitch)
        rows = -(-count // columns) + -(-pieces // columns)
        shape = (rows - 1) * pitch[0] + extent[0], (columns - 1) * pitch[1] + extent[1]
        return _Grid(height, width, line, pitch, count, columns, rows, shape)

    def _lines(self) -> tuple[int, int]:
        """Voxels that lines take at the right of a tile, and below it: the most anywhere."""
        right, below = 1, 0
        for tiles in self.tiles.values():
            for _, part in tiles:
                axes = [vector.axes for _, vector in self.beside.get(part.name, ())]
                right = max(right, 1 + axes.count(("channel",)))
                below = max(below, axes.count(("unit",)))
        layers = {layer for layer, _ in self.tiles}
        for (layer, _), (_, router) in self.routers.items():
            if layer in layers:
                below = max(below, len(self.beside.get(router.name, ())))
        return right, below

    def _shared_tiles(self, section: int, place: tuple[int, str], grid: _Grid) -> None:
        """The expert that all tokens share, in rows of its own, cut at the width of a tile."""
        if place not in self.shared:
            return
        position, part = self.shared[place]
        first = round_up(grid.count, grid.columns)
        for piece, start in enumerate(range(0, part.shape[1], grid.width)):
            units = start, min(start + grid.width, part.shape[1])
            self._tile(section, first + piece, position, part, grid, units)

    def _routers(self, section: int, layer: int, grid: _Grid) -> None:
        """What sends tokens to the experts of a layer, line by line beside them."""
        if (layer, "router") in self.routers:
            position, part = self.routers[layer, "router"]
            for expert in range(min(part.shape[1], grid.count)):
                self._router(section, expert, position, part, expert, grid)
        if (layer, "shared_router") in self.routers and grid.rows * grid.columns > grid.count:
            place = round_up(grid.count, grid.columns)
            self._router(section, place, *self.routers[layer, "shared_router"], 0, grid)

    def _tile(
        self, section: int, place: int, position: int, part: Part, grid: _Grid,
        units: tuple[int, int],
    ) -> None:  # fmt: skip
        """Some units of a matrix, and of what lies beside it."""
        top, left = grid.corner(place)
        channels, across = part.view.axes
        for first, offset, digits in cut(across, *units):
            view = View(part.view.offset + offset, (_POINT, channels, digits))
            self._block((section, top, left + first - units[0]), view, position, part)
        right = left + grid.width + grid.line + 1
        below = top + grid.height + grid.line
        for number, vector in self.beside.get(part.name, ()):
            (digits,) = vector.view.axes
            if vector.axes == ("channel",):
                if units[0] == 0:
                    view = View(vector.view.offset, (_POINT, digits, _POINT))
                    self._block((section, top, right), view, number, vector)
                    right += 1
                continue
            for first, offset, run in cut(digits, units[0], min(units[1], vector.shape[0])):
                view = View(vector.view.offset + offset, (_POINT, _POINT, run))
                self._block((section, below, left + first - units[0]), view, number, vector)
            below += 1

    def _router(
        self, section: int, place: int, position: int, part: Part, unit: int, grid: _Grid
    ) -> None:
        """The router's column of one expert as a line, and below it what it adds."""
        top, left = grid.corner(place)
        column = left + grid.width + grid.line
        channels, across = part.view.axes
        for offset in _element(across, unit):
            view = View(part.view.offset + offset, (_POINT, channels, _POINT))
            self._block((section, top, column), view, position, part)
        row = top + grid.height + grid.line
        for number, vector in self.beside.get(part.name, ()):
            for offset in _element(vector.view.axes[0], unit) if vector.axes == ("unit",) else ():
                view = View(vector.view.offset + offset, (_POINT, _POINT, _POINT))
                self._block((section, row, column), view, number, vector)
            row += 1

    def _block(self, start: tuple[int, int, int], view: View, position: int, part: Part) -> None:
        self.blocks.append(Block(start, view, part.tensor, position))


def _element(digits: Digits, index: int) -> Iterator[int]:
    """Offset of one element of an axis, if the axis has it."""
    if index < math.prod(n for n, _ in digits):
        for _, offset, _ in cut(digits, index, index + 1):
            yield offset


def _columns(count: int, pieces: int, pitch: tuple[int, int]) -> int:
    """Places in a row: the plane gets about the shape of a screen, its rows full if they can be."""

    def cost(columns: int) -> float:
        rows = -(-count // columns) + -(-pieces // columns)
        shape = columns * pitch[1] / (rows * pitch[0])
        return abs(math.log(shape / SHAPE)) + (RAGGED if count % columns else 0.0)

    return min(range(1, count + 1), key=cost)
