"""Real checkpoints, where they are at hand."""

import json

import pytest
from safetensors import safe_open

from anatomy.models import assert_partition
from napari_gpt2_tomo.anatomy import recognise
from real_data import real_data

EXPECTED = {
    "gpt2-attention-fp16": ("gpt2", 768, 12, 12, 64),
    "minilm-fp16": ("bert", 384, 6, 12, 32),
    "stories260K": ("llama", 64, 5, 8, 8),
    "nano-gpt-sort": ("gpt2", 48, 3, 3, 16),
    "char-gpt2-series/step06000": ("gpt2", 128, 4, 4, 32),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_checkpoint_is_recognised_in_full(name):
    folder = real_data(name)
    with safe_open(folder / "model.safetensors", "numpy") as file:
        shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    config = json.loads((folder / "config.json").read_text())
    family, d_model, n_layers, n_heads, d_head = EXPECTED[name]
    anatomy = recognise(shapes, config)
    hyper = anatomy.hyper
    assert anatomy.family == family
    assert (hyper.d_model, hyper.n_layers, hyper.n_heads, hyper.d_head) == (
        d_model,
        n_layers,
        n_heads,
        d_head,
    )
    assert anatomy.n_recognised == anatomy.n_parameters
    assert_partition(anatomy, shapes)
    blind = recognise(shapes)
    assert [part.view for part in blind.parts] == [part.view for part in anatomy.parts]
    assert blind.hyper.n_heads is None


def test_the_partial_gpt2_says_what_it_lacks():
    folder = real_data("gpt2-attention-fp16")
    with safe_open(folder / "model.safetensors", "numpy") as file:
        shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    assert "Absent from this file: token_embedding, up, down." in recognise(shapes).notes
