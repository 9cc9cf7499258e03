"""Attention of GPT-2 small that others have stored."""

import numpy as np
import pytest

import napari_gpt2_tomo as tomo
from napari_gpt2_tomo.base import TomoError
from real_data import real_data


@pytest.fixture(params=range(5))
def stored(request):
    folder = real_data("gpt2-attention-reference")
    return tomo.open_activity(folder / f"reference_activations_ex{request.param}.npz")


def test_scores_give_the_stored_attention(stored):
    scores = stored["scores"].astype(np.float64)
    assert np.isneginf(scores[..., np.triu_indices(scores.shape[-1], 1)[0][0], -1]).all()
    weights = np.exp(scores)
    weights /= weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(weights, stored["pattern"], atol=2e-6)


def test_it_is_an_activity_without_a_model(stored):
    assert stored.model is None
    assert stored["pattern"].shape[:2] == (12, 12)
    assert stored.n_layers == 12
    assert "".join(stored.tokens.strings) == stored.tokens.text
    logits = stored["logits"]
    assert np.isfinite(logits[-1]).all()
    assert np.isnan(logits[:-1]).all()
    assert any("last token only" in note for note in stored.notes)
    with pytest.raises(TomoError, match="Run the model again"):
        stored["resid_pre"]


def test_its_tokens_are_those_of_the_tokenizer(stored):
    from napari_gpt2_tomo.activity.running.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(real_data("gpt2-attention-fp16"), 50257)
    tokens = tokenizer.encode(stored.tokens.text)
    np.testing.assert_array_equal(tokens.ids, stored.tokens.ids)
    assert tokens.strings == stored.tokens.strings


def test_archives_of_something_else(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(TomoError, match="holds no attention"):
        tomo.open_activity(path)
    np.savez(path, attention=np.ones((1, 1, 2, 2)), token_ids=[1])
    with pytest.raises(TomoError, match="2 tokens in its attention and 1 ids"):
        tomo.open_activity(path)
    path.write_bytes(b"PK not a zip")
    with pytest.raises(TomoError, match="cannot be read"):
        tomo.open_activity(path)
    with pytest.raises(TomoError, match="does not exist"):
        tomo.open_activity(tmp_path / "none.npz")
