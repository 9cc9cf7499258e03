"""How patient and how generous reading from servers is, and the variables that change it."""

import os

from ...base import CheckpointError
from ...base.cache import CACHE_VARIABLE

__all__ = [
    "BACKOFF",
    "CONNECTIONS",
    "FIRST_TRIES",
    "GIGABYTES_VARIABLE",
    "OFFLINE_VARIABLE",
    "TIMEOUTS",
    "TRIES",
    "cache_bytes",
    "is_offline",
]

OFFLINE_VARIABLE = "NAPARI_GPT2_TOMO_OFFLINE"
"""Environment variable: no request is made if it is set to anything but 0."""

HUB_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
"""The hub's own variables to the same effect; they hold for addresses of the hub."""

GIGABYTES_VARIABLE = "NAPARI_GPT2_TOMO_REMOTE_GB"
"""Environment variable: disk space in gigabytes (10⁹ bytes) for blocks of remote files."""

GIGABYTES = 4.0
"""By default: some hundred sections of a large model, a small part of any disk."""

CONNECTIONS = 8
"""Requests under way at once, over all files: more gain little, and servers begin to refuse."""

TIMEOUTS = (10.0, 30.0)
"""Seconds until a connection is made, and between two pieces of an answer."""

TRIES = 5
"""Requests in a row that may fail without bringing a single byte."""

FIRST_TRIES = 3
"""As long as nothing was ever read of a file: its address may simply be wrong."""

BACKOFF = (0.3, 8.0)
"""Seconds of the first wait after a failure, and of the longest; each is twice the one before."""


def is_offline(*, hub: bool = False) -> bool:
    """Whether the user wants no requests, to the hub or to any server."""
    names = (OFFLINE_VARIABLE, *(HUB_OFFLINE if hub else ()))
    return any(
        os.environ.get(name, "0").strip().lower() not in ("", "0", "no", "off", "false")
        for name in names
    )


def cache_bytes() -> int:
    """Bytes that blocks of remote files may take on disk; 0 keeps none.

    Raises
    ------
    CheckpointError
        The variable holds no number.
    """
    text = os.environ.get(GIGABYTES_VARIABLE, "").strip()
    try:
        size = float(text) if text else GIGABYTES
        if not 0 <= size < 1e9:
            raise ValueError
    except ValueError:
        raise CheckpointError(
            f"{GIGABYTES_VARIABLE}={text!r} is no number of gigabytes; set it to e.g. 4, to 0 to "
            f"keep nothing, or unset it. {CACHE_VARIABLE} says where the cache is."
        ) from None
    return int(size * 1e9)
