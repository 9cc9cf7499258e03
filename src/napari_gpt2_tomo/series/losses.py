"""Losses that a training run noted beside its checkpoints."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import finite_number

__all__ = ["Losses", "read_losses"]

LOGS = ("log.json", "losses.json", "history.json", "log.jsonl", "metrics.jsonl")
"""Files of a list of records, each with a ``step``, beside the checkpoints or above them."""

STATE = "trainer_state.json"
"""Hugging Face's Trainer keeps its records in ``log_history``."""

LARGEST = 2**26
"""A larger file (64 MB) is no log that is read for a curve."""

STEPS = ("step", "global_step", "iteration", "iter")
"""Keys under which a record says how far the training was."""

NAMES: Mapping[str, str] = {
    "val": "validation loss",
    "val_loss": "validation loss",
    "valid_loss": "validation loss",
    "validation_loss": "validation loss",
    "eval_loss": "validation loss",
    "train": "training loss",
    "train_loss": "training loss",
    "training_loss": "training loss",
    "loss": "training loss",
}
"""Keys of losses, and what they are called here."""


@dataclass(frozen=True, eq=False)
class Losses:
    """Losses over the steps of a training run.

    Attributes
    ----------
    curves
        Name → steps and losses, each ``(record,)`` in the order of the steps.
    source
        The file that they come from; empty without losses.
    """

    curves: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(
        default_factory=dict
    )
    source: str = ""

    def __bool__(self) -> bool:
        return bool(self.curves)


def read_losses(paths: Sequence[str]) -> Losses:
    """The losses of the run that checkpoints are from; none where nothing is found or readable.

    Parameters
    ----------
    paths
        The checkpoints in the order of the training: the latest has the longest history.
    """
    local = [Path(path) for path in reversed(paths) if "://" not in path]
    places: dict[Path, None] = {}
    for path in local:
        folder = path if path.is_dir() else path.parent
        places[folder / STATE] = None
    for path in local:
        for folder in (path.parent, path):
            places.update((folder / name, None) for name in LOGS)
    for place in places:
        curves = _curves(_records(place))
        if curves:
            return Losses(curves, str(place))
    return Losses()


def _records(place: Path) -> Iterable[Any]:
    try:
        if not place.is_file() or place.stat().st_size > LARGEST:
            return ()
        text = place.read_text(encoding="utf-8")
        if place.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        data: Any = json.loads(text)
    except (OSError, ValueError, RecursionError):
        return ()
    if isinstance(data, dict):
        data = data.get("log_history", ())
    return data if isinstance(data, list) else ()


def _curves(
    records: Iterable[Any],
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    found: dict[str, dict[float, float]] = {}
    for record in records:
        if not isinstance(record, dict):
            continue
        places = (finite_number(record.get(key)) for key in STEPS)
        at = next((place for place in places if place is not None), None)
        if at is None:
            continue
        for key, name in NAMES.items():
            value = finite_number(record.get(key))
            if value is not None:
                found.setdefault(name, {})[at] = value
    curves = {}
    for name, points in found.items():
        ordered = sorted(points.items())
        curves[name] = (
            np.array([at for at, _ in ordered]),
            np.array([value for _, value in ordered]),
        )
    return curves
