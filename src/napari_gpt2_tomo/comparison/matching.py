"""Which part of one model is the counterpart of which part of another, and what has none."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..anatomy.anatomy import Anatomy
from ..anatomy.names import roots_dropped, skeleton
from ..anatomy.notes import ranges
from ..anatomy.part import Part

__all__ = ["Matching", "match_parts"]

LISTED = 6
"""Lines of parts that a statement names before it counts the rest."""

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Matching:
    """The parts of two models, a and b, side by side; each in the forward order of its model.

    Attributes
    ----------
    pairs
        Parts of a and their counterparts in b, of the same shape.
    reshaped
        Counterparts whose shapes differ: there is no difference to take.
    only_a, only_b
        Parts without a counterpart.
    sizes
        Sizes of the model that differ: name → (of a, of b); None is "not known, or none".
    families
        The families, where they differ.
    """

    pairs: tuple[tuple[Part, Part], ...]
    reshaped: tuple[tuple[Part, Part], ...] = ()
    only_a: tuple[Part, ...] = ()
    only_b: tuple[Part, ...] = ()
    sizes: tuple[tuple[str, int | None, int | None], ...] = ()
    families: tuple[str | None, str | None] | None = None

    @property
    def complete(self) -> bool:
        """Whether every part of either model has its counterpart."""
        return not (self.reshaped or self.only_a or self.only_b)

    def statement(self, a: str = "a", b: str = "b") -> str:
        """What matches and what does not, in lines for a person.

        Parameters
        ----------
        a, b
            What the two models are called.
        """
        total = len(self.pairs) + len(self.reshaped) + len(self.only_a)
        if self.complete:
            lines = [f"All {total} parts match."]
        else:
            lines = [f"{len(self.pairs)} of {total} parts of {a} match a part of {b}."]
        if self.families is not None:
            first, second = (family or "no known family" for family in self.families)
            lines.append(f"family: {first} in {a}, {second} in {b}")
        for name, *values in self.sizes:
            first, second = ("unknown" if value is None else f"{value:,}" for value in values)
            lines.append(f"{name}: {first} in {a}, {second} in {b}")
        lines += _shortened(
            f"other shape: {_group(parts)} · {_shape(parts[0][0])} in {a}, "
            f"{_shape(parts[0][1])} in {b}"
            for parts in _grouped(self.reshaped)
        )
        for name, only in ((a, self.only_a), (b, self.only_b)):
            lines += _shortened(
                f"only in {name}: {_group(parts)} · {_shape(parts[0][0])}"
                for parts in _grouped([(part, part) for part in only])
            )
        tied = {part.role for part in (*self.only_a, *self.only_b)} & {"unembedding"}
        if tied:
            without = b if any(part.role in tied for part in self.only_a) else a
            lines.append(f"{without} stores no unembedding; it may share the token embedding.")
        return "\n".join(lines)


def match_parts(a: Anatomy, b: Anatomy) -> Matching:
    """Match the parts of two anatomies by role, layer and expert, others by their name.

    Tensor names, orientation and fusion do not matter: a part is what it does.
    """
    theirs = {_key(part): part for part in b.parts}
    pairs: list[tuple[Part, Part]] = []
    reshaped: list[tuple[Part, Part]] = []
    only_a: list[Part] = []
    for part in a.parts:
        other = theirs.pop(_key(part), None)
        if other is None:
            only_a.append(part)
        else:
            (pairs if part.shape == other.shape else reshaped).append((part, other))
    known = {**a.hyper.known(), **b.hyper.known()}
    sizes = [(name, getattr(a.hyper, name), getattr(b.hyper, name)) for name in known]
    return Matching(
        tuple(pairs),
        tuple(reshaped),
        tuple(only_a),
        tuple(theirs.values()),
        tuple((name, x, y) for name, x, y in sizes if x != y),
        None if a.family == b.family else (a.family, b.family),
    )


def _key(part: Part) -> Key:
    if part.role != "other":
        # The name and not the place alone: a role may have several parts, a bias for each matrix.
        return ("part", part.role, part.name)
    key, numbers = skeleton(part.name)
    return ("other", roots_dropped(key)[-1], numbers)


def _grouped(pairs: Iterable[tuple[Part, Part]]) -> list[list[tuple[Part, Part]]]:
    """Pairs of one role and the same shapes together, whatever their layer."""
    groups: dict[object, list[tuple[Part, Part]]] = {}
    for a, b in pairs:
        name = skeleton(a.name)[0] if a.role == "other" else a.role
        groups.setdefault((name, a.shape, b.shape), []).append((a, b))
    return list(groups.values())


def _group(pairs: Sequence[tuple[Part, Part]]) -> str:
    first = pairs[0][0]
    if first.role == "other":
        # Names that differ in their numbers only are one line: "h.#.attn.g_idx (12)".
        many = len(pairs) > 1
        return f"{skeleton(first.name)[0]} ({len(pairs)})" if many else first.name
    layers = sorted({part.layer for part, _ in pairs if part.layer is not None})
    experts = {part.expert for part, _ in pairs} - {None}
    words = [first.role.replace("_", " ")]
    if layers:
        words.append(f"of layer{'s' * (len(layers) > 1)} {ranges(layers)}")
    if experts:
        words.append(f"in {len(experts)} expert{'s' * (len(experts) > 1)}")
    return " ".join(words)


def _shape(part: Part) -> str:
    return " × ".join(f"{n:,}" for n in part.shape) or "scalar"


def _shortened(lines: Iterable[str]) -> list[str]:
    found = list(lines)
    rest = len(found) - LISTED
    return found if rest <= 1 else [*found[:LISTED], f"… and {rest} more of this kind"]
