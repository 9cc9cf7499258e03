"""Which of the objects in a PyTorch file are the model's tensors, and how they are called."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .malformed import Malformed
from .pickle_objects import Instance
from .pytorch_objects import Tensor, Unreadable

__all__ = ["State", "find_state"]

MAX_VISITS = 1_000_000
"""Objects that are looked at: a mapping may hold itself, or the same one many times."""

MAX_TENSORS = 200_000
"""Names; the largest models have some ten thousand tensors."""

MAX_DEPTH = 64
"""Levels; models nest their modules some ten deep."""

MAX_SETTINGS = 200
"""Numbers and texts that are kept as metadata."""

MODELS = (
    "state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params",
    "model_ema", "ema", "ema_state_dict", "state_dict_ema", "generator", "teacher", "student",
)  # fmt: skip
"""Keys of training checkpoints under which a model lies; the first counts if they hold as much."""

_TRAINING = ("optim", "sched", "scaler", "rng", "callback", "loop", "amp", "random")
"""How keys begin that hold what training needs besides the model."""

_ROW = (list, tuple)

_SETTINGS = ("model_args", "config", "hyper_parameters", "hparams", "args", "cfg", "model_config")
"""Keys of training checkpoints under which sizes of the model are stated."""


@dataclass
class State:
    """The model in a file.

    Attributes
    ----------
    tensors
        By name, in their order.
    unreadable
        Tensors that are not read: name → why.
    metadata
        Numbers and texts of the training: epoch, step, sizes of the model.
    notes
        Sentences on what was chosen.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_state(root: Any) -> State:
    """The model in what a file holds: a state dict, one inside a training checkpoint, or a module.

    Raises
    ------
    Malformed
        There are no tensors, or too many objects.
    """
    walk = _Walk()
    state = State()
    path: list[str] = []
    beside: list[str] = []
    node = {str(i): held for i, held in enumerate(root)} if isinstance(root, _ROW) else root
    while True:
        inside = _members(node) or {}
        counts = {key: n for key, value in inside.items() if (n := walk.count(value))}
        nested = [key for key in counts if _members(inside[key]) is not None]
        models = [key for key in nested if not key.lower().startswith(_TRAINING)]
        if not models or (models == nested and not set(models).intersection(MODELS)):
            break
        chosen = max(models, key=lambda key: (counts[key], -_preference(key)))
        beside += [
            f"{'.'.join([*path, key])} ({n} tensor{'s' * (n != 1)})"
            for key, n in counts.items()
            if key != chosen
        ]
        state.metadata |= _settings(inside)
        path.append(chosen)
        node = inside[chosen]
    if walk.count(node) > MAX_TENSORS:
        raise Malformed(f"its mappings name more than {MAX_TENSORS} tensors", _STATE_DICT)
    for name, found in walk.flat(node):
        if isinstance(found, Tensor):
            state.tensors[name] = found
        else:
            state.unreadable[name] = found.why
    if not state.tensors and not state.unreadable:
        raise Malformed("it holds no tensors", "Open the file of the model's weights.")
    if path:
        note = f"The model is what the file has under {'.'.join(path)}"
        state.notes.append(f"{note}; not shown: {', '.join(beside)}." if beside else f"{note}.")
    return state


def _preference(key: str) -> int:
    return MODELS.index(key) if key in MODELS else len(MODELS)


def _members(value: Any) -> dict[str, Any] | None:
    """What a mapping or a module holds, by name; None of anything else."""
    if isinstance(value, Instance):
        state = value.state
        if isinstance(state, dict) and isinstance(state.get("_modules"), dict):
            # A module of PyTorch that was saved as a whole.
            parts = [state.get(key) for key in ("_parameters", "_buffers", "_modules")]
            return {k: v for part in parts for k, v in (part or {}).items() if isinstance(k, str)}
        if isinstance(state, dict) and value.kind.module.startswith("__torch__"):
            value = state
        else:
            value = value.items
    if not isinstance(value, dict):
        return None
    return {key: held for key, held in value.items() if isinstance(key, str)}


class _Walk:
    """Goes through nested mappings, so far and no further."""

    def __init__(self) -> None:
        self._visits = 0
        self._counts: dict[int, int] = {}

    def _visit(self, depth: int, count: int) -> None:
        self._visits += 1 + count
        if self._visits > MAX_VISITS or depth > MAX_DEPTH:
            raise Malformed("its mappings are nested too deeply or too often", _STATE_DICT)

    def count(self, value: Any, depth: int = 0) -> int:
        """Number of tensors in a value; those of the optimizer, by number, included."""
        if isinstance(value, (Tensor, Unreadable)):
            return 1
        known = self._counts.get(id(value))
        if known is None:
            held = _members(value) if isinstance(value, Instance) else value
            if not isinstance(held, dict):
                return 0
            self._visit(depth, len(held))
            self._counts[id(value)] = 0  # Of what holds itself.
            known = sum(self.count(one, depth + 1) for one in held.values())
            self._counts[id(value)] = known
        return known

    def flat(
        self, value: Any, prefix: str = "", depth: int = 0
    ) -> Iterator[tuple[str, Tensor | Unreadable]]:
        """The tensors of nested mappings, keys joined with dots."""
        if isinstance(value, (Tensor, Unreadable)):
            yield prefix or "tensor", value
            return
        members = _members(value) or {}
        self._visit(depth, len(members))
        for key, held in members.items():
            name = f"{prefix}.{key}" if prefix else key
            if isinstance(held, (Tensor, Unreadable)):
                yield name, held
            elif isinstance(held, (dict, Instance)):
                yield from self.flat(held, name, depth + 1)


_STATE_DICT = "Save only the state dict: torch.save(model.state_dict(), path)."


def _settings(inside: Mapping[str, Any]) -> dict[str, str]:
    """Numbers and short texts of a training checkpoint, those of its configuration included."""
    found: dict[str, str] = {}
    places = [inside.get(key) for key in _SETTINGS]
    for place in (*places, inside):
        if isinstance(place, Instance):
            place = place.state if isinstance(place.state, dict) else place.items
        if not isinstance(place, dict):
            continue
        for key, value in place.items():
            if isinstance(key, str) and isinstance(value, (str, int, float)):
                text = str(value)
                if len(key) < 100 and len(text) < 1000:
                    found.setdefault(key, text)
            if len(found) >= MAX_SETTINGS:
                return found
    return found
