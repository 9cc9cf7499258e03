"""Members of a zip archive as byte sources; only the archive's directory is read at first.

PyTorch and numpy store tensors as members, mostly uncompressed: then their bytes are read
from the file itself. Layout: APPNOTE.TXT of PKWARE, 4.3.7 (local header), 4.3.12 (directory),
4.3.14 and 4.3.15 (zip64), 4.3.16 (end of the directory).
"""

import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base import CheckpointError
from ..region import Region
from ..source import ByteSource
from .malformed import Malformed, quoted

__all__ = ["InflatedMember", "Member", "StoredMember", "member_source", "read_directory"]

STORED, DEFLATED = 0, 8
"""The two ways of storing that are read; PyTorch and numpy use no other."""

MAX_DIRECTORY = 1 << 26
"""64 MiB: about half a million members."""

MAX_INFLATED = 1 << 28
"""Bytes: a compressed member is unpacked as a whole, in memory, if it is not larger than this."""

_KEPT = 1 << 28
"""Bytes of unpacked members that are kept, in this process; the oldest are dropped."""

_MOST_DEFLATED = 1040
"""Times that deflate makes something smaller at best (1032, and its last bits)."""

_LOCAL = struct.Struct("<4s22xHH")
_ENTRY = struct.Struct("<4s4xHH8xIIHHH8xI")
_END = struct.Struct("<4s4xHHIIH")
_END64 = struct.Struct("<4s20xQQQQ")
_LOCATOR = struct.Struct("<4s4xQ4x")
_MAX_COMMENT = (1 << 16) - 1
_BEYOND = 0xFFFFFFFF
_ENCRYPTED = 1


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an archive, as the directory has it.

    Attributes
    ----------
    name
        Its name.
    header
        Byte of the archive at which its own header begins.
    method
        How it is stored; 0 as it is, 8 deflated.
    packed, size
        Bytes in the archive, and unpacked.
    limit
        Byte at which the next thing of the archive begins.
    """

    name: str
    header: int
    method: int
    packed: int
    size: int
    limit: int


def read_directory(source: ByteSource) -> dict[str, Member]:
    """The members of an archive by name, in the order of their data.

    Raises
    ------
    Malformed
        It is no archive, damaged, or its members overlap.
    """
    start, size, count = _find_directory(source)
    if size > MAX_DIRECTORY:
        raise Malformed(f"the archive's directory has {size} bytes, more than {MAX_DIRECTORY}")
    found = _parse(source.bytes(start, start + size), count)
    found.sort(key=lambda entry: entry[1])
    members: dict[str, Member] = {}
    ends = [entry[1] for entry in found[1:]] + [start]
    for (name, header, method, packed, unpacked, flags), limit in zip(found, ends, strict=True):
        where = f"the member {quoted(name)} of the archive"
        if name in members:
            raise Malformed(f"{where} occurs twice")
        # The name stands in the header, too; other fields may be longer there.
        if header + 30 + packed > limit:
            raise Malformed(f"{where} overlaps what follows it")
        if flags & _ENCRYPTED:
            raise Malformed(f"{where} is encrypted", "Unpack the archive and save it anew.")
        if method not in (STORED, DEFLATED):
            raise Malformed(f"{where} is compressed in an unknown way ({method})", _SAVE)
        if method == STORED and packed != unpacked:
            raise Malformed(f"{where} states two sizes")
        if unpacked > _MOST_DEFLATED * packed:
            raise Malformed(f"{where} cannot have {unpacked} bytes packed into {packed}")
        members[name] = Member(name, header, method, packed, unpacked, limit)
    return members


_SAVE = "Save it again, uncompressed."


def _find_directory(source: ByteSource) -> tuple[int, int, int]:
    """First byte, size and number of entries of the directory."""
    tail_start = max(0, source.size - _END.size - _MAX_COMMENT)
    # Without a comment the end is the last thing; most archives have none.
    tail_start = max(tail_start, source.size - _END.size)
    tail = source.bytes(tail_start, source.size)
    if not _is_end(tail, 0):
        tail_start = max(0, source.size - _END.size - _MAX_COMMENT)
        tail = source.bytes(tail_start, source.size)
    at = tail.rfind(b"PK\5\6")
    while at >= 0 and not _is_end(tail, at):
        at = tail.rfind(b"PK\5\6", 0, at)
    if at < 0:
        raise Malformed("the end of the archive is missing")
    _, _, count, size, start, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    if count == 0xFFFF or _BEYOND in (size, start):
        located = source.bytes(max(0, end - _LOCATOR.size), end)
        if len(located) == _LOCATOR.size and located.startswith(b"PK\6\7"):
            (_, at64) = _LOCATOR.unpack(located)
            record = source.bytes(at64, at64 + _END64.size)
            if len(record) < _END64.size or not record.startswith(b"PK\6\6"):
                raise Malformed("the archive's directory is not where its end says")
            _, _, count, size, start = _END64.unpack(record)
            end = at64
    if start + size > end:
        raise Malformed("the archive's directory is not where its end says")
    return start, size, count


def _is_end(tail: bytes, at: int) -> bool:
    """Whether the end record is here: its comment must fill the rest."""
    if len(tail) < at + _END.size or not tail.startswith(b"PK\5\6", at):
        return False
    comment: int = _END.unpack_from(tail, at)[-1]
    return len(tail) == at + _END.size + comment


def _parse(data: bytes, count: int) -> list[tuple[str, int, int, int, int, int]]:
    """Name, place, method, sizes and flags of each entry of the directory."""
    found: list[tuple[str, int, int, int, int, int]] = []
    at = 0
    while at < len(data):
        if len(data) < at + _ENTRY.size or not data.startswith(b"PK\1\2", at):
            raise Malformed("an entry of the archive's directory is damaged")
        _, flags, method, packed, size, n_name, n_extra, n_comment, header = _ENTRY.unpack_from(
            data, at
        )
        name_at = at + _ENTRY.size
        extra_at = name_at + n_name
        at = extra_at + n_extra + n_comment
        if at > len(data):
            raise Malformed("an entry of the archive's directory is damaged")
        name = data[name_at:extra_at].decode("utf-8", "replace")
        if _BEYOND in (packed, size, header):
            size, packed, header = _wide(
                data[extra_at : extra_at + n_extra], (size, packed, header)
            )
        found.append((name, header, method, packed, size, flags))
    if count != len(found):
        raise Malformed(f"the archive's end counts {count} members, the directory {len(found)}")
    return found


def _wide(extra: bytes, values: tuple[int, int, int]) -> tuple[int, int, int]:
    """Sizes and place with those that need 64 bits from the extra field."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            fields = extra[at + 4 : at + 4 + length]
            wide = list(values)
            place = 0
            for i, value in enumerate(values):
                if value == _BEYOND:
                    if place + 8 > len(fields):
                        break
                    (wide[i],) = struct.unpack_from("<Q", fields, place)
                    place += 8
            else:
                return wide[0], wide[1], wide[2]
            break
        at += 4 + length
    raise Malformed("an entry of the archive's directory lacks its 64-bit sizes")


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
