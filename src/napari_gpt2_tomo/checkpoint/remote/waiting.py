"""How long to wait before a server is asked again."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ...base import CheckpointError
from .link import Link
from .settings import BACKOFF

if TYPE_CHECKING:
    import requests

__all__ = ["backoff", "retry_after", "sleep"]

PATIENCE = 60.0
"""Seconds that a server may ask to be left alone; more is told to the user instead."""


def retry_after(link: Link, response: "requests.Response") -> float:
    """Seconds that a server asks to wait, 0 if it does not."""
    text = response.headers.get("Retry-After", "").strip()
    wait = 0.0
    with suppress(ValueError, TypeError):
        wait = (
            float(text)
            if text.isdigit()
            else (parsedate_to_datetime(text).timestamp() - time.time() if text else 0.0)
        )
    if wait > PATIENCE:
        raise CheckpointError(
            f"The server of {link.name} is too busy ({response.status_code}) and asks to wait for "
            f"{wait:.0f} seconds; try again then."
        )
    return max(0.0, wait)


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    first, longest = BACKOFF
    # Half of it by chance: those that failed together should not all come back together.
    wait = min(longest, first * float(2 ** (failures - 1)))
    return wait * random.uniform(0.5, 1.0)


def sleep(seconds: float, stopped: Callable[[], bool]) -> None:
    """Wait, but not longer than it takes to be stopped."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not stopped():
        time.sleep(min(left, 0.1))
