"""LoRA adapters as peft saves them."""

import json

import numpy as np
from safetensors.numpy import save_file

RANK, ALPHA = 3, 12


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, shape).astype(np.float32)


def write_adapter(folder, tensors, prefix="base_model.model.", **config):
    """An adapter as peft saves it."""
    folder.mkdir(parents=True, exist_ok=True)
    usual = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "fan_in_fan_out": False}
    (folder / "adapter_config.json").write_text(json.dumps(usual | config))
    save_file(
        {prefix + name: np.ascontiguousarray(v) for name, v in tensors.items()},
        folder / "adapter_model.safetensors",
    )
    return folder


def pair(module, rows, columns, rank=RANK, seed=0):
    """Factors of a linear layer of `columns` inputs and `rows` outputs."""
    return {
        f"{module}.lora_A.weight": normal(rank, columns, seed=seed),
        f"{module}.lora_B.weight": normal(rows, rank, seed=seed + 1),
    }
