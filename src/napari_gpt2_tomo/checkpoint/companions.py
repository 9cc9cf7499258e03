"""What lies beside the tensors: the model's configuration and its tokenizer."""

import json
from pathlib import Path
from typing import Any

from ..base import CheckpointError
from .place import Place

__all__ = ["find_tokenizer", "read_config", "read_quantisation"]

CONFIG_NAME = "config.json"
MAX_CONFIG = 16 << 20
"""Bytes; configurations are a few kilobytes, with long label lists a megabyte."""

QUANTISATION_NAMES = ("quantize_config.json", "quantization_config.json", "quant_config.json")
"""Files of older tools that say how tensors are quantised, in the order of their spread."""

TOKENIZER_NAMES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
)
"""Files that a tokenizer can be made from, the most complete first."""


def read_config(place: Place) -> tuple[dict[str, Any] | None, str | None]:
    """The parsed ``config.json`` of a folder, and a note if there is one that is unusable.

    A configuration only helps to understand the tensors, so a damaged one is no error.
    """
    return _read_object(place, CONFIG_NAME)


def read_quantisation(place: Place) -> dict[str, Any]:
    """What a file beside ``config.json`` says of how the tensors are quantised; {} without one."""
    for name in QUANTISATION_NAMES:
        found, _ = _read_object(place, name)
        if found is not None:
            return found
    return {}


def _read_object(place: Place, name: str) -> tuple[dict[str, Any] | None, str | None]:
    """A JSON object in a file of a folder, and a note if the file is unusable."""
    where = f"{place.path}/{name}"
    try:
        text = place.text(name, MAX_CONFIG)
        if text is None:
            return None, None
        if len(text) > MAX_CONFIG:
            return None, f"{where} is ignored: it is larger than {MAX_CONFIG} bytes."
        config = json.loads(text.decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError, CheckpointError) as error:
        return None, f"{where} is ignored: it cannot be read ({error})."
    if not isinstance(config, dict):
        return None, f"{where} is ignored: it is not a JSON object."
    return config, None


def find_tokenizer(place: Place) -> Path | None:
    """The file beside the tensors that a tokenizer can be made from, if it lies on disk."""
    return next((path for name in TOKENIZER_NAMES if (path := place.file(name))), None)
