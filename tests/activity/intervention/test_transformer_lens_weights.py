"""Folded weights equal those that TransformerLens makes; see scripts/reference_activations.py."""

from pathlib import Path

import numpy as np
import pytest

from activity.reference_models import make
from napari_gpt2_tomo.activity.intervention.folding import Folded
from napari_gpt2_tomo.activity.intervention.weights import ScanWeights
from napari_gpt2_tomo.base import TomoError
from napari_gpt2_tomo.facade import Scan

REFERENCE = Path(__file__).parents[1] / "data" / "transformer_lens.npz"

HEADS = {"q": ("W_Q", "b_Q"), "k": ("W_K", "b_K"), "v": ("W_V", "b_V")}


@pytest.fixture(scope="module", params=["gpt2", "gpt_neox", "llama"])
def pair(request, tmp_path_factory):
    """Folded weights, and a function that gives the reference's array of a name."""
    folder = tmp_path_factory.mktemp(request.param)
    make(request.param).save_pretrained(folder)
    with np.load(REFERENCE) as reference, Scan(folder) as scan:
        yield (
            Folded(ScanWeights(scan)),
            lambda name: reference[f"{request.param}/folded/{name}"],
        )


def close(ours, theirs):
    # TransformerLens folds in float32.
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 2e-6


@pytest.mark.parametrize("role", list(HEADS))
def test_readers_of_every_head(pair, role):
    folded, reference = pair
    matrix, bias = HEADS[role]
    for layer in range(2):
        underscore = "_" if role != "q" and folded.sizes.n_kv_heads < folded.sizes.n_heads else ""
        weights = reference(f"blocks.{layer}.attn.{underscore}{matrix}")
        biases = reference(f"blocks.{layer}.attn.{underscore}{bias}")
        shared = len(weights) // (folded.sizes.n_kv_heads if role != "q" else len(weights))
        for head in range(0, len(weights), shared):
            close(folded.weight(role, layer, head // shared), weights[head])
            if folded.norm_kind == "layer":
                close(folded.weight(f"{role}_bias", layer, head // shared), biases[head])


def test_what_heads_and_neurons_write(pair):
    folded, reference = pair
    for layer in range(2):
        for head, matrix in enumerate(reference(f"blocks.{layer}.attn.W_O")):
            close(folded.weight("o", layer, head), matrix.T)
        close(folded.weight("down", layer), reference(f"blocks.{layer}.mlp.W_out").T)
        if folded.norm_kind == "layer":
            close(folded.weight("o_bias", layer), reference(f"blocks.{layer}.attn.b_O"))
            close(folded.weight("down_bias", layer), reference(f"blocks.{layer}.mlp.b_out"))


def test_what_neurons_read(pair):
    folded, reference = pair
    for layer in range(2):
        if folded.norm_kind == "rms":
            close(folded.weight("gate", layer), reference(f"blocks.{layer}.mlp.W_gate"))
            close(folded.weight("up", layer), reference(f"blocks.{layer}.mlp.W_in"))
        else:
            close(folded.weight("up", layer), reference(f"blocks.{layer}.mlp.W_in"))
            close(folded.weight("up_bias", layer), reference(f"blocks.{layer}.mlp.b_in"))


def test_embeddings_and_unembedding(pair):
    folded, reference = pair
    close(folded.weight("token_embedding"), reference("embed.W_E").T)
    close(folded.weight("unembedding"), reference("unembed.W_U"))
    try:
        bias = folded.weight("unembedding_bias")
    except TomoError:
        bias = np.zeros_like(reference("unembed.b_U"))
    close(bias, reference("unembed.b_U"))
