"""The directory of a zip archive: which members it has, and where.

Layout: APPNOTE.TXT of PKWARE, 4.3.12 (directory), 4.3.14 and 4.3.15 (zip64), 4.3.16 (end of the
directory).
"""

import struct
from dataclasses import dataclass

from ..source import ByteSource
from .malformed import Malformed, quoted

__all__ = ["DEFLATED", "STORED", "Member", "read_directory"]

STORED, DEFLATED = 0, 8
"""The two ways of storing that are read; PyTorch and numpy use no other."""

MAX_DIRECTORY = 1 << 24
"""16 MiB: more than a hundred thousand members."""

_MOST_DEFLATED = 1040
"""Times that deflate makes something smaller at best (1032, and its last bits)."""

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
