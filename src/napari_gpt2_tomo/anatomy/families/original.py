"""Families in the names under which they were first published.

LLaMA: names of ``llama/model.py`` of https://github.com/meta-llama/llama, which its ``.pth``
files and those of llama2.c have. Meta turns neighbouring dimensions of a head by rotary
positions; the rows of queries and keys are put in the order of transformers' files.

GPT-2: variables of ``src/model.py`` of https://github.com/openai/gpt-2; ``conv1d`` stores
``w`` as [1, in, out].
"""

from dataclasses import replace

from .table import Entry, Family, Fusion, Slot, linear, norm, table

__all__ = ["FAMILIES"]


def _paired(role: str) -> Entry:
    return tuple((ending, replace(slot, pairs=True)) for ending, slot in linear(role))


def _conv(*roles: str, fusion: Fusion = "") -> Entry:
    biases = tuple(f"{role}_bias" for role in roles)
    return ((".w", Slot(roles, "linear", fusion)), (".b", Slot(biases, "bias", fusion)))


def _norm(role: str) -> Entry:
    return ((".g", Slot((role,), "vector")), (".b", Slot((f"{role}_bias",), "vector")))


def _variable(role: str) -> Entry:
    return (("", Slot((role,), "table")),)


FAMILIES = (
    Family(
        "llama",
        block="layers.#",
        layer={
            "attention_norm": norm("attn_norm"),
            "attention.wq": _paired("q"),
            "attention.wk": _paired("k"),
            "attention.wv": linear("v"),
            "attention.wo": linear("o"),
            "ffn_norm": norm("mlp_norm"),
            "feed_forward.w1": linear("gate"),
            "feed_forward.w3": linear("up"),
            "feed_forward.w2": linear("down"),
        },
        outer={
            "tok_embeddings": table("token_embedding"),
            "norm": norm("final_norm"),
            "output": linear("unembedding"),
        },
        model_types=("llama", "mistral"),
    ),
    Family(
        "gpt2",
        block="h.#",
        layer={
            "ln_1": _norm("attn_norm"),
            "attn.c_attn": _conv("q", "k", "v", fusion="thirds"),
            "attn.c_proj": _conv("o"),
            "ln_2": _norm("mlp_norm"),
            "mlp.c_fc": _conv("up"),
            "mlp.c_proj": _conv("down"),
        },
        outer={
            "wte": _variable("token_embedding"),
            "wpe": _variable("position_embedding"),
            "ln_f": _norm("final_norm"),
        },
        model_types=("gpt2",),
        stored="in_out",
    ),
)
