"""What an adapter's ``adapter_config.json`` says, in the words of peft's `LoraConfig`."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...base import CheckpointError, finite_number

__all__ = ["CONFIG_NAME", "Settings", "read_settings"]

CONFIG_NAME = "adapter_config.json"

MAX_CONFIG = 1 << 20
"""Bytes; the settings of an adapter are a few kilobytes."""

REFUSED: dict[str, str] = {
    "use_dora": "DoRA, which also rescales every column of the weights",
    "use_qalora": "QA-LoRA, which pools the inputs in groups",
    "layer_replication": "replicated layers, which the base model does not have",
    "alora_invocation_tokens": "an activated LoRA, which acts on some tokens only",
}
"""Settings whose change of the weights is not scale · B · A, and what they are."""

CHANGED_BASE = ("pissa", "olora", "corda", "loftq")
"""Initialisations that subtract from the base weights what the adapter begins with."""

PLAIN = re.compile(r"(?:[\w^$|.-]|\\[.d]|\[0-9\]|(?<![*+])[*+])*")
"""Patterns that can be searched for without risk: names, dots, digits and a few stars.
Nothing is nested, so that the search takes no exponential time."""

MOST_STARS, LONGEST = 4, 200
"""Stars and characters of a pattern: keeps the search short."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How an adapter's factors become a change of the weights.

    Attributes
    ----------
    rank, alpha
        ``r`` and ``lora_alpha`` of modules without one of their own.
    alphas
        ``alpha_pattern``: pattern of a module's name → its alpha.
    stabilised
        ``use_rslora``: the scale is alpha/√r and not alpha/r.
    transposed
        ``fan_in_fan_out``: the base stores its linear weights (in, out), as GPT-2 does.
    notes
        Sentences for a person.
    """

    rank: int
    alpha: float
    alphas: Mapping[str, float]
    stabilised: bool
    transposed: bool
    notes: tuple[str, ...]

    def scale(self, module: str, rank: int) -> float:
        """What B · A of a module is multiplied with."""
        found = next((a for key, a in self.alphas.items() if _fits(key, module)), self.alpha)
        return found / (math.sqrt(rank) if self.stabilised else rank)


def read_settings(folder: Path) -> Settings:
    """The settings of the adapter in a folder.

    Raises
    ------
    CheckpointError
        There are none, they are damaged, or they describe no plain LoRA.
    """
    path = folder / CONFIG_NAME
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_CONFIG + 1)
        found = json.loads(text[:MAX_CONFIG].decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} is no JSON object.")
    return _checked(found, path)


def _checked(found: dict[str, Any], path: Path) -> Settings:
    kind = found.get("peft_type", "LORA")
    if kind != "LORA":
        raise CheckpointError(
            f"{path} describes an adapter of the type {kind}; only LoRA is read. Merge it with "
            "peft (merge_and_unload) and compare the merged model."
        )
    for key, what in REFUSED.items():
        if found.get(key):
            raise CheckpointError(
                f"{path} uses {what} ({key}); only a plain LoRA is read. Merge it with peft "
                "(merge_and_unload) and compare the merged model."
            )
    rank = _number(found, "r", path)
    alpha = _number(found, "lora_alpha", path)
    patterns = found.get("alpha_pattern") or {}
    if not isinstance(patterns, dict):
        raise CheckpointError(f"{path}: alpha_pattern is no JSON object.")
    alphas = {key: _number(patterns, key, path) for key in patterns}
    for key in alphas:
        if not _is_plain(key):
            raise CheckpointError(
                f"{path}: the pattern {key!r} of alpha_pattern is not understood; names, dots, "
                "digits and a few stars are."
            )
    begun = str(found.get("init_lora_weights", ""))
    notes = []
    if begun.lower().startswith(CHANGED_BASE):
        notes.append(
            f"The adapter was begun with {begun}, which changes the base weights too: unless it "
            "was converted when it was saved, it belongs to that changed base."
        )
    return Settings(
        int(rank),
        alpha,
        alphas,
        bool(found.get("use_rslora")),
        bool(found.get("fan_in_fan_out")),
        tuple(notes),
    )


def _number(found: Mapping[str, Any], key: str, path: Path) -> float:
    number = finite_number(found.get(key))
    if number is None:
        raise CheckpointError(f"{path}: {key} is no number: {str(found.get(key))[:LONGEST]}.")
    return number


def _is_plain(pattern: str) -> bool:
    stars = sum(pattern.count(sign) for sign in "*+")
    if len(pattern) > LONGEST or stars > MOST_STARS or not PLAIN.fullmatch(pattern):
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _fits(pattern: str, module: str) -> bool:
    """Whether a pattern means a module: the end of its name, from a dot on, as peft has it."""
    return re.match(rf"(?:.*\.)?(?:{pattern})$", module) is not None
