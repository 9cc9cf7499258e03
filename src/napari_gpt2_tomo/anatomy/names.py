"""Tensor names, each taken apart once: numbers, wrappers, roots, and which are buffers."""

import re
from collections.abc import Sequence

__all__ = ["ROOTS", "WRAPPERS", "is_buffer", "may_be_buffer", "roots_dropped", "skeleton"]

WRAPPERS = frozenset(
    {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "base_layer"}
)
"""Components that torch.compile, FSDP, activation checkpointing and PEFT add anywhere."""

ROOTS = frozenset(
    {
        "base_model", "bert", "distilbert", "gpt_neox", "language_model", "llm", "model",
        "model_state_dict", "module", "roberta", "state_dict", "text_model", "transformer",
    }
)  # fmt: skip
"""Leading components that say which class holds the model, not what the tensor is."""

_BUFFER_ENDINGS = frozenset(
    {
        "causal_mask", "cos_cached", "inv_freq", "masked_bias", "original_inv_freq",
        "position_ids", "sin_cached", "token_type_ids",
    }
)  # fmt: skip
_BUFFERS = frozenset(
    {
        "blk.#.attn_rot_embd.weight", "rope_factors_long.weight", "rope_factors_short.weight",
        "rope_freqs.weight", "rope.freqs",
    }
)  # fmt: skip
"""Rotary frequencies in GGUF files and in Meta's."""
_MASK_OWNERS = frozenset({"attn", "attention", "self_attn", "self_attention"})

_NUMBERED = re.compile(r"(?<![^/])(h|layer)_?(\d+)(?![^/])")
"""A block of TensorFlow: its number is part of the word."""

# Longer runs of digits are hashes or dates, not indices.
_MOST_DIGITS = 6


def skeleton(name: str) -> tuple[str, tuple[int, ...]]:
    """A name with its numbers replaced by ``#``, and the numbers.

    ``"h.3.attn.c_attn.weight"`` gives ``("h.#.attn.c_attn.weight", (3,))``, and as
    TensorFlow writes it ``"model/h3/attn/c_attn/w"`` gives ``("model.h.#.attn.c_attn.w", (3,))``.
    """
    if "/" in name:
        name = _NUMBERED.sub(r"\1.\2", name).replace("/", ".")
    tokens = name.split(".")
    numbers: list[int] = []
    for i, token in enumerate(tokens):
        if token.isdecimal() and len(token) <= _MOST_DIGITS:
            numbers.append(int(token))
            tokens[i] = "#"
    return ".".join(tokens), tuple(numbers)


def roots_dropped(key: str) -> list[str]:
    """A skeleton, and what is left of it after each root that can be dropped, longest first."""
    tokens = [token for token in key.split(".") if token not in WRAPPERS]
    found = [".".join(tokens)]
    while len(tokens) > 1 and tokens[0] in ROOTS:
        del tokens[0]
        found.append(".".join(tokens))
    return found


def may_be_buffer(key: str) -> bool:
    """Whether a name is that of a buffer, if the shape fits (`is_buffer`)."""
    owner, _, ending = key.rpartition(".")
    return (
        ending in _BUFFER_ENDINGS
        or (ending == "bias" and owner.rpartition(".")[2] in _MASK_OWNERS)
        or key in _BUFFERS
    )


def is_buffer(key: str, shape: Sequence[int]) -> bool:
    """Whether a tensor is no parameter: a causal mask, position ids, rotary frequencies."""
    if not may_be_buffer(key):
        return False
    # Old GPT-2, GPT-Neo, GPT-J and GPT-NeoX files store the mask as [1, 1, n, n] under "bias".
    return (
        not key.endswith("bias")
        or key.endswith("masked_bias")
        or (len(shape) == 4 and tuple(shape[:2]) == (1, 1) and shape[2] == shape[3])
    )
