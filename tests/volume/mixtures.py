"""More mixtures of experts, as names and shapes: shared experts, and all experts in one tensor."""

from collections.abc import Callable

from .architectures import Architecture, Shapes, Sizes, _gated, _linear, _llama_attention, _outer


def qwen3_moe(s: Sizes) -> Architecture:
    """One tensor per expert and matrix."""
    shapes: Shapes = {}
    for i in range(s.layers):
        at = f"model.layers.{i}"
        _llama_attention(shapes, at, s)
        shapes[f"{at}.self_attn.q_norm.weight"] = (s.d_head,)
        shapes[f"{at}.self_attn.k_norm.weight"] = (s.d_head,)
        _linear(shapes, f"{at}.mlp.gate", s.experts, s.d, False)
        for e in range(s.experts):
            _gated(shapes, f"{at}.mlp.experts.{e}", s.d, s.expert_mlp)
    return Architecture(_outer(shapes, s), s.config | {"model_type": "qwen3_moe"})


def qwen3_moe_fused(s: Sizes) -> Architecture:
    """The experts of a layer in two tensors: gate above up, and down."""
    shapes: Shapes = {}
    for i in range(s.layers):
        at = f"model.layers.{i}"
        _llama_attention(shapes, at, s)
        shapes[f"{at}.self_attn.q_norm.weight"] = (s.d_head,)
        shapes[f"{at}.self_attn.k_norm.weight"] = (s.d_head,)
        _linear(shapes, f"{at}.mlp.gate", s.experts, s.d, False)
        shapes[f"{at}.mlp.experts.gate_up_proj"] = (s.experts, 2 * s.expert_mlp, s.d)
        shapes[f"{at}.mlp.experts.down_proj"] = (s.experts, s.d, s.expert_mlp)
    return Architecture(_outer(shapes, s), s.config | {"model_type": "qwen3_moe"})


def qwen2_moe(s: Sizes) -> Architecture:
    """A wide expert that all tokens share, with a gate of its own."""
    found = qwen3_moe(s)
    shapes = {name: shape for name, shape in found.shapes.items() if "_norm" not in name}
    for i in range(s.layers):
        at = f"model.layers.{i}.mlp"
        _linear(shapes, f"{at}.shared_expert_gate", 1, s.d, False)
        _gated(shapes, f"{at}.shared_expert", s.d, 2 * s.expert_mlp + 1)
    return Architecture(shapes, s.config | {"model_type": "qwen2_moe"})


FAMILIES: tuple[Callable[[Sizes], Architecture], ...] = (qwen3_moe, qwen3_moe_fused, qwen2_moe)
