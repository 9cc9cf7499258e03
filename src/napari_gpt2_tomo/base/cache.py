"""Where files that can be computed again are kept."""

import os
from pathlib import Path

from platformdirs import user_cache_path

__all__ = ["CACHE_VARIABLE", "cache_folder"]

CACHE_VARIABLE = "NAPARI_GPT2_TOMO_CACHE"
"""Environment variable that moves the cache folder."""


def cache_folder(name: str = "") -> Path:
    """Path of the cache folder, or of the folder `name` inside it; not created here."""
    root = os.environ.get(CACHE_VARIABLE)
    base = Path(root) if root else user_cache_path("napari-gpt2-tomo", appauthor=False)
    return base / name if name else base
