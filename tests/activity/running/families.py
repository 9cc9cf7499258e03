"""Tiny random models of every family, made with transformers' own configs."""

from functools import cache
from typing import Any

COMMON = {
    "vocab_size": 37,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": None,
}
LLAMA = COMMON | {"intermediate_size": 24, "num_key_value_heads": 2}
MIXTURE = {"num_experts_per_tok": 2}

CONFIGS: dict[str, dict[str, Any]] = {
    "openai-gpt": COMMON,
    "gpt2": COMMON,
    "gpt2 upcast": COMMON
    | {"reorder_and_upcast_attn": True, "scale_attn_by_inverse_layer_idx": True},
    "gpt_bigcode": COMMON | {"multi_query": True},
    "gpt_bigcode by-head": COMMON | {"multi_query": False},
    "starcoder2": LLAMA,
    "gpt_neo": COMMON
    | {"num_layers": 2, "attention_types": [[["global", "local"], 1]], "window_size": 3},
    "gptj": COMMON | {"rotary_dim": 2},
    "gpt_neox": COMMON | {"intermediate_size": 24, "use_parallel_residual": True},
    "gpt_neox sequential": COMMON | {"intermediate_size": 24, "use_parallel_residual": False},
    "opt": COMMON | {"ffn_dim": 24, "word_embed_proj_dim": 8},
    "opt post-norm": COMMON
    | {"ffn_dim": 24, "word_embed_proj_dim": 16, "do_layer_norm_before": False},
    "bloom": {**COMMON, "n_head": 4, "n_layer": 2},
    "llama": LLAMA,
    "mistral": LLAMA | {"sliding_window": 3},
    "mixtral": LLAMA | MIXTURE | {"num_local_experts": 3},
    "qwen2": LLAMA,
    "qwen3": LLAMA | {"head_dim": 6},
    "qwen3_moe": LLAMA
    | MIXTURE
    | {"num_experts": 3, "moe_intermediate_size": 12, "head_dim": 6, "norm_topk_prob": True},
    "qwen2_moe": LLAMA
    | MIXTURE
    | {"num_experts": 3, "moe_intermediate_size": 12, "shared_expert_intermediate_size": 12},
    "olmo": LLAMA | {"clip_qkv": 0.05},
    "olmo2": LLAMA,
    "olmo3": LLAMA,
    "olmoe": LLAMA | MIXTURE | {"num_experts": 3},
    "gemma": LLAMA | {"head_dim": 6},
    "gemma2": LLAMA | {"head_dim": 6, "sliding_window": 3, "query_pre_attn_scalar": 5},
    "gemma3_text": LLAMA | {"head_dim": 6, "sliding_window": 3, "query_pre_attn_scalar": 5},
    "phi": LLAMA | {"partial_rotary_factor": 0.5, "qk_layernorm": True},
    "phi3": LLAMA,
    "gpt_oss": LLAMA | MIXTURE | {"num_local_experts": 3, "head_dim": 6, "sliding_window": 3},
    "bert": COMMON | {"intermediate_size": 24, "architectures": ["BertForMaskedLM"]},
    "roberta": COMMON | {"intermediate_size": 24, "pad_token_id": 1, "max_position_embeddings": 34},
    "distilbert": {"vocab_size": 37, "dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 24,
                   "max_position_embeddings": 32},
}  # fmt: skip
"""Options of a config by family; what follows a space names a variant."""

ENCODERS = ("bert", "roberta", "distilbert")
MIXTURES = ("mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "gpt_oss")
CAUSAL = tuple(name for name in CONFIGS if name not in ENCODERS)


@cache
def network(name: str) -> Any:
    """A network of this family with weights large enough that everything is seen."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

    torch.manual_seed(0)
    options = dict(CONFIGS[name])
    config = AutoConfig.for_model(name.split()[0], **options)
    kind = AutoModelForMaskedLM if name in ENCODERS else AutoModelForCausalLM
    made = kind.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter_name, parameter in made.named_parameters():
            is_norm = parameter.ndim == 1 and parameter_name.endswith("weight")
            parameter.normal_(0.0, 0.3)
            if is_norm:
                parameter += 1.0
    return made.requires_grad_(False)
