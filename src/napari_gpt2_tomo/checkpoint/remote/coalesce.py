"""Which requests bring wanted bytes of a remote file. No I/O."""

import numpy as np
from numpy.typing import NDArray

from .settings import CONNECTIONS

__all__ = ["LONGEST", "coalesce", "paged"]

FREE_GAP = 1 << 16
"""Bytes (64 KB): what a connection brings in the time that one request more costs, about 5 ms
at 100 Mbit/s with requests of 40 ms of which eight are under way."""

FEW = 10
"""Requests: more are avoided as long as that does not inflate what is read too much. With the
headers, what a section needs is asked for with less than 16."""

INFLATION = 4
"""How many times the wanted bytes may be read in order to ask for fewer ranges."""

SHORTEST, LONGEST = 1 << 20, 1 << 24
"""Bytes of the pieces that a long range is cut into, to be read over several connections:
1 MB is worth a request of its own, 16 MB are enough to forget it."""

Ranges = NDArray[np.int64]


def paged(ranges: Ranges, page: int, size: int) -> Ranges:
    """Ranges of whole pages that hold `ranges`: ascending, disjoint, not touching.

    Parameters
    ----------
    ranges
        ``(n, 2)`` half-open byte ranges.
    page, size
        Bytes of a page and of the file, where the last page ends.
    """
    ranges = ranges[ranges[:, 1] > ranges[:, 0]]
    ranges = ranges[np.argsort(ranges[:, 0], kind="stable")]
    low = ranges[:, 0] // page * page
    high = np.minimum(-(-ranges[:, 1] // page) * page, size)
    return _joined(low, high, 0)


def coalesce(ranges: Ranges) -> Ranges:
    """Requests for ascending, disjoint ranges: gaps that cost less than a request are read too.

    Where that leaves many requests, the smallest gaps are read as well, if so few are left and
    not more than `INFLATION` times the wanted bytes are read. Long ranges are cut into pieces.
    """
    if not len(ranges):
        return ranges
    wanted = int((ranges[:, 1] - ranges[:, 0]).sum())
    merged = _joined(ranges[:, 0], ranges[:, 1], FREE_GAP)
    if len(merged) > FEW:
        # Closing all gaps up to one of these lengths leaves so many requests, of so many bytes.
        gaps, counts = np.unique(merged[1:, 0] - merged[:-1, 1], return_counts=True)
        left = len(merged) - np.cumsum(counts)
        total = int((merged[:, 1] - merged[:, 0]).sum()) + np.cumsum(gaps * counts)
        enough = int(np.argmax(left <= FEW))
        # Scattered samples stay as they are: closing some of their gaps would help little.
        if total[enough] <= INFLATION * wanted:
            merged = _joined(merged[:, 0], merged[:, 1], int(gaps[enough]))
    return _cut(merged)


def _joined(low: NDArray[np.int64], high: NDArray[np.int64], gap: int) -> Ranges:
    """Join intervals, ascending by their beginning, that are at most `gap` apart."""
    if not len(low):
        return np.empty((0, 2), np.int64)
    reach = np.maximum.accumulate(high)
    starts = np.flatnonzero(np.concatenate(([True], low[1:] > reach[:-1] + gap)))
    return np.stack((low[starts], reach[np.append(starts[1:] - 1, len(low) - 1)]), axis=1)


def _cut(ranges: Ranges) -> Ranges:
    """Cut long ranges into pieces, one for each connection."""
    total = int((ranges[:, 1] - ranges[:, 0]).sum())
    piece = min(max(-(-total // CONNECTIONS), SHORTEST), LONGEST)
    piece = -(-piece // SHORTEST) * SHORTEST
    pieces: list[tuple[int, int]] = []
    for start, stop in ranges.tolist():
        pieces += [(at, min(at + piece, stop)) for at in range(start, stop, piece)]
    return np.array(pieces, np.int64)
