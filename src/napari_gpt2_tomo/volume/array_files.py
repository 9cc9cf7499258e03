"""Small files of named arrays that are whole or not there at all."""

import os
import threading
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["load_arrays", "save_arrays"]


def load_arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    """The arrays of an ``.npz`` file; None if it is absent or damaged."""
    try:
        # Opened here: numpy leaves the file open if it turns out to be damaged.
        with open(path, "rb") as data, np.load(data, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an ``.npz`` file that is complete as soon as it is there."""
    scratch = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.new")
    named: Any = dict(arrays)
    with open(scratch, "wb") as file:
        np.savez(file, **named)
    os.replace(scratch, path)
