"""A model as a tree: layer ▸ attention, MLP ▸ part ▸ head or neuron.

A node makes its children when it is asked for one: a model has neurons and
tokens by the hundred thousand, and a person opens a few.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, overload

from ..anatomy.anatomy import Anatomy
from ..anatomy.part import Group, Part
from ..volume.address import part_title

__all__ = ["MOST_FOUND", "PACK", "Kind", "Node", "model_tree", "search"]

Kind = Literal["model", "layer", "group", "part", "expert", "pack", "head", "neuron", "unit"]

PACK = 256
"""Neurons or tokens below one node: more do not fit a screen or an eye."""

MOST_FOUND = 400
"""Matches that a search shows: whoever has more types another letter."""

GROUPS: Mapping[Group, str] = {
    "attention": "attention",
    "mlp": "MLP",
    "router": "MLP",
}
"""Where the parts of a layer are sorted in; norms and biases go with what they belong to."""

_NUMBER = re.compile(r"\b(head|neuron|token|position|h|n|t)\s?(\d+)\b")
_UNITS = {"h": "head", "n": "neuron", "t": "token"}
_LAYER = re.compile(r"\blayer\s+(\d+)\b")
_LAYER_WORD = re.compile(r"^l\d+$")


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One row of the tree.

    Attributes
    ----------
    title
        What it says.
    kind
        What it is.
    query
        What `queries.Finder.find` leads there by; empty where there is no one place.
    parts
        Names of the parts that it is, holds or lies in.
    size
        Parameters in it.
    detail
        Its shape, or how many things are in it.
    tensor
        The stored tensor of a part, else empty.
    children
        Made one by one when they are asked for.
    """

    title: str
    kind: Kind
    query: str
    parts: tuple[str, ...]
    size: int
    detail: str = ""
    tensor: str = ""
    children: Sequence["Node"] = ()

    def walk(self) -> Iterator["Node"]:
        """This node and what is below it, without heads, neurons and the like."""
        yield self
        if self.kind != "part":
            for child in self.children:
                yield from child.walk()


class _Lazy(Sequence[Node]):
    """Nodes that are made when they are asked for; those in use are kept."""

    def __init__(self, count: int, make: Callable[[int], Node]) -> None:
        self._count = count
        self._make = lru_cache(PACK)(make)

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Node: ...
    @overload
    def __getitem__(self, index: slice) -> list[Node]: ...
    def __getitem__(self, index: int | slice) -> Node | list[Node]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(f"there are {self._count} children, no {index}")
        return self._make(index % self._count)


def model_tree(anatomy: Anatomy, name: str) -> Node:
    """The tree of a model that is called `name`."""
    before: dict[str, list[Part]] = {}
    layers: dict[int, list[Part]] = {}
    after: dict[str, list[Part]] = {}
    for part in anatomy.parts:
        if part.layer is not None:
            layers.setdefault(part.layer, []).append(part)
        elif part.role == "other":
            after.setdefault("other tensors", []).append(part)
        elif "embedding" in part.role and part.group != "unembedding":
            before.setdefault("embeddings", []).append(part)
        else:
            after.setdefault("output", []).append(part)
    rows = [
        *(_group(title, parts) for title, parts in before.items()),
        *(_layer(number, parts) for number, parts in sorted(layers.items())),
        *(_group(title, parts) for title, parts in after.items()),
    ]
    return _folder(name, "model", "", anatomy.parts, rows)


def search(root: Node, text: str, limit: int = MOST_FOUND) -> Node:
    """The tree of what matches every word of a text; it is a part of `root`, opened.

    Words are looked for in titles, names, roles and tensors: ``attention L3``,
    ``c_fc``, ``norm``. ``head 4``, ``neuron 17`` and ``token 6342`` (or ``h4``, ``n17``)
    find that one in every part that matches the other words.
    """
    return _Search(text, limit).below(root) or _folder(root.title, "model", "", (), [])


class _Search:
    """What is looked for, and how many matches may still come."""

    def __init__(self, text: str, limit: int) -> None:
        lowered = _LAYER.sub(r"l\1", text.casefold())
        words = _NUMBER.sub(" ", lowered).split()
        self._numbers = [(_UNITS.get(unit, unit), int(n)) for unit, n in _NUMBER.findall(lowered)]
        # Other layers need not be looked into: they may hold experts by the thousand.
        self._layers = {int(word[1:]) for word in words if _LAYER_WORD.match(word)}
        self._matchers = [_matcher(word) for word in words]
        self._left = limit

    def below(self, node: Node, path: str = "") -> Node | None:
        """The part of a tree that matches, None if nothing does."""
        if self._left <= 0:
            return None
        if node.kind == "layer" and not self._layers <= {int(node.query[1:])}:
            return None
        here = f"{path} {node.title.casefold()}"
        if node.kind == "part":
            return self._part(node, here)
        rows = [row for child in node.children if (row := self.below(child, here))]
        return _with(node, rows) if rows else None

    def _part(self, node: Node, path: str) -> Node | None:
        text = f"{path} {node.parts[0].casefold()} {node.tensor.casefold()}"
        if not all(matches(text) for matches in self._matchers):
            return None
        members = [_member(node, unit, number) for unit, number in self._numbers]
        held = [member for member in members if member is not None]
        if len(held) < len(members):
            return None
        self._left -= max(len(held), 1)
        return _with(node, held) if held else node


def _matcher(word: str) -> Callable[[str], object]:
    """What tells whether a text holds a word; ``l3`` is not the beginning of ``l30``."""
    if word[-1].isdigit():
        return re.compile(rf"(?<![0-9]){re.escape(word)}(?![0-9])").search
    return lambda text: word in text


def _member(part: Node, unit: str, number: int) -> Node | None:
    """The head or neuron of this number in a part."""
    rows = part.children
    if rows and rows[0].kind == "pack":
        rows = rows[number // PACK].children if number // PACK < len(rows) else ()
        number %= PACK
    if not 0 <= number < len(rows):
        return None
    found = rows[number]
    return found if found.title.split()[0] == unit else None


def _with(node: Node, rows: Sequence[Node]) -> Node:
    return Node(
        node.title, node.kind, node.query, node.parts, node.size, node.detail, node.tensor, rows
    )


def _folder(
    title: str, kind: Kind, query: str, parts: Sequence[Part], rows: Sequence[Node]
) -> Node:
    names = tuple(part.name for part in parts)
    return Node(title, kind, query, names, sum(p.size for p in parts), "", "", tuple(rows))


def _layer(number: int, parts: Sequence[Part]) -> Node:
    groups: dict[str, list[Part]] = {}
    for part in parts:
        groups.setdefault(_side(part), []).append(part)
    # A title says once where it is: "Q" under "attention" under "layer 3".
    rows = [_group(title, members) for title, members in groups.items()]
    return _folder(f"layer {number}", "layer", f"L{number}", parts, rows)


def _side(part: Part) -> str:
    """Whether a part belongs to the attention or the MLP of its layer."""
    if part.group in GROUPS:
        return GROUPS[part.group]
    if part.beside is not None:
        role = part.beside.rpartition(".")[2]
    else:
        role = part.role.removesuffix("_bias")
    attention = ("attn", "q", "k", "v", "o", "qkv", "sinks", "kv")
    return "attention" if role.split("_")[0] in attention else "MLP"


def _group(title: str, parts: Sequence[Part]) -> Node:
    rows: list[Node] = []
    experts: dict[int, list[Part]] = {}
    for part in parts:
        if part.expert is None:
            rows.append(_part(part))
        else:
            experts.setdefault(part.expert, []).append(part)
    if experts:
        numbers = sorted(experts)

        def expert(i: int) -> Node:
            own = experts[numbers[i]]
            query = f"L{own[0].layer}.E{numbers[i]}"
            return _folder(f"expert {numbers[i]}", "expert", query, own, [_part(p) for p in own])

        everyone = [part for own in experts.values() for part in own]
        names = tuple(part.name for part in everyone)
        size = sum(part.size for part in everyone)
        detail = f"{len(experts)} experts"
        lazy = _Lazy(len(numbers), expert)
        rows.append(Node("experts", "group", "", names, size, detail, "", lazy))
    return _folder(title, "group", "", parts, rows)


def _part(part: Part) -> Node:
    title = part.name
    if part.role != "other":
        base = part.role.removesuffix("_bias")
        title = part_title(base, None) + (" bias" if base != part.role else "")
    shape = " × ".join(map(str, part.shape)) or "scalar"
    return Node(
        title,
        "part",
        part.name,
        (part.name,),
        part.size,
        shape,
        part.tensor,
        _members(part),
    )


def _members(part: Part) -> Sequence[Node]:
    """Heads, or neurons, tokens and positions in packs."""
    if len(part.shape) < 2 or not part.size:
        return ()
    if part.unit == "head":
        return _Lazy(part.n_heads or 0, lambda i: _head(part, i))
    if part.unit not in ("neuron", "token", "position"):
        return ()
    count = part.shape[-1]
    if count <= PACK:
        return _Lazy(count, lambda i: _unit(part, i))
    return _Lazy(-(-count // PACK), lambda i: _pack(part, i))


def _head(part: Part, head: int) -> Node:
    size = part.size // max(part.n_heads or 1, 1)
    query = f"L{part.layer}.H{head}.{part.role}"
    detail = f"{part.shape[0]} × {part.d_head}"
    return Node(f"head {head}", "head", query, (part.name,), size, detail)


def _pack(part: Part, pack: int) -> Node:
    first = pack * PACK
    stop = min(first + PACK, part.shape[-1])
    size = part.size // part.shape[-1] * (stop - first)
    rows = _Lazy(stop - first, lambda i: _unit(part, first + i))
    title = f"{part.unit}s {first}–{stop - 1}"
    return Node(title, "pack", "", (part.name,), size, "", "", rows)


def _unit(part: Part, unit: int) -> Node:
    if part.layer is None:
        query = f"{part.unit} {unit} in {part.name}"
    else:
        expert = "" if part.expert is None else f".E{part.expert}"
        query = f"L{part.layer}{expert}.N{unit}.{part.role}"
    kind: Kind = "neuron" if part.unit == "neuron" else "unit"
    return Node(f"{part.unit} {unit}", kind, query, (part.name,), part.size // part.shape[-1])
