"""Tiny random models of every family, made with transformers, and what is true of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from napari_gpt2_tomo.anatomy import Anatomy, Part, View, recognise

HEADS = ("n_heads", "n_kv_heads", "d_head")


@dataclass(frozen=True)
class Spec:
    """A tiny model: how to make it, its sizes, and where its layers compute what.

    Attributes
    ----------
    model_type, options
        Passed to ``AutoConfig.for_model``.
    sizes
        Hyper-parameters that a config must lead to.
    blind
        Sizes that names and shapes alone cannot tell.
    layer
        Path of a block in the model, ``{}`` for its index.
    q, k, v
        Paths of projections in the block, or None where they are fused.
    fused
        For fused projections: where the model has split them (see `numbers.py`).
    o
        Path of the output projection.
    mlp
        Paths of the module that takes the MLP's input and of that which gives its output.
    act
        Path of the activation in the block.
    router, shared
        Paths of router and shared expert, for mixtures.
    known_as
        Names of the families that names alone may lead to.
    head
        Which auto class makes the model.
    latent
        Whether attention is multi-head latent.
    names_suffice
        Whether names alone tell all parts (heads may still be unknown).
    """

    model_type: str
    options: Mapping[str, Any]
    sizes: Mapping[str, int]
    layer: str
    o: str
    mlp: tuple[str, str]
    act: str = "mlp.act_fn"
    q: str | None = "self_attn.q_proj"
    k: str | None = "self_attn.k_proj"
    v: str | None = "self_attn.v_proj"
    fused: str | None = None
    router: str | None = None
    shared: str | None = None
    blind: tuple[str, ...] = (*HEADS, "context")
    known_as: tuple[str, ...] = ()
    head: str = "AutoModelForCausalLM"
    latent: bool = False
    names_suffice: bool = True


def _sizes(**changes: int) -> dict[str, int]:
    base = {
        "d_model": 24,
        "n_layers": 2,
        "n_heads": 4,
        "n_kv_heads": 2,
        "d_head": 8,
        "d_mlp": 40,
        "vocab": 61,
        "context": 32,
    }
    return {name: n for name, n in (base | changes).items() if n}


_GPT = {"n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 32, "vocab_size": 61}
_LLAMA = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 32,
    "vocab_size": 61,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_MHA = {"n_kv_heads": 4, "d_head": 6}
_WIDE = _LLAMA | {"head_dim": 8}
_EXPERTS = {"moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2}
_FALCON = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 61,
    "max_position_embeddings": 32,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_BERT = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 32,
    "vocab_size": 61,
}


def _llama(model_type: str, *, wide: bool = True, **changes: Any) -> Spec:
    options = (_WIDE if wide else _LLAMA) | changes.pop("options", {})
    sizes = _sizes(**({} if wide else {"d_head": 6}) | changes.pop("sizes", {}))
    settings = {
        "layer": "model.layers.{}",
        "o": "self_attn.o_proj",
        "mlp": ("mlp", "mlp"),
        "known_as": ("llama",),
    }
    return Spec(model_type, options, sizes, **(settings | changes))


def _gpt(model_type: str, **changes: Any) -> Spec:
    options = _GPT | changes.pop("options", {})
    sizes = _sizes(**_MHA, d_mlp=96) | changes.pop("sizes", {})
    settings = {
        "layer": "transformer.h.{}",
        "o": "attn.c_proj",
        "mlp": ("mlp.c_fc", "mlp.c_proj"),
        "act": "mlp.act",
        "q": None,
        "fused": "interface",
        "blind": HEADS,
        "known_as": (model_type,),
    }
    return Spec(model_type, options, sizes, **(settings | changes))


def _falcon(sizes: Mapping[str, int], **options: Any) -> Spec:
    return Spec(
        "falcon",
        _FALCON | options,
        _sizes(d_mlp=96, d_head=6) | sizes,
        layer="transformer.h.{}",
        o="self_attention.dense",
        mlp=("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
        act="mlp.act",
        q=None,
        fused="_split_heads",
        known_as=("falcon",),
        names_suffice=False,
    )


SPECS: dict[str, Spec] = {
    "gpt2": _gpt("gpt2"),
    "openai-gpt": _gpt("openai-gpt", fused="_attn"),
    "gpt_bigcode": _gpt(
        "gpt_bigcode",
        options={"multi_query": True},
        sizes={"n_kv_heads": 1},
        known_as=("gpt2",),
        names_suffice=False,
    ),
    "gpt_bigcode-mha": _gpt(
        "gpt_bigcode",
        options={"multi_query": False},
        known_as=("gpt2",),
        names_suffice=False,
    ),
    "gpt_neo": Spec(
        "gpt_neo",
        {
            "hidden_size": 24,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "max_position_embeddings": 32,
            "vocab_size": 61,
        },
        _sizes(**_MHA, d_mlp=96),
        layer="transformer.h.{}",
        q="attn.attention.q_proj",
        k="attn.attention.k_proj",
        v="attn.attention.v_proj",
        o="attn.attention.out_proj",
        mlp=("mlp.c_fc", "mlp.c_proj"),
        act="mlp.act",
        blind=HEADS,
        known_as=("gpt_neo",),
    ),
    "gptj": Spec(
        "gptj",
        _GPT | {"rotary_dim": 4},
        _sizes(**_MHA, d_mlp=96),
        layer="transformer.h.{}",
        q="attn.q_proj",
        k="attn.k_proj",
        v="attn.v_proj",
        o="attn.out_proj",
        mlp=("mlp.fc_in", "mlp.fc_out"),
        act="mlp.act",
        known_as=("gptj",),
    ),
    "gpt_neox": Spec(
        "gpt_neox",
        _LLAMA,
        _sizes(**_MHA),
        layer="gpt_neox.layers.{}",
        q=None,
        fused="interface",
        o="attention.dense",
        mlp=("mlp", "mlp"),
        act="mlp.act",
        known_as=("gpt_neox",),
        names_suffice=False,
    ),
    "bloom": Spec(
        "bloom",
        {"hidden_size": 24, "n_layer": 2, "n_head": 4, "vocab_size": 61},
        _sizes(**_MHA, d_mlp=96, context=0),
        layer="transformer.h.{}",
        q=None,
        fused="_reshape",
        o="self_attention.dense",
        mlp=("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
        act="mlp.gelu_impl",
        known_as=("bloom",),
        names_suffice=False,
    ),
    "falcon-7b": _falcon(
        {"n_kv_heads": 1}, multi_query=True, parallel_attn=True, bias=False, alibi=False
    ),
    "falcon-40b": _falcon({}, num_kv_heads=2, new_decoder_architecture=True, bias=False),
    "falcon-rw": _falcon(
        {"n_kv_heads": 4}, multi_query=False, parallel_attn=False, alibi=True, bias=True
    ),
    "opt": Spec(
        "opt",
        _BERT | {"ffn_dim": 40, "word_embed_proj_dim": 16, "pad_token_id": 1, "bos_token_id": 2},
        _sizes(**_MHA),
        layer="model.decoder.layers.{}",
        o="self_attn.out_proj",
        mlp=("fc1", "fc2"),
        act="activation_fn",
        blind=HEADS,
        known_as=("opt",),
    ),
    "opt-350m": Spec(
        "opt",
        _BERT | {"ffn_dim": 40, "do_layer_norm_before": False, "pad_token_id": 1},
        _sizes(**_MHA),
        layer="model.decoder.layers.{}",
        o="self_attn.out_proj",
        mlp=("fc1", "fc2"),
        act="activation_fn",
        blind=HEADS,
        known_as=("opt",),
        names_suffice=False,
    ),
    "llama": _llama("llama", options={"attention_bias": True, "mlp_bias": True}),
    "mistral": _llama("mistral"),
    "qwen2": _llama("qwen2", wide=False, known_as=("qwen2",)),
    "qwen3": _llama("qwen3", blind=("context",), known_as=("qwen3",)),
    "olmo": _llama("olmo", wide=False),
    "olmo2": _llama("olmo2", wide=False, known_as=("olmo2",)),
    "gemma": _llama("gemma"),
    "gemma2": _llama("gemma2", known_as=("gemma2",)),
    "gemma3": _llama("gemma3_text", blind=("context",), known_as=("gemma3",)),
    "phi": _llama(
        "phi",
        wide=False,
        # An even number of dimensions turns.
        options={"partial_rotary_factor": 0.34},
        o="self_attn.dense",
        mlp=("mlp.fc1", "mlp.fc2"),
        act="mlp.activation_fn",
        known_as=("phi",),
    ),
    "phi3": _llama(
        "phi3",
        wide=False,
        q=None,
        fused="interface",
        act="mlp.activation_fn",
        known_as=("phi3",),
    ),
    "stablelm": _llama("stablelm", wide=False, options={"use_qkv_bias": True}, known_as=("qwen2",)),
    "cohere": _llama(
        "cohere",
        wide=False,
        options={"use_qk_norm": True},
        blind=("context",),
        known_as=("qwen3",),
    ),
    "starcoder2": _llama(
        "starcoder2",
        wide=False,
        mlp=("mlp.c_fc", "mlp.c_proj"),
        act="mlp.act",
        known_as=("starcoder2",),
    ),
    "mixtral": _llama(
        "mixtral",
        options={"num_local_experts": 4},
        sizes={"n_experts": 4},
        router="mlp.gate",
        act="mlp.experts.act_fn",
        known_as=("mixtral", "qwen2_moe"),
    ),
    "qwen2_moe": _llama(
        "qwen2_moe",
        wide=False,
        options=_EXPERTS | {"shared_expert_intermediate_size": 20},
        sizes={"n_experts": 4, "d_mlp": 16},
        router="mlp.gate",
        shared="mlp.shared_expert",
        act="mlp.experts.act_fn",
        known_as=("qwen2_moe",),
    ),
    "qwen3_moe": _llama(
        "qwen3_moe",
        options=_EXPERTS,
        sizes={"n_experts": 4, "d_mlp": 16},
        router="mlp.gate",
        act="mlp.experts.act_fn",
        blind=("context",),
        known_as=("qwen3_moe",),
    ),
    "gpt_oss": _llama(
        "gpt_oss",
        options={"num_local_experts": 4, "num_experts_per_tok": 2},
        sizes={"n_experts": 4},
        router="mlp.router",
        blind=("context",),
        known_as=("gpt_oss",),
    ),
    "deepseek": _llama(
        "deepseek_v3",
        wide=False,
        options={
            "num_key_value_heads": 4,
            "q_lora_rank": 12,
            "kv_lora_rank": 10,
            "qk_rope_head_dim": 4,
            "qk_nope_head_dim": 6,
            "v_head_dim": 5,
            "n_routed_experts": 4,
            "moe_intermediate_size": 16,
            "first_k_dense_replace": 1,
            "n_group": 1,
            "topk_group": 1,
            "num_experts_per_tok": 2,
        },
        sizes={"n_experts": 4, "d_mlp": 16, "n_kv_heads": 4, "d_head": 0},
        q=None,
        latent=True,
        router="mlp.gate",
        shared="mlp.shared_experts",
        act="mlp.experts.act_fn",
        known_as=("deepseek",),
    ),
    "bert": Spec(
        "bert",
        _BERT,
        _sizes(**_MHA),
        layer="bert.encoder.layer.{}",
        q="attention.self.query",
        k="attention.self.key",
        v="attention.self.value",
        o="attention.output.dense",
        mlp=("intermediate.dense", "output.dense"),
        act="intermediate.intermediate_act_fn",
        blind=HEADS,
        known_as=("bert",),
        head="AutoModelForMaskedLM",
    ),
    "roberta": Spec(
        "roberta",
        _BERT | {"pad_token_id": 1},
        _sizes(**_MHA),
        layer="roberta.encoder.layer.{}",
        q="attention.self.query",
        k="attention.self.key",
        v="attention.self.value",
        o="attention.output.dense",
        mlp=("intermediate.dense", "output.dense"),
        act="intermediate.intermediate_act_fn",
        blind=HEADS,
        known_as=("roberta",),
        head="AutoModelForMaskedLM",
    ),
    "distilbert": Spec(
        "distilbert",
        {
            "dim": 24,
            "n_layers": 2,
            "n_heads": 4,
            "hidden_dim": 40,
            "max_position_embeddings": 32,
            "vocab_size": 61,
        },
        _sizes(**_MHA),
        layer="distilbert.transformer.layer.{}",
        q="attention.q_lin",
        k="attention.k_lin",
        v="attention.v_lin",
        o="attention.out_lin",
        mlp=("ffn.lin1", "ffn.lin2"),
        act="ffn.activation",
        blind=HEADS,
        known_as=("distilbert",),
        head="AutoModelForMaskedLM",
    ),
}


@dataclass(frozen=True)
class Made:
    """A model, and its tensors as saved and as held in memory."""

    name: str
    spec: Spec
    model: Any
    config: dict[str, Any]
    saved: dict[str, np.ndarray]
    memory: dict[str, np.ndarray] = field(default_factory=dict)

    def tensors(self, source: str) -> dict[str, np.ndarray]:
        return self.saved if source == "saved" else self.memory

    def anatomy(self, source: str = "saved", *, config: bool = True, **options: Any) -> Anatomy:
        shapes = {name: values.shape for name, values in self.tensors(source).items()}
        return recognise(shapes, self.config if config else None, **options)


def make(name: str, folder: Path) -> Made:
    """Make a model with random parameters (biases and norms too) and save it to `folder`."""
    import torch
    import transformers
    from safetensors.numpy import load_file

    spec = SPECS[name]
    torch.manual_seed(len(name))
    config = transformers.AutoConfig.for_model(spec.model_type, **spec.options)
    config._attn_implementation = "eager"
    model = getattr(transformers, spec.head).from_config(config).eval().float()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    model.save_pretrained(folder)
    memory = {key: value.numpy() for key, value in model.state_dict().items()}
    import json

    settings = json.loads((folder / "config.json").read_text())
    return Made(name, spec, model, settings, load_file(folder / "model.safetensors"), memory)


def maker(folder: Path) -> Callable[[str], Made]:
    """A function that makes each model once."""

    @cache
    def made(name: str) -> Made:
        return make(name, folder / name)

    return made


def read(view: View, values: np.ndarray) -> np.ndarray:
    """The values of a view of a stored tensor."""
    flat = np.ascontiguousarray(values).reshape(-1)
    out = np.empty(view.shape, flat.dtype)
    for target, split, region in view.pieces([(0, n) for n in view.shape]):
        strides = tuple(s * flat.itemsize for s in region.strides)
        box = np.lib.stride_tricks.as_strided(flat[region.offset :], region.shape, strides)
        out[target] = box.reshape(split).reshape(out[target].shape)
    return out


def value(part: Part, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """The values of a part, (channel, unit) for a matrix."""
    return read(part.view, tensors[part.tensor])


def assert_partition(anatomy: Anatomy, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Every element of every tensor that is no buffer lies in exactly one part."""
    assert len({part.name for part in anatomy.parts}) == len(anatomy.parts)
    assert not set(anatomy.buffers) & set(anatomy.by_tensor)
    assert set(anatomy.buffers) | set(anatomy.by_tensor) == set(shapes)
    for name, parts in anatomy.by_tensor.items():
        size = int(np.prod(shapes[name], dtype=np.int64))
        count = np.zeros(size, np.int64)
        places = np.arange(size)
        for part in parts:
            if part.size:
                np.add.at(count, read(part.view, places).reshape(-1), 1)
        assert (count == 1).all(), name
