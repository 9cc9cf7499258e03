"""Random transformers: names and shapes as families store them, whole, in part and with strangers.

Sizes are small and odd on purpose: heads that do not divide the stream, matrices narrower and
wider than it, single rows and columns.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

Shapes = dict[str, tuple[int, ...]]


@dataclass
class Architecture:
    """Shapes in file order, and the config beside them, if any."""

    shapes: Shapes
    config: dict[str, Any] | None = None
    given: dict[str, int] = field(default_factory=dict)


@dataclass
class Sizes:
    d: int
    layers: int
    heads: int
    kv: int
    d_head: int
    mlp: int
    vocab: int
    context: int
    experts: int
    expert_mlp: int
    bias: bool

    @property
    def config(self) -> dict[str, Any]:
        return {
            "hidden_size": self.d,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv,
            "head_dim": self.d_head,
        }


def _linear(shapes: Shapes, name: str, out: int, into: int, bias: bool) -> None:
    shapes[f"{name}.weight"] = (out, into)
    if bias:
        shapes[f"{name}.bias"] = (out,)


def gpt2(s: Sizes) -> Architecture:
    shapes: Shapes = {"wte.weight": (s.vocab, s.d), "wpe.weight": (s.context, s.d)}
    heads = next(h for h in (4, 3, 2, 1) if s.d % h == 0)
    for i in range(s.layers):
        at = f"h.{i}"
        shapes |= {
            f"{at}.ln_1.weight": (s.d,),
            f"{at}.ln_1.bias": (s.d,),
            f"{at}.attn.bias": (1, 1, s.context, s.context),
            f"{at}.attn.c_attn.weight": (s.d, 3 * s.d),
            f"{at}.attn.c_attn.bias": (3 * s.d,),
            f"{at}.attn.c_proj.weight": (s.d, s.d),
            f"{at}.attn.c_proj.bias": (s.d,),
            f"{at}.ln_2.weight": (s.d,),
            f"{at}.ln_2.bias": (s.d,),
            f"{at}.mlp.c_fc.weight": (s.d, s.mlp),
            f"{at}.mlp.c_fc.bias": (s.mlp,),
            f"{at}.mlp.c_proj.weight": (s.mlp, s.d),
            f"{at}.mlp.c_proj.bias": (s.d,),
        }
    shapes |= {"ln_f.weight": (s.d,), "ln_f.bias": (s.d,)}
    return Architecture(shapes, {"model_type": "gpt2", "n_embd": s.d, "n_head": heads})


def _llama_attention(shapes: Shapes, at: str, s: Sizes, norms: bool = True) -> None:
    if norms:
        shapes[f"{at}.input_layernorm.weight"] = (s.d,)
    _linear(shapes, f"{at}.self_attn.q_proj", s.heads * s.d_head, s.d, s.bias)
    _linear(shapes, f"{at}.self_attn.k_proj", s.kv * s.d_head, s.d, s.bias)
    _linear(shapes, f"{at}.self_attn.v_proj", s.kv * s.d_head, s.d, s.bias)
    _linear(shapes, f"{at}.self_attn.o_proj", s.d, s.heads * s.d_head, s.bias)
    if norms:
        shapes[f"{at}.post_attention_layernorm.weight"] = (s.d,)


def _gated(shapes: Shapes, at: str, d: int, mlp: int) -> None:
    _linear(shapes, f"{at}.gate_proj", mlp, d, False)
    _linear(shapes, f"{at}.up_proj", mlp, d, False)
    _linear(shapes, f"{at}.down_proj", d, mlp, False)


def _outer(shapes: Shapes, s: Sizes) -> Shapes:
    return {
        "model.embed_tokens.weight": (s.vocab, s.d),
        **shapes,
        "model.norm.weight": (s.d,),
        "lm_head.weight": (s.vocab, s.d),
    }


def llama(s: Sizes) -> Architecture:
    shapes: Shapes = {}
    for i in range(s.layers):
        at = f"model.layers.{i}"
        _llama_attention(shapes, at, s)
        _gated(shapes, f"{at}.mlp", s.d, s.mlp)
    return Architecture(_outer(shapes, s), s.config | {"model_type": "llama"})


def qwen3(s: Sizes) -> Architecture:
    found = llama(s)
    for i in range(s.layers):
        at = f"model.layers.{i}.self_attn"
        found.shapes |= {f"{at}.q_norm.weight": (s.d_head,), f"{at}.k_norm.weight": (s.d_head,)}
    return Architecture(found.shapes, s.config | {"model_type": "qwen3"})


def gemma2(s: Sizes) -> Architecture:
    found = llama(s)
    for i in range(s.layers):
        at = f"model.layers.{i}"
        found.shapes[f"{at}.pre_feedforward_layernorm.weight"] = (s.d,)
        found.shapes[f"{at}.post_feedforward_layernorm.weight"] = (s.d,)
    return Architecture(found.shapes, s.config | {"model_type": "gemma2"})


def neox(s: Sizes) -> Architecture:
    """Fused per head: (head, 3, d_head)."""
    d = s.heads * s.d_head
    shapes: Shapes = {"gpt_neox.embed_in.weight": (s.vocab, d)}
    for i in range(s.layers):
        at = f"gpt_neox.layers.{i}"
        shapes[f"{at}.input_layernorm.weight"] = (d,)
        _linear(shapes, f"{at}.attention.query_key_value", 3 * d, d, s.bias)
        _linear(shapes, f"{at}.attention.dense", d, d, s.bias)
        _linear(shapes, f"{at}.mlp.dense_h_to_4h", s.mlp, d, s.bias)
        _linear(shapes, f"{at}.mlp.dense_4h_to_h", d, s.mlp, s.bias)
    shapes["gpt_neox.final_layer_norm.weight"] = (d,)
    shapes["embed_out.weight"] = (s.vocab, d)
    return Architecture(
        shapes, {"model_type": "gpt_neox", "hidden_size": d, "num_attention_heads": s.heads}
    )


def falcon(s: Sizes) -> Architecture:
    """Grouped: (kv head, queries per kv head + 2, d_head)."""
    d = s.heads * s.d_head
    shapes: Shapes = {"transformer.word_embeddings.weight": (s.vocab, d)}
    for i in range(s.layers):
        at = f"transformer.h.{i}"
        units = (s.heads + 2 * s.kv) * s.d_head
        _linear(shapes, f"{at}.self_attention.query_key_value", units, d, s.bias)
        _linear(shapes, f"{at}.self_attention.dense", d, d, s.bias)
        _linear(shapes, f"{at}.mlp.dense_h_to_4h", s.mlp, d, s.bias)
        _linear(shapes, f"{at}.mlp.dense_4h_to_h", d, s.mlp, s.bias)
        shapes[f"{at}.ln_attn.weight"] = (d,)
    config = {
        "model_type": "falcon",
        "hidden_size": d,
        "num_attention_heads": s.heads,
        "num_kv_heads": s.kv,
        "new_decoder_architecture": True,
    }
    return Architecture(shapes, config)


def phi3(s: Sizes) -> Architecture:
    """[Q | K | V] and [gate | up]."""
    shapes: Shapes = {}
    for i in range(s.layers):
        at = f"model.layers.{i}"
        shapes[f"{at}.input_layernorm.weight"] = (s.d,)
        _linear(shapes, f"{at}.self_attn.qkv_proj", (s.heads + 2 * s.kv) * s.d_head, s.d, False)
        _linear(shapes, f"{at}.self_attn.o_proj", s.d, s.heads * s.d_head, False)
        _linear(shapes, f"{at}.mlp.gate_up_proj", 2 * s.mlp, s.d, False)
        _linear(shapes, f"{at}.mlp.down_proj", s.d, s.mlp, False)
    return Architecture(_outer(shapes, s), s.config | {"model_type": "phi3"})


def mixtral(s: Sizes) -> Architecture:
    """One tensor per expert and matrix; small experts share sections."""
    shapes: Shapes = {}
    for i in range(s.layers):
        at = f"model.layers.{i}"
        _llama_attention(shapes, at, s)
        _linear(shapes, f"{at}.block_sparse_moe.gate", s.experts, s.d, False)
        for e in range(s.experts):
            inner = f"{at}.block_sparse_moe.experts.{e}"
            _linear(shapes, f"{inner}.w1", s.expert_mlp, s.d, False)
            _linear(shapes, f"{inner}.w2", s.d, s.expert_mlp, False)
            _linear(shapes, f"{inner}.w3", s.expert_mlp, s.d, False)
    return Architecture(_outer(shapes, s), s.config | {"model_type": "mixtral"})


def gpt_oss(s: Sizes) -> Architecture:
    """All experts in one tensor [expert, in, out], gate and up interleaved, with biases."""
    shapes: Shapes = {}
    for i in range(s.layers):
        at = f"model.layers.{i}"
        _llama_attention(shapes, at, s)
        shapes[f"{at}.self_attn.sinks"] = (s.heads,)
        _linear(shapes, f"{at}.mlp.router", s.experts, s.d, True)
        shapes |= {
            f"{at}.mlp.experts.gate_up_proj": (s.experts, s.d, 2 * s.expert_mlp),
            f"{at}.mlp.experts.gate_up_proj_bias": (s.experts, 2 * s.expert_mlp),
            f"{at}.mlp.experts.down_proj": (s.experts, s.expert_mlp, s.d),
            f"{at}.mlp.experts.down_proj_bias": (s.experts, s.d),
        }
    return Architecture(_outer(shapes, s), s.config | {"model_type": "gpt_oss"})


def deepseek(s: Sizes) -> Architecture:
    """Latent attention: matrices that neither read nor write the stream."""
    shapes: Shapes = {}
    for i in range(s.layers):
        at = f"model.layers.{i}"
        rank = max(1, s.d // 2)
        shapes[f"{at}.input_layernorm.weight"] = (s.d,)
        _linear(shapes, f"{at}.self_attn.q_a_proj", rank, s.d, False)
        shapes[f"{at}.self_attn.q_a_layernorm.weight"] = (rank,)
        _linear(shapes, f"{at}.self_attn.q_b_proj", s.heads * s.d_head, rank, False)
        _linear(shapes, f"{at}.self_attn.kv_a_proj_with_mqa", rank + 1, s.d, False)
        shapes[f"{at}.self_attn.kv_a_layernorm.weight"] = (rank,)
        _linear(shapes, f"{at}.self_attn.kv_b_proj", 2 * s.heads * s.d_head, rank, False)
        _linear(shapes, f"{at}.self_attn.o_proj", s.d, s.heads * s.d_head, False)
        _linear(shapes, f"{at}.mlp.gate", s.experts, s.d, False)
        shapes[f"{at}.mlp.gate.e_score_correction_bias"] = (s.experts,)
        for e in range(s.experts):
            _gated(shapes, f"{at}.mlp.experts.{e}", s.d, s.expert_mlp)
        _gated(shapes, f"{at}.mlp.shared_experts", s.d, s.expert_mlp)
    return Architecture(_outer(shapes, s), {"model_type": "deepseek_v3", "hidden_size": s.d})


def bert(s: Sizes) -> Architecture:
    shapes: Shapes = {
        "bert.embeddings.word_embeddings.weight": (s.vocab, s.d),
        "bert.embeddings.position_embeddings.weight": (s.context, s.d),
        "bert.embeddings.token_type_embeddings.weight": (2, s.d),
        "bert.embeddings.LayerNorm.weight": (s.d,),
        "bert.embeddings.LayerNorm.bias": (s.d,),
    }
    for i in range(s.layers):
        at = f"bert.encoder.layer.{i}"
        for name in ("query", "key", "value"):
            _linear(shapes, f"{at}.attention.self.{name}", s.d, s.d, True)
        _linear(shapes, f"{at}.attention.output.dense", s.d, s.d, True)
        shapes[f"{at}.attention.output.LayerNorm.weight"] = (s.d,)
        _linear(shapes, f"{at}.intermediate.dense", s.mlp, s.d, True)
        _linear(shapes, f"{at}.output.dense", s.d, s.mlp, True)
        shapes[f"{at}.output.LayerNorm.weight"] = (s.d,)
    shapes["cls.predictions.bias"] = (s.vocab,)
    _linear(shapes, "cls.predictions.transform.dense", s.d, s.d, True)
    return Architecture(shapes, {"model_type": "bert", "hidden_size": s.d})


FAMILIES: tuple[Callable[[Sizes], Architecture], ...] = (
    gpt2, llama, qwen3, gemma2, neox, falcon, phi3, mixtral, gpt_oss, deepseek, bert,
)  # fmt: skip


@st.composite
def sizes(draw: Any, largest: int = 13) -> Sizes:
    heads = draw(st.sampled_from([1, 2, 3, 4]))
    d = draw(st.integers(1, largest))
    return Sizes(
        d=d,
        layers=draw(st.integers(1, 2)),
        heads=heads,
        kv=draw(st.sampled_from([n for n in (1, 2, 4) if heads % n == 0])),
        d_head=draw(st.integers(1, 5)),
        mlp=draw(st.integers(1, 3 * d)),
        vocab=draw(st.integers(1, 3 * d + 2)),
        context=draw(st.integers(2, 6)),
        experts=draw(st.integers(1, 5)),
        expert_mlp=draw(st.integers(1, d + 2)),
        bias=draw(st.booleans()),
    )


@st.composite
def architectures(draw: Any, *, largest: int = 13) -> Architecture:
    """A transformer, perhaps without some of its tensors, perhaps with strangers among them."""
    s = draw(sizes(largest))
    found = draw(st.sampled_from(FAMILIES))(s)
    names = list(found.shapes)
    if draw(st.booleans()) and len(names) > 1:
        for name in draw(st.sets(st.sampled_from(names), max_size=len(names) // 2)):
            del found.shapes[name]
    if draw(st.booleans()):
        small = st.integers(0, 4)
        strangers = draw(
            st.dictionaries(
                st.sampled_from(["clip.conv.weight", "a.b", "temperature", "extra.7.w", "table"]),
                st.one_of(
                    st.tuples(small, small, small, small),
                    st.just(()),
                    st.tuples(st.integers(0, 40)),
                    st.tuples(st.integers(0, 30), st.integers(0, 30)),
                    st.tuples(small, small, st.integers(0, 9)),
                ),
                max_size=4,
            )
        )
        found.shapes |= strangers
    if draw(st.booleans()):
        found.config = None
    if draw(st.booleans()):
        found.shapes = dict(draw(st.permutations(list(found.shapes.items()))))
    return found
