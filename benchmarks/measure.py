"""What the benchmarks share: fair timing, memory, cold files, tables."""

import argparse
import ctypes
import json
import math
import mmap
import multiprocessing
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

Case = Callable[[], object]

MEGABYTE = 1e6


def interleaved(
    cases: Mapping[str, Case],
    repeats: int,
    *,
    before: Callable[[], object] | None = None,
    warm_up: int = 1,
) -> dict[str, list[float]]:
    """Seconds of every case in every round; all cases run once a round.

    Whatever else the machine does meanwhile thus slows all of them, and ratios within a
    round hold. Each round begins with another case, so that none always follows the same.
    `before` runs untimed before every case.
    """
    names = list(cases)
    found: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warm_up, repeats):
        for i in range(len(names)):
            name = names[(i + turn) % len(names)]
            if before is not None:
                before()
            start = time.perf_counter()
            cases[name]()
            seconds = time.perf_counter() - start
            if turn >= 0:
                found[name].append(seconds)
    return found


def median(times: Sequence[float]) -> float:
    """Median."""
    return statistics.median(times)


def ratio(times: Mapping[str, Sequence[float]], name: str, base: str) -> float:
    """Median over the rounds of the seconds of `name` over those of `base`."""
    return statistics.median(a / b for a, b in zip(times[name], times[base], strict=True))


def best_ratio(times: Mapping[str, Sequence[float]], name: str, base: str) -> float:
    """Least seconds of `name` over least seconds of `base`: what a quiet machine would show."""
    return min(times[name]) / min(times[base])


def extra(times: Mapping[str, Sequence[float]], name: str, base: str) -> float:
    """Median over the rounds of the seconds of `name` less those of `base`."""
    return statistics.median(a - b for a, b in zip(times[name], times[base], strict=True))


def anonymous() -> int:
    """Bytes of this process' anonymous memory (RssAnon: mapped files do not count)."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    raise OSError("this kernel does not tell RssAnon")


class Peak:
    """Largest anonymous memory while the block runs, in bytes above that at its start."""

    _EVERY = 0.002
    """Seconds between two looks."""

    def __enter__(self) -> "Peak":
        self.start = self.peak = anonymous()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(self._EVERY):
            self.peak = max(self.peak, anonymous())

    def __exit__(self, *exc: object) -> None:
        self._done.set()
        self._thread.join()
        self.peak = max(self.peak, anonymous())

    @property
    def above(self) -> int:
        """Bytes above the start."""
        return self.peak - self.start


def resident(files: Sequence[Path]) -> int:
    """Bytes of the files that are in the page cache (mincore)."""
    libc = ctypes.CDLL(None, use_errno=True)
    page, found = mmap.PAGESIZE, 0
    for path in files:
        size = path.stat().st_size
        with open(path, "rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as m:
            view = np.frombuffer(m, np.uint8)
            pages = np.zeros(-(-size // page), np.uint8)
            address = ctypes.c_void_p(view.ctypes.data)
            if libc.mincore(address, ctypes.c_size_t(size), pages.ctypes.data_as(ctypes.c_void_p)):
                raise OSError(ctypes.get_errno(), "mincore")
            found += int((pages & 1).sum()) * page
            del view
    return found


def evict(files: Sequence[Path]) -> None:
    """Take files out of the page cache; raises if a tenth of a percent stays.

    The kernel keeps pages that are dirty or mapped, so unmap them before.
    """
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    held = resident(files)
    if held > sum(path.stat().st_size for path in files) / 1000 + 2**20:
        raise OSError(f"{held} bytes of {files[0].parent} stay in the page cache")


def plain_read(files: Sequence[Path], block: int = 2**23) -> int:
    """Read files from begin to end in blocks of 8 MB; returns the bytes."""
    buffer = bytearray(block)
    total = 0
    for path in files:
        with open(path, "rb", buffering=0) as file:
            while count := file.readinto(buffer):
                total += count
    return total


def fresh(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of a module in a new interpreter, that nothing was imported into."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *args).result()


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        memory = 0
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "load_at_start": round(os.getloadavg()[0], 2),
    }


class Others:
    """What other programs take of the processor: a number to judge the times by."""

    def __init__(self) -> None:
        self._at = self._now()

    def cores(self) -> float:
        """Cores that were busy with anything but this program since the last call."""
        before, self._at = self._at, self._now()
        wall, busy, own = (b - a for a, b in zip(before, self._at, strict=True))
        return max(0.0, busy - own) / wall

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Seconds: of the clock, of all processors at work, of this program's processes."""
        with open("/proc/stat") as file:
            user, nice, system, _, _, *rest = map(int, file.readline().split()[1:9])
        busy = (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")
        return time.monotonic(), busy, sum(os.times()[:4])


class Report:
    """Collects the tables of a benchmark, prints them, and writes them as JSON."""

    def __init__(self, script: str, json_path: str | None) -> None:
        self._path = json_path
        self._others = Others()
        self._content: dict[str, Any] = {"benchmark": script, "machine": machine(), "tables": {}}
        words = self._content["machine"]
        print(f"{script}: " + ", ".join(f"{key} {value}" for key, value in words.items()))

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Print rows that share their keys, and keep them."""
        others = round(self._others.cores(), 2)
        self._content["tables"][title] = {"others": others, "rows": [dict(row) for row in rows]}
        print(f"\n{title} (other programs meanwhile: {others} cores)")
        if not rows:
            return
        columns = list(dict.fromkeys(key for row in rows for key in row))
        cells = [columns, *([_cell(row.get(key)) for key in columns] for row in rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        for line in cells:
            words = [
                text.ljust(width) if i == 0 else text.rjust(width)
                for i, (text, width) in enumerate(zip(line, widths, strict=True))
            ]
            print("  " + "  ".join(words).rstrip(), flush=True)

    def finish(self) -> None:
        """Write the JSON, if it was asked for."""
        self._content["machine"]["load_at_end"] = round(os.getloadavg()[0], 2)
        if self._path is not None:
            Path(self._path).write_text(json.dumps(self._content, indent=1) + "\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        return "nan" if math.isnan(value) else f"{value:,.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Options that every benchmark has."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="also write the tables to this file")
    parser.add_argument(
        "--data", metavar="FOLDER", type=Path, help="where the checkpoints are made and kept"
    )
    parser.add_argument("--repeats", type=int, help="rounds of every measurement")
    return parser
