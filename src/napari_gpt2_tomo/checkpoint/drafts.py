"""Files that readers see whole or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

__all__ = ["replace_file"]


def replace_file(path: Path, chunks: Iterator[bytes | memoryview], progress: Any = None) -> None:
    """Write a file under a name of its own, then give it its name: readers see all or nothing."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{uuid4().hex}")
    try:
        with draft.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
                if progress is not None:
                    progress.advance(len(chunk))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
