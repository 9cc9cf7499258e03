"""Which checkpoints of a folder, a pattern or a list are the steps of one training run."""

import glob
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base import CheckpointError
from ..checkpoint import can_open, candidates

__all__ = ["Paths", "Step", "find_steps", "is_series", "natural_key", "step_of"]

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""A folder of checkpoints, a pattern like ``runs/step-*``, or the checkpoints themselves."""

UNITS: tuple[tuple[str, str], ...] = (
    (r"global[-_.]?steps?", "step"),
    (r"steps?", "step"),
    (r"iter(?:ation)?s?", "iteration"),
    (r"updates?", "update"),
    (r"checkpoint|ckpt", "step"),
    (r"epochs?|ep", "epoch"),
    (r"tokens?", "tokens"),
)
"""What the words of a name count, the most telling first: Lightning's ``epoch=3-step=1200`` is
step 1200, and the number of Hugging Face's ``checkpoint-500`` is a step.
"""

SCALES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
"""Letters behind a number: ``step-10k``."""

_PATTERNS = tuple(
    (re.compile(rf"(?<![a-z])(?:{word})[-_.=]?(\d+)([kmb]?)(?![a-z0-9])", re.I), unit)
    for word, unit in UNITS
)
_BARE = re.compile(r"^(\d+)([km]?)$", re.I)
_DIGITS = re.compile(r"(\d+)")
_ENDINGS = re.compile(r"\.(safetensors(\.index\.json)?|gguf|bin|pt|pth|ckpt|npz|npy|onnx)$", re.I)

STATE = "trainer_state.json"
"""What Hugging Face's Trainer writes beside a checkpoint; ``global_step`` says how far it was."""

STATE_BYTES = 2**24
"""A larger file (16 MB) is no trainer's state that is worth reading for one number."""

FEWEST = 2
"""Steps that make a folder a series; a single checkpoint is opened as itself."""


@dataclass(frozen=True, slots=True)
class Step:
    """One checkpoint of a series.

    Attributes
    ----------
    path
        What `open_checkpoint` is asked for.
    name
        The last word of the path, without the ending of a file.
    unit
        What `number` counts: ``"step"``, ``"epoch"``, …; empty where nothing says so.
    number
        How far the training was; None where nothing says so.
    """

    path: str
    name: str
    unit: str = ""
    number: int | None = None

    @property
    def title(self) -> str:
        """For captions: ``"step 250"``, or the name where no number is known."""
        return self.name if self.number is None else f"{self.unit or 'step'} {self.number:,}"


def find_steps(where: Paths) -> tuple[Step, ...]:
    """The checkpoints of a series in the order of the training.

    Where all have numbers of one kind they are sorted by them. Otherwise those of a folder or
    pattern are in natural order (9 before 10), and a list stays as it was given.

    Parameters
    ----------
    where
        A folder whose folders or files are checkpoints (``step-1000/``, ``checkpoint-500/``,
        ``epoch_3``, ``model-step100.safetensors``), a pattern with ``*``, or a list of
        anything that `open_checkpoint` takes.

    Raises
    ------
    CheckpointError
        There is no checkpoint.
    """
    if not isinstance(where, str | os.PathLike):
        listed = [os.fspath(path) for path in where]
        if not listed:
            raise CheckpointError("A series needs at least one checkpoint; the list is empty.")
        return _ordered([step_of(path) for path in listed])
    text = os.path.expanduser(os.fspath(where))
    if os.path.isdir(text):
        found = _in_folder(Path(text))
        if not found:
            raise CheckpointError(
                f"{text} holds no checkpoints in folders or files of their own, e.g. step-1000/ "
                "or model-step1000.safetensors."
            )
        return _ordered(found)
    if glob.has_magic(text) and not os.path.exists(text):
        paths = sorted(glob.glob(text, recursive=True), key=natural_key)
        matching = [step_of(path) for path in paths if can_open(path)]
        if not matching:
            raise CheckpointError(f"No checkpoint matches {text}.")
        return _ordered(matching)
    return (step_of(text),)


def is_series(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is a series and no checkpoint itself; looks at names only, never raises.

    Its checkpoints must be folders, or else all of its files, whose names say how far the
    training was: several models side by side are no series.
    """
    try:
        folder = Path(path)
        if not folder.is_dir():
            return False
        if can_open(folder):
            files = candidates(folder)
            return len(files) >= FEWEST and all(_named_number(_stem(f.name)) for f in files)
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if _named_number(e.name) is not None and e.is_dir()]
    except (OSError, ValueError, TypeError):
        return False
    found = 0
    for name in names:
        found += can_open(folder / name)
        if found == FEWEST:
            return True
    return False


def step_of(path: str | os.PathLike[str]) -> Step:
    """What the name of a checkpoint, or the trainer's state beside it, says of its step."""
    text = os.fspath(path)
    name = _stem(re.split(r"[/\\]", text.rstrip("/\\"))[-1])
    if said := _named_number(name):
        return Step(text, name, *said)
    number = _state_step(text)
    if number is not None:
        return Step(text, name, "step", number)
    if found := _BARE.match(name):
        return Step(text, name, "step", int(found[1]) * SCALES[found[2].lower()])
    return Step(text, name)


def _stem(name: str) -> str:
    return _ENDINGS.sub("", name)


def _named_number(name: str) -> tuple[str, int] | None:
    """What a name counts, and how many of it; None where it says nothing."""
    for pattern, unit in _PATTERNS:
        if found := pattern.search(name):
            return unit, int(found[1]) * SCALES[found[2].lower()]
    return None


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """A key that sorts names as a person would: ``step-9`` before ``step-10``."""
    return [
        (1, int(piece), "") if piece.isdigit() else (0, 0, piece.casefold())
        for piece in _DIGITS.split(text)
        if piece
    ]


def _in_folder(folder: Path) -> list[Step]:
    """The steps of a folder: its folders if they are checkpoints, else its files."""
    for found in (_folders(folder), _files(folder)):
        numbered = [step for step in found if step.number is not None]
        # Beside the steps there may be others: "best", "final", a tokenizer's model.
        if len(numbered) >= FEWEST:
            return numbered
        if found:
            return found
    return []


def _folders(folder: Path) -> list[Step]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir()]
    paths = (folder / name for name in sorted(names, key=natural_key))
    return [step_of(path) for path in paths if can_open(path)]


def _files(folder: Path) -> list[Step]:
    return [step_of(path) for path in sorted(candidates(folder), key=lambda p: natural_key(p.name))]


def _ordered(steps: list[Step]) -> tuple[Step, ...]:
    numbers = [step.number for step in steps if step.number is not None]
    if len(numbers) == len(steps) and len({step.unit for step in steps}) == 1:
        return tuple(step for _, step in sorted(zip(numbers, steps, strict=True), key=_by_number))
    return tuple(steps)


def _by_number(pair: tuple[int, Step]) -> int:
    return pair[0]


def _state_step(path: str) -> int | None:
    """``global_step`` of the trainer's state in a checkpoint's folder; None if there is none."""
    if "://" in path:
        return None
    place = Path(path)
    file = place / STATE if place.is_dir() else place.parent / STATE
    try:
        if file.stat().st_size > STATE_BYTES:
            return None
        state: Any = json.loads(file.read_bytes())
        number = state.get("global_step")
    except (OSError, ValueError, AttributeError):
        return None
    return number if isinstance(number, int) and number >= 0 else None
