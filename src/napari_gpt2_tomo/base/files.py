"""Writing small files for a person."""

import os
from pathlib import Path

from .errors import TomoError

__all__ = ["save_bytes", "save_text"]


def save_text(path: str | os.PathLike[str], text: str, suffix: str = "") -> Path:
    """Write a text file that is whole or not there at all.

    Parameters
    ----------
    path
        Where to; gets `suffix` if it has none.

    Raises
    ------
    TomoError
        The file cannot be written.
    """
    target = Path(path)
    if suffix and not target.suffix:
        target = target.with_suffix(suffix)
    return save_bytes(target, text.encode("utf-8"))


def save_bytes(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write a file that is whole or not there at all.

    Raises
    ------
    TomoError
        The file cannot be written.
    """
    target = Path(path)
    scratch = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        scratch.write_bytes(data)
        os.replace(scratch, target)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise TomoError(f"{target} cannot be written: {error.strerror or error}.") from error
    return target
