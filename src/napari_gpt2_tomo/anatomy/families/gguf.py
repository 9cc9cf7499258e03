"""Names of GGUF files: the same for all models, with what llama.cpp's converter did to each.

Names are those of ``TENSOR_NAMES`` in ``gguf-py/gguf/constants.py`` of llama.cpp. What the
tensors hold depends on ``general.architecture``; the changes are those of ``modify_tensors``
in its ``convert_hf_to_gguf.py``, undone here so that parts equal the original model's:

* every matrix is stored [out, in], GPT-2's are turned;
* the rows of queries and keys are reordered in each head where llama.cpp turns neighbouring
  dimensions (``LlamaModel.permute``): original row s·d/2 + j is stored at 2j + s;
* norms that act as 1 + w are stored so (Gemma, Nemotron);
* fused queries, keys and values lie one after the other, whatever they did before.
"""

from collections.abc import Mapping
from dataclasses import replace

from .table import Entry, Family, Fusion, Slot, linear, norm, table

__all__ = ["FAMILIES"]


def _vector(role: str, ending: str = ".weight") -> Entry:
    return ((ending, Slot((role,), "vector")),)


def _stack(*roles: str, fusion: Fusion = "") -> Entry:
    """All experts in one tensor [expert, out, in]."""
    return tuple(
        (ending, replace(slot, stacked=True)) for ending, slot in linear(*roles, fusion=fusion)
    )


def _paired(role: str) -> Entry:
    return tuple((ending, replace(slot, pairs=True)) for ending, slot in linear(role))


_LAYER: Mapping[str, Entry] = {
    "attn_norm": norm("attn_norm"),
    "attn_qkv": linear("q", "k", "v", fusion="concat"),
    "attn_q": linear("q"),
    "attn_k": linear("k"),
    "attn_v": linear("v"),
    "attn_q_norm": norm("q_norm"),
    "attn_k_norm": norm("k_norm"),
    "attn_sinks": _vector("sinks"),
    "attn_output": linear("o"),
    "attn_output_norm": norm("attn_post_norm"),
    "post_attention_norm": norm("attn_post_norm"),
    "ffn_norm": norm("mlp_norm"),
    "ffn_gate_inp": linear("router"),
    "exp_probs_b": _vector("router_correction", ".bias"),
    "ffn_gate_inp_shexp": linear("shared_router"),
    "ffn_gate_shexp": linear("shared_gate"),
    "ffn_up_shexp": linear("shared_up"),
    "ffn_down_shexp": linear("shared_down"),
    "ffn_gate_up_exps": _stack("gate", "up", fusion="halves"),
    "ffn_gate_exps": _stack("gate"),
    "ffn_up_exps": _stack("up"),
    "ffn_down_exps": _stack("down"),
    # One tensor per expert, as converters wrote them until March 2024.
    "ffn_gate.#": linear("gate"),
    "ffn_up.#": linear("up"),
    "ffn_down.#": linear("down"),
    "ffn_gate": linear("gate"),
    "ffn_up": linear("up"),
    "ffn_down": linear("down"),
    "post_ffw_norm": norm("mlp_post_norm"),
    "layer_output_norm": norm("mlp_post_norm"),
    "attn_q_a": linear("q_a"),
    "attn_q_a_norm": norm("q_a_norm"),
    "attn_q_b": linear("q_b"),
    "attn_kv_a_mqa": linear("kv_a"),
    "attn_kv_a_norm": norm("kv_a_norm"),
    "attn_kv_b": linear("kv_b"),
}
_OUTER: Mapping[str, Entry] = {
    "token_embd": table("token_embedding"),
    "position_embd": table("position_embedding"),
    "token_types": table("type_embedding"),
    "token_embd_norm": norm("embedding_norm"),
    "output_norm": norm("final_norm"),
    "output": linear("unembedding"),
    "cls": linear("classifier"),
}
_PAIRS = {"attn_q": _paired("q"), "attn_k": _paired("k")}
_THIRDS = {"attn_qkv": linear("q", "k", "v", fusion="thirds")}
_GATE_UP = {"ffn_up": linear("gate", "up", fusion="halves")}
_NORM_BEFORE_MLP = {"post_attention_norm": norm("mlp_norm")}
_ROUTER = ("blk.#.ffn_gate_inp.weight",)


def _family(
    name: str,
    *architectures: str,
    layer: Mapping[str, Entry] | None = None,
    needs: tuple[str, ...] = (),
    norm_shift: float = 0.0,
) -> Family:
    """The table of some architectures: all names, with those that mean something else."""
    modules, outer = {**_LAYER, **(layer or {})}, dict(_OUTER)
    if norm_shift:
        modules = {module: _shifted(entry, norm_shift) for module, entry in modules.items()}
        outer = {module: _shifted(entry, norm_shift) for module, entry in outer.items()}
    return Family(
        name,
        block="blk.#",
        layer=modules,
        outer=outer,
        model_types=(),
        needs=needs,
        architectures=architectures,
        full_rotary=False,
    )


def _shifted(entry: Entry, shift: float) -> Entry:
    """The entry of a norm with its gain moved; any other as it is."""
    return tuple(
        (ending, replace(slot, shift=shift))
        if ending == ".weight" and slot.form == "vector" and slot.roles[0].endswith("norm")
        else (ending, slot)
        for ending, slot in entry
    )


FAMILIES = (
    # For architectures that no table names: parts as the file stores them.
    _family("gguf"),
    _family(
        "llama", "llama", "llama-embed", "llada", "deci", "granite", "smollm3", "arcee", "minicpm",
        "internlm2", "xverse", "baichuan", "chameleon",
        layer=_PAIRS,
    ),
    _family("mistral", "mistral3", layer=_PAIRS),
    _family(
        "mixtral", "llama", "mistral3", "granitemoe", "arctic", layer=_PAIRS, needs=_ROUTER
    ),
    _family("mixtral", "phimoe"),
    _family("llama", "llama4", "exaone", "seed_oss", "ernie4_5", "hunyuan-dense"),
    _family("llama", "nemotron", norm_shift=-1.0),
    _family("qwen2", "qwen2", "qwen2vl", "dream"),
    _family("qwen3", "qwen3", "qwen3vl"),
    _family("qwen2_moe", "qwen2moe"),
    _family("qwen3_moe", "qwen3moe", "qwen3vlmoe", "olmoe"),
    _family(
        "qwen3_moe", "qwen3next", "qwen35moe", layer=_NORM_BEFORE_MLP, norm_shift=-1.0
    ),
    _family("qwen3", "qwen35", layer=_NORM_BEFORE_MLP, norm_shift=-1.0),
    _family("olmo", "olmo", layer=_PAIRS),
    _family("olmo2", "olmo2", "exaone4"),
    _family("gemma", "gemma", norm_shift=-1.0),
    _family("gemma2", "gemma2", norm_shift=-1.0),
    _family("gemma3", "gemma3", "gemma-embedding", norm_shift=-1.0),
    _family("phi", "phi2"),
    _family("phi3", "phi3", layer=_GATE_UP),
    _family("chatglm", "chatglm", "glm4", layer=_GATE_UP),
    _family("stablelm", "stablelm"),
    _family("cohere", "command-r", "cohere2"),
    _family("starcoder2", "starcoder2"),
    _family("gpt2", "gpt2", "jais", layer=_THIRDS),
    _family("gpt_bigcode", "starcoder"),
    _family("gptj", "gptj"),
    _family("gpt_neox", "gptneox", layer=_THIRDS),
    _family("bloom", "bloom", layer=_THIRDS),
    _family("mpt", "mpt"),
    _family("falcon", "falcon"),
    _family(
        "falcon", "falcon",
        # The converter calls the norm before the MLP of Falcon-40B attn_norm.
        layer={"attn_norm": norm("mlp_norm"), "attn_norm_2": norm("attn_norm")},
        needs=("blk.#.attn_norm_2.weight",),
    ),
    _family("gpt_oss", "gpt-oss", layer=_NORM_BEFORE_MLP),
    _family("deepseek", "deepseek2"),
    _family("deepseek", "deepseek", "bailingmoe", layer=_PAIRS),
    _family("bert", "bert", "nomic-bert", "jina-bert-v2"),
)  # fmt: skip
