"""Members of a zip archive as byte sources.

PyTorch and numpy store tensors as members, mostly uncompressed: then their bytes are read
from the file itself. Layout of a member's header: APPNOTE.TXT of PKWARE, 4.3.7.
"""

import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base import CheckpointError
from ..region import Region
from ..source import ByteSource
from .malformed import Malformed, quoted
from .zip_directory import STORED, Member

__all__ = ["MAX_INFLATED", "InflatedMember", "StoredMember", "member_source"]

MAX_INFLATED = 1 << 28
"""Bytes: a compressed member is unpacked as a whole, in memory, if it is not larger than this."""

_KEPT = 1 << 28
"""Bytes of unpacked members that are kept, in this process; the oldest are dropped."""

_LOCAL = struct.Struct("<4s22xHH")


def member_source(source: ByteSource, member: Member) -> "StoredMember | InflatedMember":
    """The bytes of a member, unpacked; nothing is read yet."""
    kind = StoredMember if member.method == STORED else InflatedMember
    return kind(source, member)


class _MemberSource(ByteSource):
    """The bytes of a member of an archive.

    Parameters
    ----------
    source
        The archive.
    member
        What its directory says.
    """

    def __init__(self, source: ByteSource, member: Member) -> None:
        self.path = source.path
        self.size = member.size
        self.stamp = source.stamp
        self.max_gap = source.max_gap
        self.max_range = source.max_range
        self._source = source
        self._member = member
        self._data: int | None = None

    def _begin(self) -> int:
        """Byte of the archive at which the data begin, as the member's own header says."""
        if self._data is None:
            member = self._member
            header = self._source.bytes(member.header, member.header + _LOCAL.size)
            start = 0
            if len(header) == _LOCAL.size and header.startswith(b"PK\3\4"):
                _, n_name, n_extra = _LOCAL.unpack(header)
                start = member.header + _LOCAL.size + n_name + n_extra
            if not start or start + member.packed > member.limit:
                raise CheckpointError(
                    f"{self.path} is damaged: the member {quoted(member.name)} of the archive is "
                    f"not where its directory says. Download or save it again."
                )
            self._data = start
        return self._data

    def _check(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.size:
            raise CheckpointError(
                f"{self._member.name} in {self.path} has {self.size} bytes; {start} to {stop} "
                f"are outside it."
            )

    def beginning(self) -> ByteSource:
        """What its first bytes can be read from without unpacking the rest."""
        return self

    def close(self) -> None:
        """Release the archive."""
        self._source.close()


class StoredMember(_MemberSource):
    """A member that lies in the archive as it is: read from its place in the file."""

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Bytes ``start ≤ i < stop``, read-only."""
        self._check(start, stop)
        first = self._begin()
        return self._source.read(first + start, first + stop)

    def read_many(self, ranges: NDArray[np.int64]) -> Iterable[NDArray[np.uint8]]:
        """Bytes of each of ``(n, 2)`` half-open ranges, in their order."""
        self._check_all(ranges)
        return self._source.read_many(ranges + self._begin())

    def prefetch(self, ranges: NDArray[np.int64]) -> None:
        """Hear which ranges will be read next."""
        self._check_all(ranges)
        self._source.prefetch(ranges + self._begin())

    def gather(self, offset: int, region: Region, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Elements of a strided box of a tensor that begins at byte `offset`; read-only."""
        if region.size:
            stop = offset + region.stop * dtype.itemsize
            self._check(offset + region.offset * dtype.itemsize, stop)
        return self._source.gather(self._begin() + offset, region, dtype)

    def _check_all(self, ranges: NDArray[np.int64]) -> None:
        if len(ranges):
            self._check(int(ranges[:, 0].min()), int(ranges[:, 1].max()))


class InflatedMember(_MemberSource):
    """A compressed member: unpacked as a whole when it is first read, and kept for a while."""

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Bytes ``start ≤ i < stop``, read-only."""
        self._check(start, stop)
        return self._unpacked()[start:stop]

    def gather(self, offset: int, region: Region, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Elements of a strided box: a read-only view of the unpacked bytes."""
        if region.size:
            stop = offset + region.stop * dtype.itemsize
            self._check(offset + region.offset * dtype.itemsize, stop)
        return np.ndarray(
            region.shape,
            dtype,
            self._unpacked().data,
            offset + region.offset * dtype.itemsize,
            tuple(stride * dtype.itemsize for stride in region.strides),
        )

    def beginning(self) -> ByteSource:
        """What its first bytes can be read from without unpacking the rest."""
        return _Beginning(self)

    def unpack_first(self, count: int) -> bytes:
        """The first bytes, unpacking no more than these."""
        member, begin = self._member, self._begin()
        unpack = zlib.decompressobj(-zlib.MAX_WBITS)
        head, at = b"", 0
        while len(head) < count and at < member.packed and not unpack.eof:
            stop = min(at + 4096, member.packed)
            packed = unpack.unconsumed_tail + self._source.bytes(begin + at, begin + stop)
            head += self._inflate(unpack, packed, count - len(head))
            at = stop
        return head

    def _unpacked(self) -> NDArray[np.uint8]:
        # A closed archive gives nothing, unpacked before or not.
        member, begin = self._member, self._begin()
        self._source.read(begin, begin)
        key = (str(self.path), self.stamp, member.header)
        with _lock:
            found = _kept.pop(key, None)
            if found is not None:
                _kept[key] = found
                return found
        if member.size > MAX_INFLATED:
            raise CheckpointError(
                f"{member.name} in {self.path} is compressed and has {member.size} bytes, more "
                f"than the {MAX_INFLATED} that are unpacked at once; save it uncompressed."
            )
        values = self._inflate_all(begin)
        with _lock:
            _kept[key] = values
            while len(_kept) > 1 and sum(held.nbytes for held in _kept.values()) > _KEPT:
                _kept.popitem(last=False)
        return values

    def _inflate_all(self, begin: int) -> NDArray[np.uint8]:
        member = self._member
        values = np.empty(member.size, np.uint8)
        unpack = zlib.decompressobj(-zlib.MAX_WBITS)
        done = 0
        cuts = [*range(0, member.packed, self.max_range), member.packed]
        for start, stop in pairwise(cuts):
            packed = self._source.bytes(begin + start, begin + stop)
            while packed and not unpack.eof:
                # One byte more than fits tells a member that is larger than it says.
                some = self._inflate(unpack, packed, min(1 << 24, member.size - done + 1))
                if done + len(some) > member.size:
                    break
                values[done : done + len(some)] = np.frombuffer(some, np.uint8)
                done += len(some)
                packed = unpack.unconsumed_tail
        if done != member.size or not unpack.eof:
            raise self._damaged()
        values.flags.writeable = False
        return values[...]

    def _inflate(self, unpack: Any, packed: bytes, most: int) -> bytes:
        try:
            data: bytes = unpack.decompress(packed, most)
        except zlib.error as error:
            raise self._damaged() from error
        return data

    def _damaged(self) -> CheckpointError:
        return CheckpointError(
            f"{self.path} is damaged: the compressed member {quoted(self._member.name)} cannot be "
            f"unpacked to the {self.size} bytes that it should have. Save or download it again."
        )


class _Beginning(ByteSource):
    """The first bytes of a compressed member, for its header."""

    def __init__(self, member: InflatedMember) -> None:
        self.path = member.path
        self.size = member.size
        self.stamp = member.stamp
        self._whole = member

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Bytes ``start ≤ i < stop``, read-only."""
        data = self._whole.unpack_first(stop)[start:stop]
        if len(data) < stop - start:
            raise Malformed("a compressed member is shorter than it says")
        return np.frombuffer(data, np.uint8)

    def close(self) -> None:
        """Release the archive."""
        self._whole.close()


_kept: OrderedDict[tuple[str, str, int], NDArray[np.uint8]] = OrderedDict()
_lock = Lock()
