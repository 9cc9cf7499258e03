"""An activity with known states: no model is run."""

import numpy as np

from napari_gpt2_tomo.activity.record import Activity, Source, Tokens
from napari_gpt2_tomo.anatomy.part import HyperParameters

LAYERS, CHANNELS, VOCABULARY = 3, 8, 12


class Model:
    """As much of a language model as comparing states needs."""

    def __init__(self, seed: int = 1) -> None:
        random = np.random.default_rng(seed)
        self.table = random.standard_normal((CHANNELS, VOCABULARY)).astype(np.float32)

    def weight(self, role, layer=None, head=None, expert=None):
        return {"token_embedding": self.table, "unembedding": 2 * self.table[:, ::-1]}[role]


def planted(tokens: int = 6, seed: int = 0, model: Model | None = None, **extra) -> Activity:
    """Random states of `LAYERS` blocks that add up as those of a model do."""
    random = np.random.default_rng(seed)
    model = model or Model()
    ids = random.integers(0, VOCABULARY, tokens)
    added = random.standard_normal((2, LAYERS, tokens, CHANNELS)).astype(np.float32)
    embed = model.table[:, ids].T
    stream = [embed]
    for layer in range(LAYERS):
        stream.append(stream[-1] + added[0, layer])
        stream.append(stream[-1] + added[1, layer])
    arrays = {
        "embed": embed,
        "resid_pre": np.stack(stream[0:-1:2]),
        "resid_mid": np.stack(stream[1::2]),
        "resid_post": np.stack(stream[2::2]),
        "attn_out": added[0],
        "mlp_out": added[1],
        "final": 3 * stream[-1] / np.linalg.norm(stream[-1], axis=1, keepdims=True),
        "logits": random.standard_normal((tokens, VOCABULARY)).astype(np.float32),
        **extra,
    }
    strings = [f" word{index}" for index in range(tokens)]
    sizes = HyperParameters(d_model=CHANNELS, n_layers=LAYERS, n_heads=2, vocab=VOCABULARY)
    return Activity(
        Tokens.of_ids(ids, strings), arrays, Source("planted", sizes=sizes), model=model
    )
