"""What both phantoms write beside their weights, and how: a GPT-2's config and header."""

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from .tissue import Dimensions

__all__ = ["gpt2_config", "gpt2_header", "replace_file"]


def replace_file(path: Path, chunks: Iterator[bytes | memoryview], progress: Any = None) -> None:
    """Write a file under a name of its own, then give it its name: readers see all or nothing."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{uuid4().hex}")
    try:
        with draft.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
                if progress is not None:
                    progress.advance(len(chunk))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def gpt2_header(dims: Dimensions, metadata: Mapping[str, str]) -> bytes:
    """The header of a safetensors file with a GPT-2's tensors in float32, in forward order."""
    # transformers reads no safetensors file without the format.
    entries: dict[str, Any] = {"__metadata__": {"format": "pt", **metadata}}
    offset = 0
    for name, shape in dims.shapes().items():
        end = offset + 4 * math.prod(shape)
        entries[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def gpt2_config(dims: Dimensions) -> dict[str, Any]:
    """What ``config.json`` says of a GPT-2; the last id begins and ends a text."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-05,
        "n_embd": dims.d_model,
        "n_layer": dims.n_layers,
        "n_head": dims.n_heads,
        "n_inner": dims.d_mlp,
        "n_positions": dims.context,
        "n_ctx": dims.context,
        "vocab_size": dims.vocab,
        "bos_token_id": dims.vocab - 1,
        "eos_token_id": dims.vocab - 1,
        "tie_word_embeddings": True,
    }
