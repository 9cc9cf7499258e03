"""The tiny models of `models` as GGUF tensors, made by the rules of llama.cpp's converter.

Names come from the gguf package; what ``modify_tensors`` of ``convert_hf_to_gguf.py`` does to
the tensors of each architecture is written down here a second time, with numpy, from the side
of the writer.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import gguf
import numpy as np

from anatomy.models import Made

Tensors = dict[str, np.ndarray]

ARCHITECTURES: dict[str, str] = {
    "gpt2": "gpt2",
    "gpt_bigcode": "starcoder",
    "gptj": "gptj",
    "gpt_neox": "gptneox",
    "bloom": "bloom",
    "falcon-7b": "falcon",
    "falcon-40b": "falcon",
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "olmo": "olmo",
    "olmo2": "olmo2",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3": "gemma3",
    "phi": "phi2",
    "phi3": "phi3",
    "stablelm": "stablelm",
    "cohere": "command-r",
    "starcoder2": "starcoder2",
    "mixtral": "llama",
    "qwen2_moe": "qwen2moe",
    "qwen3_moe": "qwen3moe",
    "gpt_oss": "gpt-oss",
    "deepseek": "deepseek2",
    "bert": "bert",
    "distilbert": "bert",
}
"""``general.architecture`` of each model that the converter knows (GPT-J by its names only)."""


def permuted(rows: np.ndarray, n_heads: int) -> np.ndarray:
    """LlamaModel.permute: halves of each head are interleaved."""
    half = rows.shape[0] // n_heads // 2
    split = rows.reshape(n_heads, 2, half, *rows.shape[1:])
    return split.swapaxes(1, 2).reshape(rows.shape)


def _rotary_pairs(made: Made, name: str, values: np.ndarray) -> np.ndarray:
    sizes = made.spec.sizes
    if re.search(r"q_proj\.(weight|bias)$", name):
        return permuted(values, sizes["n_heads"])
    if re.search(r"k_proj\.(weight|bias)$", name):
        return permuted(values, sizes["n_kv_heads"])
    return values


def _turned(made: Made, name: str, values: np.ndarray) -> np.ndarray:
    conv1d = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    return values.T if name.endswith(conv1d) else values


def _one_after_the_other(made: Made, name: str, values: np.ndarray) -> np.ndarray:
    """(head, 3, d_head) to (3, head, d_head)."""
    if not re.search(r"query_key_value\.(weight|bias)$", name):
        return values
    split = values.reshape(made.spec.sizes["n_heads"], 3, -1, *values.shape[1:])
    return split.swapaxes(0, 1).reshape(values.shape)


def _ungrouped(made: Made, name: str, values: np.ndarray) -> np.ndarray:
    """(kv head, queries + key + value, d_head) to all queries, all keys, all values."""
    if not re.search(r"query_key_value\.(weight|bias)$", name):
        return values
    sizes = made.spec.sizes
    groups, each = sizes["n_kv_heads"], sizes["n_heads"] // sizes["n_kv_heads"]
    split = values.reshape(groups, each + 2, sizes["d_head"], *values.shape[1:])
    pieces = (split[:, :each], split[:, each], split[:, each + 1])
    return np.concatenate([piece.reshape(-1, *values.shape[1:]) for piece in pieces])


def _plus_one(made: Made, name: str, values: np.ndarray) -> np.ndarray:
    return values + np.float32(1) if name.endswith("norm.weight") else values


Change = Callable[[Made, str, np.ndarray], np.ndarray]
CHANGES: dict[str, Change] = {
    "gpt2": _turned,
    "gptneox": _one_after_the_other,
    "bloom": _one_after_the_other,
    "falcon": _ungrouped,
    "llama": _rotary_pairs,
    "olmo": _rotary_pairs,
    "gemma": _plus_one,
    "gemma2": _plus_one,
    "gemma3": _plus_one,
}


def _experts(made: Made, tensors: Mapping[str, np.ndarray]) -> Tensors:
    """Experts of a layer stacked under the names that the converter gives to their stack."""
    found: Tensors = {}
    stacks: dict[str, dict[int, np.ndarray]] = {}
    for name, values in tensors.items():
        match = re.search(r"\.experts\.(\d+)\.", name)
        if match:
            whole = f"{name[: match.start()]}.experts.{name[match.end() :]}"
            stacks.setdefault(whole, {})[int(match[1])] = values
        elif "experts.gate_up_proj" in name and made.name == "gpt_oss":
            turned = values.swapaxes(-1, -2) if values.ndim == 3 else values
            ending = "bias" if name.endswith("_bias") else "weight"
            stem = name.removesuffix("_bias").replace("gate_up_proj", "{}_proj")
            found[f"{stem.format('gate')}.{ending}"] = turned[:, ::2]
            found[f"{stem.format('up')}.{ending}"] = turned[:, 1::2]
        elif "experts.down_proj" in name and made.name == "gpt_oss":
            turned = values.swapaxes(-1, -2) if values.ndim == 3 else values
            ending = "bias" if name.endswith("_bias") else "weight"
            found[f"{name.removesuffix('_bias')}.{ending}"] = turned
        else:
            found[name] = values
    for name, each in stacks.items():
        found[name] = np.stack([each[i] for i in range(len(each))])
    return found


def _norms_of_heads(tensors: Mapping[str, np.ndarray]) -> Tensors:
    """StableLM's norms, one tensor per head, as one per layer."""
    found: Tensors = {}
    for name, values in tensors.items():
        match = re.search(r"\.norms\.(\d+)\.", name)
        if match:
            whole = f"{name[: match.start()]}.{name[match.end() :]}"
            found[whole] = np.vstack([*([found[whole]] if whole in found else []), values])
        else:
            found[name] = values
    return found


def converted(made: Made) -> tuple[Tensors, dict[str, Any]]:
    """Tensors in numpy's order of axes, and the metadata that say sizes, of a model as GGUF."""
    label = ARCHITECTURES[made.name]
    number = next(arch for arch, text in gguf.MODEL_ARCH_NAMES.items() if text == label)
    n_layers = made.spec.sizes["n_layers"]
    names = gguf.get_tensor_name_map(number, n_layers)
    change = CHANGES.get(label, lambda made, name, values: values)
    found: Tensors = {}
    for name, values in _norms_of_heads(_experts(made, made.saved)).items():
        # The converter takes the roots of these away, too.
        bare = name.removeprefix("bert.").removeprefix("distilbert.")
        if bare.endswith("sinks"):
            bare += ".weight"
        if label == "bloom":
            bare = bare.removeprefix("transformer.")
        new = names.get_name(bare, try_suffixes=(".weight", ".bias"))
        if new is None and "e_score_correction_bias" in name:
            layer = name.split(".")[2]
            new = f"blk.{layer}.exp_probs_b.bias"
        if new is None:
            assert re.search(r"cls\.|vocab_|pooler|lm_head\.bias|rotary|position_ids", name), name
            continue
        found[new] = np.ascontiguousarray(change(made, name, values))
    return found, _metadata(made, label)


def _metadata(made: Made, label: str) -> dict[str, Any]:
    sizes = made.spec.sizes
    keys = {
        "n_layers": "block_count",
        "d_model": "embedding_length",
        "n_heads": "attention.head_count",
        "n_kv_heads": "attention.head_count_kv",
        "n_experts": "expert_count",
        "context": "context_length",
        "vocab": "vocab_size",
    }
    found = {f"{label}.{key}": sizes[size] for size, key in keys.items() if size in sizes}
    experts = "moe_intermediate_size" in made.config
    found[f"{label}.{'expert_' if experts else ''}feed_forward_length"] = sizes["d_mlp"]
    if made.config.get("head_dim") and not made.spec.latent:
        found[f"{label}.attention.key_length"] = sizes["d_head"]
    return {"general.architecture": label, **found}
