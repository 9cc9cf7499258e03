"""A folder that is whole or as it was before."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...base import TomoError

__all__ = ["MARK", "WRITER", "check_target", "is_ours", "whole_folder"]

MARK = "report.json"
"""The file by which a folder is known as one that may be replaced."""

WRITER = "napari-gpt2-tomo activity"


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A scratch folder that takes the place of `target` when everything in it is done.

    If the context ends with an error the scratch folder is removed and `target` is as before.

    Raises
    ------
    TomoError
        `target` holds something else than an earlier report, or cannot be written.
    """
    target = Path(os.path.abspath(target))
    check_target(target)
    scratch = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        yield scratch
        _replace(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def is_ours(folder: Path) -> bool:
    """Whether a folder holds an earlier report."""
    try:
        found = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("writer") == WRITER


def check_target(target: Path) -> None:
    """Refuse a folder that a report may not replace.

    Raises
    ------
    TomoError
        It holds something else than an earlier report, or is a file.
    """
    if target.is_dir():
        if any(target.iterdir()) and not is_ours(target):
            raise TomoError(
                f"{target} is not empty and holds no earlier report. Name a new folder; nothing "
                "in this one was touched."
            )
    elif target.exists():
        raise TomoError(f"{target} is a file. Name a folder for the report.")


def _replace(scratch: Path, target: Path) -> None:
    former = target.with_name(f".{target.name}.{os.getpid()}.old")
    try:
        if target.exists():
            os.replace(target, former)
        os.replace(scratch, target)
    except OSError as error:
        if former.exists() and not target.exists():
            os.replace(former, target)
        raise _unwritable(target, error) from error
    shutil.rmtree(former, ignore_errors=True)


def _unwritable(target: Path, error: OSError) -> TomoError:
    return TomoError(f"{target} cannot be written: {error.strerror or error}.")
