"""Write what TransformerLens measures in small models, for the tests to compare with.

Runs in an environment of its own, as TransformerLens 2 needs another transformers than this
project:

    python -m venv lens && lens/bin/pip install torch "transformer_lens==2.18.0" "pyarrow<20"
    lens/bin/python scripts/reference_activations.py

TransformerLens 2 computes the models with code of its own (`HookedTransformer`), not with that of
transformers. The models follow from ``tests/activity/reference_models.py``; the result is
``tests/activity/data/transformer_lens.npz``, keys ``family/name``.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained import weight_conversions as convert

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from activity.reference_models import IDS, OTHER_IDS, make  # noqa: E402

OUT = ROOT / "tests" / "activity" / "data" / "transformer_lens.npz"

CONVERT = {
    "gpt2": convert.convert_gpt2_weights,
    "gptj": convert.convert_gptj_weights,
    "gpt_neox": convert.convert_neox_weights,
    "llama": convert.convert_llama_weights,
    "phi": convert.convert_phi_weights,
}

STREAM = {
    "resid_pre": "hook_resid_pre",
    "attn_out": "hook_attn_out",
    "resid_mid": "hook_resid_mid",
    "mlp_out": "hook_mlp_out",
    "resid_post": "hook_resid_post",
    "mlp_pre": "mlp.hook_pre",
    "mlp_linear": "mlp.hook_pre_linear",
    "mlp_post": "mlp.hook_post",
    "pattern": "attn.hook_pattern",
}
"""Site → hook of a block whose axes are already those of the site."""

HEADS = {
    "q": "attn.hook_q",
    "k": "attn.hook_k",
    "v": "attn.hook_v",
    "rot_q": "attn.hook_rot_q",
    "rot_k": "attn.hook_rot_k",
    "z": "attn.hook_z",
}
"""Site → hook with the axes (token, head, d_head), which the site has in another order."""


def settings(model) -> HookedTransformerConfig:
    """The same model in TransformerLens' words; None of its defaults matters here."""
    config = model.config
    family = config.model_type
    n_heads = config.num_attention_heads
    d_head = config.hidden_size // n_heads
    common = {
        "n_layers": config.num_hidden_layers,
        "d_model": config.hidden_size,
        "d_head": d_head,
        "n_heads": n_heads,
        "n_ctx": config.max_position_embeddings,
        "d_vocab": config.vocab_size,
        "eps": getattr(
            config,
            "layer_norm_epsilon",
            getattr(config, "layer_norm_eps", getattr(config, "rms_norm_eps", None)),
        ),
        "act_fn": getattr(config, "activation_function", getattr(config, "hidden_act", None)),
        "normalization_type": "LN",
    }
    own = {
        "gpt2": {"d_mlp": 4 * config.hidden_size},
        "gptj": {
            "d_mlp": 4 * config.hidden_size,
            "parallel_attn_mlp": True,
            "positional_embedding_type": "rotary",
            "rotary_dim": getattr(config, "rotary_dim", None),
            "rotary_adjacent_pairs": True,
        },
        "gpt_neox": {
            "d_mlp": getattr(config, "intermediate_size", None),
            "parallel_attn_mlp": True,
            "positional_embedding_type": "rotary",
            "rotary_dim": d_head // 2,
            "rotary_adjacent_pairs": False,
        },
        "llama": {
            "d_mlp": getattr(config, "intermediate_size", None),
            "n_key_value_heads": getattr(config, "num_key_value_heads", None),
            "normalization_type": "RMS",
            "positional_embedding_type": "rotary",
            "rotary_dim": d_head,
            "rotary_adjacent_pairs": False,
            "final_rms": True,
            "gated_mlp": True,
        },
        "phi": {
            "d_mlp": getattr(config, "intermediate_size", None),
            "parallel_attn_mlp": True,
            "positional_embedding_type": "rotary",
            "rotary_dim": d_head // 2,
            "rotary_adjacent_pairs": False,
        },
    }
    return HookedTransformerConfig(**{**common, **own[family]}, device="cpu", seed=0)


def hooked(family: str, folded: bool) -> HookedTransformer:
    """TransformerLens' own model with the weights of the family."""
    model = make(family)
    config = settings(model)
    weights = {
        name: value.detach().clone() for name, value in CONVERT[family](model, config).items()
    }
    lens = HookedTransformer(config, move_to_device=False)
    lens.load_and_process_state_dict(
        weights,
        fold_ln=folded,
        center_writing_weights=folded,
        center_unembed=folded,
        fold_value_biases=False,
        refactor_factored_attn_matrices=False,
    )
    return lens.eval()


def measured(family: str) -> dict[str, np.ndarray]:
    """Activations, logits under interventions, and folded weights of one family."""
    lens = hooked(family, folded=False)
    tokens, other = (torch.tensor([ids]) for ids in (IDS, OTHER_IDS))
    logits, cache = lens.run_with_cache(tokens)
    _, other_cache = lens.run_with_cache(other)
    layers = range(lens.cfg.n_layers)
    final = cache["ln_final.hook_normalized"][0]
    if lens.cfg.normalization_type == "RMS":
        final = final * lens.ln_final.w  # This hook is before the gain, LayerNorm's after it.
    found = {"logits": logits[0], "final": final}
    found["embed"] = cache["hook_embed"][0]
    if "hook_pos_embed" in cache:
        found["pos_embed"] = cache["hook_pos_embed"][0]
    for site, hook in (STREAM | HEADS).items():
        names = [f"blocks.{layer}.{hook}" for layer in layers]
        if names[0] in cache:
            values = torch.stack([cache[name][0] for name in names])
            found[site] = values.transpose(1, 2) if site in HEADS else values

    def zero_head(value, hook):
        value[:, :, 1] = 0
        return value

    def mean_neuron(value, hook):
        value[:, :, 3] = value[:, :, 3].mean(1, keepdim=True)
        return value

    def zero_channel(value, hook):
        value[:, 2:4, 5] = 0
        return value

    def zero_all(value, hook):
        return torch.zeros_like(value)

    def patch_head(value, hook):
        value[:, :, 0] = other_cache[hook.name][:, :, 0]
        return value

    def patch_token(value, hook):
        value[:, 2] = other_cache[hook.name][:, 2]
        return value

    changes = {
        "zero head 1.1": ("blocks.1.attn.hook_z", zero_head),
        "mean neuron 0.3": ("blocks.0.mlp.hook_post", mean_neuron),
        "zero channel 5 before 1 at 2, 3": ("blocks.1.hook_resid_pre", zero_channel),
        "zero attention 0": ("blocks.0.hook_attn_out", zero_all),
        "zero mlp 1": ("blocks.1.hook_mlp_out", zero_all),
        "patch head 0.0": ("blocks.0.attn.hook_z", patch_head),
        "patch stream before 1 at 2": ("blocks.1.hook_resid_pre", patch_token),
    }
    for name, change in changes.items():
        found[f"changed/{name}"] = lens.run_with_hooks(tokens, fwd_hooks=[change])[0]

    folded = hooked(family, folded=True)
    found["folded/logits"] = folded(tokens)[0]
    if family in ("gpt2", "gpt_neox", "llama"):
        found |= {
            f"folded/{name}": value
            for name, value in folded.state_dict().items()
            if name.rpartition(".")[2].lstrip("_")[:2] in ("W_", "b_")
        }
    return {name: value.detach().numpy().astype(np.float32) for name, value in found.items()}


def main() -> None:
    """Write the file."""
    torch.set_grad_enabled(False)
    arrays = {
        f"{family}/{name}": value for family in CONVERT for name, value in measured(family).items()
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(OUT, **arrays)
    print(f"{len(arrays)} arrays, {OUT.stat().st_size} bytes: {OUT}")


if __name__ == "__main__":
    main()
