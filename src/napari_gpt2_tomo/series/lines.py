"""Which parts a plot of growth draws as one line each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..anatomy.anatomy import Anatomy
from ..anatomy.part import Part
from ..display.roles import role_colour
from ..volume.address import part_title

__all__ = ["KINDS", "Line", "lines_of", "subject_of"]

KINDS: Mapping[str, str] = {
    "roles": "Each role, all layers together",
    "layers": "Each layer",
    "role": "This role in every layer",
    "layer": "Parts of this layer",
    "part": "This part",
    "all": "All weights",
}
"""What a line is → its words in a list; "this" is what the cursor is on."""

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """Parts whose weights are taken together as one vector.

    Attributes
    ----------
    label
        For the legend.
    parts
        Positions in the anatomy.
    colour
        Red, green, blue in 0…1; None leaves it to the plot.
    shade
        Where it stands among its neighbours, 0…1, for lines that are coloured by their order.
    """

    label: str
    parts: tuple[int, ...]
    colour: Colour | None = None
    shade: float | None = None


def subject_of(anatomy: Anatomy, kind: str, part: str | None = None) -> str:
    """What lines that depend on the cursor are of, for a title: ``"K of every layer"``; empty for
    the others.
    """
    here = anatomy.by_name.get(part or "") or _first(anatomy.parts)
    if here is None or kind not in ("role", "layer", "part"):
        return ""
    if kind == "part":
        return _title(here)
    if kind == "role":
        return f"{part_title(here.role, None)} of every layer"
    return "outside of layers" if here.layer is None else f"layer {here.layer}"


def lines_of(anatomy: Anatomy, kind: str, part: str | None = None) -> list[Line]:
    """The lines of a plot.

    Parameters
    ----------
    kind
        One of `KINDS`.
    part
        Name of the part that "this" means; the first matrix of a layer by default.
    """
    numbered = list(enumerate(anatomy.parts))
    here = anatomy.by_name.get(part or "") or _first(anatomy.parts)
    if kind == "all" or here is None:
        return [Line("all weights", tuple(i for i, _ in numbered))]
    if kind == "part":
        return [Line(_title(here), (anatomy.parts.index(here),), _colour(here))]
    if kind == "layers":
        found = [
            (None if one is None else one, tuple(i for i, p in numbered if p.layer == one))
            for one in dict.fromkeys(p.layer for _, p in numbered)
        ]
        return _shaded(found, "outside of layers")
    if kind == "role":
        same = [(i, p) for i, p in numbered if p.role == here.role]
        layers = dict.fromkeys(p.layer for _, p in same)
        found = [(one, tuple(i for i, p in same if p.layer == one)) for one in layers]
        return _shaded(found, _title(here))
    if kind == "layer":
        own = [(i, p) for i, p in numbered if p.layer == here.layer and p.expert == here.expert]
        return [Line(_title(p), (i,), _colour(p)) for i, p in _matrices(own)]
    return _roles(numbered)


def _roles(numbered: Sequence[tuple[int, Part]]) -> list[Line]:
    """A line for each role of matrices, one for all norms and one for all biases."""
    groups: dict[str, list[tuple[int, Part]]] = {}
    for i, part in numbered:
        many = part.group in ("norm", "bias") or part.role == "other"
        name = {"norm": "norms", "bias": "biases"}.get(part.group, "others") if many else part.role
        groups.setdefault(name, []).append((i, part))
    last = [name for name in ("norms", "biases", "others") if name in groups]
    names = [*(name for name in groups if name not in last), *last]
    return [
        Line(
            part_title(name, None) if name not in last else name,
            tuple(i for i, _ in groups[name]),
            _colour(groups[name][0][1]),
        )
        for name in names
    ]


def _matrices(own: Sequence[tuple[int, Part]]) -> Sequence[tuple[int, Part]]:
    """Those of several axes; all where there are none."""
    return [(i, part) for i, part in own if len(part.shape) > 1] or own


def _shaded(found: Sequence[tuple[int | None, tuple[int, ...]]], outside: str) -> list[Line]:
    """Lines of layers, coloured by their depth; what belongs to no layer comes last."""
    layers = sorted((layer, parts) for layer, parts in found if layer is not None)
    last = max(1, len(layers) - 1)
    lines = [
        Line(f"layer {layer}", parts, None, place / last)
        for place, (layer, parts) in enumerate(layers)
    ]
    return [*lines, *(Line(outside, parts) for layer, parts in found if layer is None)]


def _first(parts: Sequence[Part]) -> Part | None:
    """The part that is meant where nobody says which."""
    inner = (part for part in parts if part.layer is not None and len(part.shape) > 1)
    return next(inner, next(iter(parts), None))


def _title(part: Part) -> str:
    return part.name if part.role == "other" else part_title(part.role, part.layer, part.expert)


def _colour(part: Part) -> Colour:
    return role_colour(part.role, part.group)
