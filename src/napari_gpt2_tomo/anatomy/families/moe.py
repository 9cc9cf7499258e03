"""Mixtures of experts in LLaMA's names.

Files hold one tensor per expert and matrix (``experts.7.gate_proj``) or, as
transformers 5 keeps them in memory, all experts in one (``experts.gate_up_proj``).
"""

from .llama import ATTENTION, GATED, OUTER, PRE_NORMS, QK_NORMS
from .table import Family, bare, linear, norm, stacked

__all__ = ["FAMILIES"]

_EXPERTS = {
    "mlp.gate": linear("router"),
    "mlp.experts.#.gate_proj": linear("gate"),
    "mlp.experts.#.up_proj": linear("up"),
    "mlp.experts.#.down_proj": linear("down"),
    "mlp.experts.gate_up_proj": stacked("gate", "up", fusion="halves"),
    "mlp.experts.down_proj": stacked("down"),
}
_SHARED = {
    "mlp.shared_expert_gate": linear("shared_router"),
    "mlp.shared_expert.gate_proj": linear("shared_gate"),
    "mlp.shared_expert.up_proj": linear("shared_up"),
    "mlp.shared_expert.down_proj": linear("shared_down"),
}

FAMILIES = (
    Family(
        "mixtral",
        block="layers.#",
        layer=ATTENTION
        | PRE_NORMS
        | {
            "block_sparse_moe.gate": linear("router"),
            "block_sparse_moe.experts.#.w1": linear("gate"),
            "block_sparse_moe.experts.#.w2": linear("down"),
            "block_sparse_moe.experts.#.w3": linear("up"),
            "mlp.gate": linear("router"),
            "mlp.experts.gate_up_proj": stacked("gate", "up", fusion="halves"),
            "mlp.experts.down_proj": stacked("down"),
        },
        outer=OUTER,
        model_types=("mixtral", "phimoe"),
        full_rotary=True,
    ),
    Family(
        "qwen2_moe",
        block="layers.#",
        layer=ATTENTION | PRE_NORMS | GATED | _EXPERTS | _SHARED,
        outer=OUTER,
        model_types=("qwen2_moe",),
        full_rotary=True,
    ),
    Family(
        "qwen3_moe",
        block="layers.#",
        layer=ATTENTION | QK_NORMS | PRE_NORMS | GATED | _EXPERTS,
        outer=OUTER,
        model_types=("qwen3_moe", "olmoe"),
        full_rotary=True,
    ),
    Family(
        "gpt_oss",
        block="layers.#",
        layer=ATTENTION
        | PRE_NORMS
        | {
            "self_attn.sinks": bare("sinks"),
            "mlp.router": linear("router"),
            "mlp.experts.gate_up_proj": stacked("gate", "up", fusion="interleaved"),
            "mlp.experts.down_proj": stacked("down"),
        },
        outer=OUTER,
        model_types=("gpt_oss",),
        stored_experts="in_out",
        full_rotary=True,
    ),
    Family(
        "deepseek",
        block="layers.#",
        layer=PRE_NORMS
        | GATED
        | _EXPERTS
        | {
            "self_attn.q_proj": linear("q"),
            "self_attn.q_a_proj": linear("q_a"),
            "self_attn.q_a_layernorm": norm("q_a_norm"),
            "self_attn.q_b_proj": linear("q_b"),
            "self_attn.kv_a_proj_with_mqa": linear("kv_a"),
            "self_attn.kv_a_layernorm": norm("kv_a_norm"),
            "self_attn.kv_b_proj": linear("kv_b"),
            "self_attn.o_proj": linear("o"),
            "mlp.gate.e_score_correction_bias": bare("router_correction"),
            "mlp.shared_experts.gate_proj": linear("shared_gate"),
            "mlp.shared_experts.up_proj": linear("shared_up"),
            "mlp.shared_experts.down_proj": linear("shared_down"),
        },
        outer=OUTER,
        model_types=("deepseek_v2", "deepseek_v3"),
        needs=("layers.#.self_attn.kv_b_proj.weight",),
    ),
)
