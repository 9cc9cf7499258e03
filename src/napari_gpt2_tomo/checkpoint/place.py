"""Where the files of a checkpoint lie together: a folder on disk, or on a server."""

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

from ..base import CheckpointError
from .address import Address
from .source import ByteSource, MappedFile

__all__ = ["LocalPlace", "Place"]


class Place(ABC):
    """A folder of files, picklable. Formats find the files of a checkpoint through it.

    Names may lead into folders below (``"sub/x.safetensors"``); whoever takes a name
    from a file has to check it first, see `shards`.

    Attributes
    ----------
    path
        The folder.
    """

    path: Path | Address

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the files directly in it, sorted; OSError or `CheckpointError` if unreadable."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    @abstractmethod
    def source(self, name: str) -> ByteSource:
        """The bytes of a file, none of which is read yet; `CheckpointError` if it is none."""

    @abstractmethod
    def text(self, name: str, limit: int) -> bytes | None:
        """The first `limit` + 1 bytes of a small file, None if it is not there.

        Raises OSError or `CheckpointError` if it is there and cannot be read.
        """

    def expect(self, names: Iterable[str]) -> None:
        """Hear which files will be asked for next: a server is asked for all of them at once."""
        return

    def file(self, name: str) -> Path | None:
        """Where a file lies on this machine's disk, None if it does not."""
        return None


class LocalPlace(Place):
    """A folder on disk.

    Parameters
    ----------
    path
        The folder; made absolute.
    """

    path: Path

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))

    def names(self) -> tuple[str, ...]:
        """Names of the files directly in it, sorted."""
        with os.scandir(self.path) as entries:
            return tuple(sorted(entry.name for entry in entries if entry.is_file()))

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.path / name).is_file()

    def source(self, name: str) -> MappedFile:
        """The bytes of a file, none of which is read yet."""
        path = self.path / name
        try:
            status = os.stat(path)
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from error
        # Opening a pipe or a device could wait forever.
        if not stat.S_ISREG(status.st_mode):
            raise CheckpointError(f"{path} is not a regular file.")
        return MappedFile(path, status.st_size, status.st_mtime_ns)

    def text(self, name: str, limit: int) -> bytes | None:
        """The first `limit` + 1 bytes of a small file, None if it is not there."""
        if not self.has(name):
            return None
        with open(self.path / name, "rb") as file:
            return file.read(limit + 1)

    def file(self, name: str) -> Path | None:
        """Where a file lies on disk, None if there is none of this name."""
        return self.path / name if self.has(name) else None
