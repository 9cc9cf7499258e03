"""Identity of a checkpoint: a fast one for caches, and a full one on request."""

import hashlib
import itertools
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from ..base import Progress, SilentProgress
from .source import ByteSource

__all__ = ["content_hash", "fingerprint"]

SAMPLES = 64
SAMPLE_BYTES = 4096
"""Headers alone collide: every step of a training run has the same. 256 KB of the weights
tell them apart, and are read in milliseconds even from a cold disk."""

HASH_BYTES = 1 << 22
"""4 MB between two reports of progress: some milliseconds of hashing."""


def fingerprint(files: Sequence[tuple[ByteSource, int]]) -> str:
    """SHA-256 hex over headers, stamps (size and time) and evenly spread samples of all files.

    Parameters
    ----------
    files
        Each file with the length in bytes of its header. The samples are spread
        over the files laid end to end; those in files whose stamps identify them are left out.
    """
    digest = hashlib.sha256()
    starts = [0, *itertools.accumulate(source.size for source, _ in files)]
    spread = max(starts[-1] - SAMPLE_BYTES, 0)
    ranges = [[(0, header)] for _, header in files]
    for position in dict.fromkeys(i * spread // (SAMPLES - 1) for i in range(SAMPLES)):
        number = bisect_right(starts, position, hi=len(files)) - 1
        if files[number][0].identifies:
            continue
        start = position - starts[number]
        ranges[number].append((start, min(start + SAMPLE_BYTES, files[number][0].size)))
    for (source, header), parts in zip(files, ranges, strict=True):
        digest.update(f"{source.size} {source.stamp} {header}\n".encode())
        for part in source.read_many(np.array(parts, np.int64)):
            digest.update(part.data)
    return digest.hexdigest()


def content_hash(files: Sequence[ByteSource], progress: Progress | None = None) -> str:
    """SHA-256 hex over every byte of the files, in order.

    For one file it is what ``sha256sum`` prints.
    """
    report = progress or SilentProgress()
    report.start(sum(source.size for source in files), "Hashing the checkpoint")
    digest = hashlib.sha256()
    for source in files:
        for start in range(0, source.size, HASH_BYTES):
            stop = min(start + HASH_BYTES, source.size)
            digest.update(source.read(start, stop).data)
            report.advance(stop - start)
    return digest.hexdigest()
