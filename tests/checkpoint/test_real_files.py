"""Real checkpoints open and hold what the safetensors library reads from them."""

import pytest
from safetensors import safe_open

from checkpoint.suite import equal
from napari_gpt2_tomo.checkpoint import open_checkpoint
from real_data import real_data


@pytest.mark.parametrize(
    ("name", "n_tensors", "tokenizer"),
    [
        ("gpt2-attention-fp16", 123, "tokenizer.json"),
        ("minilm-fp16", 104, "tokenizer.json"),
        ("stories260K", 47, "tokenizer.json"),
        ("nano-gpt-sort", 41, "vocab.json"),
        ("char-gpt2-series/step00000", 52, "tokenizer.json"),
        ("char-gpt2-series/step06000", 52, "tokenizer.json"),
    ],
)
def test_equals_what_the_library_reads(name: str, n_tensors: int, tokenizer: str) -> None:
    folder = real_data(name)
    with (
        open_checkpoint(folder) as checkpoint,
        safe_open(folder / "model.safetensors", "np") as library,
    ):
        assert len(checkpoint) == n_tensors
        assert set(checkpoint) == set(library.keys())
        assert dict(checkpoint.metadata) == (library.metadata() or {})
        for key, tensor in checkpoint.items():
            expected = library.get_tensor(key)
            assert equal(tensor[...], expected)
            assert equal(tensor[..., -1:], expected[..., -1:])
        assert checkpoint.config is not None
        assert checkpoint.tokenizer == folder / tokenizer
        assert checkpoint.notes == ()
        assert checkpoint.missing == {}


def test_steps_of_a_training_run_have_different_fingerprints() -> None:
    series = real_data("char-gpt2-series")
    steps = [folder for folder in series.iterdir() if folder.is_dir()]
    prints = set()
    for step in steps:
        with open_checkpoint(step) as checkpoint:
            prints.add(checkpoint.fingerprint)
    assert len(prints) == len(steps) == 6
