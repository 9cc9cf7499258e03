"""Arrays in numpy's files: a single one (``.npy``) or an archive of them (``.npz``)."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ...base import CheckpointError
from ..address import Address
from ..files import FileCheckpoint
from ..place import Place
from ..region import c_strides
from ..source import ByteSource
from ..strided import tensor_at
from ..tensor import LazyTensor
from .archive import MAX_INFLATED, member_source
from .malformed import Malformed
from .npy_header import ArrayHeader, read_array_header
from .zip_directory import DEFLATED, Member, read_directory

__all__ = ["NumpyArchive", "NumpyFile"]

_SUFFIX = ".npy"


@dataclass(frozen=True, slots=True)
class Entry:
    """An array: its header and the bytes that it begins."""

    header: ArrayHeader
    source: ByteSource

    def tensor(self, name: str) -> LazyTensor:
        """The array as a tensor."""
        header = self.header
        assert header.stored is not None
        strides = c_strides(header.shape)
        if header.transposed:
            strides = c_strides(header.shape[::-1])[::-1]
        return tensor_at(name, header.shape, strides, header.stored, self.source, header.start)


class NumpyArchive(FileCheckpoint[Entry]):
    """The arrays of a ``.npz`` file; at first only their headers are read.

    Those that are stored as they are (``numpy.savez``) are read from the file by ranges.
    Compressed ones (``numpy.savez_compressed``) are unpacked as a whole when they are first
    read; larger ones than `MAX_INFLATED` bytes are not read.

    Parameters
    ----------
    place, name
        The folder, and in it the file.
    path
        What the user opened, e.g. the folder; the file itself if None.

    Raises
    ------
    CheckpointError
        The file is damaged.
    """

    format = "numpy archive"

    def __init__(self, place: Place, name: str, *, path: Path | Address | None = None) -> None:
        source = place.source(name)
        entries: dict[str, Entry] = {}
        missing: dict[str, str] = {}
        notes: list[str] = []
        try:
            members = read_directory(source)
            arrays = {key: it for key, it in members.items() if key.endswith(_SUFFIX)}
            if not arrays:
                raise Malformed("it holds no arrays", "It is an archive of something else.")
            _announce(source, list(arrays.values()))
            for key, member in arrays.items():
                self._add(key.removesuffix(_SUFFIX), member, source, entries, missing)
        except Malformed as error:
            raise CheckpointError(
                f"{source.path} cannot be read as an archive of numpy: {error}"
            ) from None
        packed = sum(member.method == DEFLATED for member in arrays.values())
        if packed:
            notes.append(
                f"{packed} of {len(arrays)} arrays are compressed: each is unpacked as a whole, in "
                f"memory, when it is first read. numpy.savez stores them so that it need not be."
            )
        self._hold(place, name, path, [source], [0], entries, missing=missing, notes=notes)

    @staticmethod
    def _add(
        name: str,
        member: Member,
        source: ByteSource,
        entries: dict[str, Entry],
        missing: dict[str, str],
    ) -> None:
        unpacked = member_source(source, member)
        try:
            header = read_array_header(unpacked.beginning(), member.size)
        except Malformed as error:
            missing[name] = str(error)
            return
        if header.stored is None:
            missing[name] = header.why
        elif member.method == DEFLATED and member.size > MAX_INFLATED:
            missing[name] = (
                f"it is compressed and has {member.size} bytes, more than the {MAX_INFLATED} that "
                f"are unpacked at once; save it with numpy.savez"
            )
        else:
            entries[name] = Entry(header, unpacked)

    def _make(self, name: str, entry: Entry) -> LazyTensor:
        return entry.tensor(name)


class NumpyFile(FileCheckpoint[Entry]):
    """The array of a ``.npy`` file, named after it.

    Parameters
    ----------
    place, name
        The folder, and in it the file.
    path
        What the user opened; the file itself if None.

    Raises
    ------
    CheckpointError
        The file is damaged, or its elements are none that are read.
    """

    format = "numpy array"

    def __init__(self, place: Place, name: str, *, path: Path | Address | None = None) -> None:
        source = place.source(name)
        try:
            header = read_array_header(source, source.size)
            if header.stored is None:
                raise Malformed(header.why[0].upper() + header.why[1:], "Save it as numbers.")
        except Malformed as error:
            raise CheckpointError(
                f"{source.path} cannot be read as an array of numpy: {error}"
            ) from None
        entries = {PurePosixPath(name).stem: Entry(header, source)}
        self._hold(place, name, path, [source], [header.start], entries)

    def _make(self, name: str, entry: Entry) -> LazyTensor:
        return entry.tensor(name)


_HEADER = 256
"""Bytes at the beginning of a member: its name, and the header of most arrays."""


def _announce(source: ByteSource, members: list[Member]) -> None:
    """Ask for the headers of all members at once, where that is quicker."""
    ranges = [(it.header, min(it.header + _HEADER, it.limit)) for it in members]
    source.prefetch(np.array(ranges, np.int64))
