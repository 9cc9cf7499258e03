"""Writing files for a person: whole, or not there at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import TomoError

__all__ = ["new_file", "save_bytes", "save_text"]


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


@contextmanager
def new_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path` to write to; it gets its name when all went well, else it is removed.

    For files that are too large to be held as `save_bytes` wants them.

    Raises
    ------
    TomoError
        The file cannot be written.
    """
    target = Path(path)
    scratch = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        yield scratch
        os.replace(scratch, target)
    except OSError as error:
        raise TomoError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        scratch.unlink(missing_ok=True)
