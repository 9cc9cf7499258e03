"""What a configuration says of how a checkpoint is quantised, as far as shapes do not tell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..tensor import Checkpoint

__all__ = ["Announced", "announced", "is_conv1d", "number"]


@dataclass(frozen=True)
class Announced:
    """Numbers that a configuration gives; it may give several, for different modules.

    Attributes
    ----------
    method
        Name of the scheme in lower case, e.g. ``"compressed-tensors"``; empty if there is none.
    layout
        What else names the layout of the tensors, e.g. ``"pack-quantized"``.
    bits
        Sizes of a code.
    groups
        How many neighbours along the inputs share a scale.
    blocks
        Rows and columns of a block that shares a scale.
    """

    method: str
    layout: str
    bits: tuple[int, ...]
    groups: tuple[int, ...]
    blocks: tuple[tuple[int, int], ...]


def announced(checkpoint: Checkpoint) -> Announced:
    """What the configuration says; whatever is not of the expected kind is left out."""
    config = checkpoint.quantisation
    bits: list[int] = []
    groups: list[int] = []
    blocks: list[tuple[int, int]] = []
    for options in _options(config):
        bits += [number(options.get(key)) for key in ("bits", "num_bits", "w_bit")]
        groups += [number(options.get(key)) for key in ("group_size", "q_group_size")]
        for key in ("weight_block_size", "block_structure"):
            block = options.get(key)
            if isinstance(block, list) and len(block) == 2:
                blocks.append((number(block[0]), number(block[1])))
    return Announced(
        str(config.get("quant_method") or "").lower(),
        str(config.get("format") or "").lower(),
        tuple(n for n in bits if n > 0),
        tuple(n for n in groups if n > 0),
        tuple(block for block in blocks if min(block) > 0),
    )


def _options(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The configuration, and in it the groups of modules of compressed-tensors."""
    yield config
    groups = config.get("config_groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        weights = group.get("weights") if isinstance(group, dict) else None
        if isinstance(weights, dict):
            yield weights


def number(value: Any) -> int:
    """An integer out of a configuration, 0 if it is none."""
    return value if type(value) is int else 0


_CONV1D_TYPES = frozenset({"gpt2", "openai-gpt", "imagegpt", "decision_transformer"})
_CONV1D_NAMES = ("c_attn", "c_proj", "c_fc", "q_attn")


def is_conv1d(checkpoint: Checkpoint, module: str) -> bool:
    """Whether the unquantised model stores a module's weight as ``(in, out)``.

    Tools that quantise transpose the weights of GPT-2's Conv1D modules first, so that they
    look like any others.
    """
    if module.rpartition(".")[2] not in _CONV1D_NAMES:
        return False
    kind = (checkpoint.config or {}).get("model_type")
    if isinstance(kind, str):
        return kind in _CONV1D_TYPES
    # GPT-Neo has linear modules of the same names, but no fused attention.
    return any(name.endswith(".attn.c_attn.bias") for name in checkpoint)
