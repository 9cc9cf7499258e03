"""Whether the files of a scan are still those that were opened."""

import os
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["remember_files", "trouble"]

_seen: WeakKeyDictionary[Any, dict[Path, tuple[int, int]]] = WeakKeyDictionary()
"""Size and time of change of each file of a scan when it was first shown."""


def remember_files(scan: Any) -> None:
    """Note what the files of a scan are like now; the first note counts."""
    if scan not in _seen:
        found = {path: _stamp(path) for path in scan.files}
        _seen[scan] = {path: stamp for path, stamp in found.items() if stamp is not None}


def trouble(scan: Any) -> str:
    """What is wrong with the files of a scan, as a sentence; empty if nothing is.

    Looks at names, sizes and times only.
    """
    for path, before in _seen.get(scan, {}).items():
        now = _stamp(path)
        if now is None:
            return (
                f"{path.name} was moved or deleted after it had been opened. What is on screen "
                "stays; what has not been read yet is lost. Open the scan again from where it is."
            )
        if now != before:
            return (
                f"{path.name} was changed after it had been opened: the picture may mix old and "
                "new weights. Open the scan again."
            )
    return ""


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
