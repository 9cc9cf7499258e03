"""Small training runs: a GPT-2 of 48 channels whose weights grow from step to step."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

WIDTH, LAYERS, HEADS = 48, 2, 2
STEPS = (0, 10, 200)


def tensors(seed: int, size: float = 0.02, width: int = WIDTH) -> dict[str, np.ndarray]:
    """A GPT-2 in Hugging Face's names."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, size, shape).astype(np.float32)

    found = {"wte.weight": normal(24, width), "wpe.weight": normal(12, width)}
    for i in range(LAYERS):
        found |= {
            f"h.{i}.ln_1.weight": np.ones(width, np.float32),
            f"h.{i}.ln_1.bias": np.zeros(width, np.float32),
            f"h.{i}.attn.c_attn.weight": normal(width, 3 * width),
            f"h.{i}.attn.c_attn.bias": np.zeros(3 * width, np.float32),
            f"h.{i}.attn.c_proj.weight": normal(width, width),
            f"h.{i}.attn.c_proj.bias": np.zeros(width, np.float32),
            f"h.{i}.ln_2.weight": np.ones(width, np.float32),
            f"h.{i}.ln_2.bias": np.zeros(width, np.float32),
            f"h.{i}.mlp.c_fc.weight": normal(width, 4 * width),
            f"h.{i}.mlp.c_fc.bias": np.zeros(4 * width, np.float32),
            f"h.{i}.mlp.c_proj.weight": normal(4 * width, width),
            f"h.{i}.mlp.c_proj.bias": np.zeros(width, np.float32),
        }
    return found | {
        "ln_f.weight": np.ones(width, np.float32),
        "ln_f.bias": np.zeros(width, np.float32),
    }


def write_step(
    folder: Path,
    number: int,
    change: Callable[[dict[str, np.ndarray]], None] = lambda found: None,
    width: int = WIDTH,
) -> Path:
    """One checkpoint of the run: the weights of step n have the spread 0.02 + n/1000."""
    from safetensors.numpy import save_file

    found = tensors(number, 0.02 + number / 1000, width)
    change(found)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(found, folder / "model.safetensors")
    config = {"model_type": "gpt2", "n_embd": width, "n_layer": LAYERS, "n_head": HEADS}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def write_run(folder: Path, steps: Sequence[int] = STEPS) -> Path:
    """A folder with a checkpoint for each step."""
    for number in steps:
        write_step(folder / f"step-{number}", number)
    return folder
