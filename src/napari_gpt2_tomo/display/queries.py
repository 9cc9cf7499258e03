"""What a person types to go somewhere, and where in a volume that is."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from ..anatomy.part import Part
from ..base import DisplayError, LayoutError
from ..volume.address import part_title
from ..volume.volume import Volume
from .names import near_names, suggestion
from .places import Places, Target, middle, single
from .vocabulary import Vocabulary, quoted

__all__ = ["EXAMPLES", "Finder"]

EXAMPLES: tuple[tuple[str, str], ...] = (
    ("h.3.mlp.c_fc.weight[138, 2]", "a parameter by its tensor and index"),
    ("105 412 265", "a voxel by its numbers, one for each axis"),
    ("L3.q", "a part"),
    ("L3.q[138, 2]", "a parameter by its part: channel, unit"),
    ("L5.H1", "a head, in its queries; L5.H1.k in its keys"),
    ("L3.N2", "a neuron, in what it reads; L3.N2.down in what it writes"),
    ("L3.E7.gate", "a matrix of an expert; L3 E7 gate and L3 · expert 7 · gate too"),
    ("L3.E7.N2", "a neuron of an expert"),
    ('"Paris"', "a token by its text; a leading space counts"),
    ("token 6342", "a token by its number; position 5 likewise; token 6342 in unembedding"),
)
"""What can be typed, and what it means."""

HEAD_ROLES = ("q", "k", "v", "o", "qkv")
"""Where a head is looked for, in this order."""

NEURON_ROLES = ("up", "gate", "gate_up", "down", "shared_up", "shared_gate", "shared_down")
"""Where a neuron is looked for, in this order."""

NUMBERED: Mapping[str, tuple[str, ...]] = {
    "token": ("token_embedding", "unembedding"),
    "position": ("position_embedding",),
}
"""Words with a number, and the parts in which that counts units."""

_QUOTED = re.compile(r"""^["'“](?P<text>.*?)["'”]?$""", re.DOTALL)
_NUMBERS = re.compile(
    r"^(?:voxel\b)?\s*[(\[]?\s*(-?\d+(?:\s*[,;\s]\s*-?\d+)*)\s*,?\s*[)\]]?$", re.I
)
_NUMBERED = re.compile(r"^(token|position)\s+(\d+)(?:\s+in\s+(\S+))?$", re.I)
_INDEXED = re.compile(r"^(?P<name>.+?)\s*\[(?P<index>[^\]]*)\]?$")
_LAYER = re.compile(r"^L(\d+)$", re.I)
_MEMBER = re.compile(r"^([EHN])(\d+)$", re.I)
_SPELLED = re.compile(r"\b(layer|expert|head|neuron)\s+(\d+)\b", re.I)
_BETWEEN = re.compile(r"[.\s·]+")


class Finder:
    """Finds what is asked for in one volume.

    Parameters
    ----------
    volume
        Where to look.
    shapes
        Shape of every stored tensor.
    vocabulary
        Gives the vocabulary of the model's tokenizer when a token is asked for, None without one.

    Attributes
    ----------
    volume
        As given.
    """

    def __init__(
        self,
        volume: Volume,
        shapes: Mapping[str, tuple[int, ...]],
        vocabulary: Callable[[], Vocabulary | None] = lambda: None,
    ) -> None:
        self.volume = volume
        self._anatomy = volume.anatomy
        self._shapes = shapes
        self._places = Places(volume, shapes)
        self._vocabulary = vocabulary

    def find(self, text: str) -> Target:
        """The place that a query means, see `EXAMPLES`.

        Raises
        ------
        DisplayError
            There is no such place; the message says what was wrong and what is like it.
        LayoutError
            This layout does not show it.
        """
        query = text.strip()
        if not query:
            raise DisplayError(f"Type where to go, e.g. {EXAMPLES[0][0]} or {EXAMPLES[2][0]}.")
        if found := _QUOTED.match(query):
            # The blanks inside the quotes count, those around them do not.
            return self._token_text(found["text"])
        if found := _NUMBERS.match(query):
            return self._voxel([int(n) for n in re.findall(r"-?\d+", found[1])])
        if found := _NUMBERED.match(query):
            return self._numbered(found[1].lower(), int(found[2]), found[3])
        if found := _INDEXED.match(query):
            return self._element(found["name"], found["index"])
        words = _words(query)
        if layer := _LAYER.match(words[0]):
            return self._place(int(layer[1]), words[1:], query)
        if part := self._part_called(query):
            return self.part(part)
        if query in self._anatomy.by_tensor:
            return self._tensor(query)
        if query in self._anatomy.buffers:
            raise LayoutError(f"{query} is a buffer, not a parameter, so it has no voxel.")
        if query in self._shapes:
            name = self.volume.layout.name
            raise LayoutError(f"The {name} layout does not show {query}; the body and the cube do.")
        raise DisplayError(f"Nothing here is called {query!r}.{self._suggest(query)}")

    def part(self, part: Part) -> Target:
        """The place of a whole part."""
        if not part.size:
            raise DisplayError(f"{part.name} is empty, so it has no place.")
        box = self._places.extent(part, [(0, n) for n in part.shape])
        return Target(part.name, _title(part), middle(box), box, part.name)

    def complete(self, text: str, limit: int = 20) -> list[str]:
        """Queries that begin with or contain what was typed so far."""
        query = text.strip()
        if not query or "[" in query or _NUMBERS.match(query):
            return []
        if query[0] in "\"'":
            vocabulary = self._vocabulary() if len(query) > 1 else None
            found = vocabulary.starting_with(query[1:].rstrip("\"'"), limit) if vocabulary else []
            return [f'"{token}"' for token in found]
        wanted = query.casefold()
        members = self._members(query, limit)
        begin = [name for name in self._names if name.casefold().startswith(wanted)]
        inside = [name for name in self._names if wanted in name.casefold() and name not in begin]
        return list(dict.fromkeys([*members, *begin, *inside]))[:limit]

    @cached_property
    def _names(self) -> list[str]:
        return list(dict.fromkeys([*self._anatomy.by_name, *self._anatomy.by_tensor]))

    def _members(self, query: str, limit: int) -> list[str]:
        """Heads and neurons that a half-typed ``L3.H`` or ``L3.N1`` may become."""
        found = re.match(r"^L(\d+)\.([HN])(\d*)$", query, re.I)
        if not found:
            return []
        layer, letter, digits = int(found[1]), found[2].upper(), found[3]
        roles = HEAD_ROLES if letter == "H" else NEURON_ROLES
        parts = self._candidates(layer, None, "head" if letter == "H" else "neuron", roles)
        if not parts:
            return []
        count = _n_heads(parts[0]) if letter == "H" else parts[0].shape[-1]
        numbers = (i for i in range(count) if str(i).startswith(digits))
        return [f"L{layer}.{letter}{i}" for i, _ in zip(numbers, range(limit), strict=False)]

    def _token_text(self, text: str) -> Target:
        vocabulary = self._vocabulary()
        if vocabulary is None:
            raise DisplayError(
                "Tokens can be found by their text when a tokenizer.json lies beside the "
                "checkpoint; here is none. Use its number: token 6342."
            )
        token = vocabulary.find(text)
        target = self._numbered("token", token.id)
        note = f"{token}: {token.note}."
        return replace(target, title=f"{target.title} {quoted(token.text)}", note=note)

    def _numbered(self, word: str, number: int, name: str | None = None) -> Target:
        names = NUMBERED[word] if name is None else (name,)
        found = (self._part_called(name) for name in names)
        parts = [part for part in found if part is not None and part.unit == word]
        if not parts:
            listed = " or ".join(name.replace("_", " ") for name in names)
            raise DisplayError(
                f"{word.capitalize()} {number} has no place: this checkpoint has no {listed}."
            )
        shown = [part for part in parts if self._places.shows(part)] or parts
        where = "" if name is None else f" in {shown[0].name}"
        return self._unit(shown[0], number, word, f"{word} {number}{where}")

    def _voxel(self, numbers: Sequence[int]) -> Target:
        volume = self.volume
        axes = ", ".join(volume.axes)
        if len(numbers) != volume.ndim:
            raise DisplayError(
                f"A voxel here has {volume.ndim} numbers ({axes}), not {len(numbers)}."
            )
        for at, n, axis in zip(numbers, volume.shape, volume.axes, strict=True):
            if not 0 <= at < n:
                raise DisplayError(f"There is no {axis} {at}: this volume has 0 to {n - 1}.")
        voxel = tuple(numbers)
        place = volume.layout.place(voxel)
        part = None if place is None else self._anatomy.parts[place.part].name
        title = "air" if place is None else f"{place.tensor}{list(place.index)}"
        return Target(" ".join(map(str, voxel)), title, voxel, single(voxel), part)

    def _element(self, name: str, text: str) -> Target:
        try:
            index = [int(word) for word in re.split(r"[,\s]+", text.strip()) if word]
        except ValueError:
            raise DisplayError(f"An index is made of whole numbers, not {text!r}.") from None
        if name in self._shapes:
            shape, tensor = self._shapes[name], name
            _check(name, index, shape)
            stored: Sequence[int] = [i % n for i, n in zip(index, shape, strict=True)]
        else:
            part = self._part_called(name)
            if part is None:
                raise DisplayError(f"There is no tensor or part {name!r}.{self._suggest(name)}")
            _check(part.name, index, part.shape, part.axes)
            inner = [i % n for i, n in zip(index, part.shape, strict=True)]
            name, tensor = part.name, part.tensor
            stored = self._places.stored(part, inner)
        voxel = self.volume.voxel(tensor, stored)
        place = self.volume.layout.place(voxel)
        title = f"{tensor}{list(stored)}"
        owner = None if place is None else self._anatomy.parts[place.part].name
        return Target(f"{name}{list(index)}", title, voxel, single(voxel), owner)

    def _tensor(self, name: str) -> Target:
        parts = self._anatomy.by_tensor[name]
        target = self.part(parts[0])
        held = ", ".join(part.name for part in parts)
        note = f"{name} holds {held}; this is the first." if len(parts) > 1 else ""
        return replace(target, query=name, note=note)

    def _place(self, layer: int, words: Sequence[str], query: str) -> Target:
        """``L3``, ``L3.q``, ``L5.H1.k``, ``L3.E7.N2``."""
        members: dict[str, int] = {}
        roles: list[str] = []
        for word in words:
            if found := _MEMBER.match(word):
                members[found[1].upper()] = int(found[2])
            elif word:
                roles.append(word)
        layers = sorted({p.layer for p in self._anatomy.parts if p.layer is not None})
        if layer not in layers:
            known = f"the layers are {layers[0]} to {layers[-1]}" if layers else "it has no layers"
            raise DisplayError(f"There is no layer {layer} in this model: {known}.")
        expert = members.get("E")
        if len(roles) > 1 or {"H", "N"} <= members.keys():
            raise DisplayError(f"{query!r} names two things at once; see the examples.")
        if "H" in members:
            return self._member(layer, expert, members["H"], "head", HEAD_ROLES, roles)
        if "N" in members:
            return self._member(layer, expert, members["N"], "neuron", NEURON_ROLES, roles)
        if roles:
            return self.part(self._named(layer, expert, roles[0]))
        own = [p for p in self._anatomy.parts if p.layer == layer and p.expert == expert]
        if not own:
            raise self._no_expert(layer, expert)
        own = [part for part in own if self._places.shows(part)] or own
        first = next((part for part in own if len(part.shape) > 1), own[0])
        return replace(self.part(first), query=query)

    def _member(
        self,
        layer: int,
        expert: int | None,
        number: int,
        unit: str,
        order: Sequence[str],
        roles: Sequence[str],
    ) -> Target:
        """A head or a neuron."""
        place = f"L{layer}" if expert is None else f"L{layer}.E{expert}"
        if roles:
            parts = [self._named(layer, expert, roles[0])]
            if unit not in (parts[0].unit, *parts[0].axes[:1]):
                raise DisplayError(f"{parts[0].name} has no {unit}s.")
        else:
            parts = self._candidates(layer, expert, unit, order)
        if not parts:
            experts = {p.expert for p in self._anatomy.parts if p.layer == layer} - {None}
            if unit == "neuron" and expert is None and experts:
                raise DisplayError(f"Layer {layer} has experts: say which, e.g. L{layer}.E0.N2.")
            if expert is not None and expert not in experts:
                raise self._no_expert(layer, expert)
            raise DisplayError(f"{place} has no {unit}s in this checkpoint.")
        shown = [part for part in parts if self._places.shows(part)] or parts
        part = shown[0]
        letter = unit[0].upper()
        query = f"{place}.{letter}{number}" + (f".{part.role}" if roles else "")
        if unit == "head":
            return self._head(part, number, query)
        return self._unit(part, number, unit, query, shown[1:])

    def _head(self, part: Part, head: int, query: str) -> Target:
        if part.axes[0] == "head":  # A circuit
            _check(part.name, [head], part.shape[:1], ["head"])
            box = self._places.extent(part, [(head, head + 1), *((0, n) for n in part.shape[1:])])
            return Target(query, f"{_title(part)} · head {head}", middle(box), box, part.name)
        if part.n_heads is None or part.d_head is None:
            raise DisplayError(
                f"The number of heads of {part.name} is not known: put the model's config.json "
                "beside the file, or open it with n_heads=…."
            )
        if head >= part.n_heads:
            raise DisplayError(f"There is no head {head}: {part.name} has 0 to {part.n_heads - 1}.")
        units = (head * part.d_head, (head + 1) * part.d_head)
        box = self._places.extent(part, [*((0, n) for n in part.shape[:-1]), units])
        return Target(query, f"{_title(part)} · head {head}", middle(box), box, part.name)

    def _unit(
        self, part: Part, number: int, unit: str, query: str, others: Sequence[Part] = ()
    ) -> Target:
        if number >= part.shape[-1]:
            last = part.shape[-1] - 1
            raise DisplayError(f"There is no {unit} {number}: {part.name} has 0 to {last}.")
        box = self._places.extent(part, [*((0, n) for n in part.shape[:-1]), (number, number + 1)])
        also = ", ".join(f"{query}.{other.role}" for other in others if len(other.shape) > 1)
        note = f"Also in {also}." if also else ""
        return Target(query, f"{_title(part)} · {unit} {number}", middle(box), box, part.name, note)

    def _candidates(
        self, layer: int, expert: int | None, unit: str, order: Sequence[str]
    ) -> list[Part]:
        """Parts of a layer that count heads or neurons, the most telling first."""

        def rank(part: Part) -> tuple[int, int]:
            known = order.index(part.role) if part.role in order else len(order)
            return len(part.shape) == 1, known

        own = (p for p in self._anatomy.parts if p.layer == layer and p.expert == expert)
        counted = (p for p in own if unit in (p.unit, p.axes[0] if p.axes else "") and p.size)
        return sorted(counted, key=rank)

    def _named(self, layer: int, expert: int | None, role: str) -> Part:
        place = f"L{layer}" if expert is None else f"L{layer}.E{expert}"
        found = self._part_called(f"{place}.{role}")
        if found is not None:
            return found
        own = [p for p in self._anatomy.parts if p.layer == layer and p.expert == expert]
        if not own:
            raise self._no_expert(layer, expert)
        near = near_names(f"{place}.{role}", [part.name for part in own])
        hint = suggestion(near) or f" It has {', '.join(part.role for part in own)}."
        raise DisplayError(f"{place} has no part {role!r}.{hint}")

    def _no_expert(self, layer: int, expert: int | None) -> DisplayError:
        experts = sorted(
            {p.expert for p in self._anatomy.parts if p.layer == layer and p.expert is not None}
        )
        if not experts:
            return DisplayError(f"Layer {layer} has no experts.")
        return DisplayError(
            f"There is no expert {expert} in layer {layer}: it has {experts[0]} to {experts[-1]}."
        )

    @cached_property
    def _by_folded_name(self) -> dict[str, Part]:
        return {part.name.casefold(): part for part in self._anatomy.parts}

    def _part_called(self, name: str) -> Part | None:
        """The part of this name, whatever its case."""
        return self._anatomy.by_name.get(name) or self._by_folded_name.get(name.casefold())

    def _suggest(self, name: str) -> str:
        found = near_names(name, self._names) or self.complete(name, 3)
        return suggestion(found) or f" Type e.g. {EXAMPLES[2][0]}, {EXAMPLES[4][0]} or a tensor."


def _words(query: str) -> list[str]:
    """The words of a place in a layer, however they are joined: ``L3.E7.gate``, ``L3 E7 gate``."""
    short = _SPELLED.sub(lambda found: found[1][0].upper() + found[2], query)
    words = _BETWEEN.split(short)
    return words if _LAYER.match(words[0]) else query.split(".")


def _n_heads(part: Part) -> int:
    return part.shape[0] if part.axes[0] == "head" else part.n_heads or 0


def _check(name: str, index: Sequence[int], shape: Sequence[int], axes: Sequence[str] = ()) -> None:
    described = " × ".join(map(str, shape)) or "a single number"
    if len(index) != len(shape):
        raise DisplayError(
            f"{name} is {described}: its index has {len(shape)} numbers, not {len(index)}."
        )
    names = axes or [f"axis {i}" for i in range(len(shape))]
    for at, n, axis in zip(index, shape, names, strict=True):
        if not -n <= at < n:
            raise DisplayError(f"{at} is outside {name}: its {axis} goes from 0 to {n - 1}.")


def _title(part: Part) -> str:
    return part.name if part.role == "other" else part_title(part.role, part.layer, part.expert)
