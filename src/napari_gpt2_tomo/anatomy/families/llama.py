"""Dense families in LLaMA's names, and those that change a few of them.

Without a config, LLaMA, Mistral, OLMo and the first Gemma cannot be told apart by
their names; the first table that fits lends its name, their parts are the same.
"""

from .table import Family, linear, norm, table

__all__ = ["ATTENTION", "FAMILIES", "GATED", "OUTER", "PRE_NORMS", "QK_NORMS"]

ATTENTION = {
    "self_attn.q_proj": linear("q"),
    "self_attn.k_proj": linear("k"),
    "self_attn.v_proj": linear("v"),
    "self_attn.o_proj": linear("o"),
}
QK_NORMS = {"self_attn.q_norm": norm("q_norm"), "self_attn.k_norm": norm("k_norm")}
GATED = {
    "mlp.gate_proj": linear("gate"),
    "mlp.up_proj": linear("up"),
    "mlp.down_proj": linear("down"),
}
PRE_NORMS = {
    "input_layernorm": norm("attn_norm"),
    "post_attention_layernorm": norm("mlp_norm"),
}
OUTER = {
    "embed_tokens": table("token_embedding"),
    "norm": norm("final_norm"),
    "lm_head": linear("unembedding"),
    "score": linear("classifier"),
}
_LLAMA = ATTENTION | GATED | PRE_NORMS

FAMILIES = (
    Family(
        "llama",
        block="layers.#",
        layer=_LLAMA,
        outer=OUTER,
        model_types=("llama", "granite", "smollm3", "nemotron"),
        full_rotary=True,
    ),
    Family(
        "mistral",
        block="layers.#",
        layer=_LLAMA,
        outer=OUTER,
        model_types=("mistral", "ministral"),
        full_rotary=True,
    ),
    Family(
        "qwen2",
        block="layers.#",
        layer=_LLAMA,
        outer=OUTER,
        model_types=("qwen2",),
        needs=("layers.#.self_attn.q_proj.bias",),
        lacks=("layers.#.self_attn.o_proj.bias",),
        full_rotary=True,
    ),
    Family(
        "qwen3",
        block="layers.#",
        layer=_LLAMA | QK_NORMS,
        outer=OUTER,
        model_types=("qwen3",),
        full_rotary=True,
    ),
    Family(
        "olmo",
        block="layers.#",
        layer=ATTENTION | GATED,
        outer=OUTER,
        model_types=("olmo",),
        full_rotary=True,
    ),
    Family(
        "olmo2",
        block="layers.#",
        layer=ATTENTION
        | QK_NORMS
        | GATED
        | {
            "post_attention_layernorm": norm("attn_post_norm"),
            "post_feedforward_layernorm": norm("mlp_post_norm"),
        },
        outer=OUTER,
        model_types=("olmo2", "olmo3", "exaone4"),
        needs=("layers.#.post_feedforward_layernorm.weight",),
        full_rotary=True,
    ),
    Family(
        "gemma",
        block="layers.#",
        layer=_LLAMA,
        outer=OUTER,
        model_types=("gemma",),
        full_rotary=True,
    ),
    Family(
        "gemma2",
        block="layers.#",
        layer=ATTENTION
        | GATED
        | {
            "input_layernorm": norm("attn_norm"),
            "post_attention_layernorm": norm("attn_post_norm"),
            "pre_feedforward_layernorm": norm("mlp_norm"),
            "post_feedforward_layernorm": norm("mlp_post_norm"),
        },
        outer=OUTER,
        model_types=("gemma2",),
        needs=("layers.#.pre_feedforward_layernorm.weight",),
        full_rotary=True,
    ),
    Family(
        "gemma3",
        block="layers.#",
        layer=ATTENTION
        | QK_NORMS
        | GATED
        | {
            "input_layernorm": norm("attn_norm"),
            "post_attention_layernorm": norm("attn_post_norm"),
            "pre_feedforward_layernorm": norm("mlp_norm"),
            "post_feedforward_layernorm": norm("mlp_post_norm"),
        },
        outer=OUTER,
        model_types=("gemma3", "gemma3_text"),
        needs=("layers.#.pre_feedforward_layernorm.weight",),
        full_rotary=True,
    ),
    Family(
        "phi",
        block="layers.#",
        layer={
            "input_layernorm": norm("attn_norm"),
            "self_attn.q_proj": linear("q"),
            "self_attn.k_proj": linear("k"),
            "self_attn.v_proj": linear("v"),
            "self_attn.dense": linear("o"),
            # One norm per head, shared by all of them.
            "self_attn.q_layernorm": norm("q_norm"),
            "self_attn.k_layernorm": norm("k_norm"),
            "mlp.fc1": linear("up"),
            "mlp.fc2": linear("down"),
        },
        outer=OUTER | {"final_layernorm": norm("final_norm")},
        model_types=("phi",),
    ),
    Family(
        "phi3",
        block="layers.#",
        layer=PRE_NORMS
        | {
            "self_attn.qkv_proj": linear("q", "k", "v", fusion="concat"),
            "self_attn.o_proj": linear("o"),
            "mlp.gate_up_proj": linear("gate", "up", fusion="halves"),
            "mlp.down_proj": linear("down"),
        },
        outer=OUTER,
        model_types=("phi3",),
    ),
    Family(
        "stablelm",
        block="layers.#",
        layer=_LLAMA,
        outer=OUTER,
        model_types=("stablelm",),
    ),
    Family(
        "cohere",
        block="layers.#",
        layer=ATTENTION | QK_NORMS | GATED | {"input_layernorm": norm("attn_norm")},
        outer=OUTER,
        model_types=("cohere", "cohere2"),
        full_rotary=True,
    ),
    Family(
        "starcoder2",
        block="layers.#",
        layer=ATTENTION | PRE_NORMS | {"mlp.c_fc": linear("up"), "mlp.c_proj": linear("down")},
        outer=OUTER,
        model_types=("starcoder2",),
        full_rotary=True,
    ),
)
