"""An activity of the small model whose numbers are drawn, not measured."""

from collections.abc import Sequence

import numpy as np

from napari_gpt2_tomo.activity.record import Activity, Source, Tokens
from napari_gpt2_tomo.anatomy.part import HyperParameters
from viewer.small_model import CONTEXT, HEADS, LAYERS, VOCABULARY, WIDTH

SIZE = WIDTH // HEADS
NEURONS = 4 * WIDTH
WORDS = ("The", " cat", " sat", " on", " the")
IDS = (3, 17, 42, 8, 3)


def made_activity(
    words: Sequence[str] = WORDS,
    kv_heads: int = HEADS,
    path: object = None,
    seed: int = 0,
) -> Activity:
    """Everything but what is recorded on request, of random numbers."""
    rng = np.random.default_rng(seed)
    n = len(words)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(0, 1, shape).astype(np.float32)

    scores = normal(LAYERS, HEADS, n, n)
    scores[..., np.triu(np.ones((n, n), bool), 1)] = np.finfo(np.float32).min
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    arrays = {
        "resid_pre": normal(LAYERS, n, WIDTH),
        "resid_mid": normal(LAYERS, n, WIDTH),
        "resid_post": normal(LAYERS, n, WIDTH),
        "final": normal(n, WIDTH),
        "q": normal(LAYERS, HEADS, n, SIZE),
        "k": normal(LAYERS, kv_heads, n, SIZE),
        "scores": scores,
        "pattern": (weights / weights.sum(-1, keepdims=True)).astype(np.float32),
        "z": normal(LAYERS, HEADS, n, SIZE),
        "mlp_post": normal(LAYERS, n, NEURONS),
        "logits": normal(n, VOCABULARY),
    }
    sizes = HyperParameters(
        WIDTH, LAYERS, HEADS, kv_heads, SIZE, NEURONS, None, VOCABULARY, CONTEXT
    )
    ids = np.resize(np.array(IDS, np.int64), n)
    tokens = Tokens(ids, tuple(words), "".join(words))
    source = Source("small", None if path is None else str(path), "gpt2", sizes)
    return Activity(tokens, arrays, source)
