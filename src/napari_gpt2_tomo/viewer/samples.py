"""Sample data: a real GPT-2, and two phantoms to test the scanner with."""

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base import Progress, TomoError
from .reader import open_layers
from .work import wait_for

if TYPE_CHECKING:
    from .layers import LayerData

__all__ = ["functional_phantom", "gpt2", "phantom"]

REPOSITORY = "openai-community/gpt2"
FILES = ("config.json", "tokenizer.json", "model.safetensors")
"""What makes the sample: 548 MB, nearly all of it the last one, which comes last."""


def gpt2() -> "list[LayerData]":
    """GPT-2 small from the Hugging Face hub, or from its cache on this machine.

    Raises
    ------
    TomoError
        It is not in the cache, and the hub cannot be reached.
    """
    _watch()
    found = _cached()
    return open_layers(found if found is not None else wait_for(_download), "GPT-2 small")


def phantom() -> "list[LayerData]":
    """A synthetic GPT-2 with planted lesions; made once, needs no network."""
    from ..checkpoint.phantoms.anatomical import phantom_checkpoint

    _watch()
    made = wait_for(lambda progress: phantom_checkpoint(progress=progress))
    return open_layers(made, "Phantom GPT-2")


def functional_phantom() -> "list[LayerData]":
    """A GPT-2 built by hand, whose circuits are known and which can be run."""
    from ..checkpoint.phantoms.functional import functional_phantom as make

    _watch()
    return open_layers(make(), "Functional phantom")


def _watch() -> None:
    from .session import watch_open_viewers

    watch_open_viewers()


def _cached() -> Path | None:
    """The weights in the hub's cache, if they are there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(REPOSITORY, FILES[-1])
    return Path(found) if isinstance(found, str) else None


def _download(progress: Progress) -> Path:
    from huggingface_hub import hf_hub_download
    from tqdm.auto import tqdm  # type: ignore[import-untyped]

    class Bar(tqdm):  # type: ignore[misc]
        """Tells the window what the hub's library would print."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            kwargs["disable"] = False
            super().__init__(*args, **kwargs)
            progress.start(int(self.total or 1), "Downloading GPT-2 small")

        def display(self, *args: Any, **kwargs: Any) -> None:
            """Print nothing."""

        def update(self, n: float | None = 1) -> bool | None:
            """Count, and stop where the user asks for it."""
            progress.advance(int(n or 0))
            return bool(super().update(n))

    # Older versions of the hub's library have no way to watch one file.
    watched = "tqdm_class" in inspect.signature(hf_hub_download).parameters
    options: dict[str, Any] = {"tqdm_class": Bar} if watched else {}
    if not watched:
        progress.start(1, "Downloading GPT-2 small")
    try:
        paths = [hf_hub_download(REPOSITORY, name, **options) for name in FILES]
    except TomoError:
        raise
    except Exception as error:
        # The hub's library raises errors of half a dozen libraries, none of which says
        # what to do here.
        raise TomoError(
            f"GPT-2 small is not on this machine, and {REPOSITORY} cannot be downloaded "
            f"({type(error).__name__}). Connect to the internet and try again, or run "
            f"'hf download {REPOSITORY}' where there is a connection. The phantom "
            "(File ▸ Open Sample ▸ Phantom GPT-2) needs no network."
        ) from error
    return Path(paths[-1])
