"""A small GPT-2 with one weight far above the others."""

import json
from pathlib import Path

import numpy as np

WIDTH, LAYERS, HEADS, VOCABULARY, CONTEXT = 64, 3, 4, 100, 48
PLANTED = ("h.1.attn.c_attn.weight", (37, WIDTH + 21))
"""The largest weight of the small model: channel 37, unit 21 of the keys of layer 1."""
PLANTED_VALUE = 3.0


def small_tensors(seed: int = 0) -> dict[str, np.ndarray]:
    """A GPT-2 of 64 channels with one weight far above the others."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.1, shape).astype(np.float32)

    tensors = {"wte.weight": normal(VOCABULARY, WIDTH), "wpe.weight": normal(CONTEXT, WIDTH)}
    for i in range(LAYERS):
        tensors |= {
            f"h.{i}.ln_1.weight": np.ones(WIDTH, np.float32),
            f"h.{i}.ln_1.bias": normal(WIDTH),
            f"h.{i}.attn.c_attn.weight": normal(WIDTH, 3 * WIDTH),
            f"h.{i}.attn.c_attn.bias": normal(3 * WIDTH),
            f"h.{i}.attn.c_proj.weight": normal(WIDTH, WIDTH),
            f"h.{i}.attn.c_proj.bias": normal(WIDTH),
            f"h.{i}.ln_2.weight": np.ones(WIDTH, np.float32),
            f"h.{i}.ln_2.bias": normal(WIDTH),
            f"h.{i}.mlp.c_fc.weight": normal(WIDTH, 4 * WIDTH),
            f"h.{i}.mlp.c_fc.bias": normal(4 * WIDTH),
            f"h.{i}.mlp.c_proj.weight": normal(4 * WIDTH, WIDTH),
            f"h.{i}.mlp.c_proj.bias": normal(WIDTH),
        }
    tensors |= {"ln_f.weight": np.ones(WIDTH, np.float32), "ln_f.bias": normal(WIDTH)}
    name, index = PLANTED
    tensors[name][index] = PLANTED_VALUE
    return tensors


def write_model(folder: Path, seed: int = 0) -> Path:
    """A model's folder with a safetensors file and a configuration."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(small_tensors(seed), folder / "model.safetensors")
    config = {
        "model_type": "gpt2",
        "n_embd": WIDTH,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "vocab_size": VOCABULARY,
        "n_positions": CONTEXT,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder
