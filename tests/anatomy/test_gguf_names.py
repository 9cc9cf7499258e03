"""An independent oracle for the roles: the tensor name map of the gguf package."""

import gguf
import pytest

from anatomy.models import SPECS

ARCHITECTURES = {
    "gpt2": "gpt2",
    "gptj": "gptj",
    "gpt_neox": "gptneox",
    "bloom": "bloom",
    "falcon-7b": "falcon",
    "falcon-40b": "falcon",
    "llama": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "qwen2_moe": "qwen2moe",
    "qwen3_moe": "qwen3moe",
    "olmo": "olmo",
    "olmo2": "olmo2",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3": "gemma3",
    "phi": "phi2",
    "phi3": "phi3",
    "stablelm": "stablelm",
    "cohere": "command-r",
    "starcoder2": "starcoder2",
    "gpt_oss": "gpt-oss",
    "bert": "bert",
    "distilbert": "bert",
}

# Our roles to the name in gguf; several where architectures differ.
ROLES = {
    "token_embedding": {"token_embd"},
    "position_embedding": {"position_embd"},
    "type_embedding": {"token_types"},
    "embedding_norm": {"token_embd_norm"},
    "attn_norm": {"attn_norm"},
    "q": {"attn_q", "attn_qkv"},
    "k": {"attn_k", "attn_qkv"},
    "v": {"attn_v", "attn_qkv"},
    "q_norm": {"attn_q_norm"},
    "k_norm": {"attn_k_norm"},
    "sinks": {"attn_sinks"},
    "o": {"attn_output"},
    "attn_post_norm": {"post_attention_norm", "attn_output_norm"},
    # gguf calls the norm before the MLP of gpt-oss after its place.
    "mlp_norm": {"ffn_norm", "post_attention_norm"},
    "router": {"ffn_gate_inp"},
    "shared_router": {"ffn_gate_inp_shexp"},
    "shared_gate": {"ffn_gate_shexp"},
    "shared_up": {"ffn_up_shexp"},
    "shared_down": {"ffn_down_shexp"},
    "gate": {"ffn_gate", "ffn_gate_exps", "ffn_gate_up_exps", "ffn_up"},
    "up": {"ffn_up", "ffn_up_exps", "ffn_gate_up_exps"},
    "down": {"ffn_down", "ffn_down_exps"},
    "mlp_post_norm": {"post_ffw_norm", "layer_output_norm"},
    "final_norm": {"output_norm"},
    "unembedding": {"output"},
}


def test_the_names_of_gguf_cover_only_known_models():
    assert set(ARCHITECTURES) <= set(SPECS)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_roles_agree_with_gguf(made, name):
    architectures = {label: arch for arch, label in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(architectures[ARCHITECTURES[name]], 2)
    checked = set()
    for part in made(name).anatomy().parts:
        # gguf's converter removes these before it looks a name up.
        tensor = part.tensor.removeprefix("bert.").removeprefix("distilbert.")
        found = names.get_name(tensor, try_suffixes=(".weight", ".bias"))
        if found is None:
            continue
        role = part.role if part.role in ROLES else part.role.removesuffix("_bias")
        assert role in ROLES, part
        block, _, leaf = found.removesuffix(".weight").removesuffix(".bias").rpartition(".")
        if name == "falcon-40b" and role in ("attn_norm", "mlp_norm"):
            # gguf numbers Falcon's two parallel norms the other way round than it names them.
            assert leaf == {"attn_norm": "attn_norm_2", "mlp_norm": "attn_norm"}[role]
        else:
            assert leaf in ROLES[role], (part.name, part.tensor, found)
        assert block == ("" if part.layer is None else f"blk.{part.layer}")
        checked.add(role)
    assert {"token_embedding", "q", "k", "v", "o"} <= checked
    # gguf knows single experts only by the name that its converter gives to their stack.
    assert {"up", "down"} <= checked or "router" in checked
