"""Attention of GPT-2 small that others have stored, as an activity without a model."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...anatomy.part import HyperParameters
from ...base import TomoError
from .activity import Activity, Source
from .tokens import Tokens

__all__ = ["open_archive"]

GPT2_SMALL = HyperParameters(
    d_model=768, n_layers=12, n_heads=12, n_kv_heads=12, d_head=64, d_mlp=3072, vocab=50257,
    context=1024,
)  # fmt: skip
"""Sizes of GPT-2 small, the model that such archives are of (openai/gpt-2, ``hparams.json``)."""


def open_archive(path: Path) -> Activity:
    """Open an archive of numpy arrays.

    Parameters
    ----------
    path
        A ``.npz`` file with ``attention`` ``(layer, head, query, key)``, and optionally
        ``scores_unscaled`` of the same shape (products of queries and keys, not yet divided by
        √d_head, no key hidden), ``last_logits`` ``(vocab,)`` and ``token_ids``. A ``.json`` file
        of the same name beside it may hold ``prompt``, ``tokens`` and ``token_ids``.

    Raises
    ------
    TomoError
        There is no such file, or it holds something else.
    """
    try:
        with np.load(path) as archive:
            stored = {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise TomoError(f"{path} does not exist.") from error
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise TomoError(f"{path} cannot be read as an archive of numpy arrays: {error}.") from error
    pattern = stored.get("attention")
    if pattern is None or pattern.ndim != 4 or pattern.shape[2] != pattern.shape[3]:
        raise TomoError(
            f"{path} holds no attention (layer, head, query, key); it holds: "
            f"{', '.join(stored) or 'nothing'}."
        )
    told = _told(path.with_suffix(".json"))
    n_tokens = pattern.shape[2]
    ids = np.asarray(stored.get("token_ids", told.get("token_ids", ())), np.int64)
    if len(ids) != n_tokens:
        raise TomoError(f"{path} has {n_tokens} tokens in its attention and {len(ids)} ids.")
    arrays: dict[str, Any] = {"pattern": pattern.astype(np.float32)}
    notes = ["Stored attention: nothing else was recorded, and there is no model to run."]
    if "scores_unscaled" in stored:
        arrays["scores"] = _scores(stored["scores_unscaled"], GPT2_SMALL.d_head or 1)
    if "last_logits" in stored:
        logits = np.full((n_tokens, len(stored["last_logits"])), np.nan, np.float32)
        logits[-1] = stored["last_logits"]
        arrays["logits"] = logits
        notes.append("The logits are known after the last token only; the others are not numbers.")
    strings = told.get("tokens")
    shown = strings if isinstance(strings, list) and len(strings) == n_tokens else None
    tokens = Tokens(ids, tuple(shown or map(str, ids.tolist())), told.get("prompt"))
    source = Source("gpt2", None, "gpt2", GPT2_SMALL)
    return Activity(tokens, arrays, source, notes=tuple(notes))


def _scores(products: NDArray[Any], d_head: int) -> NDArray[np.float32]:
    """What the softmax takes: divided by √d_head, −∞ where a key comes after its query."""
    n_tokens = products.shape[-1]
    hidden = ~np.tri(n_tokens, dtype=bool)
    scaled = products.astype(np.float32) / np.float32(np.sqrt(d_head))
    return np.where(hidden, np.float32(-np.inf), scaled)


def _told(path: Path) -> Mapping[str, Any]:
    """What the text file beside an archive says; nothing if there is none."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
