"""Families descended from GPT: GPT-1, GPT-2, GPT-Neo, GPT-J, GPT-NeoX, BLOOM, Falcon, OPT.

Names and shapes as transformers saves them; orientation of ``Conv1D`` from
``transformers.pytorch_utils.Conv1D``, fusions from each model's attention ``forward``.
"""

from .table import Family, linear, norm, table

__all__ = ["FAMILIES"]

_GPT2_ATTENTION = {
    "attn.c_attn": linear("q", "k", "v", fusion="thirds"),
    "attn.c_proj": linear("o"),
}
_GPT2_MLP = {"mlp.c_fc": linear("up"), "mlp.c_proj": linear("down")}
_PRE_NORMS = {"ln_1": norm("attn_norm"), "ln_2": norm("mlp_norm")}
_GPT2_OUTER = {
    "wte": table("token_embedding"),
    "wpe": table("position_embedding"),
    "ln_f": norm("final_norm"),
    "lm_head": linear("unembedding"),
    "score": linear("classifier"),
}
_MEGATRON_MLP = {"mlp.dense_h_to_4h": linear("up"), "mlp.dense_4h_to_h": linear("down")}
_MEGATRON_NORMS = {
    "input_layernorm": norm("attn_norm"),
    "post_attention_layernorm": norm("mlp_norm"),
}
_WORD_OUTER = {
    "word_embeddings": table("token_embedding"),
    "ln_f": norm("final_norm"),
    "lm_head": linear("unembedding"),
    "score": linear("classifier"),
}
_OPT_ATTENTION = {
    "self_attn.q_proj": linear("q"),
    "self_attn.k_proj": linear("k"),
    "self_attn.v_proj": linear("v"),
    "self_attn.out_proj": linear("o"),
}
_OPT_MLP = {"fc1": linear("up"), "fc2": linear("down")}
_OPT_OUTER = {
    "decoder.embed_tokens": table("token_embedding"),
    "decoder.embed_positions": table("position_embedding"),
    "decoder.project_in": linear("project_in"),
    "decoder.project_out": linear("project_out"),
    "decoder.final_layer_norm": norm("final_norm"),
    "lm_head": linear("unembedding"),
    "score": linear("classifier"),
}
# Names of encoder-decoder models (BART, Whisper, DETR), whose decoders look like OPT's.
_CROSS_ATTENTION = ("decoder.layers.#.encoder_attn.q_proj.weight",)

FAMILIES = (
    Family(
        "gpt2",
        block="h.#",
        layer=_GPT2_ATTENTION | _GPT2_MLP | _PRE_NORMS,
        outer=_GPT2_OUTER,
        model_types=("gpt2",),
        stored="in_out",
    ),
    Family(
        "openai-gpt",
        block="h.#",
        # n = ln_1(x + attention(x)); ln_2(n + mlp(n)): norms come after.
        layer=_GPT2_ATTENTION
        | _GPT2_MLP
        | {"ln_1": norm("attn_post_norm"), "ln_2": norm("mlp_post_norm")},
        outer={
            "tokens_embed": table("token_embedding"),
            "positions_embed": table("position_embedding"),
            "lm_head": linear("unembedding"),
        },
        model_types=("openai-gpt",),
        needs=("tokens_embed.weight",),
        stored="in_out",
    ),
    Family(
        "gpt_bigcode",
        block="h.#",
        layer=_GPT2_MLP
        | _PRE_NORMS
        | {
            "attn.c_attn": linear("q", "k", "v", fusion="grouped"),
            "attn.c_proj": linear("o"),
        },
        outer=_GPT2_OUTER,
        model_types=("gpt_bigcode",),
        when={"model_type": "gpt_bigcode"},
    ),
    Family(
        "gpt_neo",
        block="h.#",
        layer=_GPT2_MLP
        | _PRE_NORMS
        | {
            "attn.attention.q_proj": linear("q"),
            "attn.attention.k_proj": linear("k"),
            "attn.attention.v_proj": linear("v"),
            "attn.attention.out_proj": linear("o"),
        },
        outer=_GPT2_OUTER,
        model_types=("gpt_neo",),
    ),
    Family(
        "gptj",
        block="h.#",
        layer={
            "ln_1": norm("attn_norm"),
            "attn.q_proj": linear("q"),
            "attn.k_proj": linear("k"),
            "attn.v_proj": linear("v"),
            "attn.out_proj": linear("o"),
            "mlp.fc_in": linear("up"),
            "mlp.fc_out": linear("down"),
        },
        outer=_GPT2_OUTER,
        model_types=("gptj",),
    ),
    Family(
        "gpt_neox",
        block="layers.#",
        layer=_MEGATRON_MLP
        | _MEGATRON_NORMS
        | {
            "attention.query_key_value": linear("q", "k", "v", fusion="per_head"),
            "attention.dense": linear("o"),
        },
        outer={
            "embed_in": table("token_embedding"),
            "final_layer_norm": norm("final_norm"),
            "embed_out": linear("unembedding"),
            # The name that transformers 5 uses in memory.
            "lm_head": linear("unembedding"),
            "score": linear("classifier"),
        },
        model_types=("gpt_neox",),
    ),
    Family(
        "bloom",
        block="h.#",
        layer=_MEGATRON_MLP
        | _MEGATRON_NORMS
        | {
            "self_attention.query_key_value": linear("q", "k", "v", fusion="per_head"),
            "self_attention.dense": linear("o"),
        },
        outer=_WORD_OUTER | {"word_embeddings_layernorm": norm("embedding_norm")},
        model_types=("bloom",),
        needs=("word_embeddings_layernorm.weight",),
    ),
    Family(
        "falcon",
        block="h.#",
        layer=_MEGATRON_MLP
        | _MEGATRON_NORMS
        | {
            "ln_attn": norm("attn_norm"),
            "ln_mlp": norm("mlp_norm"),
            "self_attention.query_key_value": linear("q", "k", "v", fusion="grouped"),
            "self_attention.dense": linear("o"),
        },
        outer=_WORD_OUTER,
        model_types=("falcon", "RefinedWeb", "RefinedWebModel"),
        full_rotary=True,
    ),
    Family(
        "opt",
        block="decoder.layers.#",
        layer=_OPT_ATTENTION
        | _OPT_MLP
        | {"self_attn_layer_norm": norm("attn_norm"), "final_layer_norm": norm("mlp_norm")},
        outer=_OPT_OUTER,
        model_types=("opt",),
        lacks=_CROSS_ATTENTION,
        extra_positions=2,
    ),
    Family(
        "opt",
        block="decoder.layers.#",
        layer=_OPT_ATTENTION
        | _OPT_MLP
        | {
            "self_attn_layer_norm": norm("attn_post_norm"),
            "final_layer_norm": norm("mlp_post_norm"),
        },
        outer=_OPT_OUTER,
        model_types=("opt",),
        lacks=_CROSS_ATTENTION,
        when={"do_layer_norm_before": False},
        extra_positions=2,
    ),
)
