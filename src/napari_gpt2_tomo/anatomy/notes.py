"""Sentences about an anatomy for a person: what is absent, unknown, unrecognised."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .part import HyperParameters, Part

__all__ = ["USUAL", "notes_about", "ranges"]

TIED = "No unembedding is stored: it is the token embedding, if there is one."

USUAL = frozenset({TIED})
"""Notes that are true of most models: a table may say so, a message need not."""

# Each line: the roles that can do the job of one matrix that every transformer has.
_ESSENTIAL = {
    "token_embedding": ("token_embedding",),
    "q": ("q", "qkv", "q_b"),
    "k": ("k", "qkv", "kv_b"),
    "v": ("v", "qkv", "kv_b"),
    "o": ("o",),
    "up": ("up", "gate_up"),
    "down": ("down",),
}


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as a person writes them: ``"0–3, 7"``."""
    runs: list[list[int]] = []
    for n in sorted(set(numbers)):
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in runs)


def notes_about(
    parts: Sequence[Part], hyper: HyperParameters, config: Mapping[str, Any] | None
) -> tuple[str, ...]:
    """What a person should know about the parts; `config` is None where no family fitted."""
    notes: list[str] = []
    if config is not None:
        notes += _absent(parts, hyper, config)
        fused = sorted({part.role for part in parts if part.role in ("qkv", "gate_up")})
        if "qkv" in fused:
            notes.append(
                "Queries, keys and values share one tensor per layer that cannot be split without "
                "the number of heads: say n_heads=… (or put the config.json beside the file)."
            )
        elif hyper.n_heads is None and any(part.role in ("q", "q_b") for part in parts):
            notes.append("The number of heads is not known from names and shapes: say n_heads=….")
    others = [part for part in parts if part.role == "other"]
    if others:
        largest = max(others, key=lambda part: part.size)
        count = "One tensor was" if len(others) == 1 else f"{len(others):,} tensors were"
        notes.append(
            f"{count} not recognised ({sum(part.size for part in others):,} parameters), "
            f"the largest is {largest.tensor}."
        )
    return tuple(notes)


def _absent(parts: Sequence[Part], hyper: HyperParameters, config: Mapping[str, Any]) -> list[str]:
    notes: list[str] = []
    where: dict[str, set[int | None]] = {}
    for part in parts:
        where.setdefault(part.role, set()).add(part.layer)
    missing = [job for job, roles in _ESSENTIAL.items() if not any(r in where for r in roles)]
    if missing:
        notes.append(f"Absent from this file: {', '.join(missing)}.")
    for job, roles in _ESSENTIAL.items():
        if job in missing or job == "token_embedding" or hyper.n_layers is None:
            continue
        have = set().union(*(where.get(role, set()) for role in roles))
        # A made-up layer number must not make this long.
        if hyper.n_layers > 10_000:
            break
        gaps = [layer for layer in range(hyper.n_layers) if layer not in have]
        if gaps:
            notes.append(f"{job} is absent from the layers {ranges(gaps)}.")
    if "unembedding" not in where and "token_embedding" in where:
        if config.get("tie_word_embeddings") is False:
            notes.append("The unembedding is absent from this file.")
        else:
            notes.append(TIED)
    return notes
