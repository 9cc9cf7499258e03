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
    source = Path(__file__).with_name("planes.py").read_bytes()
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
    from . import planes as kernels

    values = np.ones(16, np.float32)
    values.flags.writeable = False
    bits = values.view(np.int32)
    tally, bins = np.zeros(6), np.zeros(2**13, np.uint32)
    # Planes are whole arrays or parts of larger ones, which are different types.
    for plane in (np.s_[:, :], np.s_[:2, :2]):
        total = np.zeros((2, 3) if plane == np.s_[:2, :2] else (2, 2))[plane]
        count = np.zeros((2, 3) if plane == np.s_[:2, :2] else (2, 2), np.int32)[plane]
        shape = (values, bits, 4, 4, 4)
        kernels.pool_sums(*shape, 0, 0, 2, kernels.SQUARES, total, count, tally, bins, 1)
        kernels.pool_extreme(*shape, 0, 0, 2, count, count.copy(), count, tally, bins, 1)
        voxels = np.zeros((2, 3) if plane == np.s_[:2, :2] else (2, 2), np.float32)[plane]
        blocks = (2, kernels.SQUARES, total, voxels, 0, 0, total, count)
        kernels.pool_whole_blocks(*shape, *blocks, tally, bins, 1)
    whole = np.ones((2, 2))
    voxels = np.zeros((2, 2), np.float32)
    kernels.emit_roots(whole.ravel(), whole.ravel(), voxels.ravel())
    kernels.emit_means(whole.ravel(), whole.ravel(), voxels.ravel())
    keys = np.zeros((2, 2), np.int32)
    kernels.emit_extreme(keys.ravel(), keys.ravel(), voxels.ravel().view(np.int32))
    one, one_key = np.zeros((1, 1)), np.zeros((1, 1), np.int32)
    kernels.finish_sums((whole, one), (whole, one), (voxels, voxels[:1, :1].copy()), True)
    kernels.halve_beyond(whole, one, 0, 0)
    kernels.halve_extreme(keys, keys, one_key, one_key)
    table = np.zeros(2**16, np.float32)
    table.flags.writeable = False
    codes = np.zeros(4, np.uint16)
    codes.flags.writeable = False
    kernels.look_up(codes, 2, table, voxels)
    kernels.widen(codes, 2, voxels.view(np.uint32))
