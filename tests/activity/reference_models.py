"""Tiny models whose every parameter follows from its name; the same with any library version.

Shared by the tests and by ``scripts/reference_activations.py``, which ran another library on them.
"""

import zlib
from typing import Any

import numpy as np
import torch

IDS = (5, 17, 3, 22, 17, 9, 11)
"""The prompt."""

OTHER_IDS = (5, 2, 28, 22, 14, 9, 1)
"""The prompt to patch from, of the same length."""

_COMMON = {"vocab_size": 30, "bos_token_id": 0, "eos_token_id": 0, "tie_word_embeddings": False}
_LLAMA = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 16,
}
_GPT = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 16}

CONFIGS: dict[str, dict[str, Any]] = {
    "gpt2": _GPT,
    "gptj": {**_GPT, "rotary_dim": 4},
    "gpt_neox": {**_LLAMA, "num_attention_heads": 2, "rotary_pct": 0.5, "hidden_act": "gelu"},
    "llama": {**_LLAMA, "num_key_value_heads": 2, "rms_norm_eps": 1e-6},
    "phi": {**_LLAMA, "num_attention_heads": 2, "partial_rotary_factor": 0.5},
}
"""``model_type`` → the settings of its config that matter here."""


def make(family: str) -> Any:
    """The model of a family in float32, with eager attention."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(family, **{**_COMMON, **CONFIGS[family]})
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    fill(model)
    return model


def fill(model: Any) -> None:
    """Give every parameter normal numbers of a generator that is seeded with its name."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # GPT-NeoX' unembedding has been called either, depending on the version.
            known = name.replace("embed_out", "lm_head")
            generator = np.random.default_rng(zlib.crc32(known.encode()))
            values = 0.3 * generator.standard_normal(tuple(parameter.shape))
            if parameter.ndim == 1 and "bias" not in name:
                values += 1.0  # Gains of norms.
            parameter.copy_(torch.from_numpy(values))
