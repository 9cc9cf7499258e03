"""Getting the compiled kernels ready, without holding up whoever draws the screen.

Compiling takes seconds and holds the interpreter lock; the results are cached
on disk, from where they load in a fraction of a second.
"""

import contextlib
import hashlib
import importlib.metadata
import platform
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from ...base import cache_folder

__all__ = ["is_ready", "prepare"]

_ready = threading.Event()
_lock = threading.Lock()

_COMPILE_SECONDS = 300
"""Seconds after which a compiling child process is given up on a very slow machine."""


def is_ready() -> bool:
    """Whether the kernels can be called without a pause."""
    return _ready.is_set()


def prepare() -> None:
    """Load the kernels; when they were never compiled here, compile them.

    Off the main thread that happens in a child process first: the threads of
    this one go on undisturbed.
    """
    with _lock:
        if _ready.is_set():
            return
        marker = _marker()
        if not marker.exists():
            if threading.current_thread() is not threading.main_thread():
                _compile_elsewhere()
            _run_all()
            with contextlib.suppress(OSError):
                marker.parent.mkdir(parents=True, exist_ok=True)
                marker.touch()
        else:
            _run_all()
        _ready.set()


def _marker() -> Path:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    source = b"".join(path.read_bytes() for path in sources)
    what = f"{importlib.metadata.version('numba')} {sys.version} {platform.processor()}"
    digest = hashlib.sha256(source + what.encode() + str(Path(__file__)).encode())
    return cache_folder("kernels") / digest.hexdigest()[:32]


def _compile_elsewhere() -> None:
    # In a frozen application the executable is not Python; then this process compiles.
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = [sys.executable, "-c", f"from {__name__} import prepare; prepare()"]
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_COMPILE_SECONDS,
            check=True,
        )


def _run_all() -> None:
    """Call every kernel once on a few numbers, with the types that the pass uses."""
    from . import codes, extremes, rows, sums, whole

    values = np.ones(16, np.float32)
    values.flags.writeable = False
    bits = values.view(np.int32)
    tally, bins = np.zeros(6), np.zeros(2**13, np.uint32)
    shape = (values, bits, 4, 4, 4)
    # Planes are whole arrays or parts of larger ones, which are different types.
    for part in (False, True):
        total = np.zeros((2, 3))[:2, :2] if part else np.zeros((2, 2))
        count = total.astype(np.int32) if not part else np.zeros((2, 3), np.int32)[:2, :2]
        sums.pool_sums(*shape, 0, 0, 2, rows.SQUARES, total, count, tally, bins, 1)
        extremes.pool_extreme(*shape, 0, 0, 2, count, count.copy(), count, tally, bins, 1)
    ones, one, one_count = np.ones((2, 2)), np.zeros((1, 1)), np.zeros((1, 1), np.int32)
    voxels = np.zeros((2, 2), np.float32)
    target = (0, 0, voxels, False, one, one_count)
    whole.pool_whole_blocks(*shape, 2, rows.SQUARES, *target, tally, bins, 1)
    keys = np.zeros((2, 2), np.int32)
    two = (voxels, voxels[:1, :1].copy())
    sums.finish_plane((ones, one), (keys, one_count), two, 0, 0, False, True, True, False)
    extremes.emit_extreme(keys.ravel(), keys.ravel(), voxels.ravel().view(np.int32))
    extremes.halve_extreme(keys, keys, one_count, one_count)
    table = np.zeros(2**16, np.float32)
    table.flags.writeable = False
    narrow = np.zeros(4, np.uint16)
    narrow.flags.writeable = False
    codes.look_up(narrow, 2, table, voxels)
    codes.widen(narrow, 2, voxels.view(np.uint32))
