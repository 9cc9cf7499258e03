"""Names and shapes of a checkpoint to its anatomy."""

from collections.abc import Mapping, Sequence
from typing import Any

from .anatomy import Anatomy
from .choose import choose
from .config import GGUF_ARCHITECTURE, read_given, read_metadata, read_sizes, text_config
from .families import Table
from .measure import Batch, Measured, measure
from .names import is_buffer, may_be_buffer, skeleton
from .notes import notes_about
from .part import HyperParameters, Part
from .roles import LAST_EMBEDDING, LAST_MATRIX, ROLES
from .split import Piece, fits, matrix_pieces, vector_pieces, whole_view

__all__ = ["recognise"]

_STAGES = {"embedding": 0, "layer": 1, "head": 2}
_ONE_ROW = ("shared_router",)
"""Roles of matrices of a single row, which some files store as vectors."""
_Member = tuple[int, str, tuple[int, ...]]
_Key = tuple[int, int, int, int, int]


def recognise(
    shapes: Mapping[str, tuple[int, ...]],
    config: Mapping[str, Any] | None = None,
    *,
    family: str | None = None,
    given: Mapping[str, int | None] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Anatomy:
    """Recognise the parts of a transformer from the names and shapes of its tensors.

    Parameters
    ----------
    shapes
        Shape of each stored tensor in numpy order, in file order.
    config
        The parsed ``config.json`` beside the file, if any; it refines what the shapes say.
    family
        Family to assume, e.g. ``"gpt2"``; recognised from the names if None.
    given
        Sizes that the user states (`HyperParameters` names); they beat the config.
    metadata
        Free text that the file stores beside the tensors.

    Raises
    ------
    TomoError
        `family` or `given` name something unknown or contradict the file.
    """
    wanted = read_given(given)
    settings = text_config(config)
    buffers: list[str] = []
    rotary: list[int] = []
    taken_apart: dict[str, list[_Member]] = {}
    suspects: set[str] = set()
    for position, (name, shape) in enumerate(shapes.items()):
        key, numbers = skeleton(name)
        members = taken_apart.get(key)
        if members is None:
            members = taken_apart[key] = []
            if may_be_buffer(key):
                suspects.add(key)
        if key in suspects and is_buffer(key, shape):
            buffers.append(name)
            if key.endswith("inv_freq") and len(shape) == 1:
                rotary.append(shape[0])
        else:
            members.append((position, name, numbers))
    chosen = choose(taken_apart, settings, family, (metadata or {}).get(GGUF_ARCHITECTURE))
    if chosen is None:
        others = [_other(name, shape) for name, shape in shapes.items() if name not in set(buffers)]
        return Anatomy(
            tuple(others),
            HyperParameters(**wanted),
            dict.fromkeys(wanted, "given"),
            None,
            tuple(buffers),
            notes_about(others, HyperParameters(), None),
        )
    table, names = chosen
    batches = _batches(table, names, taken_apart, shapes)
    measured = measure(
        batches, table.family, rotary, wanted, read_sizes(settings), read_metadata(metadata)
    )
    parts = _Assembly(measured).parts(batches, shapes, frozenset(buffers))
    return Anatomy(
        parts,
        measured.hyper,
        measured.provenance,
        table.family.name,
        tuple(buffers),
        (
            *measured.notes,
            *_unturned(batches, measured),
            *notes_about(parts, measured.hyper, settings),
        ),
    )


def _batches(
    table: Table,
    names: Mapping[str, str],
    taken_apart: Mapping[str, Sequence[_Member]],
    shapes: Mapping[str, tuple[int, ...]],
) -> list[Batch]:
    """Gather the known tensors by slot and shape."""
    family = table.family
    batches: list[Batch] = []
    for key, variant in names.items():
        slot = table.slots[variant]
        by_shape: dict[tuple[int, ...], Batch] = {}
        for member in taken_apart[key]:
            name = member[1]
            shape = tuple(shapes[name])
            if len(shape) == 1 and slot.roles == _ONE_ROW:
                shape = (1, *shape)
            if len(shape) == 3 and shape[0] == 1 and slot.form == "linear" and not slot.stacked:
                shape = shape[1:]  # The kernel of a convolution over one position.
            batch = by_shape.get(shape)
            if batch is None:
                if not fits(slot, shape) or 0 in shape:
                    continue
                bias = shapes.get(f"{name.removesuffix('.weight')}.bias")
                batch = by_shape[shape] = Batch(slot, shape, bias[0] if bias else None)
                if slot.form == "table":
                    batch.stored = "in_out"
                elif slot.stacked:
                    batch.stored = family.stored_experts
                elif variant.startswith(family.block):
                    batch.stored = family.stored
                batches.append(batch)
            batch.members.append(member)
    return batches


def _unturned(batches: Sequence[Batch], measured: Measured) -> list[str]:
    """A note if rows are stored in an order that only the size of a head can undo."""
    if measured.hyper.d_head is not None or not any(batch.slot.pairs for batch in batches):
        return []
    return [
        "The rows of queries and keys are shown in the order of the file, which pairs the "
        "dimensions that rotary positions turn together: say n_heads=… to undo it."
    ]


class _Assembly:
    """Builds the parts, matrices first, because vectors lie beside them."""

    def __init__(self, measured: Measured) -> None:
        self.hyper = measured.hyper
        self.q_units = measured.q_units
        self.placed: list[tuple[_Key, Part]] = []
        self.placeless: list[tuple[tuple[int, int], Part]] = []
        self.matrices: dict[tuple[str, int | None, int | None], Part] = {}
        self.first: dict[tuple[str, int | None], Part] = {}
        self.last: dict[tuple[str, int | None], Part] = {}
        self.names: set[str] = set()
        self.tensors: set[str] = set()

    def parts(
        self,
        batches: Sequence[Batch],
        shapes: Mapping[str, tuple[int, ...]],
        buffers: frozenset[str],
    ) -> tuple[Part, ...]:
        """All parts in forward order, those without a place at the end in file order."""
        vectors = [batch for batch in batches if batch.slot.form in ("vector", "bias")]
        for batch in batches:
            if batch.slot.form in ("linear", "table"):
                self._add_matrices(batch)
        self.placed.sort(key=_first)
        for _, part in self.placed:
            if part.layer is not None:
                self.first.setdefault((part.role, part.layer), part)
                self.last[part.role, part.layer] = part
        embeddings = [p for key, p in self.placed if key[0] == _STAGES["embedding"]]
        ends = {
            LAST_EMBEDDING: embeddings[-1].name if embeddings else None,
            LAST_MATRIX: self.placed[-1][1].name if self.placed else None,
        }
        for batch in vectors:
            self._add_vectors(batch, ends)
        self.placed.sort(key=_first)
        for position, (name, shape) in enumerate(shapes.items()):
            if name not in self.tensors and name not in buffers:
                part_name = name
                while part_name in self.names:
                    part_name += " (tensor)"
                self.names.add(part_name)
                self.placeless.append(((position, 0), _other(name, shape, part_name)))
        self.placeless.sort(key=_first)
        return tuple(part for _, part in (*self.placed, *self.placeless))

    def _claim(self, pieces: Sequence[Piece], tensor: str, numbers: tuple[int, ...]) -> list[str]:
        """Names for the parts of a tensor; none if another tensor already has one of them."""
        prefix = f"L{numbers[0]}." if numbers else ""
        if numbers[1:]:
            prefix += f"E{numbers[1]}."
        if len(pieces) == 1 and pieces[0].expert is None:
            found = [prefix + pieces[0].role]
        else:
            found = [
                f"{prefix}{'' if piece.expert is None else f'E{piece.expert}.'}{piece.role}"
                for piece in pieces
            ]
        if not self.names.isdisjoint(found):
            return []
        self.names.update(found)
        self.tensors.add(tensor)
        return found

    def _add_matrices(self, batch: Batch) -> None:
        pieces = matrix_pieces(batch.slot, batch.shape, batch.stored, self.hyper, self.q_units)
        forms = [(piece, ROLES[piece.role]) for piece in pieces]
        for position, tensor, numbers in batch.members:
            layer = numbers[0] if numbers else None
            names = self._claim(pieces, tensor, numbers)
            if not names:
                continue
            for (piece, role), name in zip(forms, names, strict=True):
                expert = numbers[1] if numbers[1:] else piece.expert
                part = Part(
                    name,
                    piece.role,
                    role.group,
                    tensor,
                    piece.view,
                    piece.axes,
                    layer,
                    expert,
                    piece.n_heads,
                    piece.d_head,
                    role.unit,
                    None,
                    "first",
                    0.0,
                    role.kind == "writes" and piece.axes[0] == "channel",
                )
                key = (
                    _STAGES[role.stage],
                    -1 if layer is None else layer,
                    role.rank,
                    -1 if expert is None else expert,
                    position,
                )
                self.placed.append((key, part))
                self.matrices[piece.role, layer, expert] = part

    def _add_vectors(self, batch: Batch, ends: Mapping[str, str | None]) -> None:
        pieces = vector_pieces(batch.slot, batch.shape, self.hyper, self.q_units)
        for position, tensor, numbers in batch.members:
            layer = numbers[0] if numbers else None
            names = self._claim(pieces, tensor, numbers)
            for place, (piece, name) in enumerate(zip(pieces, names, strict=False)):
                role = ROLES[piece.role]
                expert = numbers[1] if numbers[1:] else piece.expert
                beside = self._beside(piece, layer, expert, ends)
                part = Part(
                    name,
                    piece.role,
                    role.group,
                    tensor,
                    piece.view,
                    piece.axes,
                    layer,
                    expert,
                    piece.n_heads,
                    piece.d_head,
                    role.unit,
                    beside,
                    role.at,
                    batch.slot.shift,
                )
                if beside is None:
                    self.placeless.append(((position, place), part))
                else:
                    key = (
                        _STAGES[role.stage],
                        -1 if layer is None else layer,
                        role.rank,
                        -1 if expert is None else expert,
                        position,
                    )
                    self.placed.append((key, part))

    def _beside(
        self, piece: Piece, layer: int | None, expert: int | None, ends: Mapping[str, str | None]
    ) -> str | None:
        """Name of the matrix that a vector lies beside; None if it is absent or does not fit."""
        role = ROLES[piece.role]
        length = piece.view.size
        if role.kind == "channel" and length != self.hyper.d_model:
            return None
        for target in role.beside:
            if target in ends:
                return ends[target]
            if expert is not None:
                matrix = self.matrices.get((target, layer, expert))
            elif layer is not None:
                ordered = self.first if role.at == "first" else self.last
                matrix = ordered.get((target, layer))
            else:
                matrix = self.matrices.get((target, None, None))
            if matrix is None:
                continue
            if role.kind == "unit":
                if matrix.axes != ("channel", "unit"):
                    continue
                units = matrix.shape[1]
                if length > units or (role.whole and length != units):
                    continue
            return matrix.name
        return None


def _first(item: tuple[Any, Part]) -> Any:
    return item[0]


def _other(tensor: str, shape: Sequence[int], name: str | None = None) -> Part:
    """A tensor that no table knows, in its own shape."""
    axes = tuple(f"axis {i}" for i in range(len(shape)))
    return Part(name or tensor, "other", "other", tensor, whole_view(shape), axes)
