"""One small transformer, written as different families store it."""

import json

import numpy as np
from safetensors.numpy import save_file

D, HEADS, MLP, VOCAB, CONTEXT, LAYERS = 12, 3, 20, 17, 9, 2


def parts(seed=0, scale=0.1):
    """Values of every part by name, matrices as (channel, unit)."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.normal(0, scale, shape).astype(np.float32)

    found = {"token_embedding": normal(D, VOCAB), "position_embedding": normal(D, CONTEXT)}
    for layer in range(LAYERS):
        found |= {f"L{layer}.{role}": normal(D, D) for role in "qkvo"}
        found |= {f"L{layer}.up": normal(D, MLP), f"L{layer}.down": normal(D, MLP)}
        found |= {f"L{layer}.{norm}": 1 + normal(D) for norm in ("attn_norm", "mlp_norm")}
        found |= {f"L{layer}.{role}_bias": normal(D) for role in "qkvo"}
    found["final_norm"] = 1 + normal(D)
    return found


def gpt2(folder, values, dtype=np.float32):
    """Fused along the columns, every matrix (in, out)."""
    tensors = {
        "wte.weight": values["token_embedding"].T,
        "wpe.weight": values["position_embedding"].T,
        "ln_f.weight": values["final_norm"],
    }
    for layer in range(LAYERS):
        own = {name.split(".")[1]: v for name, v in values.items() if name.startswith(f"L{layer}.")}
        tensors |= {
            f"h.{layer}.ln_1.weight": own["attn_norm"],
            f"h.{layer}.ln_2.weight": own["mlp_norm"],
            f"h.{layer}.attn.c_attn.weight": np.hstack([own["q"], own["k"], own["v"]]),
            f"h.{layer}.attn.c_attn.bias": np.hstack([own[f"{r}_bias"] for r in "qkv"]),
            f"h.{layer}.attn.c_proj.weight": own["o"].T,
            f"h.{layer}.attn.c_proj.bias": own["o_bias"],
            f"h.{layer}.mlp.c_fc.weight": own["up"],
            f"h.{layer}.mlp.c_proj.weight": own["down"].T,
        }
    return _save(folder, tensors, dtype, model_type="gpt2", n_embd=D, n_head=HEADS, n_layer=LAYERS)


def neox(folder, values, dtype=np.float32):
    """Fused head by head, every matrix (out, in), another order of tensors, no positions."""
    tensors = {"gpt_neox.final_layer_norm.weight": values["final_norm"]}
    for layer in range(LAYERS):
        own = {name.split(".")[1]: v for name, v in values.items() if name.startswith(f"L{layer}.")}
        split = [own[r].T.reshape(HEADS, D // HEADS, D) for r in "qkv"]
        bias = [own[f"{r}_bias"].reshape(HEADS, D // HEADS) for r in "qkv"]
        root = f"gpt_neox.layers.{layer}"
        tensors |= {
            f"{root}.mlp.dense_4h_to_h.weight": own["down"],
            f"{root}.mlp.dense_h_to_4h.weight": own["up"].T,
            f"{root}.attention.dense.weight": own["o"],
            f"{root}.attention.dense.bias": own["o_bias"],
            f"{root}.attention.query_key_value.weight": np.stack(split, 1).reshape(3 * D, D),
            f"{root}.attention.query_key_value.bias": np.stack(bias, 1).reshape(3 * D),
            f"{root}.input_layernorm.weight": own["attn_norm"],
            f"{root}.post_attention_layernorm.weight": own["mlp_norm"],
        }
    tensors["gpt_neox.embed_in.weight"] = values["token_embedding"].T
    sizes = {"hidden_size": D, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS}
    return _save(folder, tensors, dtype, model_type="gpt_neox", **sizes)


def _save(folder, tensors, dtype, **config):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    ready = {name: np.ascontiguousarray(value.astype(dtype)) for name, value in tensors.items()}
    save_file(ready, folder / "model.safetensors")
    return folder
