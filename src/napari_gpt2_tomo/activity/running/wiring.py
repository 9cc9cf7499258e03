"""Where the families of transformers keep their parts: paths of modules, as a table.

Paths and fusions are those of the modelling files of transformers 5; each row can be checked
against the ``forward`` of its model. A path with ``.`` leads below a block, or below the base
model for the parts outside of the blocks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn

__all__ = ["Fusion", "HeadNorm", "Scheme", "Wiring", "below", "wiring_of"]

Scheme = Literal["pre-norm", "post-norm", "parallel", "sandwich"]
"""Where the norms of a block stand: before attention and MLP, after each has been added to the
stream, before both at once, or also on what each adds (`sandwich`)."""

Fusion = Literal["", "blocks", "by head"]
"""How one projection holds q, k and v: all q, then all k, then all v; or q, k and v of each head.
Empty where they are three modules."""

HeadNorm = Literal["", "flat", "token, head", "head, token"]
"""Axes before the norm of q and k: ``(token, head·d_head)``, ``(token, head, d_head)`` or
``(head, token, d_head)``. Empty where there is no such norm."""


@dataclass(frozen=True)
class Wiring:
    """Where one family keeps its parts; an empty path is a part that it does not have.

    Attributes
    ----------
    blocks, token_embedding, position_embedding, type_embedding, embedding_norm, final_norm
        Below the base model.
    project_in, project_out
        Below the base model: between the width of the embeddings and that of the stream.
    query, key, value, fused, fusion
        The projections: three modules, or one that holds all three.
    query_norm, key_norm, head_norm
        Norms of queries and keys before rotary positions.
    attention
        The module that calls the attention function.
    out
        The projection that writes to the stream.
    weights
        The dropout that the attention pattern goes through, in models that have an attention
        function of their own; empty where transformers' attention interface is used.
    attn_norm, attn_post_norm, mlp_norm, mlp_post_norm
        Norms of a block.
    mlp
        The module (or for BERT the first one) that takes the input of the MLP.
    gate, up, down, gate_up
        Projections of the MLP; `gate_up` holds gate and up, in this order.
    scheme, positions
        See `Scheme`; and how the model knows where a token stands.
    mid
        Where the stream between attention and MLP is seen: going in to this module, or, with
        a leading ``>``, coming out of it. Empty where there is no such state.
    """

    blocks: str = "layers"
    token_embedding: str = "embed_tokens"
    position_embedding: str = ""
    type_embedding: str = ""
    embedding_norm: str = ""
    project_in: str = ""
    project_out: str = ""
    final_norm: str = "norm"
    query: str = "self_attn.q_proj"
    key: str = "self_attn.k_proj"
    value: str = "self_attn.v_proj"
    fused: str = ""
    fusion: Fusion = ""
    query_norm: str = ""
    key_norm: str = ""
    head_norm: HeadNorm = ""
    attention: str = "self_attn"
    out: str = "self_attn.o_proj"
    weights: str = ""
    attn_norm: str = "input_layernorm"
    attn_post_norm: str = ""
    mlp_norm: str = "post_attention_layernorm"
    mlp_post_norm: str = ""
    mlp: str = "mlp"
    gate: str = "mlp.gate_proj"
    up: str = "mlp.up_proj"
    down: str = "mlp.down_proj"
    gate_up: str = ""
    scheme: Scheme = "pre-norm"
    positions: Literal["learned", "rotary", "alibi", "sinusoidal", "none"] = "rotary"
    mid: str = "post_attention_layernorm"


_LLAMA = Wiring()
_GPT2 = Wiring(
    blocks="h",
    token_embedding="wte",
    position_embedding="wpe",
    final_norm="ln_f",
    query="",
    key="",
    value="",
    fused="attn.c_attn",
    fusion="blocks",
    attention="attn",
    out="attn.c_proj",
    attn_norm="ln_1",
    mlp_norm="ln_2",
    gate="",
    up="mlp.c_fc",
    down="mlp.c_proj",
    positions="learned",
    mid="ln_2",
)
_GPT1 = replace(
    _GPT2,
    token_embedding="tokens_embed",
    position_embedding="positions_embed",
    final_norm="",
    weights="attn.attn_dropout",
    attn_norm="",
    attn_post_norm="ln_1",
    mlp_norm="",
    mlp_post_norm="ln_2",
    scheme="post-norm",
    mid=">ln_1",
)
_NEO = replace(
    _GPT2,
    query="attn.attention.q_proj",
    key="attn.attention.k_proj",
    value="attn.attention.v_proj",
    fused="",
    fusion="",
    attention="attn.attention",
    out="attn.attention.out_proj",
    weights="attn.attention.attn_dropout",
)
_GPTJ = replace(
    _GPT2,
    position_embedding="",
    query="attn.q_proj",
    key="attn.k_proj",
    value="attn.v_proj",
    fused="",
    fusion="",
    out="attn.out_proj",
    weights="attn.attn_dropout",
    mlp_norm="",
    up="mlp.fc_in",
    down="mlp.fc_out",
    scheme="parallel",
    positions="rotary",
    mid="",
)
_NEOX = Wiring(
    token_embedding="embed_in",
    final_norm="final_layer_norm",
    query="",
    key="",
    value="",
    fused="attention.query_key_value",
    fusion="by head",
    attention="attention",
    out="attention.dense",
    gate="",
    up="mlp.dense_h_to_4h",
    down="mlp.dense_4h_to_h",
)
_PHI = replace(
    _LLAMA,
    final_norm="final_layernorm",
    out="self_attn.dense",
    mlp_norm="",
    gate="",
    up="mlp.fc1",
    down="mlp.fc2",
    scheme="parallel",
    mid="",
)
_PHI3 = replace(
    _LLAMA,
    query="",
    key="",
    value="",
    fused="self_attn.qkv_proj",
    fusion="blocks",
    gate="",
    up="",
    gate_up="mlp.gate_up_proj",
)
_OLMO2 = replace(
    _LLAMA,
    query_norm="self_attn.q_norm",
    key_norm="self_attn.k_norm",
    head_norm="flat",
    attn_norm="",
    attn_post_norm="post_attention_layernorm",
    mlp_norm="",
    mlp_post_norm="post_feedforward_layernorm",
    scheme="sandwich",
    mid="mlp",
)
_QWEN3 = replace(
    _LLAMA,
    query_norm="self_attn.q_norm",
    key_norm="self_attn.k_norm",
    head_norm="token, head",
)
_GEMMA2 = replace(
    _LLAMA,
    attn_post_norm="post_attention_layernorm",
    mlp_norm="pre_feedforward_layernorm",
    mlp_post_norm="post_feedforward_layernorm",
    scheme="sandwich",
    mid="pre_feedforward_layernorm",
)
_GEMMA3 = replace(
    _GEMMA2,
    query_norm="self_attn.q_norm",
    key_norm="self_attn.k_norm",
    head_norm="head, token",
)
_OPT = Wiring(
    blocks="decoder.layers",
    token_embedding="decoder.embed_tokens",
    position_embedding="decoder.embed_positions",
    project_in="decoder.project_in",
    project_out="decoder.project_out",
    final_norm="decoder.final_layer_norm",
    out="self_attn.out_proj",
    attn_norm="self_attn_layer_norm",
    mlp_norm="final_layer_norm",
    mlp="fc1",
    gate="",
    up="fc1",
    down="fc2",
    positions="learned",
    mid="final_layer_norm",
)
_BLOOM = replace(
    _GPT2,
    token_embedding="word_embeddings",
    position_embedding="",
    embedding_norm="word_embeddings_layernorm",
    fused="self_attention.query_key_value",
    fusion="by head",
    attention="self_attention",
    out="self_attention.dense",
    weights="self_attention.attention_dropout",
    attn_norm="input_layernorm",
    mlp_norm="post_attention_layernorm",
    up="mlp.dense_h_to_4h",
    down="mlp.dense_4h_to_h",
    positions="alibi",
    mid="post_attention_layernorm",
)
_BERT = Wiring(
    blocks="encoder.layer",
    token_embedding="embeddings.word_embeddings",
    position_embedding="embeddings.position_embeddings",
    type_embedding="embeddings.token_type_embeddings",
    embedding_norm="embeddings.LayerNorm",
    final_norm="",
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    attention="attention.self",
    out="attention.output.dense",
    attn_norm="",
    attn_post_norm="attention.output.LayerNorm",
    mlp_norm="",
    mlp_post_norm="output.LayerNorm",
    mlp="intermediate",
    gate="",
    up="intermediate.dense",
    down="output.dense",
    scheme="post-norm",
    positions="learned",
    mid=">attention.output.LayerNorm",
)
_DISTILBERT = replace(
    _BERT,
    blocks="transformer.layer",
    type_embedding="",
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    attention="attention",
    out="attention.out_lin",
    attn_post_norm="sa_layer_norm",
    mlp_post_norm="output_layer_norm",
    mlp="ffn",
    up="ffn.lin1",
    down="ffn.lin2",
    mid=">sa_layer_norm",
)

FAMILIES: Mapping[str, Wiring] = {
    "openai-gpt": _GPT1,
    "gpt2": _GPT2,
    "gpt_bigcode": _GPT2,
    "gpt_neo": _NEO,
    "gptj": _GPTJ,
    "gpt_neox": _NEOX,
    "opt": _OPT,
    "bloom": _BLOOM,
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "mixtral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen2_moe": _LLAMA,
    "qwen3": _QWEN3,
    "qwen3_moe": _QWEN3,
    "olmo": _LLAMA,
    "olmo2": _OLMO2,
    "olmo3": _OLMO2,
    "olmoe": replace(_QWEN3, head_norm="flat"),
    "starcoder2": replace(_LLAMA, gate="", up="mlp.c_fc", down="mlp.c_proj"),
    "gemma": _LLAMA,
    "gemma2": _GEMMA2,
    "gemma3_text": _GEMMA3,
    "phi": _PHI,
    "phi3": _PHI3,
    "gpt_oss": _LLAMA,
    "bert": _BERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "camembert": _BERT,
    "distilbert": _DISTILBERT,
}
"""Wiring by the ``model_type`` of a config."""


def wiring_of(config: Any) -> Wiring | None:
    """The wiring of a model with this config; None for a family that is not in the table."""
    found = FAMILIES.get(config.model_type)
    if found is None:
        return None
    if config.model_type == "gpt_neox" and config.use_parallel_residual:
        return replace(found, scheme="parallel", mid="")
    if config.model_type == "opt" and not config.do_layer_norm_before:
        return replace(
            found,
            final_norm="",
            attn_norm="",
            attn_post_norm="self_attn_layer_norm",
            mlp_norm="",
            mlp_post_norm="final_layer_norm",
            scheme="post-norm",
            mid=">self_attn_layer_norm",
        )
    if config.model_type == "gpt_bigcode" and not config.multi_query:
        return replace(found, fusion="by head")
    if config.model_type == "phi" and config.qk_layernorm:
        return replace(
            found,
            query_norm="self_attn.q_layernorm",
            key_norm="self_attn.k_layernorm",
            head_norm="head, token",
        )
    return found


def below(module: nn.Module, path: str) -> nn.Module | None:
    """The module at a path; None if the path is empty or leads nowhere."""
    if not path:
        return None
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name, None)
        if found is None:
            return None
    return found if isinstance(found, nn.Module) else None
