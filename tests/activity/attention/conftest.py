"""Tiny random models that are run, and the functional phantom."""

from pathlib import Path

import numpy as np
import pytest

IDS = (5, 17, 3, 22, 17, 9, 11)
"""A text; token 17 stands in it twice."""

LARGE = ("head_out", "scores")
"""Sites that are recorded only when they are asked for."""

FAMILIES = {
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32},
    "llama": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 32,
    },
}
"""One family with LayerNorm and biases, one with RMSNorm, rotary positions and shared keys."""


def make_model(folder: Path, family: str):
    """A random model of a family, loaded from a folder."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from napari_gpt2_tomo.activity.running.model import LanguageModel

    torch.manual_seed(0)
    config = AutoConfig.for_model(
        family,
        vocab_size=30,
        bos_token_id=0,
        eos_token_id=0,
        initializer_range=0.3,
        tie_word_embeddings=False,
        **FAMILIES[family],
    )
    network = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in network.parameters():
            # Gains and biases at their first values would hide what is done with them.
            if parameter.ndim == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    network.save_pretrained(folder)
    return LanguageModel.load(folder, device="cpu")


@pytest.fixture(scope="session", params=list(FAMILIES))
def activity(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A tiny model's activity on `IDS`, with everything that it can record."""
    model = make_model(tmp_path_factory.mktemp("models") / request.param, request.param)
    return model.run(np.array(IDS), what=[*model.run([1]), *LARGE])


@pytest.fixture(scope="session")
def phantom(cache):
    """The functional phantom, loaded."""
    from napari_gpt2_tomo.activity.running.model import LanguageModel
    from napari_gpt2_tomo.checkpoint.phantoms.functional import functional_phantom

    return LanguageModel.load(functional_phantom(), device="cpu")
