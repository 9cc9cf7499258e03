"""Checkpoints to measure on: GPT-2 in three types, a sparse llama, a mixture of experts.

They are written once and kept. A sparse file has its full size and takes no disk space: what
was never written reads as zeros, which is a valid checkpoint.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_gpt2_tomo.base import cache_folder
from napari_gpt2_tomo.checkpoint.phantoms.anatomical import phantom_checkpoint

ITEM = {"F32": 4, "F16": 2, "BF16": 2}
"""Bytes of an element."""

SHARD_BYTES = 5 * 10**9
"""Bytes of a shard at most: what transformers cuts checkpoints into."""

NOISE_BLOCK = 2**24
"""Elements of the noise, which then repeats."""

Shapes = dict[str, tuple[int, ...]]


def folder(given: Path | None) -> Path:
    """Where the checkpoints are kept."""
    return given or cache_folder("benchmarks")


def header(path: Path) -> tuple[dict[str, Any], int]:
    """Entries of a safetensors file and the byte at which its data begin."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        entries = json.loads(file.read(length))
    entries.pop("__metadata__", None)
    return entries, 8 + length


def files(path: Path) -> list[Path]:
    """The safetensors files of a checkpoint: the path itself, or all in its folder."""
    return [path] if path.is_file() else sorted(path.glob("*.safetensors"))


def write_sparse(path: Path, shapes: Mapping[str, tuple[int, ...]], stored: str) -> int:
    """Write a checkpoint whose values are all zero and take no disk space; returns its bytes."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, shape in shapes.items():
        end = offset + ITEM[stored] * int(np.prod(shape))
        entries[name] = {"dtype": stored, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + offset)
    return 8 + len(text) + offset


def write_sharded(
    home: Path, shapes: Shapes, stored: str, config: Mapping[str, Any], shard_bytes: int
) -> None:
    """Write a sparse checkpoint in shards with an index, as transformers names them."""
    shards: list[Shapes] = [{}]
    held = 0
    for name, shape in shapes.items():
        size = ITEM[stored] * int(np.prod(shape))
        if held and held + size > shard_bytes:
            shards.append({})
            held = 0
        shards[-1][name] = shape
        held += size
    weight_map, total = {}, 0
    home.mkdir(parents=True, exist_ok=True)
    for i, shard in enumerate(shards, 1):
        name = f"model-{i:05}-of-{len(shards):05}.safetensors"
        total += write_sparse(home / name, shard, stored)
        weight_map.update(dict.fromkeys(shard, name))
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (home / "config.json").write_text(json.dumps(config))
    # Last: its presence says that the checkpoint is complete.
    (home / "model.safetensors.index.json").write_text(json.dumps(index))


def gpt2(home: Path, stored: str = "F32") -> Path:
    """The phantom at GPT-2's true size (124 M parameters) in an element type."""
    source = phantom_checkpoint("gpt2", home / "gpt2-F32")
    if stored == "F32":
        return source
    target = home / f"gpt2-{stored}"
    path = target / "model.safetensors"
    if path.exists():
        return path
    entries, start = header(source)
    target.mkdir(parents=True, exist_ok=True)
    shapes = {name: tuple(entry["shape"]) for name, entry in entries.items()}
    draft = target / "draft"
    write_sparse(draft, shapes, stored)
    _, to = header(draft)
    values = np.memmap(source, "<f4", "r", start)
    out = np.memmap(draft, "<u2", "r+", to)
    for first in range(0, values.size, NOISE_BLOCK):
        piece = values[first : first + NOISE_BLOCK]
        out[first : first + piece.size] = _coded(piece, stored)
    out.flush()
    (target / "config.json").write_bytes((source.parent / "config.json").read_bytes())
    draft.replace(path)
    return path


def _coded(values: np.ndarray[Any, Any], stored: str) -> np.ndarray[Any, Any]:
    """Float32 as 16-bit codes; bfloat16 is cut, not rounded."""
    if stored == "F16":
        return values.astype("<f2").view("<u2")
    return (np.ascontiguousarray(values).view("<u4") >> 16).astype("<u2")


def llama_shapes(layers: int = 32) -> Shapes:
    """Tensors of Llama 2 7B (6.7 G parameters with 32 layers)."""
    d, inner, vocab = 4096, 11008, 32000
    shapes: Shapes = {"model.embed_tokens.weight": (vocab, d)}
    for i in range(layers):
        at = f"model.layers.{i}"
        shapes |= {f"{at}.self_attn.{role}_proj.weight": (d, d) for role in "qkvo"}
        shapes |= {f"{at}.mlp.{role}_proj.weight": (inner, d) for role in ("gate", "up")}
        shapes[f"{at}.mlp.down_proj.weight"] = (d, inner)
        shapes |= {f"{at}.{role}_layernorm.weight": (d,) for role in ("input", "post_attention")}
    shapes["model.norm.weight"] = (d,)
    shapes["lm_head.weight"] = (vocab, d)
    return shapes


def llama(home: Path, layers: int = 32, noise: int = 0) -> Path:
    """A folder with Llama 2 7B's shapes in bfloat16, 13.5 GB: zeros after `noise` bytes."""
    target = home / (f"llama-{layers}-noise-{noise}" if noise else f"llama-{layers}")
    if not (target / "model.safetensors.index.json").exists():
        config = {
            "model_type": "llama",
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "num_hidden_layers": layers,
            "vocab_size": 32000,
        }
        write_sharded(target, llama_shapes(layers), "BF16", config, SHARD_BYTES)
        if noise:
            _add_noise(target, noise)
    return target


def _add_noise(target: Path, nbytes: int) -> None:
    """Overwrite the first bytes of the data by normal noise of width 0.02."""
    values = np.random.default_rng(0).normal(0, 0.02, NOISE_BLOCK).astype(np.float32)
    block = _coded(values, "BF16").tobytes()
    for path in files(target):
        _, start = header(path)
        room = min(nbytes, path.stat().st_size - start)
        with open(path, "r+b") as file:
            file.seek(start)
            for first in range(0, room, len(block)):
                file.write(block[: room - first])
        nbytes -= room


def mixture_shapes(layers: int = 48, experts: int = 128) -> Shapes:
    """Tensors of Qwen3 30B-A3B: 18,867 of them with 48 layers and 128 experts."""
    d, width, heads, kv, d_head, vocab = 2048, 768, 32, 4, 128, 151936
    shapes: Shapes = {"model.embed_tokens.weight": (vocab, d)}
    for i in range(layers):
        at = f"model.layers.{i}"
        shapes |= {
            f"{at}.self_attn.q_proj.weight": (heads * d_head, d),
            f"{at}.self_attn.k_proj.weight": (kv * d_head, d),
            f"{at}.self_attn.v_proj.weight": (kv * d_head, d),
            f"{at}.self_attn.o_proj.weight": (d, heads * d_head),
            f"{at}.self_attn.q_norm.weight": (d_head,),
            f"{at}.self_attn.k_norm.weight": (d_head,),
            f"{at}.mlp.gate.weight": (experts, d),
            f"{at}.input_layernorm.weight": (d,),
            f"{at}.post_attention_layernorm.weight": (d,),
        }
        for expert in range(experts):
            for role, shape in (("gate", (width, d)), ("up", (width, d)), ("down", (d, width))):
                shapes[f"{at}.mlp.experts.{expert}.{role}_proj.weight"] = shape
    shapes["model.norm.weight"] = (d,)
    shapes["lm_head.weight"] = (vocab, d)
    return shapes


def mixture_config(layers: int = 48) -> dict[str, Any]:
    """The config.json of `mixture_shapes`."""
    return {
        "model_type": "qwen3_moe",
        "hidden_size": 2048,
        "moe_intermediate_size": 768,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "num_hidden_layers": layers,
        "num_experts": 128,
        "vocab_size": 151936,
    }


def mixture(home: Path, layers: int = 48) -> Path:
    """A folder with the mixture in bfloat16, all zeros, in shards."""
    target = home / f"mixture-{layers}-layers"
    if not (target / "model.safetensors.index.json").exists():
        shapes = mixture_shapes(layers)
        write_sharded(target, shapes, "BF16", mixture_config(layers), SHARD_BYTES)
    return target
