"""GGUF files on a server: a header in few requests, pictures from their blocks alone."""

import numpy as np

from checkpoint.gguf_writer import Raw, whole
from napari_gpt2_tomo.checkpoint import open_checkpoint
from napari_gpt2_tomo.checkpoint.remote.traffic import Traffic

from .server import RangeServer


def test_a_file_on_the_web(server: RangeServer) -> None:
    tensors = {"large": Raw.random("Q4_0", (4096, 4096), 1), "small": Raw.random("Q6_K", (8, 256))}
    words = [f"word {i}" for i in range(20_000)]
    metadata = {"general.architecture": "llama", "tokenizer.ggml.tokens": words}
    content = whole(tensors, metadata)
    url = server.add("/models/tiny-q4_0.gguf", content)
    with open_checkpoint(url) as checkpoint:
        assert checkpoint.format == "GGUF"
        header = Traffic.of(url).received
        assert header < 2_000_000
        assert checkpoint.vocabulary == tuple(words)
        assert np.array_equal(checkpoint["large"][17], tensors["large"].values[17], equal_nan=True)
        assert Traffic.of(url).received - header < 300_000
        assert np.array_equal(checkpoint["small"][...], tensors["small"].values, equal_nan=True)
    assert Traffic.of(url).requests < 12
