"""Sizes that a config file, a file's metadata or the user state."""

import json
from collections.abc import Mapping
from typing import Any

from ..base import TomoError

__all__ = [
    "GGUF_ARCHITECTURE",
    "SIZE_NAMES",
    "model_type",
    "read_given",
    "read_metadata",
    "read_sizes",
    "text_config",
]

SIZE_NAMES: Mapping[str, tuple[str, ...]] = {
    "d_model": ("hidden_size", "n_embd", "d_model", "dim"),
    "n_layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "n_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "n_kv_heads": ("num_key_value_heads", "num_kv_heads", "n_kv_heads"),
    "d_head": ("head_dim", "d_head"),
    "d_mlp": (
        "moe_intermediate_size",
        "intermediate_size",
        "n_inner",
        "ffn_dim",
        "ffn_hidden_size",
        "hidden_dim",
    ),
    "n_experts": ("num_local_experts", "num_experts", "n_routed_experts"),
    "vocab": ("vocab_size",),
    "context": ("max_position_embeddings", "n_positions", "n_ctx", "seq_length"),
}
"""Names that configs use for each size, first choice first."""

GGUF_ARCHITECTURE = "general.architecture"
"""Where the metadata of a GGUF file say which model it is; their keys begin with it."""

_GGUF_NAMES: Mapping[str, tuple[str, ...]] = {
    "d_model": ("embedding_length",),
    "n_layers": ("block_count",),
    "n_heads": ("attention.head_count",),
    "n_kv_heads": ("attention.head_count_kv",),
    "d_head": ("attention.key_length",),
    "d_mlp": ("expert_feed_forward_length", "feed_forward_length"),
    "n_experts": ("expert_count",),
    "vocab": ("vocab_size",),
    "context": ("context_length",),
}

_LANGUAGE_CONFIGS = ("text_config", "llm_config", "language_config")


def text_config(config: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The part of a config that describes the language model; empty if there is none."""
    if not isinstance(config, Mapping):
        return {}
    for name in _LANGUAGE_CONFIGS:
        inner = config.get(name)
        if isinstance(inner, Mapping):
            return inner
    return config


def model_type(config: Mapping[str, Any]) -> str | None:
    """The ``model_type`` of a config."""
    value = config.get("model_type")
    return value if isinstance(value, str) else None


def _positive(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal() and len(value) < 12:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def read_sizes(config: Mapping[str, Any]) -> dict[str, int]:
    """The sizes that a config (or a file's metadata, as text) states."""
    found: dict[str, int] = {}
    for size, names in SIZE_NAMES.items():
        for name in names:
            value = _positive(config.get(name))
            if value is not None:
                found[size] = value
                break
    # Falcon and GPT-BigCode say it so; their num_kv_heads is then a default without meaning.
    if config.get("multi_query") is True and not config.get("new_decoder_architecture"):
        found["n_kv_heads"] = 1
    return found


def read_metadata(metadata: Mapping[str, str] | None) -> dict[str, int]:
    """Sizes in a file's free-text metadata: plain entries, or a config as JSON."""
    if not metadata:
        return {}
    architecture = metadata.get(GGUF_ARCHITECTURE)
    if architecture is not None:
        return _read_gguf(metadata, architecture)
    inner: Any = None
    try:
        inner = json.loads(metadata.get("config", "null"))
    except (TypeError, ValueError, RecursionError):
        inner = None
    return read_sizes(text_config(inner)) | read_sizes(metadata)


def _read_gguf(metadata: Mapping[str, str], architecture: str) -> dict[str, int]:
    """Sizes in the metadata of a GGUF file, under the names of its specification."""
    found: dict[str, int] = {}
    for size, names in _GGUF_NAMES.items():
        values = (_positive(metadata.get(f"{architecture}.{name}")) for name in names)
        value = next((value for value in values if value is not None), None)
        if value is not None:
            found[size] = value
    return found


def read_given(given: Mapping[str, int | None] | None) -> dict[str, int]:
    """Check the sizes that a user gives.

    Raises
    ------
    TomoError
        A name that is no size, or a value that is no positive integer.
    """
    found: dict[str, int] = {}
    for name, value in (given or {}).items():
        if name not in SIZE_NAMES:
            raise TomoError(f"{name!r} is no size of a model; say one of {', '.join(SIZE_NAMES)}.")
        if value is None:
            continue
        size = _positive(value)
        if size is None or size != value:
            raise TomoError(f"{name}={value!r}: a size must be a positive integer.")
        found[name] = size
    return found
