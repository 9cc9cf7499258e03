"""Models of the usual sizes that exist on a server only: it makes up their bytes."""

import json
import struct
from collections.abc import Mapping

import numpy as np

from .server import RangeServer, Served


def serve(server: RangeServer, path: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, int]:
    """Serve a float16 safetensors file of these tensors; returns its URL and header's bytes."""
    entries, offset = {}, 0
    for name, shape in shapes.items():
        end = offset + 2 * int(np.prod(shape))
        entries[name] = {"dtype": "F16", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries).encode()
    head = struct.pack("<Q", len(text)) + text

    def read(start: int, stop: int) -> bytes:
        at = np.arange(max(start, len(head)), max(stop, len(head)), dtype=np.int64) - len(head)
        # Each half-precision number is 1 + a multiple of 2⁻¹⁰ that tells its place.
        number = at >> 1
        low, high = (number * 7 & 255), 0x3C | (number >> 5 & 3)
        return head[start:stop] + np.where(at & 1, high, low).astype(np.uint8).tobytes()

    server.files[path] = Served(len(head) + offset, read)
    return server.url + path, len(head)


def gpt2(d: int, n_layers: int, vocab: int = 50257) -> dict[str, tuple[int, ...]]:
    """GPT-2: queries, keys and values in one matrix whose rows hold all three."""
    found: dict[str, tuple[int, ...]] = {"wte.weight": (vocab, d), "wpe.weight": (1024, d)}
    for i in range(n_layers):
        for name, shape in {
            "ln_1.weight": (d,), "ln_1.bias": (d,),
            "attn.c_attn.weight": (d, 3 * d), "attn.c_attn.bias": (3 * d,),
            "attn.c_proj.weight": (d, d), "attn.c_proj.bias": (d,),
            "ln_2.weight": (d,), "ln_2.bias": (d,),
            "mlp.c_fc.weight": (d, 4 * d), "mlp.c_fc.bias": (4 * d,),
            "mlp.c_proj.weight": (4 * d, d), "mlp.c_proj.bias": (d,),
        }.items():  # fmt: skip
            found[f"h.{i}.{name}"] = shape
    return {**found, "ln_f.weight": (d,), "ln_f.bias": (d,)}


def llama(d: int, n_layers: int, d_mlp: int, vocab: int = 32000) -> dict[str, tuple[int, ...]]:
    """Llama: a matrix of its own for each role."""
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocab, d)}
    for i in range(n_layers):
        for name, shape in {
            "input_layernorm": (d,), "self_attn.q_proj": (d, d), "self_attn.k_proj": (d, d),
            "self_attn.v_proj": (d, d), "self_attn.o_proj": (d, d),
            "post_attention_layernorm": (d,), "mlp.gate_proj": (d_mlp, d),
            "mlp.up_proj": (d_mlp, d), "mlp.down_proj": (d, d_mlp),
        }.items():  # fmt: skip
            found[f"model.layers.{i}.{name}.weight"] = shape
    return {**found, "model.norm.weight": (d,), "lm_head.weight": (vocab, d)}


def neox(d: int, n_layers: int, vocab: int = 50432) -> dict[str, tuple[int, ...]]:
    """GPT-NeoX: queries, keys and values of each head one after another."""
    found: dict[str, tuple[int, ...]] = {"gpt_neox.embed_in.weight": (vocab, d)}
    for i in range(n_layers):
        for name, shape in {
            "input_layernorm.weight": (d,), "input_layernorm.bias": (d,),
            "post_attention_layernorm.weight": (d,), "post_attention_layernorm.bias": (d,),
            "attention.query_key_value.weight": (3 * d, d),
            "attention.query_key_value.bias": (3 * d,),
            "attention.dense.weight": (d, d), "attention.dense.bias": (d,),
            "mlp.dense_h_to_4h.weight": (4 * d, d), "mlp.dense_h_to_4h.bias": (4 * d,),
            "mlp.dense_4h_to_h.weight": (d, 4 * d), "mlp.dense_4h_to_h.bias": (d,),
        }.items():  # fmt: skip
            found[f"gpt_neox.layers.{i}.{name}"] = shape
    last = {f"gpt_neox.final_layer_norm.{kind}": (d,) for kind in ("weight", "bias")}
    return {**found, **last, "embed_out.weight": (vocab, d)}


def safetensors(tensors: dict[str, np.ndarray]) -> bytes:
    """A safetensors file of float32 tensors."""
    entries, offset = {}, 0
    for name, values in tensors.items():
        end = offset + values.nbytes
        entries[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries).encode()
    parts = [struct.pack("<Q", len(text)), text, *(v.tobytes() for v in tensors.values())]
    return b"".join(parts)
