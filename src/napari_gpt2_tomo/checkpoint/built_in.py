"""The checkpoints that come with the program, by the names that stand for their paths."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ..base import Progress

__all__ = ["BUILT_IN", "built_in"]


def _phantom(progress: Progress | None) -> Path:
    from .phantoms.anatomical import phantom_checkpoint

    return phantom_checkpoint(progress=progress)


def _functional_phantom(progress: Progress | None) -> Path:
    from .phantoms.functional import functional_phantom

    return functional_phantom()


BUILT_IN: Mapping[str, Callable[[Progress | None], Path]] = {
    "phantom": _phantom,
    "functional-phantom": _functional_phantom,
}
"""How each is made: the anatomical phantom, and the one whose circuits are known."""


def built_in(path: str | os.PathLike[str], progress: Progress | None = None) -> Path | None:
    """The file of a built-in checkpoint if `path` is the name of one, made if it is not there.

    None for any other path. A file or folder of that name comes first.

    Raises
    ------
    CheckpointError
        It cannot be written.
    """
    make = BUILT_IN.get(str(path))
    return None if make is None or Path(path).exists() else make(progress)
