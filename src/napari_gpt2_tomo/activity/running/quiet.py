"""Keeping other libraries from the console."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL, getLogger

__all__ = ["first_line", "quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the warnings and progress bars of transformers from the console."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    accelerate = getLogger("accelerate")
    accelerate_level = accelerate.level
    accelerate.setLevel(CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        accelerate.setLevel(accelerate_level)
        if bars:
            logging.enable_progress_bar()


def first_line(error: Exception) -> str:
    """The first line of what an error says, for an error of our own."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
